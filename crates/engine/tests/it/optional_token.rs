//! Operations that a policy opens with or without a token, services that let everyone through, any audience, and
//! the order of the file.

use portcullis_engine::{PolicySet, Progress, Question, Rehearsal, compile};
use portcullis_jose::AwsLc;
use portcullis_model::{AwsEntry, Decision, HeaderMap, Method, Reuse, Source};
use serde_json::{Map, Value, json};

use crate::issuer::{AUDIENCE, ISSUER, NOW, request, source};

const SERVICE: &str = "
name: Shop
base_urls: [https://api.example.com]
tokens: [{ issuer: https://idp.example.com/oauth2/default, any_audience: true }]
unmatched: open
order: file
operations:
  - { name: Browse, methods: [GET], paths: ['/items/**'], token: optional, policy: office.yaml }
  - { name: Shadowed, methods: [GET], paths: [/items/1] }
  - { name: Own, methods: [GET], paths: [/me], token: optional, policy: member.yaml }
  - { name: Strict, methods: [GET], paths: [/strict], token: optional, policy: office.yaml, rules: { scopes: { any_of: [shop] } } }
";
const OFFICE: &str = "
validators:
  - { name: attributes, conf: { fields: [{ field: request.headers.x-office, comparator: equals, value: '7' }] } }
";
const MEMBER: &str = "
validators:
  - { name: identity-context, conf: { fields: [{ field: sub, comparator: exists }] } }
";

fn shop() -> PolicySet {
    let files = [
        source("services/shop.yaml", SERVICE),
        source("policies/office.yaml", OFFICE),
        source("policies/member.yaml", MEMBER),
    ];
    compile(&files, &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What is sent beside the path.
enum Sent {
    Nothing,
    Nonsense,
    Claims(Value),
}

fn claims(changes: &Value) -> Sent {
    let mut all = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "client_id": "c1", "jti": "j1",
        "iat": NOW, "exp": NOW + 300, "scope": "shop",
    });
    all.as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    Sent::Claims(all)
}

fn decide(path: &str, sent: Sent, office: bool) -> Decision {
    let (claims, authorization) = match sent {
        Sent::Nothing => (Map::new(), None),
        Sent::Nonsense => (Map::new(), Some("Bearer nonsense".to_owned())),
        Sent::Claims(claims) => (
            claims.as_object().unwrap().clone(),
            Some(format!("Bearer {}", Rehearsal::TOKEN)),
        ),
    };
    let host = Rehearsal::new(claims, Some("at+jwt".to_owned()), &AwsLc);
    let mut headers = Vec::new();
    headers.extend(
        authorization
            .as_deref()
            .map(|value| ("authorization", value)),
    );
    headers.extend(office.then_some(("x-office", "7")));
    let request = request("GET", &format!("https://api.example.com{path}"), &headers);
    match shop().decide(&request, &host, NOW) {
        Progress::Decided(decision) => decision,
        other => panic!("{other:?}"),
    }
}

fn reason(path: &str, sent: Sent, office: bool) -> (bool, &'static str) {
    let decision = decide(path, sent, office);
    (decision.is_permit(), decision.reason.code.as_str())
}

#[test]
fn the_policy_decides_with_and_without_a_valid_token() {
    let expired = || claims(&json!({ "exp": NOW - 100 }));
    for (sent, office, expected) in [
        (Sent::Nothing, true, (true, "permitted")),
        (Sent::Nothing, false, (false, "denied_by_policy")),
        (Sent::Nonsense, true, (true, "permitted")),
        (expired(), true, (true, "permitted")),
        (expired(), false, (false, "denied_by_policy")),
        (claims(&json!({})), true, (true, "permitted")),
        (claims(&json!({})), false, (false, "denied_by_policy")),
    ] {
        assert_eq!(reason("/items/2", sent, office), expected, "{office}");
    }
    // To the policy there are no claims where there is no valid token.
    assert_eq!(
        reason("/me", Sent::Nothing, false),
        (false, "denied_by_policy")
    );
    assert_eq!(reason("/me", expired(), false), (false, "denied_by_policy"));
    let decision = decide("/me", claims(&json!({})), false);
    assert_eq!(
        (decision.is_permit(), decision.principal.as_deref()),
        (true, Some("u1"))
    );
    let decision = decide("/items/2", expired(), true);
    assert_eq!(decision.principal, None);
    let check = &decision.trace.checks[0];
    assert_eq!(check.name, "token");
    assert!(check.detail.contains("token_expired"), "{}", check.detail);
}

#[test]
fn rules_hold_for_nobody_without_a_token() {
    assert_eq!(
        reason("/strict", claims(&json!({})), true),
        (true, "permitted")
    );
    assert_eq!(
        reason("/strict", Sent::Nothing, true),
        (false, "missing_token")
    );
    let other = claims(&json!({ "scope": "other" }));
    assert_eq!(
        reason("/strict", other, true),
        (false, "insufficient_scope")
    );
}

#[test]
fn a_token_that_is_bound_and_not_proven_is_refused_all_the_same() {
    let bound = claims(&json!({ "cnf": { "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } }));
    assert_eq!(
        reason("/items/2", bound, true),
        (false, "sender_constraint_unmet")
    );
}

#[test]
fn the_first_in_the_file_wins_and_what_none_covers_is_open() {
    let decision = decide("/items/1", Sent::Nothing, true);
    assert_eq!(decision.trace.operation.as_deref(), Some("Browse"));
    assert_eq!(
        reason("/elsewhere", Sent::Nothing, false),
        (true, "unmatched")
    );
}

#[test]
fn tokens_for_any_audience_are_accepted_where_that_is_said() {
    for aud in [json!("somebody-else"), json!(["a", "b"]), Value::Null] {
        let decision = decide("/me", claims(&json!({ "aud": aud })), false);
        assert!(decision.is_permit(), "{aud}");
    }
}

#[test]
fn a_cache_reuses_nothing_of_what_a_policy_decides() {
    let host = Rehearsal::new(Map::new(), None, &AwsLc);
    let mut request = request("GET", "https://api.example.com/open", &[]);
    request.entry = Some(AwsEntry {
        api_id: "a1".into(),
        stage: "prod".into(),
        path: "/open".into(),
    });
    let service = SERVICE.replace(
        "unmatched:",
        "aws: [{ api_id: a1, stage: prod }]\nunmatched:",
    );
    let (before, operations) = service.split_once("operations:\n").unwrap();
    let public = "  - { name: Public, paths: [/open], public: true }\n";
    for (service, reused) in [
        (format!("{before}operations:\n{public}{operations}"), false),
        (format!("{before}operations:\n{public}"), true),
    ] {
        let files = [
            source("services/shop.yaml", &service),
            source("policies/office.yaml", OFFICE),
            source("policies/member.yaml", MEMBER),
        ];
        let policy = compile(&files, &[]).unwrap();
        let Progress::Decided(decision) = policy.decide_for_cache(&request, &host, NOW) else {
            panic!("no keys are needed");
        };
        assert!(decision.is_permit());
        assert_eq!(decision.reuse != Reuse::ThisRequest, reused, "{service}");
    }
}

#[test]
fn contradictions_are_found() {
    for (change, says) in [
        (
            ("any_audience: true", "audiences: [a], any_audience: true"),
            "any_audience",
        ),
        (
            ("any_audience: true", "any_audience: false"),
            "any_audience",
        ),
        ((", policy: member.yaml", ""), "needs a policy"),
        (
            ("token: optional, policy: member.yaml", "token: maybe"),
            "token",
        ),
        (("order: file", "order: random"), "order"),
        (
            ("order: file", "order: file\npolicy: office.yaml"),
            "unmatched: open",
        ),
    ] {
        let text = SERVICE.replacen(change.0, change.1, 1);
        assert_ne!(text, SERVICE);
        let files = [
            source("services/shop.yaml", &text),
            source("policies/office.yaml", OFFICE),
            source("policies/member.yaml", MEMBER),
        ];
        let problems = compile(&files, &[]).unwrap_err().to_string();
        assert!(problems.contains(says), "{says}: {problems}");
    }
}

#[test]
fn a_question_about_a_template_is_decided_as_requests_to_it_are() {
    let service = "
name: Todos
base_urls: [https://api.example.com]
tokens: [{ issuer: https://idp.example.com/oauth2/default, any_audience: true }]
order: file
operations:
  - { name: Blocked, paths: ['/**'], policy: member.yaml, rules: { scopes: { any_of: [admin] } } }
  - { name: One, paths: ['/todos/{id}'] }
";
    let files = [
        source("services/todos.yaml", service),
        source("policies/member.yaml", MEMBER),
    ];
    let by_file = compile(&files, &[]).unwrap();
    let specific = [
        source(
            "services/todos.yaml",
            &service.replace("order: file", "order: specific"),
        ),
        source("policies/member.yaml", MEMBER),
    ];
    let specific = compile(&specific, &[]).unwrap();
    let question = Question {
        subject: "joe".to_owned(),
        claims: Map::new(),
        method: Method::get(),
        service: None,
        route: "/todos/{id}".to_owned(),
        headers: HeaderMap::new(),
        source: Source::default(),
    };
    assert!(!by_file.evaluate(&question, &AwsLc, NOW).is_permit());
    assert!(specific.evaluate(&question, &AwsLc, NOW).is_permit());
}
