//! How an event is recognised, and what is said about one that is not.

use portcullis_aws::{AuthorizerEvent, Dialect, EventError, EventOptions, MAX_EVENT_BYTES};
use serde_json::json;

use crate::support::{parse, recorded, recorded_with, rest_event};

fn error(event: &[u8]) -> String {
    AuthorizerEvent::parse(event, &EventOptions::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_path_that_ends_like_a_handshake_is_none() {
    let event = rest_event("prod", "/admin/$connect");
    let event = parse(&event).unwrap();
    assert_eq!(event.dialect(), Dialect::RestRequest);
    assert_eq!(event.request().url.path(), "/prod/admin/$connect");
}

#[test]
fn members_that_tell_of_two_dialects_are_refused() {
    let mut handshake = rest_event("prod", "/");
    handshake["requestContext"]["eventType"] = json!("CONNECT");
    let mut connect_arn = rest_event("prod", "/");
    connect_arn["methodArn"] = json!("arn:aws:execute-api:r:1:abc/prod/$connect");
    for (event, other) in [(handshake, "requestContext"), (connect_arn, "httpMethod")] {
        assert_eq!(
            parse(&event).unwrap_err(),
            EventError::Disagreement {
                one: "methodArn",
                other
            }
        );
    }
    let mut two_arns = rest_event("prod", "/");
    two_arns["routeArn"] = two_arns["methodArn"].clone();
    let mut token_handshake = rest_event("prod", "/");
    token_handshake["type"] = json!("TOKEN");
    token_handshake["methodArn"] = json!("arn:aws:execute-api:r:1:abc/prod/$connect");
    assert!(parse(&two_arns).is_err());
    assert!(parse(&token_handshake).is_err());
}

#[test]
fn a_version_of_tomorrow_is_refused() {
    for version in ["2.0", "3.0", "1"] {
        let mut event = rest_event("prod", "/");
        event["version"] = json!(version);
        let error = parse(&event).unwrap_err().to_string();
        insta::allow_duplicates! {
            insta::assert_snapshot!(error, @r#"expected "1.0" or nothing beside `methodArn` as `version` of the event, got another version"#);
        }
    }
    let version_3 = recorded_with(
        "http_v2_request.awsdocs.json",
        &[("/version", json!("3.0"))],
    );
    assert!(parse(&version_3).is_err());
}

#[test]
fn an_error_says_what_was_expected_and_what_came() {
    insta::assert_snapshot!(error(b"{}"), @"expected an API Gateway authorizer event (REST TOKEN or REQUEST, HTTP payload 1.0 or 2.0, WebSocket $connect); this looks like nothing that API Gateway sends (its members: none)");
    insta::assert_snapshot!(error(b"[]"), @"expected a JSON object as event, got an array");
    insta::assert_snapshot!(error(b"{\"type\": \"REQUEST\","), @"the event is not a JSON document in UTF-8 of at most 127 levels: it breaks at line 1, column 19");
    insta::assert_snapshot!(error(recorded("alb_target_request.go.json").as_bytes()), @"expected an API Gateway authorizer event (REST TOKEN or REQUEST, HTTP payload 1.0 or 2.0, WebSocket $connect); this looks like a request of an Application Load Balancer (its members: requestContext, httpMethod, path, queryStringParameters, headers, body, isBase64Encoded)");
    insta::assert_snapshot!(error(recorded("cloudfront_viewer_request.awsdocs.json").as_bytes()), @"expected an API Gateway authorizer event (REST TOKEN or REQUEST, HTTP payload 1.0 or 2.0, WebSocket $connect); this looks like an event with records, such as one of CloudFront: use the edge package there (its members: Records)");
    insta::assert_snapshot!(error(recorded("function_url_request.go.json").as_bytes()), @"expected an API Gateway authorizer event (REST TOKEN or REQUEST, HTTP payload 1.0 or 2.0, WebSocket $connect); this looks like a function URL or HTTP API integration event: attach the function as an authorizer (its members: version, rawPath, rawQueryString, cookies, headers, queryStringParameters, requestContext, body, isBase64Encoded)");
    insta::assert_snapshot!(error(br#"{"type":"TOKEN","methodArn":"arn:aws:sns:r:1:t"}"#), @"`methodArn` of the event is not an execute-api ARN: its service is not execute-api");
    insta::assert_snapshot!(error(br#"{"type":"TOKEN","methodArn":7}"#), @"expected a string as `methodArn` of the event, got a number");
}

#[test]
fn no_error_shows_a_value() {
    let secret = "s3cret";
    let arn = "arn:aws:execute-api:eu-west-1:123456789012:abc/prod/GET/";
    for event in [
        json!({ "type": "TOKEN", "authorizationToken": [secret], "methodArn": arn }),
        json!({ "type": "TOKEN", "authorizationToken": format!("{secret}\u{0}"), "methodArn": arn }),
        json!({ "type": "TOKEN", "authorizationToken": secret.repeat(20_000), "methodArn": arn }),
        json!({ "type": "REQUEST", "headers": { "authorization": secret } }),
        json!({ "type": "REQUEST", "httpMethod": "GET", "path": "/", "methodArn": arn,
                "headers": secret }),
        json!({ "type": "REQUEST", "httpMethod": "GET", "path": "/", "methodArn": arn,
                "headers": { "authorization": { "x": secret } } }),
        json!({ "type": secret, "methodArn": arn }),
    ] {
        let error = parse(&event).unwrap_err();
        assert!(!error.to_string().contains(secret), "{error}");
        assert!(!format!("{error:?}").contains(secret), "{error:?}");
    }
    let broken = format!(r#"{{"authorizationToken": "{secret}" "{secret}"}}"#);
    assert!(!error(broken.as_bytes()).contains(secret));
    // Not JSON: a number where serde_json would quote it.
    assert!(!error(br#""s3cret""#).contains(secret));
}

#[test]
fn a_parsed_event_shows_no_value_either() {
    let event = json!({
        "type": "REQUEST",
        "httpMethod": "GET",
        "path": "/planets",
        "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:abc/prod/GET/planets",
        "headers": { "Authorization": "Bearer s3cret" },
        "queryStringParameters": { "access_token": "s3cret" },
        "requestContext": { "identity": { "clientCert": { "clientCertPem": "s3cret" } } },
    });
    let event = parse(&event).unwrap();
    assert_eq!(
        event.request().headers.first("authorization"),
        Some("Bearer s3cret")
    );
    assert!(!format!("{event:?}").contains("s3cret"));
}

#[test]
fn size_and_depth_are_bounded() {
    let long = vec![b' '; MAX_EVENT_BYTES + 1];
    assert_eq!(
        AuthorizerEvent::parse(&long, &EventOptions::default()),
        Err(EventError::TooLarge {
            bytes: MAX_EVENT_BYTES + 1
        })
    );
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(500), "]".repeat(500));
    assert!(error(deep.as_bytes()).starts_with("the event is not a JSON document"));
    assert!(error(b"{\"type\":\"\xff\"}").starts_with("the event is not a JSON document"));
    assert!(error(br#"{"type":"\ud800"}"#).starts_with("the event is not a JSON document"));
}

#[test]
fn a_member_that_is_there_twice_is_refused() {
    let arn = r#""arn:aws:execute-api:eu-west-1:123456789012:abc/prod/GET/""#;
    let event = format!(
        r#"{{"type":"TOKEN","authorizationToken":"a","methodArn":{arn},"methodArn":{arn}}}"#
    );
    assert_eq!(
        error(event.as_bytes()),
        "the event holds `methodArn` more than once"
    );
}
