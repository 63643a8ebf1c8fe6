//! `portcullis policy check`.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::command::run;

/// A policy directory with one service in `services/a.yaml`.
pub(crate) fn directory(service: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("services")).unwrap();
    fs::write(root.path().join("services/a.yaml"), service).unwrap();
    root
}

const GOOD: &str = "name: Solar System
base_urls: [https://api.example.com]
tokens: [{ issuer: https://idp.example.com, audiences: [api] }]
operations:
  - { name: List planets, methods: [GET], paths: [/planets], rules: { scopes: { any_of: [silver] } } }
  - { name: Asteroids, paths: [/asteroids] }
  - { name: Health, paths: [/health], public: true }
";

#[test]
fn a_good_policy_is_shown() {
    let root = directory(GOOD);
    let check = run(&["policy", "check", root.path().to_str().unwrap()], "");
    assert_eq!(check.status, 0, "{}", check.errors);
    insta::assert_snapshot!(check.output, @r"
    Solar System
      https://api.example.com
      GET /planets  List planets (scopes)
      any method /asteroids  Asteroids (any valid token)
      any method /health  Health (public)
    The policy directory compiles.
    ");
    let json = run(
        &["policy", "check", root.path().to_str().unwrap(), "--json"],
        "",
    );
    let json: Value = serde_json::from_str(&json.output).unwrap();
    assert_eq!(json["valid"], true);
    assert_eq!(json["services"][0]["operations"][0]["guard"], "scopes");
}

#[test]
fn a_mistake_has_its_place_and_the_nearest_name() {
    let root = directory(&GOOD.replace("any_of", "any"));
    let path = root.path().to_str().unwrap();
    let check = run(&["policy", "check", path], "");
    assert_eq!(check.status, 1);
    insta::assert_snapshot!(check.output, @r#"services/a.yaml:5:81: unknown key "any"; did you mean "any_of"?"#);
    let json = run(&["policy", "check", path, "--json"], "");
    assert_eq!(json.status, 1);
    let json: Value = serde_json::from_str(&json.output).unwrap();
    assert_eq!(json["findings"][0]["line"], 5);
}

#[test]
fn a_directory_that_is_not_there_is_a_failure_of_the_command() {
    let check = run(&["policy", "check", "/no/such/policy"], "");
    assert_eq!(check.status, 2);
    assert!(
        check.errors.starts_with("error: /no/such/policy: "),
        "{}",
        check.errors
    );
}
