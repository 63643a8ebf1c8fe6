//! Requests as gateways write them, and what is refused of them.

use portcullis_model::{ClientCertificate, HeaderField, Source};
use portcullis_sideband::{InvalidRequest, SidebandRequest};
use serde_json::{Value, json};

use crate::support::{api_request, parse, sent_json, with, without};

fn refused(json: &Value) -> String {
    let request = SidebandRequest::parse(json.to_string().as_bytes());
    let error = match request {
        Ok(request) => request.to_api_request().unwrap_err(),
        Err(error) => error,
    };
    let message = error.to_string();
    assert!(!message.contains("s3cret"), "{message}");
    // The place depends on the order in which the test's own JSON is written.
    message.split(" at line ").next().unwrap().to_owned()
}

#[test]
fn kong_writes_lower_case_names_an_explicit_port_and_a_port_as_text() {
    let request = parse(&json!({
        "source_ip": "203.0.113.9",
        "source_port": "41234",
        "method": "GET",
        "url": "https://api.example.com:443/planets?",
        "http_version": "1.1",
        "headers": [{"host": "api.example.com"}, {"authorization": "Bearer t"}],
        "body": ""
    }))
    .to_api_request()
    .unwrap();
    assert_eq!(request.url.port(), 443);
    assert_eq!(request.url.as_str(), "https://api.example.com:443/planets?");
    assert_eq!(request.source.port, Some(41234));
    assert_eq!(request.authorization(), Ok(Some("Bearer t")));
    assert_eq!(request.body.as_deref(), Some(""));
}

#[test]
fn ping_gateway_keeps_case_and_leaves_the_default_port_out() {
    let request = parse(&sent_json()).to_api_request().unwrap();
    let names: Vec<_> = request.headers.iter().map(HeaderField::name).collect();
    assert_eq!(names, ["Accept", "Authorization", "X-Multi", "X-Multi"]);
    let values: Vec<_> = request.headers.values("x-multi").collect();
    assert_eq!(values, ["a", "b"]);
    assert_eq!(
        request.source,
        Source {
            ip: Some("192.0.2.7".parse().unwrap()),
            port: Some(56782),
        }
    );
}

#[test]
fn a_list_of_addresses_names_nobody() {
    // Some gateways pass X-Forwarded-For on, of which the client wrote the beginning.
    for source_ip in [
        "198.51.100.1, 192.0.2.7",
        "gateway.internal",
        "0.0.0.0",
        "::",
    ] {
        let json = with(sent_json(), "source_ip", source_ip.into());
        let request = parse(&json).to_api_request().unwrap();
        assert_eq!(request.source.ip, None, "{source_ip}");
    }
}

#[test]
fn claims_that_a_gateway_parsed_change_nothing() {
    let claims = json!({"active": true, "sub": "admin", "scope": ["everything"]});
    let plain = parse(&sent_json());
    for value in [claims, json!(null), json!("text"), json!([1, {"a": []}])] {
        assert_eq!(parse(&with(sent_json(), "access_token", value)), plain);
    }
}

#[test]
fn unknown_members_are_ignored() {
    let json = with(sent_json(), "x_vendor", json!({"deep": [[[{"er": null}]]]}));
    assert_eq!(parse(&json), parse(&sent_json()));
}

#[test]
fn a_known_member_stands_once() {
    let twice = sent_json()
        .to_string()
        .replacen('{', r#"{"method":"DELETE","#, 1);
    let error = SidebandRequest::parse(twice.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("method"), "{error}");
}

#[test]
fn refusals_name_the_member_and_repeat_no_value() {
    let secret = json!("Bearer s3cret");
    let refusals: Vec<_> = [
        without(sent_json(), "url"),
        without(sent_json(), "headers"),
        with(sent_json(), "url", json!("/planets?token=s3cret")),
        with(sent_json(), "url", json!(["s3cret"])),
        with(sent_json(), "method", json!("GET s3cret")),
        with(sent_json(), "method", json!(7)),
        with(sent_json(), "source_ip", json!({"s3cret": 1})),
        with(sent_json(), "source_port", json!(0)),
        with(sent_json(), "source_port", json!(65536)),
        with(sent_json(), "source_port", json!("s3cret")),
        with(sent_json(), "source_port", json!(1.5)),
        with(sent_json(), "http_version", json!(1.1)),
        with(
            sent_json(),
            "headers",
            json!({"Authorization": "Bearer s3cret"}),
        ),
        with(sent_json(), "headers", secret.clone()),
        with(
            sent_json(),
            "headers",
            json!([{"A": "s3cret", "B": "s3cret"}]),
        ),
        with(sent_json(), "headers", json!([{}])),
        with(sent_json(), "headers", json!([{"A": ["s3cret"]}])),
        with(sent_json(), "headers", json!([{"A": "s3cret\r\nB: c"}])),
        with(sent_json(), "headers", json!([{"": "s3cret"}])),
        with(sent_json(), "body", json!({"password": "s3cret"})),
        with(sent_json(), "client_certificate", secret),
        with(
            sent_json(),
            "client_certificate",
            json!({"x5c": ["s3cret!"]}),
        ),
        json!([]),
        json!("s3cret"),
    ]
    .iter()
    .map(refused)
    .collect();
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    the body is not a sideband request: missing field `url`
    the body is not a sideband request: missing field `headers`
    url: the URL is not absolute: expected https://host/path
    the body is not a sideband request: url: got a JSON array, expected a string
    method: a method is a token of 1 to 64 characters, such as GET (RFC 9110 section 9.1)
    the body is not a sideband request: method: got a JSON number, expected a string
    the body is not a sideband request: source_ip: got a JSON object, expected a string
    the body is not a sideband request: source_port: expected a port from 1 to 65535, got 0
    the body is not a sideband request: source_port: expected a number from 0 to 65535
    the body is not a sideband request: source_port: expected a string with a number from 0 to 65535
    the body is not a sideband request: source_port: got a JSON number, expected a number from 0 to 65535, or a string with one
    the body is not a sideband request: http_version: got a JSON number, expected a string
    the body is not a sideband request: headers: got a JSON object, expected an array of objects with one header each, such as [{"Accept": "*/*"}]
    the body is not a sideband request: headers: got a JSON string, expected an array of objects with one header each, such as [{"Accept": "*/*"}]
    the body is not a sideband request: headers: expected an object with exactly one member for each header
    the body is not a sideband request: headers: expected an object with exactly one member for each header
    the body is not a sideband request: headers: got a JSON array, expected a string
    headers: the value of header A holds a control character (RFC 9110 section 5.5)
    headers: a header name must be a token of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 section 5.6.2)
    the body is not a sideband request: body: got a JSON object, expected a string
    the body is not a sideband request: client_certificate: got a JSON string, expected an object
    client_certificate: expected base64 DER in x5c (RFC 7517 section 4.7)
    the body is not a sideband request: got a JSON array, expected an object
    the body is not a sideband request: got a JSON string, expected an object
    "#);
}

#[test]
fn the_list_form_of_a_request_is_no_request() {
    let list = json!(["192.0.2.7", 1, "GET", "https://a.example/", "1.1", []]);
    refused(&list);
}

#[test]
fn what_is_sent_has_the_members_that_the_protocol_demands_and_no_others() {
    let mut request = api_request(
        "PUT",
        "https://api.example.com/moons/1?a=b",
        &[("Accept", "*/*"), ("x-multi", "a"), ("X-Multi", "b")],
    );
    request.body = Some("{}".into());
    let json = serde_json::to_string_pretty(&SidebandRequest::from_api_request(&request)).unwrap();
    insta::assert_snapshot!(json, @r#"
    {
      "source_ip": "0.0.0.0",
      "source_port": 49152,
      "method": "PUT",
      "url": "https://api.example.com/moons/1?a=b",
      "http_version": "1.1",
      "headers": [
        {
          "Accept": "*/*"
        },
        {
          "x-multi": "a"
        },
        {
          "X-Multi": "b"
        }
      ],
      "body": "{}"
    }
    "#);
}

#[test]
fn a_certificate_crosses_the_wire() {
    let der = "MIIB".repeat(40);
    let lines: Vec<&str> = der
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    );
    let mut request = api_request("GET", "https://a.example/", &[]);
    request.client_certificate = Some(ClientCertificate { pem: pem.clone() });
    let sent = SidebandRequest::from_api_request(&request);
    let json = serde_json::to_value(&sent).unwrap();
    assert_eq!(json["client_certificate"], json!({"x5c": [der]}));
    let received = parse(&json).to_api_request().unwrap();
    assert_eq!(received.client_certificate, Some(ClientCertificate { pem }));
}

#[test]
fn what_is_no_certificate_is_not_sent() {
    for pem in [
        "",
        "secret",
        "-----BEGIN CERTIFICATE-----\nMIIB",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
    ] {
        let mut request = api_request("GET", "https://a.example/", &[]);
        request.client_certificate = Some(ClientCertificate { pem: pem.into() });
        let json = serde_json::to_value(SidebandRequest::from_api_request(&request)).unwrap();
        assert_eq!(json.get("client_certificate"), None, "{pem}");
    }
}

#[test]
fn what_is_too_long_or_too_much_is_refused() {
    let many = |count: usize| {
        with(
            sent_json(),
            "headers",
            vec![json!({"a": "b"}); count].into(),
        )
    };
    assert!(parse(&many(256)).to_api_request().is_ok());
    assert!(SidebandRequest::parse(many(257).to_string().as_bytes()).is_err());
    for (member, longest) in [("source_ip", 1024), ("http_version", 64)] {
        let of_length = |length: usize| with(sent_json(), member, "1".repeat(length).into());
        assert!(parse(&of_length(longest)).to_api_request().is_ok());
        assert_eq!(
            refused(&of_length(longest + 1)),
            "source_ip and http_version have at most 1024 and 64 bytes"
        );
    }
}

#[test]
fn a_port_that_was_set_to_0_is_refused_as_one_that_was_read() {
    let mut request = parse(&sent_json());
    request.source_port = 0;
    assert_eq!(request.to_api_request(), Err(InvalidRequest::SourcePort));
}

#[test]
fn debug_shows_no_value() {
    let mut json = with(sent_json(), "body", json!("s3cret"));
    json["url"] = json!("https://a.example/?token=s3cret");
    let shown = format!("{:?}", parse(&json));
    assert!(!shown.contains("s3cret"), "{shown}");
}
