//! `portcullis token verify`, with a token that Okta really signed (it expired in 2016).

use std::fs;

use portcullis_test_support::issuer::Issuer;
use serde_json::Value;

use crate::command::run;
use crate::decide::now;

const VECTORS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/data/vectors/okta-sample"
);
const VALID_AT: &str = "1477846100";

fn okta_token() -> String {
    #[expect(clippy::disallowed_methods, reason = "an outside test vector")]
    let event = fs::read_to_string(format!("{VECTORS}/event.json")).unwrap();
    let event: Value = serde_json::from_str(&event).unwrap();
    event["authorizationToken"]
        .as_str()
        .unwrap()
        .replace("Bearer ", "")
}

fn verify(arguments: &[&str], keys: &str) -> (i32, String) {
    let keys = format!("{VECTORS}/{keys}");
    let all = [&["token", "verify", "--jwks", &keys][..], arguments, &["-"]].concat();
    let token = okta_token();
    let run = run(&all, &token);
    assert_eq!(run.errors, "");
    for part in token.split('.') {
        assert!(!run.output.contains(part), "the token is never printed");
    }
    (run.status, run.output)
}

#[test]
fn a_token_is_accepted_at_its_time() {
    let (status, output) = verify(
        &[
            "--audience",
            "https://api.example.com",
            "--profile",
            "okta",
            "--now",
            VALID_AT,
        ],
        "keys.json",
    );
    assert_eq!(status, 0, "{output}");
    insta::assert_snapshot!(output, @r"
    The token is accepted.
      holds   form
      holds   signature
      holds   claims
      holds   sender
    ");
}

#[test]
fn every_check_that_fails_is_named_with_its_section() {
    let (status, output) = verify(
        &["--audience", "other", "--issuer", "https://idp.example.com"],
        "handler-keys.json",
    );
    assert_eq!(status, 1);
    insta::assert_snapshot!(output, @r#"
    The token is refused.
      holds   form
      holds   sender
      FAILED  signature: no key of the issuer has the token's "kid": the issuer does not publish the key (RFC 7515 section 4.1.4)
      FAILED  claims: the token is not an access token (RFC 9068 section 2.1)
      FAILED  claims: the token comes from another issuer (RFC 9068 section 4)
      FAILED  claims: the token is meant for another audience (RFC 9068 section 4)
      FAILED  claims: the token has expired (RFC 7519 section 4.1.4)
      FAILED  claims: the token has no claim client_id (RFC 9068 section 2.2)
    "#);
    let (status, output) = verify(
        &[
            "--audience",
            "https://api.example.com",
            "--profile",
            "okta",
            "--json",
        ],
        "keys.json",
    );
    assert_eq!(status, 1);
    let report: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(report["failed"][0]["reason"], "token_expired");
    assert_eq!(report["failed"].as_array().unwrap().len(), 1);
}

#[test]
fn keys_are_fetched_from_the_issuer() {
    let issuer = Issuer::start();
    let token = issuer.token("api", "silver", now());
    let arguments = |audience| {
        [
            "token",
            "verify",
            "--issuer",
            issuer.url(),
            "--audience",
            audience,
            "-",
        ]
    };
    assert_eq!(run(&arguments("api"), &token).status, 0);
    assert_eq!(run(&arguments("other"), &token).status, 1);
    let unreachable = run(
        &[
            "token",
            "verify",
            "--issuer",
            "http://127.0.0.1:1",
            "--audience",
            "api",
            "-",
        ],
        &token,
    );
    assert_eq!(unreachable.status, 2);
    assert!(
        unreachable.errors.contains("cannot get the keys"),
        "{}",
        unreachable.errors
    );
}

#[test]
fn what_is_no_token_is_refused() {
    for input in ["", "abc", "a.b.c.d.e", "{}"] {
        let run = run(
            &[
                "token",
                "verify",
                "--issuer",
                "https://idp.example.com",
                "--audience",
                "api",
                "-",
            ],
            input,
        );
        assert_eq!(run.status, 1, "{input}");
        assert!(run.output.contains("FAILED  form"), "{}", run.output);
    }
}
