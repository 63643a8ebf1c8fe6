//! What becomes of the headers of a request that is permitted.

use portcullis_aws::EdgeAnswerError;
use portcullis_model::{HeaderEdit, InvalidHeader, MAX_HEADERS, RequestEdits};
use serde_json::json;

use super::support::{
    answered, event, event_of, header, notices, original, permit, refused, request_of, sets,
};

#[test]
fn headers_are_set_in_their_place_and_removed() {
    let event = event_of(
        "GET",
        "/",
        "",
        &[("X-A", "1"), ("x-b", "2"), ("x-b", "3"), ("X-C", "4")],
    );
    let decision = sets(&[
        ("X-B", &["5", " 6 "]),
        ("x-c", &[]),
        ("X-New", &["7"]),
        ("X-Gone", &[]),
        ("x-a", &["1"]),
        ("X-Empty", &[""]),
    ]);
    let answer = answered(&event, &decision);
    insta::assert_snapshot!(answer["headers"], @r#"{"host":[{"key":"Host","value":"api.example.com"}],"x-a":[{"key":"X-A","value":"1"}],"x-b":[{"key":"X-B","value":"5"},{"key":"X-B","value":"6"}],"x-new":[{"key":"X-New","value":"7"}],"x-empty":[{"key":"X-Empty","value":""}]}"#);
    assert_eq!(notices(&event, &decision), [""; 0]);
}

/// Adding one of these is answered with 502, in whatever case.
#[test]
fn disallowed_headers_are_left_out() {
    for name in [
        "Connection",
        "Expect",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Trailer",
        "Upgrade",
        "X-Accel-Buffering",
        "X-Accel-Charset",
        "X-Accel-Limit-Rate",
        "X-Accel-Redirect",
        "X-Amz-Cf-",
        "X-Amz-Cf-Id",
        "X-Amz-Cf-Pop-2",
        "X-Amzn-Auth",
        "X-Amzn-Cf-Billing",
        "X-Amzn-Cf-Id",
        "X-Amzn-Cf-Xff",
        "X-Amzn-Errortype",
        "X-Amzn-Fle-Profile",
        "X-Amzn-Header-Count",
        "X-Amzn-Header-Order",
        "X-Amzn-Lambda-Integration-Tag",
        "X-Amzn-RequestId",
        "X-Cache",
        "X-Edge-",
        "X-Edge-Location",
        "X-Forwarded-Proto",
        "X-Real-IP",
        "CloudFront-Viewer-Country",
        "CloudFront-Viewer-Cert-Pem",
        "Client-Cert",
        "Client-Cert-Chain",
    ] {
        for name in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
            let lower = name.to_lowercase();
            let decision = sets(&[(&name, &["1"]), ("X-User", &["alice"])]);
            let answer = answered(&event(), &decision);
            assert_eq!(answer["headers"].get(&lower), None, "{name}");
            assert_eq!(header(&answer, "x-user"), ["alice"]);
            let notice =
                format!("header {lower} left out: CloudFront does not let functions set it");
            assert_eq!(notices(&event(), &decision), [notice]);
            // To remove one that is not there is no wish that failed.
            assert_eq!(notices(&event(), &sets(&[(&name, &[])])), [""; 0]);
        }
    }
    for name in [
        "X-Amz-Cf",
        "X-Amz-Date",
        "X-Amzn-Trace-Id",
        "X-Edge",
        "X-Edgeware",
        "X-Forwarded-For",
        "CloudFront-Viewer-Address",
        "Proxy",
        "Cache-Control",
    ] {
        let decision = sets(&[(name, &["1"])]);
        assert_eq!(
            header(&answered(&event(), &decision), &name.to_lowercase()),
            ["1"]
        );
        assert_eq!(notices(&event(), &decision), [""; 0], "{name}");
    }
}

/// What the client wrote there would pass for what the decision says.
#[test]
fn a_disallowed_header_of_the_client_goes_if_it_is_edited() {
    for name in ["X-Real-IP", "CloudFront-Viewer-Country", "Client-Cert"] {
        let lower = name.to_lowercase();
        let event = event_of("GET", "/", "", &[(name, "forged")]);
        let set = sets(&[(name, &["true"])]);
        assert_eq!(answered(&event, &set)["headers"].get(&lower), None);
        assert_eq!(notices(&event, &set).len(), 1);
        let removed = sets(&[(name, &[])]);
        assert_eq!(answered(&event, &removed)["headers"].get(&lower), None);
        assert_eq!(notices(&event, &removed), [""; 0]);
        let same = sets(&[(name, &["forged"])]);
        assert_eq!(header(&answered(&event, &same), &lower), ["forged"]);
        assert_eq!(notices(&event, &same), [""; 0]);
    }
}

#[test]
fn read_only_headers_stay() {
    let all = [
        "CDN-Loop",
        "Content-Length",
        "Host",
        "Transfer-Encoding",
        "Via",
    ];
    for name in all
        .map(str::to_owned)
        .into_iter()
        .chain(all.map(str::to_uppercase))
    {
        let lower = name.to_lowercase();
        for there in [false, true] {
            let mut event = event();
            if there || lower == "host" {
                request_of(&mut event)["headers"][&lower] = json!([{ "value": "a" }]);
            }
            for values in [&["b"][..], &["a", "a"], &[]] {
                let decision = sets(&[(&name, values)]);
                let answer = answered(&event, &decision);
                assert_eq!(answer["headers"], original(&event)["headers"], "{name}");
                let changes = !values.is_empty() || there || lower == "host";
                let notice = format!(
                    "header {lower} left as it was: CloudFront does not let functions change it"
                );
                let expected = if changes { vec![notice] } else { vec![] };
                assert_eq!(notices(&event, &decision), expected, "{name} {values:?}");
            }
        }
    }
    let same = sets(&[("Host", &["api.example.com"])]);
    assert_eq!(notices(&event(), &same), [""; 0]);
}

/// CGI and WSGI hand `X_User` and `X-User` to a backend under one name, and a client can send both.
#[test]
fn a_client_cannot_write_an_edited_header_with_underscores() {
    let event = event_of(
        "GET",
        "/",
        "",
        &[
            ("X_User-Id", "admin"),
            ("x_user_id", "admin"),
            ("X-User-Id", "a"),
            ("X-User", "kept"),
        ],
    );
    let set = sets(&[("x-user-id", &["alice"])]);
    let answer = answered(&event, &set);
    insta::assert_snapshot!(answer["headers"], @r#"{"host":[{"key":"Host","value":"api.example.com"}],"x-user-id":[{"key":"x-user-id","value":"alice"}],"x-user":[{"key":"X-User","value":"kept"}]}"#);
    assert_eq!(
        notices(&event, &set),
        [
            "header x_user-id removed: many backends take it for a header that the decision edits",
            "header x_user_id removed: many backends take it for a header that the decision edits",
        ]
    );
    let removed = answered(&event, &sets(&[("X-User-Id", &[])]));
    assert!(!removed.to_string().contains("admin"));
    // Whoever edits both means both.
    let both = sets(&[("x-user-id", &["alice"]), ("x_user_id", &["bob"])]);
    let answer = answered(&event, &both);
    assert_eq!(header(&answer, "x_user_id"), ["bob"]);
    assert_eq!(answer["headers"].get("x_user-id"), None);
    // The other way round.
    let event = event_of("GET", "/", "", &[("X-Tenant", "admin"), ("Host_", "kept")]);
    let answer = answered(
        &event,
        &sets(&[("X_Tenant", &["blue"]), ("Host", &["b.example"])]),
    );
    assert_eq!(answer["headers"].get("x-tenant"), None);
    assert_eq!(header(&answer, "host"), ["api.example.com"]);
    assert_eq!(header(&answer, "host_"), ["kept"]);
    // Nobody may remove a read-only header, not even as a twin.
    let event = event_of("POST", "/", "", &[("Content-Length", "3")]);
    let answer = answered(&event, &sets(&[("Content_Length", &["4"])]));
    assert_eq!(header(&answer, "content-length"), ["3"]);
    assert_eq!(header(&answer, "content_length"), ["4"]);
}

#[test]
fn header_edits_that_no_header_can_carry_are_refused() {
    for (name, value) in [
        ("X-User", "alice\r\nX-Admin: 1"),
        ("X-User", "alice\n"),
        ("X-User", "a\0b"),
        ("X-User", "a\u{7f}"),
        ("X-User", "a\u{85}"),
        ("X User", "alice"),
        ("", "alice"),
        ("X-User:", "alice"),
        ("X-\u{dc}ser", "alice"),
        ("Host\r\n", "alice"),
    ] {
        let error = refused(&event(), &sets(&[(name, &[value])]));
        assert!(matches!(error, EdgeAnswerError::Header(_)), "{name:?}");
        assert!(!error.to_string().contains("alice"));
    }
    assert_eq!(
        refused(&event(), &sets(&[("X User", &[])])),
        EdgeAnswerError::Header(InvalidHeader::Name)
    );
    assert_eq!(
        refused(&event(), &sets(&[("X-User", &["a"]), ("x-USER", &[])])).to_string(),
        "the decision edits header x-user twice; say in one edit what it is to be"
    );
}

#[test]
fn edits_are_counted() {
    let edits = |count: usize| {
        permit(RequestEdits {
            headers: (0..count)
                .map(|index| HeaderEdit {
                    name: format!("x-{index}"),
                    values: vec!["1".to_owned()],
                })
                .collect(),
            ..RequestEdits::default()
        })
    };
    answered(&event(), &edits(MAX_HEADERS - 3));
    assert_eq!(
        refused(&event(), &edits(MAX_HEADERS - 2)),
        EdgeAnswerError::Header(InvalidHeader::TooMany)
    );
    assert_eq!(
        refused(&event(), &edits(MAX_HEADERS + 1)),
        EdgeAnswerError::TooManyEdits {
            edits: MAX_HEADERS + 1
        }
    );
}
