//! The body of an event.

use portcullis_aws::{EdgeOptions, PartialBody, ViewerBody, ViewerRequest};
use serde_json::{Value, json};

use super::support::{event_with_body, parse, request_of};

fn with(body: Value) -> Result<ViewerBody, String> {
    let mut event = event_with_body(b"");
    request_of(&mut event)["body"] = body;
    let parsed = parse(&event).map_err(|error| error.to_string())?;
    let whole = match parsed.body() {
        ViewerBody::Whole(text) => Some(text.as_str()),
        _ => None,
    };
    assert_eq!(parsed.request().body.as_deref(), whole);
    Ok(parsed.body().clone())
}

fn whole(text: &str) -> ViewerBody {
    ViewerBody::Whole(text.to_owned())
}

const TRUNCATED: ViewerBody = ViewerBody::Partial {
    why: PartialBody::Truncated,
};

#[test]
fn a_whole_text_is_read() {
    let body = |encoding: &str, data: &str| {
        with(json!({
            "inputTruncated": false, "action": "read-only", "encoding": encoding, "data": data,
        }))
    };
    assert_eq!(body("base64", "eyJhIjoxfQ=="), Ok(whole("{\"a\":1}")));
    assert_eq!(body("base64", "w7w="), Ok(whole("\u{fc}")));
    assert_eq!(body("base64", ""), Ok(whole("")));
    assert_eq!(body("text", "{\"a\":1}"), Ok(whole("{\"a\":1}")));
    let binary = ViewerBody::Partial {
        why: PartialBody::NotText,
    };
    assert_eq!(body("base64", "/w=="), Ok(binary));
    assert_eq!(with(Value::Null), Ok(ViewerBody::Absent));
    assert_eq!(
        format!("{:?}", body("text", "s3cret").unwrap()),
        "Whole([6 bytes])"
    );
}

#[test]
fn base64_is_strict() {
    for data in [
        "eyJhIjoxfQ",
        "eyJhIjoxfQ=",
        "eyJhIjoxfR==",
        "e yJh",
        "eyJh\n",
        "-_-_",
        "a",
    ] {
        let body = json!({ "inputTruncated": false, "encoding": "base64", "data": data });
        assert_eq!(
            with(body).unwrap_err(),
            "expected base64 with padding as `cf.request.body.data` of the event, got another string"
        );
    }
}

/// Nobody decides on a part of a body, and the event has to say that it is none.
#[test]
fn what_is_not_surely_whole_is_a_part() {
    for truncated in [
        json!(true),
        json!("false"),
        json!(0),
        json!({}),
        json!([]),
        Value::Null,
    ] {
        let body = json!({ "inputTruncated": truncated, "encoding": "text", "data": "a" });
        assert_eq!(with(body), Ok(TRUNCATED), "{truncated}");
    }
    assert_eq!(
        with(json!({ "encoding": "text", "data": "a" })),
        Ok(TRUNCATED)
    );
    let both = json!({ "inputTruncated": true, "encoding": "base64", "data": "/w==" });
    assert_eq!(with(both), Ok(TRUNCATED));
}

#[test]
fn every_member_has_its_type() {
    for body in [
        json!("text"),
        json!([]),
        json!(1),
        json!({}),
        json!({ "inputTruncated": false, "encoding": "text" }),
        json!({ "inputTruncated": false, "data": "a" }),
        json!({ "inputTruncated": false, "encoding": "gzip", "data": "a" }),
        json!({ "inputTruncated": false, "encoding": "BASE64", "data": "YQ==" }),
        json!({ "inputTruncated": false, "encoding": "text", "data": 1 }),
        json!({ "inputTruncated": false, "encoding": "text", "data": ["a"] }),
        json!({ "inputTruncated": false, "encoding": "text", "data": "a", "action": 1 }),
    ] {
        assert!(with(body.clone()).is_err(), "{body}");
    }
    let text = event_with_body(b"a").to_string();
    let twice = text.replacen(
        "\"inputTruncated\":",
        "\"inputTruncated\":true,\"inputTruncated\":",
        1,
    );
    let error = ViewerRequest::parse(twice.as_bytes(), &EdgeOptions::default());
    assert_eq!(
        error.unwrap_err().to_string(),
        "the event holds `cf.request.body.inputTruncated` more than once"
    );
}
