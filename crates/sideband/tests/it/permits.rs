//! What must never be read as a permit.

use portcullis_sideband::{MAX_REPLY_BYTES, SidebandReply};
use serde_json::{Value, json};

use crate::support::{MEMBERS, sent, sent_json, with, without};

fn refused(body: &[u8]) -> String {
    match SidebandReply::read(body, &sent()) {
        Err(error) => {
            let message = error.to_string();
            assert!(!message.contains("s3cret"), "{message}");
            message
        }
        Ok(decision) => panic!("{}: {decision:?}", String::from_utf8_lossy(body)),
    }
}

fn refused_json(json: &Value) -> String {
    refused(json.to_string().as_bytes())
}

#[test]
fn other_texts_than_json() {
    let html: &[u8] = b"<!doctype html><title>s3cret</title>";
    let cut_short = sent_json().to_string();
    let cut_short = &cut_short.as_bytes()[..cut_short.len() - 1];
    let gzip: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0];
    let messages: Vec<_> = [
        b"" as &[u8],
        b" \r\n",
        html,
        cut_short,
        gzip,
        b"\xff\xfe",
        b"OK",
    ]
    .into_iter()
    .map(refused)
    .collect();
    insta::assert_snapshot!(messages.join("\n"), @r"
    expected a JSON object, got an empty body; is SERVICE_URL right?
    expected a JSON object, got an empty body; is SERVICE_URL right?
    expected a full echo of the request as a JSON object: expected value at line 1 column 1
    expected a full echo of the request as a JSON object: EOF while parsing an object at line 1 column 219
    expected a full echo of the request as a JSON object: expected JSON in UTF-8 (RFC 8259 section 8.1)
    expected a full echo of the request as a JSON object: expected JSON in UTF-8 (RFC 8259 section 8.1)
    expected a full echo of the request as a JSON object: expected value at line 1 column 1
    ");
}

#[test]
fn something_after_the_answer() {
    let echo = sent_json().to_string();
    for more in ["x", "{}", ",", "\0", &echo] {
        refused(format!("{echo}{more}").as_bytes());
    }
    assert!(SidebandReply::read(format!(" {echo}\r\n").as_bytes(), &sent()).is_ok());
}

#[test]
fn json_that_is_no_object() {
    for json in [
        json!(null),
        json!(true),
        json!(200),
        json!("permit"),
        json!([]),
        json!([sent_json()]),
        json!([
            "192.0.2.7",
            56782,
            "GET",
            "https://api.example.com/planets?x=1",
            "1.1",
            []
        ]),
        json!({}),
        json!({"decision": "PERMIT"}),
        json!({"id": "1", "code": "NOT_FOUND", "message": "s3cret"}),
    ] {
        refused_json(&json);
    }
}

#[test]
fn an_echo_that_lacks_a_member() {
    for member in MEMBERS {
        let message = refused_json(&without(sent_json(), member));
        assert!(message.contains(member), "{message}");
        for value in [json!(null), json!({}), json!([7]), json!(true)] {
            let message = refused_json(&with(sent_json(), member, value));
            assert!(message.contains(member), "{message}");
        }
    }
}

#[test]
fn an_echo_of_another_request() {
    for (member, value) in [
        ("method", json!("DELETE")),
        ("method", json!("get")),
        ("source_ip", json!("192.0.2.8")),
        ("source_port", json!(0)),
        ("url", json!("/planets?x=1")),
        ("url", json!("http://api.example.com/planets?x=1")),
        ("url", json!("https://evil.example/planets?x=1")),
        ("url", json!("https://api.example.com:8443/planets?x=1")),
        (
            "url",
            json!("https://api.example.com@evil.example/planets?x=1"),
        ),
        ("url", json!("https://api.example.com/planets#s3cret")),
        ("headers", json!([{"A": "s3cret\r\nB: c"}])),
        ("headers", json!([{"A": "a", "B": "b"}])),
        ("headers", json!({"Accept": "*/*"})),
    ] {
        refused_json(&with(sent_json(), member, value));
    }
}

#[test]
fn a_response_of_no_known_form() {
    for response in [
        json!(null),
        json!(false),
        json!(""),
        json!([]),
        json!(["403", "Forbidden", "1.1", []]),
        json!({}),
        json!({"response_code": null}),
        json!({"response_code": "99"}),
        json!({"response_code": 600}),
        json!({"response_code": "4o3"}),
        json!({"response_code": 403.5}),
        json!({"response_code": -403}),
        json!({"response_code": "403", "headers": {"a": "b"}}),
        json!({"response_code": "403", "headers": [{"a": "s3cret\nb"}]}),
        json!({"response_code": "403", "body": {"message": "s3cret"}}),
    ] {
        refused_json(&with(sent_json(), "response", response));
    }
}

#[test]
fn a_member_twice() {
    for first in [
        r#"{"response":null,"#,
        r#"{"url":"https://evil.example/","#,
        r#"{"method":"GET","#,
    ] {
        refused(sent_json().to_string().replacen('{', first, 1).as_bytes());
    }
    let deny = with(sent_json(), "response", json!({"response_code": "403"})).to_string();
    refused(deny.replacen('{', r#"{"response":null,"#, 1).as_bytes());
}

#[test]
fn an_answer_without_bounds() {
    let large = with(sent_json(), "body", json!("x".repeat(MAX_REPLY_BYTES)));
    refused_json(&large);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    refused(deep.as_bytes());
    let echo = sent_json().to_string();
    refused(
        echo.replacen('{', &format!(r#"{{"state":{deep},"#), 1)
            .as_bytes(),
    );
    let many = vec![json!({"a": "b"}); 257];
    refused_json(&with(sent_json(), "headers", json!(many)));
}
