//! HTTP API, payload format 1.0.

use portcullis_aws::Dialect;
use serde_json::{Value, json};

use crate::support::{entry_path, parse, rest_event, stripped_url, url};

const HOST: &str = "https://abc.execute-api.eu-west-1.amazonaws.com";

fn http_v1_event(stage: &str, path: &str, sent: &str) -> Value {
    let mut event = rest_event(stage, path);
    event["version"] = json!("1.0");
    event["path"] = json!(sent);
    event["requestContext"]["path"] = json!(sent);
    event
}

#[test]
fn a_named_stage_is_in_the_path() {
    let event = http_v1_event("prod", "/planets", "/prod/planets");
    let parsed = parse(&event).unwrap();
    assert_eq!(parsed.dialect(), Dialect::HttpV1);
    assert_eq!(url(&event), format!("{HOST}/prod/planets"));
    assert_eq!(stripped_url(&event), format!("{HOST}/planets"));
    assert_eq!(entry_path(&event).as_deref(), Some("/planets"));
    assert_eq!(parsed.requested_arn(), Some(parsed.arn()));
}

#[test]
fn the_default_stage_is_not() {
    let event = http_v1_event("$default", "/planets", "/planets");
    assert_eq!(stripped_url(&event), format!("{HOST}/planets"));
    assert_eq!(entry_path(&event).as_deref(), Some("/planets"));
}

#[test]
fn identity_source_and_token_member_are_not_headers() {
    let mut event = http_v1_event("$default", "/planets", "/planets");
    event["identitySource"] = json!("Bearer x,y");
    event["authorizationToken"] = json!("Bearer x,y");
    assert!(parse(&event).unwrap().request().headers.is_empty());
}
