//! `portcullis policy test` from outside.

use std::fs;

use serde_json::Value;

use crate::command::run;

const SERVICE: &str = "name: S\nbase_urls: [https://api.example.com]\ntokens: [{ issuer: https://idp.example.com, audiences: [api], profile: cognito }]\noperations:\n  - { name: Read, methods: [GET], paths: [/x], rules: { scopes: { any_of: [read] }, groups: { any_of: [staff] } } }\n  - { name: Write, methods: [PUT], paths: [/x], policy: p.rego, statements: [{ code: set-headers, payload: { X-User: '{{authnCtx.sub}}' } }] }\n";
const POLICY: &str = "package acp.authz\nallow if input.authn_ctx.level > 2\n";
const TESTS: &str = r#"
tests:
  - name: staff read
    request: { url: "https://api.example.com/x" }
    token: { scope: read, "cognito:groups": [staff] }
    expect: { decision: permit, operation: Read }
  - name: others <do> not
    request: { url: "https://api.example.com/x" }
    token: { scope: read }
    expect: { status: 403, reason: missing_group }
  - name: level 3 writes, as itself
    request: { method: PUT, url: "https://api.example.com/x", headers: { X-User: forged } }
    token: { sub: u1, level: 3 }
    expect: { decision: permit, headers: { X-User: u1 } }
"#;

fn directory(tests: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (folder, file, text) in [
        ("services", "s.yaml", SERVICE),
        ("policies", "p.rego", POLICY),
        ("tests", "t.yaml", tests),
    ] {
        fs::create_dir(root.path().join(folder)).unwrap();
        fs::write(root.path().join(folder).join(file), text).unwrap();
    }
    root
}

#[test]
fn tests_that_hold_end_with_0_and_say_what_they_do_not_cover() {
    let root = directory(TESTS);
    let path = root.path().to_str().unwrap();
    let done = run(&["policy", "test", path], "");
    assert_eq!(done.status, 0, "{}{}", done.output, done.errors);
    insta::assert_snapshot!(done.output, @r"
    3 passed, 0 failed
    operations covered: 2 of 2
    rules and policies covered: 1 of 3
      not covered: S: Read: scopes never refused
      not covered: S: Write: p.rego never refused
    ");
    assert_eq!(
        run(&["policy", "test", path, "--require-coverage"], "").status,
        1
    );
}

#[test]
fn tests_that_fail_end_with_1_and_say_why() {
    let root = directory(
        &TESTS
            .replace("level: 3 }", "level: 2 }")
            .replace("missing_group", "insufficient_scope"),
    );
    let path = root.path().to_str().unwrap();
    let report = root.path().join("report.xml");
    let done = run(
        &["policy", "test", path, "--junit", report.to_str().unwrap()],
        "",
    );
    assert_eq!(done.status, 1);
    let shown: String = done.output.lines().take(9).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(shown, @r#"
    FAILED  tests/t.yaml: others <do> not
            reason: expected insufficient_scope, got missing_group
            last check: groups: the subject is in none of the groups staff
    FAILED  tests/t.yaml: level 3 writes, as itself
            decision: expected permit, got deny
            header X-User: expected "u1", got ""
            last check: policy: p.rego: allow is not true
            nearest: no body of the rule allow holds
    1 passed, 2 failed
    "#);
    #[expect(clippy::disallowed_methods, reason = "the file that the command wrote")]
    let report = fs::read_to_string(report).unwrap();
    assert!(report.contains("tests=\"3\" failures=\"2\""), "{report}");
    assert!(
        report.contains("name=\"others &lt;do&gt; not\""),
        "{report}"
    );
}

#[test]
fn another_policy_is_compared_decision_by_decision() {
    let (here, there) = (directory(TESTS), directory(TESTS));
    fs::write(
        there.path().join("policies/p.rego"),
        POLICY.replace("> 2", "> 3"),
    )
    .unwrap();
    let paths = [
        here.path().to_str().unwrap(),
        there.path().to_str().unwrap(),
    ];
    let done = run(
        &["policy", "test", paths[0], "--compare", paths[1], "--json"],
        "",
    );
    assert_eq!(done.status, 1, "{}", done.errors);
    let report: Value = serde_json::from_str(&done.output).unwrap();
    assert_eq!(
        report["changes"],
        serde_json::json!([{
            "file": "tests/t.yaml", "name": "level 3 writes, as itself",
            "before": "permit permitted", "after": "deny 403 denied_by_policy",
        }])
    );
    assert_eq!(
        run(&["policy", "test", paths[0], "--compare", paths[0]], "").status,
        0
    );
}

#[test]
fn mistakes_in_tests_have_a_place() {
    let root =
        directory("tests:\n  - name: a\n    request: { url: x }\n    expect: {}\n  - names: b\n");
    let done = run(&["policy", "test", root.path().to_str().unwrap()], "");
    assert_eq!(done.status, 2);
    assert!(done.errors.contains("tests/t.yaml:"), "{}", done.errors);
    assert!(
        done.errors.contains("did you mean \"name\"?"),
        "{}",
        done.errors
    );
    let none = directory("");
    fs::remove_file(none.path().join("tests/t.yaml")).unwrap();
    let done = run(&["policy", "test", none.path().to_str().unwrap()], "");
    assert!(done.errors.contains("has no tests"), "{}", done.errors);
}
