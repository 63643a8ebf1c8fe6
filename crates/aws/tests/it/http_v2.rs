//! HTTP API, payload format 2.0.

use portcullis_aws::Dialect;
use serde_json::{Value, json};

use crate::support::{entry_path, headers, http_v2_event, parse, stripped_url, url};

const HOST: &str = "https://abc.execute-api.eu-west-1.amazonaws.com";

#[test]
fn a_named_stage_is_in_the_path() {
    let event = http_v2_event("prod", "/prod/planets/1", "GET/planets/1");
    let parsed = parse(&event).unwrap();
    assert_eq!(parsed.dialect(), Dialect::HttpV2);
    assert_eq!(parsed.request().source.ip.unwrap().to_string(), "192.0.2.1");
    assert_eq!(url(&event), format!("{HOST}/prod/planets/1"));
    assert_eq!(stripped_url(&event), format!("{HOST}/planets/1"));
    assert_eq!(entry_path(&event).as_deref(), Some("/planets/1"));
}

#[test]
fn the_default_stage_is_not() {
    for route in [
        "GET/planets/1",
        "GET/planets/{id}",
        "$default",
        "ANY/{proxy+}",
    ] {
        let event = http_v2_event("$default", "/planets/1", route);
        assert_eq!(stripped_url(&event), format!("{HOST}/planets/1"));
        assert_eq!(entry_path(&event).as_deref(), Some("/planets/1"), "{route}");
    }
}

#[test]
fn the_template_of_a_route_is_not_a_path() {
    let event = http_v2_event("prod", "/prod/admin/{proxy+}", "GET/{proxy+}");
    assert_eq!(entry_path(&event).as_deref(), Some("/admin/{proxy+}"));
    let parsed = parse(&event).unwrap();
    assert_eq!(
        parsed.requested_arn().unwrap().to_string(),
        "arn:aws:execute-api:eu-west-1:123456789012:abc/prod/GET/admin/{proxy+}"
    );
}

/// A mapping may put its key or the stage in front of the path, and the event does not say which.
#[test]
fn on_a_custom_domain_only_the_arn_tells_the_path_below_the_stage() {
    let on = |raw_path: &str, route: &str| {
        let mut event = http_v2_event("prod", raw_path, route);
        event["requestContext"]["domainName"] = json!("api.example.com");
        event
    };
    for (raw_path, route, below) in [
        ("/v1/planets", "GET/planets", Some("/planets")),
        ("/prod/planets", "GET/planets", Some("/planets")),
        ("/v1/planets/1", "GET/planets/{id}", None),
        ("/v1/planets", "$default", None),
        ("/admin/{proxy+}", "GET/{proxy+}", None),
        ("/v1/moons", "GET/planets", None),
    ] {
        assert_eq!(
            entry_path(&on(raw_path, route)).as_deref(),
            below,
            "{raw_path}"
        );
    }
    let stripped = |raw_path, route| stripped_url(&on(raw_path, route));
    assert_eq!(stripped("/prod/x", "GET/x"), "https://api.example.com/x");
    assert_eq!(
        stripped("/prod/x", "GET/prod/x"),
        "https://api.example.com/prod/x"
    );
}

#[test]
fn a_name_like_the_endpoints_is_not_the_endpoint() {
    for domain in [
        "abc.example.com",
        "other.execute-api.eu-west-1.amazonaws.com",
        "abcx.execute-api.r",
    ] {
        let mut event = http_v2_event("prod", "/prod/planets", "GET/{proxy+}");
        event["requestContext"]["domainName"] = json!(domain);
        assert_eq!(entry_path(&event), None, "{domain}");
    }
    for domain in [
        "abc-vpce-0a1b.execute-api.eu-west-1.amazonaws.com",
        "abc.execute-api.localhost:4566",
    ] {
        let mut event = http_v2_event("prod", "/prod/planets", "GET/{proxy+}");
        event["requestContext"]["domainName"] = json!(domain);
        assert_eq!(entry_path(&event).as_deref(), Some("/planets"), "{domain}");
    }
}

#[test]
fn the_query_is_as_it_was_sent() {
    let mut event = http_v2_event("$default", "/", "GET/");
    for (sent, shown) in [
        ("", ""),
        ("a=1&a=2&b", "?a=1&a=2&b"),
        ("a=%20+%zz&[x]={y}|?/:@", "?a=%20+%zz&[x]={y}|?/:@"),
        ("a=#b", "?a=%23b"),
        ("a= \u{fc}\"<>\\^`\n", "?a=%20%C3%BC%22%3C%3E%5C%5E%60%0A"),
    ] {
        event["rawQueryString"] = json!(sent);
        assert_eq!(url(&event), format!("{HOST}/{shown}"));
    }
    event["rawQueryString"] = Value::Null;
    assert_eq!(url(&event), format!("{HOST}/"));
}

#[test]
fn a_decoded_path_cannot_become_a_query() {
    let event = http_v2_event("$default", "/a?b#c d\u{fc}", "GET/a?b#c d\u{fc}");
    assert_eq!(url(&event), format!("{HOST}/a%3Fb%23c%20d%C3%BC"));
    assert_eq!(entry_path(&event).as_deref(), Some("/a?b#c d\u{fc}"));
}

#[test]
fn cookies_are_one_header() {
    let mut event = http_v2_event("$default", "/", "GET/");
    event["headers"] = json!({ "b": "2", "a": "1,1" });
    event["cookies"] = json!(["x=1", null, "y=2"]);
    assert_eq!(headers(&event), ["b: 2", "a: 1,1", "cookie: x=1; y=2"]);
    event["headers"] = json!({ "Cookie": "x=1; y=2" });
    assert_eq!(headers(&event), ["Cookie: x=1; y=2"]);
    event["cookies"] = json!(["x=1\r\nX-Admin: 1"]);
    event["headers"] = Value::Null;
    assert!(parse(&event).is_err());
}

#[test]
fn method_and_path_have_to_be_there() {
    for pointer in ["/rawPath", "/requestContext/http/method"] {
        let mut event = http_v2_event("$default", "/", "GET/");
        *event.pointer_mut(pointer).unwrap() = Value::Null;
        assert!(parse(&event).is_err(), "{pointer}");
    }
}
