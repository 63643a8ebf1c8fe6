//! Deployments of a database: pushed and pulled back, followed by two services, rolled back; on SQLite and
//! on PostgreSQL.

use std::fs;
use std::path::Path;

use portcullis_test_support::postgres::Postgres;
use serde_json::{Value, json};

use crate::command::{Run, run};
use crate::serve::Service;

const SERVICE: &str = "name: S\nbase_urls: [https://api.example.com]\noperations: [{ name: x, paths: [/PATH], public: true }]\n";
const POLICY: &str = "package acp.authz\nallow := true\n";

/// A policy directory in which that path is open.
fn directory(path: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (folder, file, text) in [
        ("services", "s.yaml", SERVICE.replace("PATH", path)),
        ("policies", "p.rego", POLICY.to_owned()),
        (
            "tests",
            "t.yaml",
            "tests: [{ name: a, request: { url: https://api.example.com/a }, expect: {} }]\n"
                .to_owned(),
        ),
    ] {
        fs::create_dir(root.path().join(folder)).unwrap();
        fs::write(root.path().join(folder).join(file), text).unwrap();
    }
    root
}

fn policy(url: &str, arguments: &[&str]) -> Run {
    run(
        &[&["policy"][..], arguments, &["--database-url", url]].concat(),
        "",
    )
}

fn push(url: &str, path: &str) -> Run {
    let root = directory(path);
    policy(
        url,
        &[
            "push",
            root.path().to_str().unwrap(),
            "--by",
            "carl",
            "--note",
            path,
        ],
    )
}

/// Whether a service lets a request for that path through.
fn opens(service: &Service, path: &str) -> bool {
    let answer = service.decide(&json!({
        "source_ip": "192.0.2.7", "source_port": 1, "method": "GET", "headers": [],
        "url": format!("https://api.example.com/{path}"),
    }));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body.get("response").is_none()
}

/// Both kinds of database, each empty.
fn databases(root: &Path) -> [String; 2] {
    let file = root.join("portcullis.db");
    [
        format!("sqlite:{}", file.display()),
        Postgres::shared().database(),
    ]
}

#[test]
fn two_services_follow_what_is_pushed_and_rolled_back() {
    let root = tempfile::tempdir().unwrap();
    for url in databases(root.path()) {
        let services = [(); 2].map(|()| Service::launch_with(&["--database-url", &url]));
        for service in &services {
            assert_eq!(
                service.get("/health/ready").status,
                503,
                "nothing decides yet"
            );
            assert!(!opens(service, "a"));
        }
        let until_all = |path: &str| {
            for service in &services {
                service.until(path, || opens(service, path));
                assert_eq!(service.get("/health/ready").status, 200);
            }
        };
        let pushed = push(&url, "a");
        assert!(
            pushed.output.starts_with("1  sha256:"),
            "{}{}",
            pushed.output,
            pushed.errors
        );
        until_all("a");
        assert!(push(&url, "b").output.starts_with("2  "));
        until_all("b");
        assert!(services.iter().all(|service| !opens(service, "a")));

        // What does not compile is refused, and what decides does not change.
        let broken = directory("c");
        fs::write(broken.path().join("services/s.yaml"), "name: S\n").unwrap();
        let refused = policy(&url, &["push", broken.path().to_str().unwrap()]);
        assert_eq!(refused.status, 2);
        assert!(
            refused.errors.contains("services/s.yaml:1:7"),
            "{}",
            refused.errors
        );

        let back = policy(&url, &["rollback", "1", "--by", "carl"]);
        assert!(
            back.output.starts_with("3  "),
            "{}{}",
            back.output,
            back.errors
        );
        until_all("a");
        let demand = |number: &str| {
            let headers = format!(
                "client-token: first-credential\r\nportcullis-minimum-revision: {number}\r\n"
            );
            let body = json!({
                "source_ip": "192.0.2.7", "source_port": 1, "method": "GET", "headers": [],
                "url": "https://api.example.com/a",
            });
            services[0]
                .ask(&headers, "/sideband/request", &body.to_string())
                .status
        };
        assert_eq!(["3", "4", "x"].map(demand), [200, 503, 400]);
        let listed = policy(&url, &["deployments", "--json"]);
        let listed: Value = serde_json::from_str(&listed.output).unwrap();
        let numbers: Vec<_> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (&one["number"], &one["rollback_of"], &one["note"]))
            .collect();
        assert_eq!(
            numbers,
            [
                (&json!(3), &json!(1), &json!("")),
                (&json!(2), &Value::Null, &json!("b")),
                (&json!(1), &Value::Null, &json!("a"))
            ]
        );
        let missing = policy(&url, &["rollback", "9"]);
        assert!(
            missing.errors.contains("there is no deployment 9"),
            "{}",
            missing.errors
        );
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the files that the command wrote"
)]
fn what_was_pushed_is_pulled_back() {
    let root = tempfile::tempdir().unwrap();
    for (number, url) in databases(root.path()).iter().enumerate() {
        let none = policy(url, &["pull", "-o", "nowhere"]);
        assert!(
            none.errors.contains("policy deployments"),
            "{}",
            none.errors
        );
        push(url, "a");
        push(url, "b");
        let output = root.path().join(number.to_string());
        let output = output.to_str().unwrap();
        assert_eq!(
            policy(url, &["pull", "-o", output, "--number", "1"]).status,
            0
        );
        let source = directory("a");
        for file in ["services/s.yaml", "policies/p.rego", "tests/t.yaml"] {
            let [pushed, pulled] =
                [source.path(), Path::new(output)].map(|root| fs::read(root.join(file)));
            assert_eq!(pushed.unwrap(), pulled.unwrap(), "{file}");
        }
        let again = policy(url, &["pull", "-o", output]);
        assert_eq!(again.status, 2);
        assert!(
            again.errors.contains("is not empty; nothing was written"),
            "{}",
            again.errors
        );
    }
}

#[test]
fn a_database_that_is_not_there_is_an_error_without_its_password() {
    for arguments in [
        &["policy", "deployments"][..],
        &["serve", "--insecure-no-credentials"],
    ] {
        let url = [
            "--database-url",
            "postgres://u:secret-word@127.0.0.1:1/none",
        ];
        let done = run(&[arguments, &url].concat(), "");
        assert_eq!(done.status, 2, "{}", done.errors);
        assert!(!done.errors.contains("secret-word"), "{}", done.errors);
    }
}
