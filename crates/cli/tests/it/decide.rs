//! `portcullis decide`.

use std::time::{SystemTime, UNIX_EPOCH};

use portcullis_test_support::issuer::Issuer;
use serde_json::{Value, json};

use crate::command::{Run, run};
use crate::policy_check::directory;

/// Now, in seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "tokens for the real binary need the real time"
)]
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A policy with one scope rule for tokens of that issuer.
pub(crate) fn policy(issuer: &str) -> String {
    format!(
        "name: Solar System
base_urls: [https://api.example.com]
tokens: [{{ issuer: '{issuer}', audiences: [api] }}]
operations:
  - {{ name: List planets, methods: [GET], paths: [/planets], rules: {{ scopes: {{ any_of: [silver] }} }} }}
"
    )
}

#[test]
fn shows_the_decision_and_how_it_came_about() {
    let issuer = Issuer::start();
    let root = directory(&policy(issuer.url()));
    let arguments = [
        "decide",
        "--policy",
        root.path().to_str().unwrap(),
        "--request",
        "-",
    ];
    let decide = |scope: &str| {
        let token = issuer.token("api", scope, now());
        let request = json!({
            "method": "GET", "url": "https://api.example.com/planets",
            "headers": [{ "Authorization": format!("Bearer {token}") }],
        });
        let run = run(&arguments, &request.to_string());
        assert!(!run.output.contains(&token) && !run.errors.contains(&token));
        // The issuer's port, and with it the revision, is another one each time.
        let revision = run.output.find("sha256:").unwrap();
        let digits = &run.output[revision + 7..revision + 19];
        assert!(digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let output = run.output.replace(digits, "0123456789ab");
        Run { output, ..run }
    };
    let permit = decide("silver");
    assert_eq!(permit.status, 0, "{}", permit.errors);
    insta::assert_snapshot!(permit.output, @r"
    permit  permitted: the token satisfies every rule of the operation
    service    Solar System
    operation  List planets
    revision   sha256:0123456789ab
      passed  request    token: signature and claims hold
      passed  operation  scopes: holds
                           scope: a text
    ");
    let deny = decide("bronze");
    assert_eq!(deny.status, 1);
    insta::assert_snapshot!(deny.output, @r#"
    deny    403 insufficient_scope: the token has none of the scopes of which one is needed: silver
    service    Solar System
    operation  List planets
    revision   sha256:0123456789ab
      passed  request    token: signature and claims hold
      FAILED  operation  scopes: the token has none of the scopes of which one is needed: silver
                           scope: a text
    WWW-Authenticate: Bearer realm="https://api.example.com", error="insufficient_scope", error_description="the token has none of the scopes of which one is needed: silver", scope="silver"
    "#);
}

#[test]
fn json_is_one_document() {
    let root = directory(&policy("http://127.0.0.1:1"));
    let arguments = [
        "decide",
        "--policy",
        root.path().to_str().unwrap(),
        "--request",
        "-",
        "--json",
    ];
    let request = json!({ "method": "GET", "url": "https://api.example.com/planets" });
    let run = run(&arguments, &request.to_string());
    assert_eq!(run.status, 1);
    let decision: Value = serde_json::from_str(&run.output).unwrap();
    assert_eq!(decision["reason"], "missing_token");
    assert_eq!(decision["status"], 401);
}

#[test]
fn what_cannot_be_decided_is_a_failure_of_the_command() {
    let issuer = Issuer::start();
    let token = issuer.token("api", "silver", now());
    // Nobody serves the keys of an issuer at that address.
    let root = directory(&policy("http://127.0.0.1:1"));
    let arguments = [
        "decide",
        "--policy",
        root.path().to_str().unwrap(),
        "--request",
        "-",
    ];
    for (request, expected) in [
        ("{}", "missing field `method`"),
        ("[]", "not a JSON object"),
        (r#"{"method":"GET","url":"/planets"}"#, "not absolute"),
        (
            r#"{"method":"GET","url":"https://a","headers":{"A":"b"}}"#,
            "headers",
        ),
    ] {
        let run = run(&arguments, request);
        assert_eq!(run.status, 2, "{request}");
        assert!(run.errors.contains(expected), "{request}: {}", run.errors);
    }
    let foreign = token.replace(issuer.url(), "http://127.0.0.1:1");
    let request = json!({
        "method": "GET", "url": "https://api.example.com/planets",
        "headers": [{ "Authorization": format!("Bearer {foreign}") }],
    });
    // The token names another issuer than the policy, so no keys are asked for.
    assert_eq!(run(&arguments, &request.to_string()).status, 1);
}
