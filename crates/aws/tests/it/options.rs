//! `PORTCULLIS_BASE_URL` and `PORTCULLIS_STRIP_STAGE`.

use portcullis_aws::{EventOptions, InvalidOrigin, Origin};

use crate::support::{parse_with, rest_event, token_event};

#[test]
fn an_origin_is_scheme_and_host() {
    for (raw, origin) in [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://[::1]:8443/", "https://[::1]:8443"),
    ] {
        assert_eq!(Origin::parse(raw).unwrap().as_str(), origin);
    }
}

#[test]
fn a_path_is_refused_and_not_dropped() {
    assert_eq!(
        Origin::parse("https://api.example.com/v1"),
        Err(InvalidOrigin::Path)
    );
    for wrong in [
        "",
        "/",
        "api.example.com",
        "ftp://api.example.com",
        "https://",
        "https://api.example.com//",
        "https://api.example.com?x",
        "https://api.example.com#x",
        "https://user@api.example.com",
        "https://api.example.com/v1/",
    ] {
        assert!(Origin::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_base_url_replaces_scheme_host_and_port_only() {
    let options = EventOptions {
        strip_stage: true,
        base_url: Some(Origin::parse("http://api.example.com:8080").unwrap()),
    };
    let rest = parse_with(&rest_event("prod", "/planets/1"), &options).unwrap();
    assert_eq!(
        rest.request().url.as_str(),
        "http://api.example.com:8080/planets/1"
    );
    let token = token_event("arn:aws:execute-api:eu-west-1:123456789012:abc/prod/GET/planets/1");
    let token = parse_with(&token, &options).unwrap();
    assert_eq!(
        token.request().url.as_str(),
        "http://api.example.com:8080/planets/1"
    );
    assert_eq!(token.request().entry, rest.request().entry);
}
