//! The error of a call that failed.

use portcullis_sideband::SidebandError;
use serde_json::json;

#[test]
fn reads_the_platform_error() {
    let error = SidebandError::parse(
        br#"{"id":"1c7b","code":"REQUEST_LIMITED","message":"Slow down","target":"x","details":[{"code":"A"}]}"#,
    )
    .unwrap();
    assert_eq!(error.id.as_deref(), Some("1c7b"));
    assert_eq!(error.code.as_deref(), Some("REQUEST_LIMITED"));
    assert_eq!(error.message.as_deref(), Some("Slow down"));
}

#[test]
fn members_may_be_missing_or_null() {
    let error = SidebandError::parse(br#"{"message":"The Gateway Token is invalid","id":null}"#);
    assert_eq!(
        error.unwrap().message.as_deref(),
        Some("The Gateway Token is invalid")
    );
}

#[test]
fn other_bodies_are_no_error() {
    for body in [
        "",
        "{}",
        "[]",
        "<html>",
        "null",
        r#"{"error":"x"}"#,
        r#"{"id":7}"#,
    ] {
        assert_eq!(SidebandError::parse(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn is_sent_without_empty_members() {
    let error = SidebandError {
        code: Some("INVALID_REQUEST".into()),
        message: Some("url: expected a string".into()),
        ..SidebandError::default()
    };
    assert_eq!(
        serde_json::to_value(error).unwrap(),
        json!({"code": "INVALID_REQUEST", "message": "url: expected a string"})
    );
}
