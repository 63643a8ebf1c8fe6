//! `portcullis serve`, over HTTP.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use portcullis_test_support::issuer::Issuer;
use serde_json::{Value, json};

use crate::command::portcullis;
use crate::decide::{now, policy};
use crate::policy_check::directory;

/// A running service.
pub(crate) struct Service {
    pub(crate) child: Child,
    pub(crate) address: String,
    log: Arc<Mutex<String>>,
}

/// An answer: status, head and body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
    /// The body as it came.
    pub(crate) text: String,
}

impl Service {
    pub(crate) fn start(policy: &Path) -> Self {
        let service = Self::launch(policy, &[]);
        service.until("the service is ready", || {
            service.get("/health/ready").status == 200
        });
        service
    }

    /// A service that listens, and may not be ready yet.
    pub(crate) fn launch(policy: &Path, arguments: &[&str]) -> Self {
        let policy = ["--policy", policy.to_str().unwrap()];
        Self::launch_with(&[&policy[..], arguments].concat())
    }

    /// A service with those arguments beside its address.
    pub(crate) fn launch_with(arguments: &[&str]) -> Self {
        let mut child = portcullis()
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .env(
                "PORTCULLIS_GATEWAY_CREDENTIALS",
                "first-credential,second-credential",
            )
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let address = lines
            .find_map(|line| {
                let line: Value = serde_json::from_str(&line).unwrap();
                Some(line["address"].as_str()?.to_owned())
            })
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let writer = Arc::clone(&log);
        thread::spawn(move || {
            for line in lines {
                writer.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self {
            child,
            address,
            log,
        }
    }

    /// Waits, up to half a minute, until something holds.
    pub(crate) fn until(&self, what: &str, holds: impl Fn() -> bool) {
        for _ in 0..600 {
            if holds() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("{what}: {}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        ))
    }

    pub(crate) fn ask(&self, headers: &str, path: &str, body: &str) -> Answer {
        let length = body.len();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        ))
    }

    /// Asks with the first credential on the usual path.
    pub(crate) fn decide(&self, body: &Value) -> Answer {
        self.ask(
            "client-token: first-credential\r\n",
            "/sideband/request",
            &body.to_string(),
        )
    }

    fn send(&self, request: &str) -> Answer {
        Self::send_to(&self.address, request)
    }

    pub(crate) fn send_to(address: &str, request: &str) -> Answer {
        let mut stream = TcpStream::connect(address).unwrap();
        // The service may answer and close before it has read all of a body that is too large.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        Answer {
            status: head
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok())
                .unwrap_or(0),
            head: head.to_ascii_lowercase(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
            text: body.to_owned(),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn call(path: &str, token: Option<&str>) -> Value {
    let authorization = token.map(|token| json!({ "Authorization": format!("Bearer {token}") }));
    let headers: Vec<_> = [json!({ "Accept": "*/*" })]
        .into_iter()
        .chain(authorization)
        .collect();
    json!({
        "source_ip": "192.0.2.7", "source_port": 56782, "method": "GET",
        "url": format!("https://api.example.com{path}"), "http_version": "1.1", "headers": headers,
    })
}

#[test]
fn answers_sideband_calls() {
    let issuer = Issuer::start();
    let root = directory(&policy(issuer.url()));
    let service = Service::start(root.path());
    let silver = issuer.token("api", "silver", now());
    let bronze = issuer.token("api", "bronze", now());

    let permitted = call("/planets", Some(&silver));
    let answer = service.decide(&permitted);
    assert_eq!(
        (answer.status, &answer.body),
        (200, &permitted),
        "a permit is the echo and nothing else"
    );
    assert!(answer.head.contains("correlation-id: "), "{}", answer.head);

    for (body, code, challenge) in [
        (
            call("/planets", None),
            "401",
            Some("Bearer realm=\"https://api.example.com\""),
        ),
        (
            call("/planets", Some("x.y.z")),
            "401",
            Some("error=\"invalid_token\""),
        ),
        (
            call("/planets", Some(&bronze)),
            "403",
            Some("error=\"insufficient_scope\""),
        ),
        (call("/comets", Some(&silver)), "403", None),
        (
            call("/../planets", Some(&silver)),
            "400",
            Some("error=\"invalid_request\""),
        ),
    ] {
        let answer = service.decide(&body);
        assert_eq!(answer.status, 200);
        let response = &answer.body["response"];
        assert_eq!(response["response_code"], code, "{body}");
        let first = &response["headers"][0]["www-authenticate"];
        match challenge {
            Some(part) => assert!(first.as_str().unwrap().contains(part), "{first}"),
            None => assert!(first.is_null()),
        }
    }
    let mut elsewhere = call("/planets", Some(&silver));
    // The token in the path, too: it is not to be in the log.
    elsewhere["url"] = json!(format!("https://other.example.com/planets/{silver}"));
    assert_eq!(
        service.decide(&elsewhere).body["response"]["response_code"],
        "404"
    );

    let text = permitted.to_string();
    for (headers, path) in [
        ("client-token: second-credential\r\n", "/sideband/request"),
        ("pdg-token: first-credential\r\n", "/sideband/request"),
        (
            "client-token: first-credential\r\n",
            "/v1/environments/abc/sideband/request",
        ),
    ] {
        assert_eq!(
            service.ask(headers, path, &text).status,
            200,
            "{headers}{path}"
        );
    }
    // The log comes through a pipe and may be a moment behind.
    service.until("the last decision is in the log", || {
        service.log().matches("\"message\":\"decided\"").count() == 10
    });
    let log = service.log();
    assert!(log.contains("\"reason\":\"insufficient_scope\""), "{log}");
    for secret in [
        silver.as_str(),
        &bronze,
        "first-credential",
        "second-credential",
    ] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[test]
fn refuses_calls_that_are_none() {
    let root = directory(&policy("http://127.0.0.1:1"));
    let service = Service::start(root.path());
    let good = "client-token: first-credential\r\n";
    let call = call("/planets", None).to_string();
    let path = "/sideband/request";
    let large = format!("{{\"body\":\"{}\"}}", "x".repeat(2 * 1024 * 1024));
    for (headers, path, body, status, code) in [
        ("", path, call.as_str(), 401, "ACCESS_FAILED"),
        ("client-token: wrong\r\n", path, &call, 401, "ACCESS_FAILED"),
        (
            "client-token: first-credential\r\nclient-token: first-credential\r\n",
            path,
            &call,
            401,
            "ACCESS_FAILED",
        ),
        (
            "client-token: first-credential\r\npdg-token: wrong\r\n",
            path,
            &call,
            401,
            "ACCESS_FAILED",
        ),
        (good, path, "", 400, "INVALID_REQUEST"),
        (good, path, "{", 400, "INVALID_REQUEST"),
        (good, path, "[]", 400, "INVALID_REQUEST"),
        (good, path, "{}", 400, "INVALID_REQUEST"),
        (
            good,
            path,
            &call.replace("[{\"Accept\":\"*/*\"}]", "{\"Accept\":\"*/*\"}"),
            400,
            "INVALID_REQUEST",
        ),
        (
            good,
            path,
            &call.replace("https://api.example.com", ""),
            400,
            "INVALID_REQUEST",
        ),
        (
            good,
            path,
            &call.replace("\"GET\"", "\"G T\""),
            400,
            "INVALID_REQUEST",
        ),
        (good, path, &large, 413, "REQUEST_TOO_LARGE"),
        (good, "/sideband", &call, 404, "NOT_FOUND"),
    ] {
        let answer = service.ask(headers, path, body);
        // A client that is still sending may see the connection closed instead of the 413.
        if status == 413 && answer.status == 0 {
            continue;
        }
        let shown: String = body.chars().take(80).collect();
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (status, &json!(code)),
            "{headers}{path} {shown}"
        );
        assert!(answer.body["id"].is_string() && answer.body["message"].is_string());
    }
    assert_eq!(service.get(path).status, 405);
    assert_eq!(service.get("/health/live").status, 200);
}

#[test]
fn keys_that_cannot_be_had_are_no_decision() {
    let issuer = Issuer::start();
    let root = directory(&policy("http://127.0.0.1:1"));
    let service = Service::start(root.path());
    // The token names an issuer that is trusted, and whose keys nobody serves.
    let token = issuer.token("api", "silver", now());
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts[1] = "eyJpc3MiOiJodHRwOi8vMTI3LjAuMC4xOjEifQ".to_owned();
    let answer = service.decide(&call("/planets", Some(&parts.join("."))));
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (503, &json!("SERVICE_UNAVAILABLE"))
    );
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
}

#[test]
fn edits_are_picked_up_and_broken_ones_are_not() {
    let issuer = Issuer::start();
    let root = directory(&policy(issuer.url()));
    let service = Service::start(root.path());
    let bronze = call("/planets", Some(&issuer.token("api", "bronze", now())));
    let denied = || service.decide(&bronze).body.get("response").is_some();
    assert!(denied());
    let file = root.path().join("services/a.yaml");
    fs::write(&file, policy(issuer.url()).replace("silver", "bronze")).unwrap();
    service.until("the edit decides", || !denied());
    fs::write(&file, policy(issuer.url()).replace("rules", "rulse")).unwrap();
    service.until("the mistake is in the log", || {
        service.log().contains("did you mean")
    });
    assert!(!denied(), "the old policy keeps deciding");
    fs::write(&file, policy(issuer.url())).unwrap();
    service.until("the next edit decides", denied);
}

#[test]
fn stops_when_it_is_told_to() {
    let root = directory(&policy("http://127.0.0.1:1"));
    let mut service = Service::start(root.path());
    let id = service.child.id().to_string();
    assert!(Command::new("kill").arg(&id).status().unwrap().success());
    assert!(service.child.wait().unwrap().success());
    assert!(service.log().contains("stopping"), "{}", service.log());
}

#[test]
fn credentials_that_can_be_guessed_are_told_at_the_start_without_showing_them() {
    let root = directory(&policy("http://127.0.0.1:1"));
    let root = root.path().to_str().unwrap();
    let list = tempfile::NamedTempFile::new().unwrap();
    fs::write(list.path(), "guess-me\na-credential-of-32-visible-bytes\n").unwrap();
    let list = list.path().to_str().unwrap();
    let service = Service::launch_with(&["--policy", root, "--credentials", list]);
    service.until("the warning is in the log", || {
        service.log().contains("can be guessed")
    });
    let log = service.log();
    assert!(log.contains("\"count\":1"), "{log}");
    assert!(!log.contains("guess-me"), "{log}");
}

#[test]
fn refuses_to_start_where_it_would_protect_nothing() {
    let root = directory(&policy("http://127.0.0.1:1"));
    let root = root.path().to_str().unwrap().to_owned();
    let broken = directory("name: A\nbase_url: x\n");
    let broken = broken.path().to_str().unwrap().to_owned();
    let start = |policy: &str, arguments: &[&str], credentials: &str| {
        let mut command = portcullis();
        command
            .args(["serve", "--policy", policy, "--listen", "127.0.0.1:0"])
            .args(arguments);
        if !credentials.is_empty() {
            command.env("PORTCULLIS_GATEWAY_CREDENTIALS", credentials);
        }
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let insecure = "--insecure-no-credentials";
    for (policy, arguments, credentials, expected) in [
        (&root, &[][..], "", "no gateway credentials"),
        (
            &root,
            &[],
            " , ",
            "the list of gateway credentials is empty",
        ),
        (&root, &[insecure], "a", "remove one"),
        (
            &root,
            &["--credentials", "/no/such/file"],
            "",
            "/no/such/file",
        ),
        (
            &broken,
            &[],
            "a",
            "services/a.yaml:2:1: unknown key \"base_url\"; did you mean \"base_urls\"?",
        ),
    ] {
        let (status, errors) = start(policy, arguments, credentials);
        assert_eq!(status, Some(2), "{arguments:?}");
        assert!(errors.contains(expected), "{errors}");
    }
    let mut command = portcullis();
    command.args([
        "serve",
        "--policy",
        &root,
        "--listen",
        "0.0.0.0:0",
        insecure,
    ]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("loopback address only")
    );
}
