//! Recent decisions of a service with a database: none is lost while the database is away, and what was recorded can
//! be replayed.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use portcullis_test_support::issuer::Issuer;
use portcullis_test_support::postgres::Postgres;
use serde_json::{Value, json};

use crate::command::run;
use crate::decide::{now, policy};
use crate::policy_check::directory;
use crate::serve::{Service, call};

const PUBLIC: &str = "name: S\nbase_urls: [https://api.example.com]\noperations: [{ name: x, paths: [/a], public: true }]\n";

/// A token of a viewer.
fn viewer(url: &str) -> String {
    let arguments = [
        "admin", "token", "create", "--name", "v", "--role", "viewer", "--json",
    ];
    let made = run(&[&arguments[..], &["--database-url", url]].concat(), "");
    assert_eq!(made.status, 0, "{}", made.errors);
    let made: Value = serde_json::from_str(&made.output).unwrap();
    made["token"].as_str().unwrap().to_owned()
}

fn push(url: &str, policy: &tempfile::TempDir) {
    let policy = policy.path().to_str().unwrap();
    let pushed = run(&["policy", "push", policy, "--database-url", url], "");
    assert_eq!(pushed.status, 0, "{}", pushed.errors);
}

/// The lines of an export; `None` while there is none.
fn export(service: &Service, token: &str) -> Option<String> {
    // HTTP/1.0 has no chunks.
    let answer = Service::send_to(
        &service.address,
        &format!(
            "GET /v1/environments/e/decisions.jsonl HTTP/1.0\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n"
        ),
    );
    (answer.status == 200).then_some(answer.text)
}

fn ids(export: &str) -> Vec<String> {
    let records = export
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    records
        .map(|record| record["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Asks for a decision and returns its id.
fn decide(service: &Service) -> String {
    let answer = service.decide(&call("/a", None));
    assert_eq!(answer.status, 200, "{}", answer.text);
    let id = answer
        .head
        .lines()
        .find_map(|line| line.strip_prefix("correlation-id: "));
    id.unwrap().trim().to_owned()
}

fn launch(url: &str, more: &[&str]) -> Service {
    let service = Service::launch_with(&[&["--database-url", url][..], more].concat());
    service.until("a deployment decides", || {
        service.get("/health/ready").status == 200
    });
    service
}

#[test]
fn no_decision_is_lost_or_doubled_while_postgres_is_away() {
    let server = Postgres::start();
    let url = server.database();
    push(&url, &directory(PUBLIC));
    let token = viewer(&url);
    let mut service = launch(&url, &[]);
    let (asked, allowed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let until_asked = |count: usize| {
        while asked.load(Ordering::SeqCst) < count {
            thread::sleep(Duration::from_millis(5));
        }
    };
    let mut made = BTreeSet::new();
    thread::scope(|scope| {
        let load = || {
            let mut own = Vec::new();
            for number in (0..).map(|_| asked.fetch_add(1, Ordering::SeqCst)) {
                while number >= allowed.load(Ordering::SeqCst) {
                    if number >= 900 {
                        return own;
                    }
                    thread::sleep(Duration::from_millis(2));
                }
                own.push(decide(&service));
            }
            own
        };
        let loads = [(); 3].map(|()| scope.spawn(load));
        for base in [0, 450] {
            allowed.store(base + 200, Ordering::SeqCst);
            until_asked(base + 100);
            // In the middle of it, so that a batch is cut off where it happens to be.
            server.stop();
            allowed.store(base + 350, Ordering::SeqCst);
            until_asked(base + 350);
            assert!(export(&service, &token).is_none(), "the database is away");
            server.resume();
            allowed.store(base + 450, Ordering::SeqCst);
        }
        for one in loads {
            made.extend(one.join().unwrap());
        }
    });
    assert_eq!(made.len(), 900);
    service.until("every decision is there", || {
        export(&service, &token).is_some_and(|lines| ids(&lines).len() >= made.len())
    });
    let kept = ids(&export(&service, &token).unwrap());
    assert_eq!(kept.len(), made.len(), "none twice");
    assert_eq!(kept.into_iter().collect::<BTreeSet<_>>(), made);
    let metrics = service.get("/metrics").text;
    assert!(
        !metrics.contains("decision_records_total{result=\"dropped\"}"),
        "{metrics}"
    );

    // What has not been written when the service is told to stop is written then, and another replica shows it.
    made.extend((0..50).map(|_| decide(&service)));
    let id = service.child.id().to_string();
    assert!(Command::new("kill").arg(&id).status().unwrap().success());
    assert!(service.child.wait().unwrap().success(), "{}", service.log());
    let other = launch(&url, &[]);
    let kept = ids(&export(&other, &token).unwrap());
    assert_eq!(kept.into_iter().collect::<BTreeSet<_>>(), made);
    assert!(!service.log().contains(&token));
}

#[test]
fn what_was_recorded_can_be_replayed_and_holds_no_token() {
    let issuer = Issuer::start();
    let root = directory(&policy(issuer.url()));
    let work = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", work.path().join("p.db").display());
    push(&url, &root);
    let token = viewer(&url);
    let [silver, bronze] = ["silver", "bronze"].map(|scope| issuer.token("api", scope, now()));
    let mut sizes = Vec::new();
    for arguments in [&[][..], &["--record-requests", "--record-header", "Accept"]] {
        let service = launch(&url, arguments);
        for token in [Some(silver.as_str()), Some(&bronze), Some("x.y.z"), None] {
            service.decide(&call("/planets?q=query-value", token));
        }
        service.until("all are written", || {
            export(&service, &token).is_some_and(|lines| ids(&lines).len() == sizes.len() * 4 + 4)
        });
        let lines = export(&service, &token).unwrap();
        for secret in [silver.as_str(), &bronze, "x.y.z"] {
            assert!(!lines.contains(secret) && !service.log().contains(secret));
        }
        let personal =
            ["query-value", "192.0.2.7", "\"silver\""].map(|value| lines.contains(value));
        assert_eq!(personal, [!arguments.is_empty(); 3], "{lines}");
        sizes.push(lines.len());
        fs::write(work.path().join("decisions.jsonl"), lines).unwrap();
    }
    let file = work.path().join("decisions.jsonl");
    let replay = |policy: &tempfile::TempDir| {
        let policy = policy.path().to_str().unwrap();
        run(
            &[
                "policy",
                "test",
                policy,
                "--decisions",
                file.to_str().unwrap(),
                "--json",
            ],
            "",
        )
    };
    let same = replay(&root);
    assert_eq!(same.status, 0, "{}{}", same.output, same.errors);
    let same: Value = serde_json::from_str(&same.output).unwrap();
    assert_eq!(
        same,
        json!({ "changes": [], "replayed": 4, "skipped": { "without_input": 4, "bound": 0 } })
    );
    let other = replay(&directory(
        &policy(issuer.url()).replace("[silver]", "[bronze]"),
    ));
    assert_eq!(other.status, 1, "{}", other.errors);
    let other: Value = serde_json::from_str(&other.output).unwrap();
    assert_eq!(other["changes"].as_array().unwrap().len(), 2, "{other}");
}
