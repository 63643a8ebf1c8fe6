//! WebSocket API, `$connect`.

use portcullis_aws::Dialect;
use serde_json::{Value, json};

use crate::support::{entry_path, parse, recorded_with, stripped_url, url};

const SAMPLE: &str = "websocket_connect_authorizer.awsdocs.json";

#[test]
fn a_handshake_is_a_get_of_the_stage() {
    let event = recorded_with(SAMPLE, &[]);
    let parsed = parse(&event).unwrap();
    assert_eq!(parsed.dialect(), Dialect::WebSocketConnect);
    assert_eq!(parsed.request().method.as_str(), "GET");
    assert_eq!(
        url(&event),
        "https://abcdef123.execute-api.us-east-1.amazonaws.com/default?QueryString1=queryValue1"
    );
    assert_eq!(
        stripped_url(&event),
        "https://abcdef123.execute-api.us-east-1.amazonaws.com/?QueryString1=queryValue1"
    );
    assert_eq!(entry_path(&event).as_deref(), Some("/"));
}

#[test]
fn the_arn_alone_tells_a_handshake() {
    let event = recorded_with(SAMPLE, &[("/requestContext", Value::Null)]);
    assert_eq!(parse(&event).unwrap().dialect(), Dialect::WebSocketConnect);
    let event = recorded_with(SAMPLE, &[("/version", json!("1.0"))]);
    assert_eq!(parse(&event).unwrap().dialect(), Dialect::WebSocketConnect);
}

#[test]
fn a_token_in_the_query_is_in_the_url_and_in_no_debug_output() {
    let parameters = json!({ "access_token": ["s3cret"] });
    let event = recorded_with(SAMPLE, &[("/multiValueQueryStringParameters", parameters)]);
    assert!(url(&event).contains("access_token=s3cret"));
    assert!(!format!("{:?}", parse(&event).unwrap()).contains("s3cret"));
}
