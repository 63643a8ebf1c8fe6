//! REST API, TOKEN authorizer.

use portcullis_aws::{Dialect, EventError};
use serde_json::json;

use crate::support::{entry_path, headers, parse, stripped_url, token_event, url};

const PREFIX: &str = "arn:aws:execute-api:eu-west-1:123456789012:abc/prod";

#[test]
fn the_arn_gives_method_url_and_path() {
    let event = token_event(&format!("{PREFIX}/PUT/moons/1:2/x"));
    let parsed = parse(&event).unwrap();
    assert_eq!(parsed.dialect(), Dialect::RestToken);
    assert_eq!((parsed.api_id(), parsed.stage()), ("abc", "prod"));
    assert_eq!(parsed.request_id(), None);
    assert_eq!(parsed.request().method.as_str(), "PUT");
    assert_eq!(parsed.request().http_version, "1.1");
    assert_eq!(
        url(&event),
        "https://abc.execute-api.eu-west-1.amazonaws.com/prod/moons/1:2/x"
    );
    assert_eq!(
        stripped_url(&event),
        "https://abc.execute-api.eu-west-1.amazonaws.com/moons/1:2/x"
    );
    assert_eq!(entry_path(&event).as_deref(), Some("/moons/1:2/x"));
    assert_eq!(headers(&event), ["Authorization: Bearer t0p-secret"]);
}

#[test]
fn the_root_is_a_slash() {
    for tail in ["GET/", "GET"] {
        let event = token_event(&format!("{PREFIX}/{tail}"));
        assert_eq!(
            url(&event),
            "https://abc.execute-api.eu-west-1.amazonaws.com/prod/"
        );
        assert_eq!(
            stripped_url(&event),
            "https://abc.execute-api.eu-west-1.amazonaws.com/"
        );
        assert_eq!(entry_path(&event).as_deref(), Some("/"));
    }
}

#[test]
fn only_the_stage_itself_is_stripped() {
    let event = token_event(&format!("{PREFIX}/GET/prod/x"));
    assert_eq!(
        stripped_url(&event),
        "https://abc.execute-api.eu-west-1.amazonaws.com/prod/x"
    );
}

#[test]
fn no_token_is_no_header() {
    let arn = format!("{PREFIX}/GET/");
    for event in [
        json!({ "type": "TOKEN", "methodArn": arn }),
        json!({ "type": "TOKEN", "methodArn": arn, "authorizationToken": null }),
        json!({ "type": "TOKEN", "methodArn": arn, "authorizationToken": "" }),
    ] {
        assert!(headers(&event).is_empty());
    }
}

#[test]
fn a_path_never_becomes_query_or_fragment() {
    let event = token_event(&format!("{PREFIX}/GET/a?b=c#d e/\u{fc}/%zz/%/%2f/../\\"));
    assert_eq!(
        url(&event),
        "https://abc.execute-api.eu-west-1.amazonaws.com/prod\
         /a%3Fb=c%23d%20e/%C3%BC/%25zz/%25/%2f/../%5C"
    );
    assert_eq!(entry_path(&event), None);
}

#[test]
fn a_path_with_two_readings_has_no_entry() {
    for path in [
        "/a//b", "/a/../b", "/a%2fb", "/%61", "/a%25b", "/a\\b", "/a%00", "/%",
    ] {
        let event = token_event(&format!("{PREFIX}/GET{path}"));
        assert_eq!(entry_path(&event), None, "{path}");
    }
}

#[test]
fn bad_methods_and_tokens_are_refused() {
    for method in ["*", "G$T", "$default/x", "G,T"] {
        let event = token_event(&format!("{PREFIX}/{method}/x"));
        assert!(
            matches!(parse(&event), Err(EventError::Method(_))),
            "{method}"
        );
    }
    let mut event = token_event(&format!("{PREFIX}/GET/"));
    for token in [
        "Bearer a\r\nX-Admin: true",
        "Bearer \u{0}",
        &"x".repeat(100_000),
    ] {
        event["authorizationToken"] = json!(token);
        assert!(matches!(parse(&event), Err(EventError::Header(_))));
    }
}
