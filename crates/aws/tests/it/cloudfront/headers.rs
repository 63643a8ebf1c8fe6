//! The header map of an event.

use serde_json::json;

use super::support::{event, event_of, parse, request_of};

fn fields(event: &serde_json::Value) -> Vec<String> {
    let parsed = parse(event).unwrap();
    let headers = parsed.request().headers.iter();
    headers
        .map(|field| format!("{}: {}", field.name(), field.value()))
        .collect()
}

#[test]
fn order_case_and_repetition_are_kept() {
    let mut event = event_of(
        "GET",
        "/",
        "",
        &[
            ("X-B", "1"),
            ("x-A", "2"),
            ("X-b", "3"),
            ("Cookie", "a=1"),
            ("cookie", "b=2"),
        ],
    );
    request_of(&mut event)["headers"]["x-c"] = json!([{ "value": " 4\t" }, { "value": "" }]);
    assert_eq!(
        fields(&event),
        [
            "Host: api.example.com",
            "X-B: 1",
            "X-b: 3",
            "x-A: 2",
            "Cookie: a=1",
            "cookie: b=2",
            "x-c: 4",
            "x-c: ",
        ]
    );
}

/// What is decided on is what `key` says; what is forwarded may go by the name in the map.
#[test]
fn a_key_is_its_name_in_another_case() {
    for (name, key) in [
        ("x-user", "authorization"),
        ("x-user", "x-user "),
        ("x-user", ""),
        ("x-user", "x_user"),
        ("k-header", "\u{212a}-header"),
        ("X-User", "X-User"),
        ("X-user", "x-user"),
    ] {
        let mut event = event();
        request_of(&mut event)["headers"][name] = json!([{ "key": key, "value": "alice" }]);
        let error = parse(&event).unwrap_err().to_string();
        assert!(
            error.starts_with("expected each name in `cf.request.headers`"),
            "{error}"
        );
    }
}

#[test]
fn names_and_values_that_no_header_has_are_refused() {
    for (name, value) in [
        ("x user", "1"),
        ("", "1"),
        ("x-\u{e9}", "1"),
        ("x:y", "1"),
        ("x-user", "alice\r\nx-admin: 1"),
        ("x-user", "a\0"),
        ("x-user", "a\u{85}"),
    ] {
        let mut event = event();
        request_of(&mut event)["headers"][name] = json!([{ "key": name, "value": value }]);
        let error = parse(&event).unwrap_err().to_string();
        assert!(
            error.starts_with("a header of the event was refused"),
            "{error}"
        );
        assert!(!error.contains("alice"));
    }
}

#[test]
fn two_tokens_stay_two_tokens() {
    let event = event_of(
        "GET",
        "/",
        "",
        &[("Authorization", "Bearer a"), ("authorization", "Bearer b")],
    );
    assert!(parse(&event).unwrap().request().authorization().is_err());
}

#[test]
fn there_are_not_too_many() {
    let with = |count: usize| {
        let mut event = event_of("GET", "/", "", &[]);
        let values: Vec<_> = (0..count).map(|_| json!({ "value": "1" })).collect();
        request_of(&mut event)["headers"]["x-a"] = json!(values);
        parse(&event)
    };
    assert!(with(portcullis_model::MAX_HEADERS - 1).is_ok());
    assert!(with(portcullis_model::MAX_HEADERS).is_err());
}
