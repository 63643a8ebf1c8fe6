//! REST API, REQUEST authorizer.

use portcullis_aws::{Dialect, EventError};
use serde_json::{Value, json};

use crate::support::{entry_path, headers, parse, rest_event, stripped_url, url};

const HOST: &str = "https://abc.execute-api.eu-west-1.amazonaws.com";

fn custom_domain(sent: &str, below: &str) -> Value {
    let mut event = rest_event("prod", below);
    event["path"] = json!(sent);
    event["requestContext"]["path"] = json!(sent);
    event["requestContext"]["domainName"] = json!("api.example.com");
    event
}

#[test]
fn the_url_is_the_one_that_was_sent() {
    let event = rest_event("prod", "/planets/1");
    let parsed = parse(&event).unwrap();
    assert_eq!(parsed.dialect(), Dialect::RestRequest);
    assert_eq!(
        parsed.request().source.ip.unwrap().to_string(),
        "2001:db8::1"
    );
    assert_eq!(parsed.request().source.port, None);
    assert_eq!(parsed.request().body, None);
    assert_eq!(url(&event), format!("{HOST}/prod/planets/1"));
    assert_eq!(stripped_url(&event), format!("{HOST}/planets/1"));
    assert_eq!(entry_path(&event).as_deref(), Some("/planets/1"));
}

#[test]
fn the_root_of_a_stage() {
    let mut event = rest_event("prod", "/");
    assert_eq!(stripped_url(&event), format!("{HOST}/"));
    event["requestContext"]["path"] = json!("/prod");
    assert_eq!(url(&event), format!("{HOST}/prod"));
    assert_eq!(stripped_url(&event), format!("{HOST}/"));
    assert_eq!(entry_path(&event).as_deref(), Some("/"));
}

#[test]
fn a_base_path_is_not_a_stage() {
    let event = custom_domain("/v1/planets", "/planets");
    assert_eq!(url(&event), "https://api.example.com/v1/planets");
    assert_eq!(stripped_url(&event), "https://api.example.com/v1/planets");
    assert_eq!(entry_path(&event).as_deref(), Some("/planets"));
    // Also where it has the stage's name: both paths of the event keep it.
    let event = custom_domain("/prod/planets", "/planets");
    assert_eq!(stripped_url(&event), "https://api.example.com/prod/planets");
    let event = custom_domain("/v1", "/");
    assert_eq!(entry_path(&event).as_deref(), Some("/"));
}

#[test]
fn the_host_header_is_the_clients_word() {
    let mut event = rest_event("prod", "/planets");
    event["headers"] = json!({ "Host": "evil.example" });
    event["requestContext"]["domainName"] = Value::Null;
    assert_eq!(url(&event), format!("{HOST}/prod/planets"));
    assert_eq!(headers(&event), ["Host: evil.example"]);
    for name in ["evil.example/x", "a@b", "a b", "a?b", "a#b", "a:b", "[::1]"] {
        event["requestContext"]["domainName"] = json!(name);
        assert!(
            matches!(parse(&event), Err(EventError::Member { .. })),
            "{name}"
        );
    }
}

#[test]
fn the_order_case_and_repetition_of_headers_stay() {
    let mut event = rest_event("prod", "/");
    event["multiValueHeaders"] = Value::Null;
    let text = event.to_string();
    let with = |members: &str| {
        let text = text.replacen("\"headers\":{}", members, 1);
        let options = portcullis_aws::EventOptions::default();
        let event = portcullis_aws::AuthorizerEvent::parse(text.as_bytes(), &options).unwrap();
        let headers = event.request().headers.iter();
        headers
            .map(|field| format!("{}={}", field.name(), field.value()))
            .collect::<Vec<_>>()
    };
    let text_of = |members: &str| with(members).join(" ");
    assert_eq!(
        text_of(r#""headers":{"Zeta":"1","alpha":"2","Beta":"3"}"#),
        "Zeta=1 alpha=2 Beta=3"
    );
    assert_eq!(
        text_of(r#""headers":{"Authorization":"a","authorization":"b","Authorization":"c"}"#),
        "Authorization=a authorization=b Authorization=c"
    );
    assert_eq!(text_of(r#""headers":null"#), "");
}

#[test]
fn repeated_headers_come_first() {
    let mut event = rest_event("prod", "/");
    event["multiValueHeaders"] = json!({ "Authorization": ["a", "b"], "empty": [], "none": null });
    event["headers"] = json!({ "authorization": "b", "empty": "e", "none": null, "x": "1" });
    assert_eq!(
        headers(&event),
        ["Authorization: a", "Authorization: b", "empty: e", "x: 1"]
    );
    let parsed = parse(&event).unwrap();
    assert!(parsed.request().authorization().is_err());
}

#[test]
fn the_query_is_escaped_again() {
    let mut event = rest_event("prod", "/");
    event["multiValueQueryStringParameters"] = json!({ "a": ["1", "2 3"], "b&c": ["d=e#f"] });
    event["queryStringParameters"] = json!({ "a": "2 3", "only": "\u{fc}/?%" });
    assert_eq!(
        url(&event),
        format!("{HOST}/prod/?a=1&a=2%203&b%26c=d%3De%23f&only=%C3%BC%2F%3F%25")
    );
}

#[test]
fn null_maps_and_absent_members_are_empty() {
    let event = json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:abc/prod/GET/x",
        "httpMethod": "GET",
        "path": "/x",
        "headers": null,
        "multiValueHeaders": null,
        "queryStringParameters": null,
        "multiValueQueryStringParameters": null,
        "pathParameters": null,
        "stageVariables": null,
        "requestContext": null,
        "body": null,
        "isBase64Encoded": false,
        "unknown": [{ "x": 1.5e3 }],
    });
    assert_eq!(url(&event), format!("{HOST}/x"));
    assert_eq!(entry_path(&event).as_deref(), Some("/x"));
}

#[test]
fn the_console_tester_has_no_source_address() {
    let mut event = rest_event("test-invoke-stage", "/x");
    event["requestContext"]["identity"]["sourceIp"] = json!("test-invoke-source-ip");
    event["requestContext"]["domainName"] = json!("testPrefix.testDomainName");
    event["requestContext"]["path"] = json!("/x");
    assert_eq!(url(&event), "https://testPrefix.testDomainName/x");
    assert_eq!(parse(&event).unwrap().request().source.ip, None);
}

#[test]
fn certificate_protocol_and_request_id_are_taken_over() {
    let mut event = rest_event("prod", "/");
    event["requestContext"]["protocol"] = json!("HTTP/2.0");
    event["requestContext"]["requestId"] = json!("id-1");
    event["requestContext"]["identity"]["clientCert"] = json!({ "clientCertPem": "PEM" });
    let parsed = parse(&event).unwrap();
    assert_eq!(parsed.request().http_version, "2.0");
    assert_eq!(parsed.request_id(), Some("id-1"));
    assert_eq!(
        parsed.request().client_certificate.as_ref().unwrap().pem,
        "PEM"
    );
    for protocol in [
        json!("WSS"),
        json!("HTTP/"),
        json!("HTTP/1.1\r\n"),
        Value::Null,
    ] {
        event["requestContext"]["protocol"] = protocol;
        assert_eq!(parse(&event).unwrap().request().http_version, "1.1");
    }
}

#[test]
fn where_two_members_disagree_there_is_no_entry() {
    let mut other_api = rest_event("prod", "/planets");
    other_api["requestContext"]["apiId"] = json!("other");
    let mut other_stage = rest_event("prod", "/planets");
    other_stage["requestContext"]["stage"] = json!("dev");
    for event in [other_api, other_stage] {
        assert_eq!(entry_path(&event), None);
    }
    // What is decided on and what is let through would not be the same.
    let mut other_path = rest_event("prod", "/planets");
    other_path["requestContext"]["path"] = json!("/prod/moons");
    let mut root = rest_event("prod", "/");
    root["requestContext"]["path"] = json!("/prod/moons");
    let mut longer = rest_event("prod", "/planets");
    longer["requestContext"]["path"] = json!("/prod/planets/moons");
    for event in [other_path, root, longer] {
        assert!(matches!(
            parse(&event),
            Err(EventError::Disagreement { .. })
        ));
    }
    let mut other_method = rest_event("prod", "/planets");
    other_method["httpMethod"] = json!("DELETE");
    assert!(matches!(
        parse(&other_method),
        Err(EventError::Disagreement { .. })
    ));
}

#[test]
fn a_path_with_two_readings_stays_as_it_is_and_has_no_entry() {
    for path in ["//moons", "/a/../moons", "/a%2fb", "/%6doons", "/a%00"] {
        let event = rest_event("prod", path);
        assert_eq!(url(&event), format!("{HOST}/prod{path}"));
        assert_eq!(entry_path(&event), None, "{path}");
    }
}

#[test]
fn what_cannot_be_passed_on_is_refused() {
    let mut event = rest_event("prod", "/");
    for (member, value) in [
        ("headers", json!({ "x": "a\r\nb" })),
        ("headers", json!({ "x y": "1" })),
        ("headers", json!({ "x": 1 })),
        ("multiValueHeaders", json!({ "x": vec!["1"; 300] })),
        ("multiValueHeaders", json!({ "x": [["1"]] })),
        ("queryStringParameters", json!({ "x": "y".repeat(20_000) })),
        ("requestContext", json!("x")),
        ("httpMethod", json!(null)),
    ] {
        let before = event[member].take();
        event[member] = value;
        assert!(parse(&event).is_err(), "{member}");
        event[member] = before;
    }
    event["requestContext"]["path"] = json!("no-slash");
    assert!(parse(&event).is_err());
}
