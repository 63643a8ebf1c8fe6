//! The function that verifies the token and asks an AuthZEN decision point: its settings, what it asks
//! and answers, and that nothing but a permit of both gets through.

mod settings;

use std::path::Path;
use std::sync::LazyLock;

use portcullis_pdp::clock::{Clock, SystemClock};
use portcullis_test_support::issuer::Issuer;
use portcullis_test_support::lambda::Function;
use serde_json::{Value, json};

use crate::support::{BOOTSTRAP, CREDENTIAL, allows, check_log, event};
use crate::wire::{Act, Wire};

const ROUTES: &str = "GET /planets = silver; GET /moons/{moon} = gold; GET /health = public";
const PERMIT: &str = r#"{"decision":true}"#;

static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::start);

/// An answer of 200 in JSON.
fn json_answer(body: &str) -> Act {
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}");
    Act::Say(format!("{head}\r\n\r\n{body}").into_bytes())
}

fn answering(body: &'static str) -> Wire {
    Wire::start(move |_, _| json_answer(body))
}

/// A function that trusts the issuer and asks the service, ready for events.
fn function(service: &Wire, more: &[(&str, &str)]) -> Function {
    let (url, authorization) = (service.url(), format!("Bearer {CREDENTIAL}"));
    let own = [
        ("AUTHZEN_PDP_URL", url.as_str()),
        ("SECRET_HEADER_VALUE", &authorization),
        ("PORTCULLIS_ISSUER", ISSUER.url()),
        ("PORTCULLIS_AUDIENCE", "api"),
        ("PORTCULLIS_SCOPES", ROUTES),
        ("IS_DEBUG_ENABLED", "true"),
    ];
    let mut function = Function::start(Path::new(BOOTSTRAP), &[&own[..], more].concat());
    function.ready();
    function
}

fn token(scope: &str) -> String {
    ISSUER.token("api", scope, SystemClock.unix_now())
}

/// An event of an HTTP API with payload format 2.0.
fn http_event(path: &str, token: &str) -> String {
    json!({
        "version": "2.0", "type": "REQUEST",
        "routeArn": format!("arn:aws:execute-api:us-east-1:123456789012:abc/$default/GET{path}"),
        "routeKey": format!("GET {path}"), "rawPath": path, "rawQueryString": "key=query-secret",
        "headers": { "authorization": format!("Bearer {token}") },
        "requestContext": {
            "accountId": "123456789012", "apiId": "abc", "stage": "$default",
            "domainName": "abc.execute-api.us-east-1.amazonaws.com",
            "http": { "method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7" },
        },
    })
    .to_string()
}

fn answer(outcome: Result<String, String>) -> Value {
    serde_json::from_str(&outcome.unwrap()).unwrap()
}

#[test]
fn a_permit_is_for_this_request_and_shows_the_service_no_token() {
    let service = Wire::start(|head, body| {
        let sent: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(
            sent,
            json!({
                "subject": { "type": "identity", "id": "carl" },
                "action": { "name": "GET" },
                "resource": { "type": "route", "id": "/moons/{moon}" },
                "context": {
                    "host": "abc.execute-api.us-east-1.amazonaws.com", "path": "/moons/titan", "ip": "192.0.2.7",
                },
            })
        );
        assert!(
            head.starts_with("POST /access/v1/evaluation HTTP/1.1\r\n"),
            "{head}"
        );
        json_answer(PERMIT)
    });
    let mut function = function(&service, &[]);
    let gold = token("gold");
    let answer = answer(function.invoke(&event("/moons/titan", Some(&gold))).outcome);
    let statement = &answer["policyDocument"]["Statement"][0];
    assert_eq!(statement["Effect"], "Allow");
    let resource = statement["Resource"].to_string();
    assert!(resource.contains("abc/prod/GET/moons/titan"), "{resource}");
    assert!(!resource.contains('*'), "{resource}");
    assert_eq!(answer["principalId"], "carl");
    assert_eq!(answer["context"]["cache"], "off");
    assert_eq!(answer["context"]["reason"], "permitted_by_decision_point");
    let heads = service.heads();
    assert_eq!(heads.len(), 1);
    let head = heads[0].to_ascii_lowercase();
    let id = answer["context"]["decision_id"].as_str().unwrap();
    assert!(head.contains(&format!("x-request-id: {id}\r\n")), "{head}");
    assert!(head.contains(&format!("\r\nauthorization: bearer {CREDENTIAL}\r\n")));
    let log = function.stop();
    assert!(!log.contains(&gold) && !log.contains("carl"), "{log}");
    let lines = check_log(&log);
    let decided = lines
        .iter()
        .find(|line| line["message"] == "decided")
        .unwrap();
    assert_eq!(decided["decision_id"], id);
    assert!(
        lines
            .iter()
            .any(|line| line["message"] == "asked the decision point")
    );
}

#[test]
fn a_deny_gets_nothing_through_in_any_form() {
    let service = answering(r#"{"decision":false,"context":{"reason_user":{"403":"s3cret"}}}"#);
    for form in ["iam", "simple"] {
        let mut function = function(&service, &[("PORTCULLIS_HTTP_RESPONSE", form)]);
        let silver = token("silver");
        for event in [
            event("/planets", Some(&silver)),
            http_event("/planets", &silver),
        ] {
            let answer = answer(function.invoke(&event).outcome);
            let denied = answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"
                || answer["isAuthorized"] == false;
            assert!(denied, "{answer}");
            assert_eq!(answer["context"]["reason"], "denied_by_decision_point");
            assert_eq!(answer["context"]["status"], 403);
            assert_eq!(answer["context"]["cache"], "off");
        }
        assert!(!function.stop().contains("s3cret"));
    }
}

#[test]
fn a_step_up_is_unauthorized_with_a_challenge() {
    let service = answering(
        r#"{"decision":false,"context":{"obligations":[{"id":"1","type":"step-up","properties":{"acr_value":"mfa"}}]}}"#,
    );
    let mut function = function(&service, &[("PORTCULLIS_HTTP_RESPONSE", "simple")]);
    let silver = token("silver");
    let rest = function.invoke(&event("/planets", Some(&silver))).outcome;
    assert!(rest.is_err_and(|error| error.contains("Unauthorized")));
    let simple = answer(function.invoke(&http_event("/planets", &silver)).outcome);
    assert_eq!(simple["isAuthorized"], false);
    let challenge = simple["context"]["challenge"].to_string();
    for part in [
        "realm",
        "insufficient_user_authentication",
        "acr_values",
        "mfa",
    ] {
        assert!(challenge.contains(part), "{challenge}");
    }
}

#[test]
fn nobody_is_asked_about_a_token_that_is_none() {
    let service = answering(PERMIT);
    let mut function = function(&service, &[]);
    let stranger = Issuer::start();
    let now = SystemClock.unix_now();
    for token in [
        None,
        Some("opaque".to_owned()),
        Some(ISSUER.token("other", "silver", now)),
        Some(ISSUER.token("api", "silver", now - 7200)),
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
        let public = function.invoke(&event("/health", token.as_deref())).outcome;
        assert!(allows(&public), "{public:?}");
    }
    for (path, scope) in [("/planets", "gold"), ("/nowhere", "silver")] {
        let outcome = function.invoke(&event(path, Some(&token(scope)))).outcome;
        assert!(outcome.is_ok() && !allows(&outcome), "{outcome:?}");
    }
    assert!(service.heads().is_empty());
}

#[test]
fn whatever_else_is_answered_lets_nothing_through() {
    let text = |head: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
    };
    let json = "200 OK\r\nContent-Type: application/json";
    let huge = format!("{PERMIT}{}", " ".repeat(100_000));
    for bytes in [
        text(json, ""),
        text(json, "{}"),
        text(json, "null"),
        text(json, "[true]"),
        text(json, r#"{"decision":"true"}"#),
        text(json, r#"{"decision":1}"#),
        text(json, r#"{"decision":true,"decision":true}"#),
        text(json, r#"{"decision":true"#),
        text(json, &huge),
        text("200 OK", PERMIT),
        text("200 OK\r\nContent-Type: text/html", PERMIT),
        text("201 Created\r\nContent-Type: application/json", PERMIT),
        text(
            "302 Found\r\nContent-Type: application/json\r\nLocation: /",
            PERMIT,
        ),
        text("401 Unauthorized\r\nContent-Type: application/json", PERMIT),
        text("403 Forbidden\r\nContent-Type: application/json", PERMIT),
        text("500 Broken\r\nContent-Type: application/json", PERMIT),
        b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        Vec::new(),
    ] {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned();
        let service = Wire::start(move |_, _| Act::SayAndClose(bytes.clone()));
        for (mode, is_error) in [("error", true), ("deny", false)] {
            let settings = [("PORTCULLIS_ON_UNAVAILABLE", mode), ("MAX_RETRIES", "0")];
            let mut function = function(&service, &settings);
            let outcome = function
                .invoke(&event("/planets", Some(&token("silver"))))
                .outcome;
            assert!(!allows(&outcome), "{shown}: {outcome:?}");
            assert_eq!(outcome.is_err(), is_error, "{shown}: {outcome:?}");
            check_log(&function.stop());
        }
    }
}

#[test]
fn a_permit_on_an_obligation_is_a_deny() {
    let service = answering(
        r#"{"decision":true,"context":{"obligations":[{"id":"1","type":"custom","properties":{}}]}}"#,
    );
    let mut function = function(&service, &[]);
    let answer = answer(
        function
            .invoke(&event("/planets", Some(&token("silver"))))
            .outcome,
    );
    assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Deny");
    assert_eq!(answer["context"]["reason"], "denied_by_decision_point");
}

#[test]
fn metadata_is_fetched_before_the_first_event() {
    let service = Wire::start(|head, _| {
        let own = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("host").then_some(value)
        });
        let own = format!("http://{}", own.unwrap());
        if head.starts_with("GET ") {
            let metadata = json!({
                "policy_decision_point": own, "access_evaluation_endpoint": format!("{own}/evaluate"),
            });
            json_answer(&metadata.to_string())
        } else {
            json_answer(PERMIT)
        }
    });
    let mut function = function(&service, &[("AUTHZEN_DISCOVERY", "true")]);
    let mut waits = 0;
    while service.heads().is_empty() && waits < 2000 {
        waits += 1;
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(service.heads().len(), 1, "no event has come yet");
    for _ in 0..2 {
        assert!(allows(
            &function
                .invoke(&event("/planets", Some(&token("silver"))))
                .outcome
        ));
    }
    let heads = service.heads();
    let lines: Vec<&str> = heads
        .iter()
        .filter_map(|head| head.lines().next())
        .collect();
    assert_eq!(
        lines,
        [
            "GET /.well-known/authzen-configuration HTTP/1.1",
            "POST /evaluate HTTP/1.1",
            "POST /evaluate HTTP/1.1",
        ]
    );
    assert!(!heads[0].contains(CREDENTIAL));
}
