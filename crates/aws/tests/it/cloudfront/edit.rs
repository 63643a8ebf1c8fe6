//! What becomes of a request that is permitted.

use portcullis_aws::{
    EdgeAnswerError, EdgeOptions, MAX_REPLACED_BODY_BYTES, MAX_REQUEST_HEAD_BYTES,
    MAX_TARGET_BYTES, Origin,
};
use portcullis_model::{BodyEdit, Decision, HeaderEdit, RequestEdits};
use serde_json::{Value, json};

use super::support::{
    answer_with, answered, event, event_of, event_with_body, goes_to, header, notices, original,
    permit, refused, request_of, sets,
};
use crate::support::recorded;

fn body(edit: BodyEdit) -> Decision {
    permit(RequestEdits {
        body: Some(edit),
        ..RequestEdits::default()
    })
}

#[test]
fn a_plain_permit_returns_the_request_as_it_came() {
    let event: Value =
        serde_json::from_str(&recorded("cloudfront_viewer_request.awsdocs.json")).unwrap();
    let answer = answered(&event, &permit(RequestEdits::default()));
    insta::assert_snapshot!(answer, @r#"{"clientIp":"203.0.113.178","headers":{"host":[{"key":"Host","value":"d111111abcdef8.cloudfront.net"}],"user-agent":[{"key":"User-Agent","value":"curl/7.66.0"}],"accept":[{"key":"accept","value":"*/*"}]},"method":"GET","querystring":"","uri":"/"}"#);
}

#[test]
fn what_is_not_known_is_returned_too() {
    let mut event = event();
    let request = request_of(&mut event);
    request["origin"] = json!({ "s3": { "path": "", "n": [1, -2, 1.5, true, null, u64::MAX] } });
    request["headers"]["accept"][0]["more"] = json!({ "b": 1, "a": "\u{fc}\"\n" });
    request["headers"]["x-none"] = json!([]);
    let expected = original(&event).to_string();
    let (_, answer) = answer_with(
        &event,
        &permit(RequestEdits::default()),
        &EdgeOptions::default(),
    )
    .unwrap();
    assert_eq!(answer.to_string(), expected);
    let edited = answered(&event, &sets(&[("X-A", &["1"])]));
    assert_eq!(edited["origin"], answer["origin"]);
    assert_eq!(edited["headers"]["accept"], answer["headers"]["accept"]);
}

/// Principal and context go nowhere: which headers a backend reads is for the policy to say.
#[test]
fn principal_and_context_are_not_forwarded() {
    let mut decision = permit(RequestEdits::default());
    decision.principal = Some("alice".to_owned());
    decision.context.insert("tenant".to_owned(), json!("blue"));
    let answer = answered(&event(), &decision).to_string();
    assert!(!answer.contains("alice") && !answer.contains("blue"));
}

#[test]
fn path_and_query_can_be_replaced() {
    for (url, uri, query) in [
        ("https://api.example.com/v2?x=1&y", "/v2", "x=1&y"),
        ("https://API.example.com:443/v2", "/v2", ""),
        ("https://api.example.com", "/", ""),
        ("https://api.example.com?x", "/", "x"),
        (
            "HTTPS://api.example.com/%C3%BC/..//;?%23",
            "/%C3%BC/..//;",
            "%23",
        ),
        ("https://api.example.com/planets?", "/planets", ""),
    ] {
        let answer = answered(&event(), &goes_to(url));
        assert_eq!(
            (&answer["uri"], &answer["querystring"]),
            (&json!(uri), &json!(query)),
            "{url}"
        );
        assert_eq!(answer["headers"], original(&event())["headers"]);
    }
    let same = answered(&event(), &goes_to("https://api.example.com/planets?page=2"));
    assert_eq!(same, original(&event()));
}

#[test]
fn another_origin_is_refused() {
    for url in [
        "http://api.example.com/planets",
        "http://api.example.com:443/planets",
        "https://api.example.com:8443/planets",
        "https://evil.example/planets",
        "https://api.example.com.evil.example/",
        "https://sub.api.example.com/",
    ] {
        assert_eq!(
            refused(&event(), &goes_to(url)),
            EdgeAnswerError::OtherOrigin,
            "{url}"
        );
    }
    for url in [
        "",
        "/planets",
        "//api.example.com/",
        "https://user@api.example.com/",
        "https://api.example.com@evil.example/",
        "https://api.example.com/a b",
        "https://api.example.com/a\r\n",
        "https://api.example.com/a#b",
        "https://api.example.com:/a",
    ] {
        let error = refused(&event(), &goes_to(url));
        assert!(matches!(error, EdgeAnswerError::Url(_)), "{url} {error}");
    }
    for url in [
        "https://api.example.com/\u{fc}",
        "https://api.example.com/?\u{fc}",
    ] {
        assert_eq!(
            refused(&event(), &goes_to(url)),
            EdgeAnswerError::UrlCharacter
        );
    }
}

/// What counts is the origin that was decided on.
#[test]
fn with_a_base_url_edits_are_below_it() {
    let options = EdgeOptions {
        base_url: Some(Origin::parse("https://internal.example").unwrap()),
        ..EdgeOptions::default()
    };
    let to = |url: &str| answer_with(&event(), &goes_to(url), &options);
    assert_eq!(to("https://internal.example/v2").unwrap().1["uri"], "/v2");
    assert_eq!(
        to("https://api.example.com/v2").unwrap_err(),
        EdgeAnswerError::OtherOrigin
    );
}

#[test]
fn path_and_query_stay_below_their_limit() {
    for query in ["", "?", "?a"] {
        let url = |bytes: usize| {
            let given = "/".len() + if query.len() > 1 { query.len() } else { 0 };
            format!(
                "https://api.example.com/{}{query}",
                "p".repeat(bytes - given)
            )
        };
        assert!(answered(&event(), &goes_to(&url(MAX_TARGET_BYTES)))["uri"].is_string());
        assert_eq!(
            refused(&event(), &goes_to(&url(MAX_TARGET_BYTES + 1))),
            EdgeAnswerError::UrlTooLong {
                bytes: MAX_TARGET_BYTES + 1
            }
        );
    }
}

#[test]
fn request_line_and_headers_stay_below_their_limit() {
    // GET /planets?page=2 HTTP/1.1, Host, Authorization and Accept, as they are sent.
    let sent = "GET /planets?page=2 HTTP/1.1\r\nHost: api.example.com\r\n\
                Authorization: Bearer s3cret\r\nAccept: */*\r\n"
        .len();
    let with = |bytes: usize| {
        let value = "v".repeat(bytes - sent - "X-A: \r\n".len());
        sets(&[("X-A", &[&value])])
    };
    answered(&event(), &with(MAX_REQUEST_HEAD_BYTES));
    assert_eq!(
        refused(&event(), &with(MAX_REQUEST_HEAD_BYTES + 1)),
        EdgeAnswerError::HeadTooLarge {
            bytes: MAX_REQUEST_HEAD_BYTES + 1
        }
    );
    // A request that is larger already may shrink.
    let long = "v".repeat(MAX_REQUEST_HEAD_BYTES);
    let event = event_of("GET", "/", "", &[("X-A", &long), ("X-B", "1")]);
    answered(&event, &sets(&[("X-B", &[])]));
    answered(&event, &sets(&[("X-B", &["2"])]));
    let error = refused(&event, &sets(&[("X-B", &["22"])]));
    assert!(matches!(error, EdgeAnswerError::HeadTooLarge { .. }));
    let url = format!("https://api.example.com/{}", "p".repeat(100));
    let error = refused(&event, &goes_to(&url));
    assert!(matches!(error, EdgeAnswerError::HeadTooLarge { .. }));
}

#[test]
fn a_body_is_returned_only_if_it_is_replaced() {
    let event = event_with_body(b"{\"a\":1}");
    assert_eq!(
        answered(&event, &permit(RequestEdits::default())).get("body"),
        None
    );
    let text = "{\"a\":\"\u{fc}\"}".to_owned();
    let answer = answered(&event, &body(BodyEdit::Replace(text)));
    insta::assert_snapshot!(answer["body"], @r#"{"inputTruncated":false,"action":"replace","encoding":"text","data":"{\"a\":\"ü\"}"}"#);
    let answer = answered(&event, &body(BodyEdit::Remove));
    insta::assert_snapshot!(answer["body"], @r#"{"inputTruncated":false,"action":"replace","encoding":"text","data":""}"#);
}

/// The engine says how long a changed body is; CloudFront measures it itself.
#[test]
fn the_length_of_a_replaced_body_is_no_notice() {
    let event = event_with_body(b"abc");
    let mut edits = RequestEdits {
        headers: vec![HeaderEdit {
            name: "content-length".to_owned(),
            values: vec!["4".to_owned()],
        }],
        body: Some(BodyEdit::Replace("abcd".to_owned())),
        ..RequestEdits::default()
    };
    assert_eq!(notices(&event, &permit(edits.clone())), [""; 0]);
    assert_eq!(
        header(&answered(&event, &permit(edits.clone())), "content-length"),
        ["3"]
    );
    edits.body = None;
    assert_eq!(notices(&event, &permit(edits)).len(), 1);
}

#[test]
fn only_a_whole_body_is_edited() {
    for edit in [BodyEdit::Remove, BodyEdit::Replace("a".to_owned())] {
        let decision = body(edit);
        assert_eq!(refused(&event(), &decision), EdgeAnswerError::BodyAbsent);
        let mut truncated = event_with_body(b"a");
        request_of(&mut truncated)["body"]["inputTruncated"] = json!(true);
        assert_eq!(refused(&truncated, &decision), EdgeAnswerError::BodyPartial);
        assert_eq!(
            refused(&event_with_body(b"\xff"), &decision),
            EdgeAnswerError::BodyPartial
        );
    }
    let of = |bytes: usize| body(BodyEdit::Replace("b".repeat(bytes)));
    let event = event_with_body(b"a");
    let answer = answered(&event, &of(MAX_REPLACED_BODY_BYTES));
    assert_eq!(
        answer["body"]["data"].as_str().unwrap().len(),
        MAX_REPLACED_BODY_BYTES
    );
    assert_eq!(
        refused(&event, &of(MAX_REPLACED_BODY_BYTES + 1)),
        EdgeAnswerError::BodyTooLarge {
            bytes: MAX_REPLACED_BODY_BYTES + 1
        }
    );
}

#[test]
fn debug_shows_no_value() {
    let decision = sets(&[("X-User", &["alice"]), ("X-Cache", &["alice"])]);
    let (answer, _) = answer_with(&event(), &decision, &EdgeOptions::default()).unwrap();
    assert!(answer.is_forward());
    insta::assert_snapshot!(format!("{answer:?}"), @r#"Forward(ForwardedRequest { notices: [HeaderDisallowed { name: "x-cache" }], .. })"#);
}
