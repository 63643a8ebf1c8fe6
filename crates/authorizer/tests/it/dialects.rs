//! Every recorded event under the real function, and requests with two readings in every dialect.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Service, TOKEN, allows, check_log, recorded, rest_event};

/// What the names of the files with authorizer events start with. Every other file in the folder is
/// an event of something else, or an answer.
const AUTHORIZER_EVENTS: [&str; 5] = [
    "rest_token",
    "rest_request",
    "http_v1_request",
    "http_v2_request",
    "websocket_connect_authorizer",
];

/// The members of the folder, without `.json`.
fn names() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/events");
    let names = fs::read_dir(folder).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // A template has placeholders where an event has values.
        let event = name.strip_suffix(".json")?;
        (!event.ends_with(".sam-template")).then(|| event.to_owned())
    });
    names.collect()
}

#[test]
fn a_permit_allows_the_recorded_request_and_nothing_else() {
    let service = Service::permitting();
    let mut function = service.function(&[]);
    let (mut answered, mut refused) = (0, 0);
    for name in names() {
        let event = recorded(&name);
        let outcome = function.invoke(&event).outcome;
        if !AUTHORIZER_EVENTS
            .iter()
            .any(|start| name.starts_with(start))
        {
            assert!(outcome.is_err(), "{name}: {outcome:?}");
            refused += 1;
            continue;
        }
        answered += 1;
        let answer: Value = serde_json::from_str(&outcome.unwrap()).unwrap();
        let event: Value = serde_json::from_str(&event).unwrap();
        let arn = event["methodArn"].as_str().or(event["routeArn"].as_str());
        let statements = answer["policyDocument"]["Statement"].as_array().unwrap();
        assert_eq!(statements.len(), 1, "{name}");
        assert_eq!(statements[0]["Effect"], "Allow", "{name}");
        assert_eq!(statements[0]["Action"], "execute-api:Invoke", "{name}");
        let resources = match &statements[0]["Resource"] {
            Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        };
        // Some recorded TOKEN events have a `*` for a stage, which must not be a wildcard here.
        let arn = arn.unwrap().replace('*', "?");
        assert!(resources.contains(&json!(arn)), "{name}: {resources:?}");
        for resource in &resources {
            let resource = resource.as_str().unwrap();
            assert!(
                resource == arn || !resource.contains(['*', '?']),
                "{name}: {resource} covers more than the request"
            );
        }
    }
    assert!(answered >= 18 && refused >= 20, "{answered} {refused}");
    assert_eq!(service.calls(), answered);
    check_log(&function.stop());
}

#[test]
fn a_setting_for_http_apis_changes_no_other_dialect() {
    let service = Service::permitting();
    let mut function = service.function(&[("PORTCULLIS_HTTP_RESPONSE", "simple")]);
    for name in names() {
        let answers_with_policy = AUTHORIZER_EVENTS
            .iter()
            .any(|start| !start.starts_with("http_v2") && name.starts_with(start));
        if answers_with_policy {
            let answer: Value =
                serde_json::from_str(&function.invoke(&recorded(&name)).outcome.unwrap()).unwrap();
            // Two of the recorded REST events speak HTTP 1.0, which answers with policies too.
            assert!(answer["isAuthorized"].is_null(), "{name}");
            assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Allow");
        }
    }
}

fn token_event(path: &str, token: &str) -> Value {
    json!({
        "type": "TOKEN", "authorizationToken": token,
        "methodArn": format!("arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET{path}"),
    })
}

fn http_v1_event(path: &str) -> Value {
    let mut event = rest_event(path);
    event["version"] = json!("1.0");
    event
}

fn http_v2_event(path: &str) -> Value {
    json!({
        "version": "2.0", "type": "REQUEST", "routeKey": "GET /planets", "rawPath": path,
        "routeArn": format!("arn:aws:execute-api:us-east-1:123456789012:abc/$default/GET{path}"),
        "rawQueryString": "key=query-secret",
        "headers": { "authorization": format!("Bearer {TOKEN}"), "cookie": "c=query-secret" },
        "requestContext": {
            "apiId": "abc", "stage": "$default", "domainName": "abc.execute-api.us-east-1.amazonaws.com",
            "http": { "method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7" },
        },
    })
}

fn websocket_event() -> Value {
    json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abc/prod/$connect",
        "headers": { "Authorization": format!("Bearer {TOKEN}") },
        "multiValueHeaders": { "Authorization": [format!("Bearer {TOKEN}")] },
        "requestContext": {
            "routeKey": "$connect", "eventType": "CONNECT", "stage": "prod", "apiId": "abc",
            "domainName": "abc.execute-api.us-east-1.amazonaws.com",
        },
    })
}

/// Each dialect, for one path.
fn in_each_dialect(path: &str) -> [Value; 4] {
    [
        rest_event(path),
        token_event(path, &format!("Bearer {TOKEN}")),
        http_v1_event(path),
        http_v2_event(path),
    ]
}

#[test]
fn a_path_with_two_readings_gets_through_in_no_dialect() {
    let service = Service::permitting();
    let mut function = service.function(&[]);
    for event in in_each_dialect("/planets")
        .iter()
        .chain([&websocket_event()])
    {
        let outcome = function.invoke(&event.to_string()).outcome;
        assert!(allows(&outcome), "the plain one is allowed: {outcome:?}");
    }
    let plain = service.calls();
    for path in TWO_READINGS {
        for event in in_each_dialect(path) {
            let outcome = function.invoke(&event.to_string()).outcome;
            assert!(!allows(&outcome), "{path}: {event}");
        }
    }
    assert_eq!(service.calls(), plain, "the service is not even asked");
}

const TWO_READINGS: [&str; 23] = [
    "//planets",
    "/a//planets",
    "/./planets",
    "/..",
    "/a/../planets",
    "/a/..",
    "/a%2fb",
    "/a%2Fb",
    "/%2e%2e/planets",
    "/%2E./planets",
    "/%252e%252e/planets",
    "/%70lanets",
    "/%50lanets",
    "/%6Doons",
    "/a;b",
    "/a\\b",
    "/a%5cb",
    "/a%00",
    "/a%0d%0ab",
    "/a\u{7f}",
    "/a%",
    "/a%zz",
    "/a%ff",
];

#[test]
fn what_api_gateway_has_decoded_is_escaped_again() {
    let service = Service::permitting();
    let mut function = service.function(&[]);
    for (path, seen) in [("/a b", "/a%20b"), ("/a#b", "/a%23b"), ("/a?b", "/a%3Fb")] {
        for event in [rest_event(path), http_v1_event(path)] {
            let _ = function.invoke(&event.to_string());
            let url = service.last()["url"].as_str().unwrap().to_owned();
            let path = url.split(".amazonaws.com").nth(1).unwrap();
            assert_eq!(
                path.trim_start_matches("/prod"),
                format!("{seen}?key=query-secret")
            );
        }
    }
}

#[test]
fn two_credentials_or_a_huge_one_get_through_in_no_dialect() {
    let service = Service::permitting();
    let mut function = service.function(&[]);
    let huge = format!("Bearer {}", "x".repeat(100_000));
    let long = format!("Bearer {}", "x".repeat(16 * 1024));
    let joined = "Bearer a, Bearer b";
    let mut events = Vec::new();
    for value in [
        huge.as_str(),
        &long,
        joined,
        "Bearer a,Basic b",
        "Bearer a\r\nX: y",
    ] {
        events.push(token_event("/planets", value));
        for mut event in [
            rest_event("/planets"),
            http_v1_event("/planets"),
            websocket_event(),
        ] {
            event["headers"]["Authorization"] = json!(value);
            event["multiValueHeaders"]["Authorization"] = json!([value]);
            events.push(event);
        }
        let mut event = http_v2_event("/planets");
        event["headers"]["authorization"] = json!(value);
        events.push(event);
    }
    // The same header in two spellings, in each map and across them.
    for (member, value) in [
        ("multiValueHeaders", json!(["Bearer b"])),
        ("headers", json!("Bearer b")),
    ] {
        for mut event in [
            rest_event("/planets"),
            http_v1_event("/planets"),
            websocket_event(),
        ] {
            event[member]["AUTHORIZATION"] = value.clone();
            if member == "headers" {
                event["multiValueHeaders"] = Value::Null;
            }
            events.push(event);
        }
    }
    let mut event = http_v2_event("/planets");
    event["headers"]["Authorization"] = json!("Bearer b");
    events.push(event);
    for event in events {
        let outcome = function.invoke(&event.to_string()).outcome;
        let shown: String = event.to_string().chars().take(400).collect();
        assert!(!allows(&outcome), "{shown}");
    }
    assert_eq!(service.calls(), 0);
    check_log(&function.stop());
}
