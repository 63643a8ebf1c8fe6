//! The policy that is written for a cache says of every request what the engine decides.
//!
//! Services, tokens and requests are generated; each policy is evaluated by the rules of IAM, written
//! here a second time, from the JSON that API Gateway would get.

use std::sync::{Arc, OnceLock};

use portcullis_aws::{
    Answer, AuthorizerEvent, EventOptions, HttpV2Form, PolicyCache, answer_for_cache,
};
use portcullis_engine::{Host, IssuerUrl, KeySource, PolicySet, Progress, SourceFile, compile};
use portcullis_jose::{AwsLc, CryptoProvider, Jwks, SymmetricKeys};
use portcullis_model::Decision;
use portcullis_test_support::issuer::Issuer;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const STAGE: &str = "arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/prod/";

struct Keys;

impl KeySource for Keys {
    fn keys(&self, _: &IssuerUrl) -> Option<Arc<Jwks>> {
        static KEYS: OnceLock<Arc<Jwks>> = OnceLock::new();
        let import = || Jwks::from_json(issuer().jwks().as_bytes(), SymmetricKeys::Refuse, &AwsLc);
        Some(Arc::clone(KEYS.get_or_init(|| Arc::new(import().unwrap()))))
    }
}

impl Host for Keys {
    fn crypto(&self) -> &dyn CryptoProvider {
        &AwsLc
    }
}

fn issuer() -> &'static Issuer {
    static ISSUER: OnceLock<Issuer> = OnceLock::new();
    ISSUER.get_or_init(Issuer::start)
}

fn policy(operations: &str, unmatched: &str, paths: &str) -> PolicySet {
    let text = format!(
        "name: S\naws: [{{ api_id: abcdef1234, stage: prod }}]\ntokens: [{{ issuer: \"{}\", audiences: [api] }}]\n\
         unmatched: {unmatched}\npaths: {paths}\noperations:\n{operations}",
        issuer().url()
    );
    let path = "services/s.yaml".to_owned();
    compile(&[SourceFile { path, text }], &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

fn event(method: &str, path: &str, token: Option<&str>) -> AuthorizerEvent {
    let mut headers = json!({});
    if let Some(token) = token {
        headers["Authorization"] = json!([format!("Bearer {token}")]);
    }
    let event = json!({
        "type": "REQUEST", "methodArn": format!("{STAGE}{method}{path}"), "path": path, "httpMethod": method,
        "resource": path, "multiValueHeaders": headers,
        "requestContext": {
            "apiId": "abcdef1234", "stage": "prod", "path": format!("/prod{path}"), "httpMethod": method,
            "domainName": "abcdef1234.execute-api.eu-west-1.amazonaws.com",
        },
    });
    AuthorizerEvent::parse(event.to_string().as_bytes(), &EventOptions::default()).unwrap()
}

fn decide(policy: &PolicySet, event: &AuthorizerEvent) -> Decision {
    match policy.decide_for_cache(event.request(), &Keys, NOW) {
        Progress::Decided(decision) => decision,
        other => panic!("{other:?}"),
    }
}

/// `*` any run, `?` any one character: by the book, and slowly.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), None) => matches(rest, text),
        (Some((b'*', rest)), Some((_, tail))) => matches(rest, text) || matches(pattern, tail),
        (Some((expected, rest)), Some((byte, tail))) => {
            (*expected == b'?' || expected == byte) && matches(rest, tail)
        }
        _ => false,
    }
}

fn allows(document: &Value, arn: &str) -> bool {
    let says = |effect: &str| {
        document["Statement"]
            .as_array()
            .unwrap()
            .iter()
            .any(|statement| {
                statement["Effect"] == effect
                    && statement["Resource"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .any(|resource| {
                            matches(resource.as_str().unwrap().as_bytes(), arn.as_bytes())
                        })
            })
    };
    says("Allow") && !says("Deny")
}

/// The answer in JSON, or `None` for the error `Unauthorized`, which is not cached.
fn answer(policy: &PolicySet, event: &AuthorizerEvent) -> Option<Value> {
    let decision = decide(policy, event);
    let cache = PolicyCache::default();
    let answer = answer_for_cache(event, &decision, HttpV2Form::Iam, &cache).unwrap();
    if answer == Answer::Unauthorized {
        return None;
    }
    assert_eq!(answer.is_allow(), decision.is_permit());
    let json = serde_json::to_value(&answer).unwrap();
    assert!(json.to_string().len() <= 8192);
    Some(json)
}

const METHODS: [&str; 4] = ["GET", "PUT", "DELETE", "OPTIONS"];
const PATTERNS: [&str; 17] = [
    "/",
    "/a",
    "/a/",
    "/b",
    "/a/b",
    "/a/b/c",
    "/a-b_c.d",
    "/a/{x}",
    "/a/{x}/b",
    "/a/{x}/{y}",
    "/{x}",
    "/{x}/b",
    "/a/**",
    "/**",
    "/a*",
    "/a/v*w",
    "/a/x:y",
];
const PATHS: [&str; 34] = [
    "/",
    "/a",
    "/a/",
    "/b",
    "/b/",
    "/c",
    "/a/b",
    "/a/b/",
    "/a/c",
    "/a/b/c",
    "/a/c/b",
    "/a/c/b/",
    "/a/b/c/d",
    "/a-b_c.d",
    "/a-b_cxd",
    "/ab",
    "/ab/c",
    "/a/vw",
    "/a/vxw",
    "/a/vx/w",
    "/x/b",
    "/x/y/b",
    "/a/x:y",
    "/a/x%3Ay",
    "/a/%C3%A9",
    "/a/x%20y",
    "/a/..",
    "/a/../b",
    "/a/./b",
    "/a//b",
    "/a/b;c",
    "/a/...",
    "/a/~x",
    "/a/@",
];

fn operation() -> impl Strategy<Value = String> {
    let methods = prop_oneof![Just(Vec::new()), subsequence(METHODS.to_vec(), 1..=2)];
    let guard = select(vec![
        "public: true",
        "rules: { scopes: { any_of: [s1] } }",
        "rules: { scopes: { any_of: [s2] } }",
        "rules: { scopes: { all_of: [s1, s2] } }",
        "rules: { groups: { any_of: [g] } }",
        "rules: { authentication: { acr_values: [mfa] } }",
    ]);
    (methods, subsequence(PATTERNS.to_vec(), 1..=2), guard).prop_map(|(methods, paths, guard)| {
        let methods = if methods.is_empty() {
            String::new()
        } else {
            format!("methods: [{}], ", methods.join(", "))
        };
        let paths: Vec<String> = paths.iter().map(|path| format!("\"{path}\"")).collect();
        format!("{methods}paths: [{}], {guard}", paths.join(", "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_cached_policy_says_what_the_engine_decides(
        operations in prop::collection::vec(operation(), 1..7),
        unmatched in select(vec!["deny", "deny", "token"]),
        paths in select(vec!["plain", "plain", "any"]),
        scope in select(vec!["", "s1", "s2", "s1 s2"]),
        first in (select(METHODS.to_vec()), select(PATHS.to_vec())),
        valid in prop::bool::weighted(0.9),
    ) {
        let numbered = operations.iter().enumerate();
        let lines = numbered.map(|(number, rest)| format!("  - {{ name: o{number}, {rest} }}"));
        let operations = lines.collect::<Vec<_>>().join("\n");
        let policy = policy(&operations, unmatched, paths);
        let token = issuer().token(if valid { "api" } else { "other" }, scope, NOW);
        if let Some(answer) = answer(&policy, &event(first.0, first.1, Some(&token))) {
            let document = &answer["policyDocument"];
            let whole = answer["context"]["cache"] == "credential";
            if !whole {
                prop_assert_eq!(&answer["context"]["cache"], "off");
            }
            for method in METHODS {
                for path in PATHS {
                    let request = event(method, path, Some(&token));
                    let permitted = decide(&policy, &request).is_permit();
                    let allowed = allows(document, &format!("{STAGE}{method}{path}"));
                    if whole {
                        prop_assert_eq!(allowed, permitted, "{} {} {}", method, path, document);
                    } else {
                        // One request; what else its ARN covers is no more than the same length.
                        prop_assert!(!allowed || (method, path) == first, "{} {} {}", method, path, document);
                    }
                }
            }
        }
    }
}

fn whole(operations: &str, unmatched: &str, paths: &str, scope: &str) -> Option<Value> {
    let policy = policy(operations, unmatched, paths);
    let token = issuer().token("api", scope, NOW);
    let answer = answer(&policy, &event("GET", "/a", Some(&token))).unwrap();
    (answer["context"]["cache"] == "credential").then(|| answer["policyDocument"].clone())
}

const A: &str =
    "  - { name: a, methods: [GET], paths: [/a], rules: { scopes: { any_of: [s1] } } }\n";

#[test]
fn every_route_that_the_token_opens_is_in_it() {
    let operations = format!(
        "{A}  - {{ name: b, methods: [PUT], paths: [/b], rules: {{ scopes: {{ any_of: [s1] }} }} }}\n  \
         - {{ name: c, paths: [/c], rules: {{ scopes: {{ any_of: [s2] }} }} }}\n"
    );
    let document = whole(&operations, "deny", "any", "s1").unwrap();
    assert_eq!(
        document["Statement"],
        json!([{
            "Action": "execute-api:Invoke", "Effect": "Allow",
            "Resource": [format!("{STAGE}GET/a"), format!("{STAGE}PUT/b")],
        }])
    );
}

#[test]
fn what_a_wildcard_opens_beyond_its_pattern_is_denied() {
    let operations = format!(
        "{A}  - {{ name: b, methods: [GET], paths: [\"/b/{{id}}\"] }}\n  - {{ name: c, methods: [GET], paths: [/b/secret], \
         rules: {{ scopes: {{ any_of: [s2] }} }} }}\n"
    );
    let document = whole(&operations, "deny", "plain", "s1").unwrap();
    let denied = document["Statement"][1]["Resource"].to_string();
    for end in [
        "GET/b/*/*\"",
        "GET/b/\"",
        "GET/b/secret\"",
        "*%*\"",
        "*//*\"",
    ] {
        assert!(denied.contains(end), "{end} {denied}");
    }
    // With escapes, a path has spellings that IAM cannot know.
    assert_eq!(whole(&operations, "deny", "any", "s1"), None);
}

#[test]
fn what_iam_cannot_say_is_said_for_one_request() {
    // Both are open, and nothing between them is: `*` crosses `/`.
    let nested = format!(
        "{A}  - {{ name: b, methods: [GET], paths: [\"/b/{{id}}\", \"/b/{{id}}/items\"] }}\n"
    );
    assert_eq!(whole(&nested, "deny", "plain", "s1"), None);
    // More than 8 KB.
    let many: Vec<String> = (0..200)
        .map(|number| format!("  - {{ name: o{number}, methods: [GET], paths: [/o{number}] }}"))
        .collect();
    assert_eq!(
        whole(&format!("{A}{}", many.join("\n")), "deny", "plain", "s1"),
        None
    );
}

#[test]
fn what_depends_on_more_than_the_token_is_said_for_one_request() {
    let recent = format!(
        "{A}  - {{ name: b, methods: [GET], paths: [/b], rules: {{ authentication: {{ max_age: 300 }} }} }}\n"
    );
    // The token does not say when its user authenticated, and never will.
    assert!(whole(&recent, "deny", "plain", "s1").is_some());
    let policy = policy(&recent, "deny", "plain");
    let issue = |claims: Value| issuer().token_with("api", &claims, NOW);
    let fresh = issue(json!({ "scope": "s1", "auth_time": NOW - 10 }));
    let event_ = |token: &str| event("GET", "/a", Some(token));
    assert_eq!(
        answer(&policy, &event_(&fresh)).unwrap()["context"]["cache"],
        "off"
    );
    let old = issue(json!({ "scope": "s1", "auth_time": NOW - 4000 }));
    assert_eq!(
        answer(&policy, &event_(&old)).unwrap()["context"]["cache"],
        "credential"
    );
}
