//! What a viewer-request event becomes, and which events are refused.

use std::collections::BTreeSet;

use portcullis_aws::{EdgeOptions, MAX_EVENT_BYTES, ViewerRequest};
use portcullis_model::HeaderField;
use serde_json::{Value, json};

use super::support::{event, event_of, parse, request_of};
use crate::support::{EVENTS, recorded};

/// Every recorded event of CloudFront, with what it becomes or why it is refused.
const TABLE: &[(&str, Result<&str, &str>)] = &[
    // The samples of SAM and Java name no event type.
    (
        "cloudfront_access_request_in_response.sam-template.json",
        Err("got nothing"),
    ),
    (
        "cloudfront_http_redirect.sam-template.json",
        Err("got nothing"),
    ),
    (
        "cloudfront_modify_querystring.sam-template.json",
        Err("got nothing"),
    ),
    (
        "cloudfront_origin_request.awsdocs.json",
        Err("got \"origin-request\""),
    ),
    (
        "cloudfront_origin_response.awsdocs.json",
        Err("got \"origin-response\""),
    ),
    (
        "cloudfront_response_generation.sam-template.json",
        Err("got nothing"),
    ),
    (
        "cloudfront_viewer_request.awsdocs.json",
        Ok(
            "GET https://d111111abcdef8.cloudfront.net/ 1.1 203.0.113.178 \
            Host User-Agent accept",
        ),
    ),
    ("cloudfront_viewer_request.java.json", Err("got nothing")),
    (
        "cloudfront_viewer_request_unauth_redirect.sam-template.json",
        Err("got nothing"),
    ),
    (
        "cloudfront_viewer_response.awsdocs.json",
        Err("got \"viewer-response\""),
    ),
];

fn shown(request: &ViewerRequest) -> String {
    let request = request.request();
    let names: Vec<_> = request.headers.iter().map(HeaderField::name).collect();
    format!(
        "{} {} {} {} {}",
        request.method,
        request.url.as_str(),
        request.http_version,
        request.source.ip.unwrap(),
        names.join(" "),
    )
}

#[test]
fn every_recorded_event_becomes_what_the_table_says() {
    let files: BTreeSet<String> = std::fs::read_dir(EVENTS)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("cloudfront_"))
        .collect();
    let table: BTreeSet<String> = TABLE.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(files, table);
    for (file, expected) in TABLE {
        let parsed = ViewerRequest::parse(recorded(file).as_bytes(), &EdgeOptions::default());
        match (parsed, expected) {
            (Ok(request), Ok(expected)) => assert_eq!(shown(&request), *expected, "{file}"),
            (Err(error), Err(expected)) => {
                let error = error.to_string();
                assert!(
                    error.starts_with("expected \"viewer-request\" (attach"),
                    "{error}"
                );
                assert!(error.ends_with(expected), "{file}: {error}");
            }
            (parsed, _) => panic!("{file}: {parsed:?}"),
        }
    }
}

/// The recorded samples that lack nothing but members of today are read once those are there.
#[test]
fn the_other_viewer_samples_are_read_once_they_are_complete() {
    for file in [
        "cloudfront_viewer_request.java.json",
        "cloudfront_modify_querystring.sam-template.json",
        "cloudfront_http_redirect.sam-template.json",
    ] {
        let mut event: Value = serde_json::from_str(&recorded(file)).unwrap();
        event["Records"][0]["cf"]["config"]["eventType"] = json!("viewer-request");
        let request = request_of(&mut event);
        if request.get("querystring").is_none() {
            request["querystring"] = json!("");
        }
        let parsed = parse(&event).unwrap();
        assert!(
            parsed
                .request()
                .url
                .as_str()
                .starts_with("https://d123.cf.net/test"),
            "{file}"
        );
        assert_eq!(
            parsed.request().source.ip,
            Some("2001:cdba::3257:9652".parse().unwrap())
        );
        assert_eq!(parsed.distribution_id(), Some("EXAMPLE"));
        assert_eq!(
            (parsed.request_id(), parsed.distribution_domain()),
            (None, None)
        );
    }
}

#[test]
fn logs_are_told_what_to_look_for() {
    let parsed = parse(&event()).unwrap();
    assert_eq!(
        parsed.request_id(),
        Some("4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==")
    );
    assert_eq!(parsed.distribution_id(), Some("EDFDVBD6EXAMPLE"));
    assert_eq!(
        parsed.distribution_domain(),
        Some("d111111abcdef8.cloudfront.net")
    );
    let shown = format!("{parsed:?}");
    assert!(shown.contains("/planets") && !shown.contains("s3cret") && !shown.contains("page=2"));
}

#[test]
fn only_methods_in_upper_case_are_methods() {
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"] {
        let parsed = parse(&event_of(method, "/", "", &[])).unwrap();
        assert_eq!(parsed.request().method.as_str(), method);
    }
    for method in ["get", "GeT", "", "GET /", "G\u{e9}T", "*", "GET\r\n"] {
        assert!(parse(&event_of(method, "/", "", &[])).is_err(), "{method}");
    }
}

/// Clients can write these headers. The address they come from, they cannot.
#[test]
fn headers_tell_no_more_than_port_and_version() {
    let port = |ip: &str, address: &[&str]| {
        let headers: Vec<_> = address
            .iter()
            .map(|address| ("CloudFront-Viewer-Address", *address))
            .collect();
        let mut event = event_of("GET", "/", "", &headers);
        request_of(&mut event)["clientIp"] = json!(ip);
        let source = parse(&event).unwrap().request().source;
        assert_eq!(source.ip, Some(ip.parse().unwrap()));
        source.port
    };
    assert_eq!(port("203.0.113.178", &["203.0.113.178:46532"]), Some(46532));
    assert_eq!(port("2001:db8::1", &["2001:db8::1:46532"]), Some(46532));
    assert_eq!(
        port("2001:db8::1", &["2001:0db8:0:0:0:0:0:1:443"]),
        Some(443)
    );
    assert_eq!(port("2001:db8::1", &["[2001:db8::1]:443"]), Some(443));
    for wrong in [
        "203.0.113.179:46532",
        "203.0.113.178",
        "203.0.113.178:0",
        "203.0.113.178:+1",
        "203.0.113.178:65536",
        "203.0.113.178:",
        "[203.0.113.178:1",
        ":1",
        "",
    ] {
        assert_eq!(port("203.0.113.178", &[wrong]), None, "{wrong}");
    }
    assert_eq!(port("2001:db8::1", &["2001:db8::1"]), None);
    assert_eq!(
        port("203.0.113.178", &["203.0.113.178:1", "203.0.113.178:2"]),
        None
    );

    let version = |versions: &[&str]| {
        let headers: Vec<_> = versions
            .iter()
            .map(|version| ("cloudfront-viewer-http-version", *version))
            .collect();
        let parsed = parse(&event_of("GET", "/", "", &headers)).unwrap();
        parsed.request().http_version.clone()
    };
    assert_eq!(version(&["2.0"]), "2.0");
    assert_eq!(version(&["3"]), "3");
    for wrong in [
        &[][..],
        &["HTTP/2"],
        &["2.0\""],
        &[""],
        &["2.00"],
        &["2.0", "3.0"],
    ] {
        assert_eq!(version(wrong), "1.1", "{wrong:?}");
    }
}

#[test]
fn a_certificate_header_is_a_header() {
    let event = event_of(
        "GET",
        "/",
        "",
        &[("CloudFront-Viewer-Cert-Subject", "CN=alice")],
    );
    let parsed = parse(&event).unwrap();
    assert_eq!(parsed.request().client_certificate, None);
    assert_eq!(
        parsed
            .request()
            .headers
            .first("cloudfront-viewer-cert-subject"),
        Some("CN=alice")
    );
}

/// Each documented member, missing and as every other type.
#[test]
fn every_documented_member_has_its_type() {
    let others = [
        json!(1),
        json!(true),
        json!({}),
        json!([]),
        json!("text"),
        Value::Null,
    ];
    for (pointer, required) in [
        ("/Records", true),
        ("/Records/0", true),
        ("/Records/0/cf", true),
        ("/Records/0/cf/config", true),
        ("/Records/0/cf/config/eventType", true),
        ("/Records/0/cf/config/requestId", false),
        ("/Records/0/cf/config/distributionId", false),
        ("/Records/0/cf/config/distributionDomainName", false),
        ("/Records/0/cf/request", true),
        ("/Records/0/cf/request/clientIp", true),
        ("/Records/0/cf/request/method", true),
        ("/Records/0/cf/request/uri", true),
        ("/Records/0/cf/request/querystring", true),
        ("/Records/0/cf/request/headers", true),
        ("/Records/0/cf/request/headers/host", true),
        ("/Records/0/cf/request/headers/host/0", true),
        ("/Records/0/cf/request/headers/host/0/key", false),
        ("/Records/0/cf/request/headers/host/0/value", true),
        ("/Records/0/cf/request/headers/accept", false),
    ] {
        for other in &others {
            let mut event = event();
            *event.pointer_mut(pointer).unwrap() = other.clone();
            let ok = match other {
                Value::Null => !required && !pointer.ends_with("accept"),
                // Any text will do as an id, a query or a domain.
                Value::String(_) => {
                    pointer.contains("/config/") && !required
                        || pointer.ends_with("querystring")
                        || pointer.ends_with("host/0/value")
                }
                Value::Array(_) => pointer.ends_with("accept"),
                _ => false,
            };
            assert_eq!(parse(&event).is_ok(), ok, "{pointer} {other}");
        }
    }
}

#[test]
fn there_is_one_record() {
    let record = event()["Records"][0].clone();
    for (records, got) in [
        (json!([]), "got none"),
        (json!([record, record]), "got more than one"),
        (
            json!({ "0": record }),
            "expected an array as `Records` of the event, got an object",
        ),
    ] {
        let error = parse(&json!({ "Records": records }))
            .unwrap_err()
            .to_string();
        assert!(error.ends_with(got), "{error}");
    }
    for (document, got) in [
        ("", "the event is not a JSON document"),
        ("[]", "expected a JSON object as event, got an array"),
        (
            "{}",
            "expected a list of one CloudFront record as `Records` of the event, got none",
        ),
    ] {
        let error = ViewerRequest::parse(document.as_bytes(), &EdgeOptions::default());
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(got), "{error}");
    }
}

/// A reader that keeps the first of two members and one that keeps the last see two requests.
#[test]
fn nothing_stands_there_twice() {
    let text = event().to_string();
    for (member, twice) in [
        ("\"Records\":", "\"Records\":[],\"Records\":"),
        ("\"cf\":", "\"cf\":{},\"cf\":"),
        ("\"config\":", "\"config\":{},\"config\":"),
        ("\"eventType\":", "\"eventType\":\"\",\"eventType\":"),
        ("\"request\":", "\"request\":{},\"request\":"),
        ("\"uri\":", "\"uri\":\"/admin\",\"uri\":"),
        ("\"querystring\":", "\"querystring\":\"\",\"querystring\":"),
        ("\"method\":", "\"method\":\"GET\",\"method\":"),
        ("\"clientIp\":", "\"clientIp\":\"::1\",\"clientIp\":"),
        ("\"clientIp\":", "\"other\":1,\"other\":2,\"clientIp\":"),
        ("\"headers\":", "\"headers\":{},\"headers\":"),
        (
            "\"authorization\":",
            "\"authorization\":[],\"authorization\":",
        ),
        ("\"key\":\"Host\"", "\"key\":\"Host\",\"key\":\"Host\""),
        (
            "\"value\":\"api",
            "\"value\":\"evil.example\",\"value\":\"api",
        ),
    ] {
        assert!(text.contains(member), "{member}");
        let changed = text.replacen(member, twice, 1);
        let error = ViewerRequest::parse(changed.as_bytes(), &EdgeOptions::default()).unwrap_err();
        assert!(
            error.to_string().ends_with("more than once"),
            "{member}: {error}"
        );
    }
}

#[test]
fn an_event_is_bounded() {
    let text = event().to_string();
    let padded = |bytes: usize| format!("{text}{}", " ".repeat(bytes - text.len()));
    let parse = |text: String| ViewerRequest::parse(text.as_bytes(), &EdgeOptions::default());
    assert!(parse(padded(MAX_EVENT_BYTES)).is_ok());
    assert!(parse(padded(MAX_EVENT_BYTES + 1)).is_err());
    let deep = text.replacen(
        '{',
        &format!("{{\"x\":{}{},", "[".repeat(127), "]".repeat(127)),
        1,
    );
    assert!(parse(deep).is_err());
}
