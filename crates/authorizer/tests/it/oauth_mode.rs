//! The function that decides itself: its settings, its answers, and the policy that it may hold.

use std::path::Path;

use portcullis_authorizer::{DecisionPointSettings, Environment, Settings};
use portcullis_engine::SourceFile;
use portcullis_pdp::bundle::Bundle;
use portcullis_pdp::clock::{Clock, SystemClock};
use portcullis_test_support::issuer::Issuer;
use portcullis_test_support::lambda::Function;
use serde_json::{Value, json};

use crate::support::{BOOTSTRAP, allows, check_log, event};

const TABLE: &str =
    "GET /planets = silver; GET /moons = gold platinum; GET /asteroids; GET /health = public";

fn settings(variables: &[(&str, &str)]) -> Result<Settings, String> {
    let good = [
        ("PORTCULLIS_ISSUER", "https://idp.example.com"),
        ("PORTCULLIS_AUDIENCE", "api"),
        ("PORTCULLIS_SCOPES", TABLE),
    ];
    let all = good.iter().chain(variables);
    let all = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::from_environment(&all.collect::<Environment>()).map_err(|error| error.to_string())
}

#[test]
fn good_settings_are_taken() {
    for more in [
        &[][..],
        &[("PORTCULLIS_PROFILE", "okta"), ("PORTCULLIS_LEEWAY", "0s")],
        &[("PORTCULLIS_PATHS", "any"), ("PORTCULLIS_AUDIENCE", "a b")],
        &[("PORTCULLIS_SCOPES", "* /** = a\nPUT /x/{id} = b c")],
        &[
            ("PORTCULLIS_DECISION_POINT", "oauth"),
            ("SERVICE_URL", "https://x.example"),
        ],
    ] {
        let settings = settings(more).unwrap();
        assert!(
            matches!(settings.decision_point, DecisionPointSettings::Local(_)),
            "{more:?}"
        );
    }
}

#[test]
fn bad_settings_are_named() {
    for (name, value, expected) in [
        (
            "PORTCULLIS_ISSUER",
            "http://idp.example.com",
            "PORTCULLIS_ISSUER is \"http://idp.example.com\": expected",
        ),
        ("PORTCULLIS_AUDIENCE", "", "PORTCULLIS_AUDIENCE is not set"),
        ("PORTCULLIS_SCOPES", "", "PORTCULLIS_SCOPES is not set"),
        (
            "PORTCULLIS_SCOPES",
            "/planets",
            "entry \"/planets\": a method and a path",
        ),
        ("PORTCULLIS_SCOPES", "get /planets", "upper case"),
        ("PORTCULLIS_SCOPES", "GET planets", "starts with \"/\""),
        (
            "PORTCULLIS_SCOPES",
            "GET /a = \"x\"",
            "scopes separated by spaces",
        ),
        (
            "PORTCULLIS_SCOPES",
            "GET /a =",
            "scopes separated by spaces",
        ),
        ("PORTCULLIS_SCOPES", "GET /a; GET /a = x", "only once"),
        (
            "PORTCULLIS_PROFILE",
            "octa",
            "expected one of rfc9068, okta",
        ),
        (
            "PORTCULLIS_LEEWAY",
            "301s",
            "expected a time from 0s to 300s",
        ),
        ("PORTCULLIS_LEEWAY", "5", "expected a time from 0s to 300s"),
        ("PORTCULLIS_PATHS", "all", "expected plain or any"),
        (
            "PORTCULLIS_CACHE_TTL",
            "3601s",
            "expected a time from 0s to 3600s",
        ),
        ("PORTCULLIS_JWKS", "/no/such", "expected file:"),
        (
            "PORTCULLIS_JWKS",
            "file:/no/such",
            "a file that can be read",
        ),
        ("PORTCULLIS_BUNDLE", "file:x", "both set"),
        ("SERVICE_URL", "https://x.example", "both set"),
    ] {
        let error = settings(&[(name, value)]).unwrap_err();
        assert!(error.contains(expected), "{name}={value}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

/// A function that trusts that issuer.
fn function(issuer: &Issuer, more: &[(&str, &str)]) -> Function {
    let own = [
        ("PORTCULLIS_ISSUER", issuer.url()),
        ("PORTCULLIS_AUDIENCE", "api"),
        ("PORTCULLIS_SCOPES", TABLE),
    ];
    let mut function = Function::start(Path::new(BOOTSTRAP), &[&own[..], more].concat());
    function.ready();
    function
}

fn resources(answer: &str) -> Vec<String> {
    let answer: Value = serde_json::from_str(answer).unwrap();
    assert_eq!(answer["context"], json!({ "cache": "credential" }));
    let statement = &answer["policyDocument"]["Statement"][0];
    assert_eq!(statement["Effect"], "Allow");
    let ends = statement["Resource"].as_array().unwrap().iter();
    ends.map(|resource| {
        resource
            .as_str()
            .unwrap()
            .split("prod/")
            .nth(1)
            .unwrap()
            .to_owned()
    })
    .collect()
}

#[test]
fn the_answer_is_everything_that_the_token_opens() {
    let issuer = Issuer::start();
    let mut function = function(&issuer, &[]);
    let now = SystemClock.unix_now();
    for (scope, opens) in [
        (
            "silver",
            &["GET/planets", "GET/asteroids", "GET/health"][..],
        ),
        ("gold", &["GET/moons", "GET/asteroids", "GET/health"]),
        (
            "silver platinum",
            &["GET/planets", "GET/moons", "GET/asteroids", "GET/health"],
        ),
        ("other", &["GET/asteroids", "GET/health"]),
    ] {
        let token = issuer.token("api", scope, now);
        // The same answer wherever the token is used first, also where it opens nothing.
        for path in ["/planets", "/moons", "/asteroids", "/health", "/nowhere"] {
            let answer = function.invoke(&event(path, Some(&token))).outcome.unwrap();
            assert_eq!(resources(&answer), opens, "{scope} {path}");
            assert!(!answer.contains(&token));
        }
    }
    let log = function.stop();
    let lines = check_log(&log);
    let decided = lines.iter().filter(|line| line["message"] == "decided");
    assert!(decided.clone().all(|line| line["cache"] == "credential"));
    assert_eq!(
        decided
            .clone()
            .filter(|line| line["decision"] == "deny")
            .count(),
        8
    );
    assert!(
        decided
            .clone()
            .any(|line| line["reason"] == "insufficient_scope")
    );
}

#[test]
fn a_token_that_is_none_is_unauthorized() {
    let issuer = Issuer::start();
    let stranger = Issuer::start();
    let mut function = function(&issuer, &[]);
    let now = SystemClock.unix_now();
    for token in [
        None,
        Some("opaque".to_owned()),
        Some(issuer.token("other", "silver", now)),
        Some(issuer.token("api", "silver", now - 7200)),
        Some(stranger.token("api", "silver", now)),
    ] {
        let outcome = function
            .invoke(&event("/planets", token.as_deref()))
            .outcome;
        assert!(
            outcome
                .as_ref()
                .is_err_and(|error| error.contains("Unauthorized")),
            "{outcome:?}"
        );
        // What is public is open to everyone, and nothing else is.
        let answer = function
            .invoke(&event("/health", token.as_deref()))
            .outcome
            .unwrap();
        assert_eq!(resources(&answer), ["GET/health"]);
    }
}

#[test]
fn keys_that_cannot_be_had_are_an_error() {
    let issuer = Issuer::start();
    let away = [("PORTCULLIS_ISSUER", "http://127.0.0.1:1")];
    let mut function = function(&issuer, &away);
    let token = json!({ "alg": "RS256", "typ": "at+jwt" }).to_string();
    let part = |text: &str| base64_url(text.as_bytes());
    let token = format!(
        "{}.{}.AAAA",
        part(&token),
        part("{\"iss\":\"http://127.0.0.1:1\"}")
    );
    let outcome = function.invoke(&event("/planets", Some(&token))).outcome;
    assert!(outcome.is_err_and(|error| error.contains("Unavailable")));
    assert!(
        allows(&function.invoke(&event("/health", Some(&token))).outcome),
        "needs no keys"
    );
}

fn base64_url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn a_bundle_in_the_zip_decides_without_a_request() {
    let issuer = Issuer::start();
    let service = format!(
        "name: S\naws: [{{ api_id: abc, stage: prod }}]\ntokens: [{{ issuer: \"{}\", audiences: [api] }}]\noperations:\n  \
         - {{ name: planets, methods: [GET], paths: [/planets], rules: {{ scopes: {{ any_of: [silver] }} }} }}\n",
        issuer.url()
    );
    let mut bundle = Bundle::new(
        &[SourceFile {
            path: "services/s.yaml".to_owned(),
            text: service,
        }],
        &[],
    )
    .unwrap();
    bundle.keys.insert(
        issuer.url().to_owned(),
        serde_json::from_str(issuer.jwks()).unwrap(),
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    std::fs::write(&file, bundle.to_json()).unwrap();
    let place = format!("file:{}", file.display());
    let mut function = Function::start(Path::new(BOOTSTRAP), &[("PORTCULLIS_BUNDLE", &place)]);
    function.ready();
    let token = issuer.token("api", "silver", SystemClock.unix_now());
    let answer = function
        .invoke(&event("/planets", Some(&token)))
        .outcome
        .unwrap();
    assert_eq!(resources(&answer), ["GET/planets"]);
    let _ = function.stop();

    let tampered = bundle.to_json().replace("silver", "bronze");
    std::fs::write(&file, tampered).unwrap();
    let environment = Environment::from([("PORTCULLIS_BUNDLE", place.as_str())]);
    let error = Settings::from_environment(&environment)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("bundle the policy directory again"),
        "{error}"
    );
}

#[test]
fn a_bundle_may_hold_validators_and_no_other_policy() {
    let issuer = Issuer::start();
    let bundled = |extension: &str, text: &str| {
        let service = format!(
            "name: S\naws: [{{ api_id: abc, stage: prod }}]\ntokens: [{{ issuer: \"{}\", audiences: [api] }}]\noperations:\n  \
             - {{ name: planets, methods: [GET], paths: [/planets], policy: p.{extension} }}\n",
            issuer.url()
        );
        let file = |path: String, text: &str| SourceFile {
            path,
            text: text.to_owned(),
        };
        [
            file("services/s.yaml".to_owned(), &service),
            file(format!("policies/p.{extension}"), text),
        ]
    };
    let validators = "validators: [{ name: identity-context, conf: { fields: [{ field: scope, comparator: contains, value: silver }] } }]\n";
    let mut bundle = Bundle::new(&bundled("yaml", validators), &[]).unwrap();
    let keys = serde_json::from_str(issuer.jwks()).unwrap();
    bundle.keys.insert(issuer.url().to_owned(), keys);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    std::fs::write(&file, bundle.to_json()).unwrap();
    let place = format!("file:{}", file.display());
    let mut function = Function::start(Path::new(BOOTSTRAP), &[("PORTCULLIS_BUNDLE", &place)]);
    function.ready();
    for (scope, permitted) in [("silver", true), ("bronze", false)] {
        let token = issuer.token("api", scope, SystemClock.unix_now());
        let answer = function.invoke(&event("/planets", Some(&token))).outcome;
        assert_eq!(allows(&answer), permitted, "{scope}: {answer:?}");
        // What a policy says holds for this request alone.
        assert!(answer.unwrap().contains("\"cache\":\"off\""));
    }
    let _ = function.stop();
    let rego = Bundle::new(&bundled("rego", "package acp.authz\nallow := true\n"), &[]);
    let problem = rego.unwrap_err().to_string();
    assert!(
        problem.contains("cannot run policies of that language"),
        "{problem}"
    );
}

/// The function is shown no responses, so what a policy obliges to there would be passed over.
#[test]
fn a_bundle_that_obliges_to_look_at_responses_is_refused() {
    let hide = |more: &str| {
        format!("{{ code: exclude-attributes, phase: response, payload: [card]{more} }}")
    };
    let validators = "validators: [{ name: identity-context, conf: { fields: [{ field: scope, comparator: contains, value: x }] } }]\n";
    let of_service =
        |more: &str| format!("{more}\noperations:\n  - {{ name: planets, paths: [/planets] }}");
    let of_operation =
        |more: &str| format!("operations:\n  - {{ name: planets, paths: [/planets], {more} }}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    let place = format!("file:{}", file.display());
    let refusal = |rest: &str| {
        let service = format!(
            "name: S\nbase_urls: [https://api.example.com]\ntokens: [{{ issuer: \"https://idp.example.com\", audiences: [api] }}]\n{rest}\n"
        );
        let files = [
            ("services/s.yaml", service.as_str()),
            ("policies/p.yaml", validators),
        ];
        let files = files.map(|(path, text)| SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        });
        std::fs::write(&file, Bundle::new(&files, &[]).unwrap().to_json()).unwrap();
        let environment = Environment::from([("PORTCULLIS_BUNDLE", place.as_str())]);
        let read = Settings::from_environment(&environment);
        read.err().map(|error| error.to_string())
    };

    let statement = format!("statements: [{}]", hide(""));
    let operation = "the operation \"planets\" of \"S\" has a response_policy";
    for (rest, named) in [
        (of_operation(&statement), operation),
        (of_operation("response_policy: p.yaml"), operation),
        (
            of_service(&statement),
            "the service \"S\" has a response_policy",
        ),
        (
            of_service("response_policy: p.yaml"),
            "the service \"S\" has a response_policy",
        ),
    ] {
        let said = refusal(&rest).unwrap_or_else(|| panic!("taken: {rest}"));
        assert!(said.contains(named), "{said}");
        assert!(said.contains("take it out"), "{said}");
    }
    let optional = format!("statements: [{}]", hide(", obligatory: false"));
    assert_eq!(refusal(&of_operation(&optional)), None);
}

#[test]
fn a_permit_that_depends_on_more_than_the_token_is_not_given_to_a_cache() {
    let issuer = Issuer::start();
    let certificate = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.cert.der());
    let cnf = json!({ "x5t#S256": base64_url(digest.as_ref()) });
    let more = json!({ "scope": "silver", "cnf": cnf });
    let token = issuer.token_with("api", &more, SystemClock.unix_now());
    let mut bound: Value = serde_json::from_str(&event("/planets", Some(&token))).unwrap();
    bound["requestContext"]["identity"]["clientCert"] =
        json!({ "clientCertPem": certificate.cert.pem() });
    let mut careless = function(&issuer, &[]);
    let answer = careless.invoke(&bound.to_string()).outcome;
    assert!(allows(&answer));
    assert!(answer.unwrap().contains("\"cache\":\"off\""));
    let mut cached = function(&issuer, &[("PORTCULLIS_CACHE_TTL", "300s")]);
    let outcome = cached.invoke(&bound.to_string()).outcome;
    assert!(
        outcome
            .as_ref()
            .is_err_and(|error| error.contains("Portcullis.Cached")),
        "{outcome:?}"
    );
    // What is right for every request is answered as ever, and so is what is open to everyone.
    let plain = issuer.token("api", "silver", SystemClock.unix_now());
    for path in ["/planets", "/health"] {
        assert!(allows(&cached.invoke(&event(path, Some(&plain))).outcome));
        assert!(path == "/planets" || allows(&cached.invoke(&event(path, Some(&token))).outcome));
    }
}
