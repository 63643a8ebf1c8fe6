//! Whatever keeps a decision from being made, nothing gets through.

use std::path::Path;
use std::thread;
use std::time::Duration;

use portcullis_test_support::http;
use portcullis_test_support::lambda::Function;
use serde_json::{Value, json};

use crate::support::{BOOTSTRAP, CREDENTIAL, Service, TOKEN, allows, check_log, rest_event};

/// The body of an answer, from the request.
type Body = fn(&Value) -> String;

#[test]
fn an_answer_that_is_no_permit_lets_nothing_through() {
    let cut = |sent: &Value| sent.to_string()[..sent.to_string().len() - 2].to_owned();
    let bodies: [(&'static str, Body); 12] = [
        ("200 OK", |_| String::new()),
        ("200 OK", |_| "{}".to_owned()),
        ("200 OK", |_| "null".to_owned()),
        ("200 OK", |_| "<html><body>OK</body></html>".to_owned()),
        ("200 OK", |_| "{\"decision\":\"PERMIT\"}".to_owned()),
        ("204 No Content", |_| String::new()),
        ("201 Created", Value::to_string),
        ("302 Found", Value::to_string),
        ("401 Unauthorized", Value::to_string),
        ("403 Forbidden", Value::to_string),
        ("500 Internal Server Error", Value::to_string),
        ("200 OK", |sent| json!([sent]).to_string()),
    ];
    for (status, body) in bodies {
        let service = Service::start(move |sent| (status, body(sent)));
        let mut function = service.function(&[("MAX_RETRIES", "0")]);
        let outcome = function.invoke(&rest_event("/planets").to_string()).outcome;
        assert!(outcome.is_err(), "{status}: {outcome:?}");
        check_log(&function.stop());
    }
    let service = Service::start(move |sent| ("200 OK", cut(sent)));
    assert!(!allows(
        &service
            .function(&[])
            .invoke(&rest_event("/planets").to_string())
            .outcome
    ));
}

#[test]
fn a_service_that_is_away_or_silent_is_an_error_and_then_works_again() {
    let away = [
        ("SERVICE_URL", "http://127.0.0.1:1"),
        ("SECRET_HEADER_VALUE", CREDENTIAL),
    ];
    let mut function = Function::start(Path::new(BOOTSTRAP), &away);
    function.ready();
    assert!(
        function
            .invoke(&rest_event("/planets").to_string())
            .outcome
            .is_err()
    );

    // Every other connection is never answered.
    let connections = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let address = http::listen(move |mut connection| {
        let number = connections.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        while let Some(request) = connection.read()? {
            if number == 0 {
                thread::sleep(Duration::from_secs(20));
            }
            connection.write("200 OK", "", &request.body)?;
        }
        Ok(())
    });
    let url = format!("http://{address}");
    let silent = [
        ("SERVICE_URL", url.as_str()),
        ("SECRET_HEADER_VALUE", CREDENTIAL),
        ("PORTCULLIS_TIMEOUT", "1s"),
    ];
    let mut function = Function::start(
        Path::new(BOOTSTRAP),
        &[&silent[..], &[("MAX_RETRIES", "0")]].concat(),
    );
    function.ready();
    assert!(
        function
            .invoke(&rest_event("/planets").to_string())
            .outcome
            .is_err()
    );
    assert!(allows(
        &function.invoke(&rest_event("/planets").to_string()).outcome
    ));
}

#[test]
fn unavailable_can_be_a_deny() {
    let service = Service::start(|_| ("500 Internal Server Error", String::new()));
    let mut function =
        service.function(&[("PORTCULLIS_ON_UNAVAILABLE", "deny"), ("MAX_RETRIES", "0")]);
    let answer = function
        .invoke(&rest_event("/planets").to_string())
        .outcome
        .unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Deny");
    assert_eq!(answer["context"]["reason"], "decision_point_unavailable");
}

#[test]
fn a_deny_with_a_server_error_is_no_decision() {
    let service = Service::denying(json!({ "response_code": "503" }));
    assert!(
        service
            .function(&[])
            .invoke(&rest_event("/planets").to_string())
            .outcome
            .is_err()
    );
}

#[test]
fn requests_with_two_readings_never_reach_the_service() {
    let service = Service::permitting();
    let mut function = service.function(&[]);
    let mut twice = rest_event("/planets");
    twice["multiValueHeaders"]["Authorization"] =
        json!([format!("Bearer {TOKEN}"), "Bearer other"]);
    let mut joined = rest_event("/planets");
    joined["multiValueHeaders"]["Authorization"] = json!(["Bearer a,Bearer b"]);
    let mut large = rest_event("/planets");
    large["multiValueHeaders"]["Authorization"] =
        json!([format!("Bearer {}", "x".repeat(100_000))]);
    let paths = [
        "//planets",
        "/a/../planets",
        "/a%2fb",
        "/a%2Fb",
        "/%70lanets",
        "/%6Doons",
        "/a;b",
        "/a%5cb",
        "/a%00",
    ];
    for event in paths
        .map(rest_event)
        .into_iter()
        .chain([twice, joined, large])
    {
        let outcome = function.invoke(&event.to_string()).outcome;
        assert!(!allows(&outcome), "{outcome:?}");
    }
    assert_eq!(service.calls(), 0);
}

#[test]
fn what_is_no_event_is_an_error_and_the_function_goes_on() {
    let service = Service::permitting();
    let mut function = service.function(&[]);
    for event in [
        "{}",
        "[]",
        "null",
        "\"x\"",
        "{\"type\":\"TOKEN\"}",
        "{\"version\":\"3.0\"}",
        "{\"Records\":[]}",
        "nonsense",
    ] {
        assert!(function.invoke(event).outcome.is_err(), "{event}");
    }
    assert!(allows(
        &function.invoke(&rest_event("/planets").to_string()).outcome
    ));
    assert_eq!(service.calls(), 1);
}
