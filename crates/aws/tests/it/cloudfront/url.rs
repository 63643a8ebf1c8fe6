//! The URL of an event: what a client can write into it, and what it cannot.

use portcullis_aws::{EdgeEntry, EdgeOptions, Origin, ViewerRequest};
use serde_json::{Value, json};

use super::support::{event, event_of, parse, request_of};

#[test]
fn path_and_query_are_as_they_came() {
    for (uri, query, path) in [
        ("/", "", "https://api.example.com/"),
        (
            "/a%2Fb/../c//d;e",
            "x=%20+&y",
            "https://api.example.com/a%2Fb/../c//d;e?x=%20+&y",
        ),
        (
            "/{a}|\"[]",
            "a?b={}",
            "https://api.example.com/{a}|\"[]?a?b={}",
        ),
        (
            "//evil.example/",
            "",
            "https://api.example.com//evil.example/",
        ),
    ] {
        let parsed = parse(&event_of("GET", uri, query, &[])).unwrap();
        assert_eq!(parsed.request().url.as_str(), path);
        assert_eq!(parsed.request().url.path(), uri);
        assert_eq!(parsed.request().url.host(), "api.example.com");
    }
}

#[test]
fn what_two_readers_could_take_for_another_path_is_refused() {
    for (uri, query) in [
        ("", ""),
        ("planets", ""),
        ("*", ""),
        ("https://evil.example/", ""),
        ("/a?admin=1", ""),
        ("/a?", "b"),
        ("/a#b", ""),
        ("/a b", ""),
        ("/a\u{0}", ""),
        ("/a\r\nHost: b", ""),
        ("/\u{fc}", ""),
        ("/", "a=#b"),
        ("/", "a b"),
        ("/", "a=\u{fc}"),
        ("/", "a\u{7f}"),
    ] {
        let error = parse(&event_of("GET", uri, query, &[])).unwrap_err();
        let error = error.to_string();
        assert!(
            !error.contains("admin") && !error.contains("evil"),
            "{error}"
        );
    }
    let long = format!("/{}", "a".repeat(portcullis_model::MAX_URL_BYTES));
    assert!(parse(&event_of("GET", &long, "", &[])).is_err());
}

#[test]
fn the_host_is_one_plain_header() {
    let with = |hosts: Value| {
        let mut event = event();
        request_of(&mut event)["headers"]["host"] = hosts;
        parse(&event).map(|parsed| parsed.request().url.as_str().to_owned())
    };
    let one = |host: &str| with(json!([{ "key": "Host", "value": host }]));
    for (host, url) in [
        ("api.example.com", "https://api.example.com/planets?page=2"),
        (
            "API.Example.com:443",
            "https://API.Example.com:443/planets?page=2",
        ),
        (" a_b.example ", "https://a_b.example/planets?page=2"),
    ] {
        assert_eq!(one(host).unwrap(), url);
    }
    for host in [
        "",
        ":443",
        "a.example:",
        "a.example:0",
        "a.example:+443",
        "a.example:443:443",
        "a.example:65536",
        "a.example:x",
        "user@a.example",
        "user:pass@a.example",
        "a.example/",
        "a.example?x",
        "a.example#x",
        "a.example\\@evil.example",
        "a.example, b.example",
        "a example",
        "[::1]",
        "a.example%2f",
        "\u{fc}.example",
        &"a".repeat(254),
    ] {
        let error = one(host).unwrap_err();
        insta::allow_duplicates! {
            insta::assert_snapshot!(error, @"expected one Host header with a host name of letters, digits, dots, hyphens and underscores, and at most a port, got another value");
        }
    }
    for (hosts, got) in [
        (json!([]), "got none"),
        (
            json!([{ "value": "a.example" }, { "value": "b.example" }]),
            "got more than one",
        ),
        (
            json!([{ "value": "a.example" }, { "value": "a.example" }]),
            "got more than one",
        ),
    ] {
        assert!(with(hosts).unwrap_err().to_string().ends_with(got), "{got}");
    }
    let mut event = event();
    request_of(&mut event)["headers"]
        .as_object_mut()
        .unwrap()
        .remove("host");
    assert!(parse(&event).unwrap_err().to_string().ends_with("got none"));
}

#[test]
fn a_base_url_takes_the_place_of_scheme_and_host() {
    let options = EdgeOptions {
        base_url: Some(Origin::parse("https://api.internal.example:8443").unwrap()),
        ..EdgeOptions::default()
    };
    let parsed = ViewerRequest::parse(event().to_string().as_bytes(), &options).unwrap();
    assert_eq!(
        parsed.request().url.as_str(),
        "https://api.internal.example:8443/planets?page=2"
    );
    assert_eq!(
        parsed.request().headers.first("host"),
        Some("api.example.com")
    );
}

#[test]
fn an_entry_has_the_decoded_path_or_is_not_there() {
    let options = EdgeOptions {
        entry: Some(EdgeEntry {
            api_id: "abc".into(),
            stage: "prod".into(),
        }),
        ..EdgeOptions::default()
    };
    for (uri, path) in [
        ("/a%20b", Some("/a b")),
        ("/", Some("/")),
        ("/a%2Fb", None),
        ("/a/../b", None),
        ("/a%zz", None),
    ] {
        let event = event_of("GET", uri, "", &[]).to_string();
        let parsed = ViewerRequest::parse(event.as_bytes(), &options).unwrap();
        let entry = parsed.request().entry.as_ref();
        assert_eq!(entry.map(|entry| entry.path.as_str()), path, "{uri}");
        if let Some(entry) = entry {
            assert_eq!(
                (entry.api_id.as_str(), entry.stage.as_str()),
                ("abc", "prod")
            );
        }
    }
    assert_eq!(parse(&event()).unwrap().request().entry, None);
}
