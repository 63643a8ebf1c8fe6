//! `portcullis policy test --decisions` from outside.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{Run, run};

/// A service in which that scope reads, or anyone does.
fn directory(guard: &str) -> TempDir {
    directory_of(
        "{ issuer: https://idp.example.com, audiences: [api] }",
        guard,
    )
}

/// The same with another issuer.
fn directory_of(issuer: &str, guard: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let service = format!(
        "name: S\nbase_urls: [https://api.example.com]\n\
         tokens: [{issuer}]\n\
         operations: [{{ name: Read, methods: [GET], paths: [/x], {guard} }}]\n"
    );
    fs::create_dir(root.path().join("services")).unwrap();
    fs::write(root.path().join("services/s.yaml"), service).unwrap();
    root
}

fn record(id: &str, outcome: &str, status: Option<u16>, reason: &str, input: &Value) -> String {
    let mut record = json!({
        "id": id, "time": "2023-11-14T22:13:20.000Z", "method": "GET", "path": "/x", "outcome": outcome,
        "status": status, "reason": reason, "trace": {},
    });
    if !input.is_null() {
        record["input"] = input.clone();
    }
    format!("{record}\n")
}

fn input(more: &Value) -> Value {
    let mut input = json!({ "now": 1_700_000_000, "request": { "method": "GET", "url": "https://api.example.com/x?a=1" } });
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    input
}

/// A token as it was, with that scope.
fn token(scope: &str) -> Value {
    json!({
        "iss": "https://idp.example.com", "aud": "api", "sub": "u1", "client_id": "c", "jti": "j",
        "iat": 1_700_000_000, "exp": 1_700_000_060, "scope": scope,
    })
}

fn records(root: &Path) -> String {
    let file = root.join("decisions.jsonl");
    let mut bound = token("read");
    bound["cnf"] = json!({ "jkt": "x" });
    let text = [
        record(
            "reads",
            "permit",
            None,
            "permitted",
            &input(&json!({ "token": token("read") })),
        ),
        record(
            "lists",
            "deny",
            Some(403),
            "insufficient_scope",
            &input(&json!({ "token": token("list") })),
        ),
        record(
            "none",
            "deny",
            Some(401),
            "missing_token",
            &input(&json!({})),
        ),
        record(
            "late",
            "deny",
            Some(401),
            "token_expired",
            &input(&json!({ "token_not_verified": true })),
        ),
        record(
            "bound",
            "permit",
            None,
            "permitted",
            &input(&json!({ "token": bound })),
        ),
        record("bare", "permit", None, "permitted", &Value::Null),
        "\n".to_owned(),
    ];
    fs::write(&file, text.concat()).unwrap();
    file.to_str().unwrap().to_owned()
}

fn replay(policy: &TempDir, arguments: &[&str]) -> Run {
    let policy = policy.path().to_str().unwrap();
    run(&[&["policy", "test", policy][..], arguments].concat(), "")
}

const READ: &str = "rules: { scopes: { any_of: [read] } }";
const LIST: &str = "rules: { scopes: { any_of: [list] } }";

#[test]
fn every_decision_that_would_change_is_printed() {
    let [here, there, open] = [READ, LIST, "public: true"].map(directory);
    let file = records(here.path());
    let same = replay(&here, &["--decisions", &file]);
    assert_eq!(same.status, 0, "{}{}", same.output, same.errors);
    insta::assert_snapshot!(same.output, @r"
    4 replayed, 0 changed
    1 skipped: recorded without the request
    1 skipped: the token is bound to its sender
    ");
    let path = there.path().to_str().unwrap();
    let compared = replay(&here, &["--decisions", &file, "--compare", path]);
    assert_eq!(compared.status, 1, "{}", compared.errors);
    insta::assert_snapshot!(compared.output, @r"
    CHANGED reads: GET /x: permit permitted -> deny 403 insufficient_scope
    CHANGED lists: GET /x: deny 403 insufficient_scope -> permit permitted
    4 replayed, 2 changed
    1 skipped: recorded without the request
    1 skipped: the token is bound to its sender
    ");
    let recorded = replay(&there, &["--decisions", &file, "--json"]);
    assert_eq!(recorded.status, 1, "{}", recorded.errors);
    let found: Value = serde_json::from_str(&recorded.output).unwrap();
    assert_eq!(found["skipped"], json!({ "without_input": 1, "bound": 1 }));
    let changed = found["changes"].as_array().unwrap().iter();
    let changed: Vec<_> = changed
        .map(|one| (&one["id"], &one["before"], &one["after"]))
        .collect();
    assert_eq!(
        changed,
        [
            (
                &json!("reads"),
                &json!("permit permitted"),
                &json!("deny 403 insufficient_scope")
            ),
            (
                &json!("lists"),
                &json!("deny 403 insufficient_scope"),
                &json!("permit permitted")
            ),
        ]
    );
    // A token that was not verified opens what is public, and nothing else.
    let opened = replay(&open, &["--decisions", &file]);
    assert!(
        opened
            .output
            .contains("CHANGED late: GET /x: deny 401 token_expired -> permit public"),
        "{}",
        opened.output
    );
}

#[test]
fn what_an_issuer_said_about_an_opaque_token_is_replayed() {
    let issuer = "{ issuer: https://idp.example.com, audiences: [api], introspection: \
                  { client_id: c, secret: SECRET } }";
    let [here, there] = [READ, LIST].map(|guard| directory_of(issuer, guard));
    let file = here.path().join("decisions.jsonl");
    let mut said = token("read");
    said["active"] = json!(true);
    let said = input(&json!({ "token": said }));
    fs::write(&file, record("opaque", "permit", None, "permitted", &said)).unwrap();
    let file = file.to_str().unwrap();
    let same = replay(&here, &["--decisions", file]);
    assert_eq!(same.output, "1 replayed, 0 changed\n", "{}", same.errors);
    assert!(
        replay(&there, &["--decisions", file])
            .output
            .contains("CHANGED opaque")
    );
}

#[test]
fn lines_that_are_no_records_are_named() {
    let policy = directory(READ);
    let file = policy.path().join("broken.jsonl");
    let good = record("a", "permit", None, "permitted", &Value::Null);
    let secret = "s3cret";
    for (bad, expected) in [
        (format!("{{\"{secret}"), "it is no JSON"),
        (json!({ "id": secret }).to_string(), "a member is missing"),
        (json!([secret]).to_string(), "a member is missing"),
        (
            record(secret, "maybe", None, "x", &Value::Null),
            "outcome is permit or deny",
        ),
        (
            record(
                "a",
                "deny",
                None,
                "x",
                &input(&json!({ "request": { "url": "nowhere" } })),
            ),
            "input.request: url",
        ),
        (
            record("a", "deny", None, "x", &input(&json!({ "s3cret": 1 }))),
            "a member is missing, unknown",
        ),
        ("x".repeat(2 * 1024 * 1024), "longer than"),
    ] {
        fs::write(&file, format!("{good}{bad}\n")).unwrap();
        let done = replay(&policy, &["--decisions", file.to_str().unwrap()]);
        assert_eq!(done.status, 2, "{}", done.output);
        assert!(done.errors.contains("broken.jsonl:2"), "{}", done.errors);
        assert!(
            done.errors.contains(expected),
            "{expected}: {}",
            done.errors
        );
        assert!(!done.errors.contains(secret), "{}", done.errors);
    }
    let missing = replay(&policy, &["--decisions", "/nowhere.jsonl"]);
    assert!(
        missing.errors.contains("cannot read /nowhere.jsonl"),
        "{}",
        missing.errors
    );
}
