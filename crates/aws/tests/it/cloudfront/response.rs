//! What a viewer is told whose request is denied.

use portcullis_aws::{
    EdgeAnswerError, EdgeFailure, EdgeOptions, MAX_GENERATED_BYTES, error_answer,
};
use portcullis_model::{Challenge, Decision, Deny, HeaderMap};
use serde_json::{Value, json};

use super::support::{
    answer_with, answered, deny, event, event_of, header, notices, refused, response,
};

fn denied(status: u16, headers: &[(&str, &str)], body: Option<&str>) -> Decision {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, value).unwrap();
    }
    deny(Deny {
        headers: map,
        body: body.map(str::to_owned),
        ..Deny::status(status)
    })
}

#[test]
fn a_challenge_is_a_whole_response() {
    let challenge = Challenge {
        realm: Some("https://api.example.com".to_owned()),
        scope: Some("gold".to_owned()),
        ..Challenge::default()
    };
    let answer = answered(&event(), &deny(Deny::challenge(401, challenge)));
    insta::assert_snapshot!(answer, @r#"{"status":"401","statusDescription":"Unauthorized","headers":{"www-authenticate":[{"key":"WWW-Authenticate","value":"Bearer realm=\"https://api.example.com\", scope=\"gold\""}],"cache-control":[{"key":"Cache-Control","value":"no-store"}]}}"#);
}

#[test]
fn headers_keep_order_and_repetition() {
    let mut decision = denied(
        403,
        &[
            ("X-Reason", "1"),
            ("www-authenticate", "DPoP algs=\"ES256\""),
            ("Set-Cookie", "a=1"),
            ("x-reason", "2"),
            ("set-cookie", "b=2"),
            ("Cache-Control", "private"),
            ("Content-Type", "application/problem+json"),
        ],
        Some("{\"title\":\"no\"}"),
    );
    let portcullis_model::Outcome::Deny(deny) = &mut decision.outcome else {
        unreachable!()
    };
    deny.challenges = vec![Challenge::default(), Challenge::default()];
    let answer = answered(&event(), &decision);
    insta::assert_snapshot!(serde_json::to_string_pretty(&answer).unwrap(), @r#"
    {
      "status": "403",
      "statusDescription": "Forbidden",
      "headers": {
        "www-authenticate": [
          {
            "key": "WWW-Authenticate",
            "value": "Bearer"
          },
          {
            "key": "WWW-Authenticate",
            "value": "Bearer"
          },
          {
            "key": "WWW-Authenticate",
            "value": "DPoP algs=\"ES256\""
          }
        ],
        "x-reason": [
          {
            "key": "X-Reason",
            "value": "1"
          },
          {
            "key": "x-reason",
            "value": "2"
          }
        ],
        "set-cookie": [
          {
            "key": "Set-Cookie",
            "value": "a=1"
          },
          {
            "key": "set-cookie",
            "value": "b=2"
          }
        ],
        "cache-control": [
          {
            "key": "Cache-Control",
            "value": "private"
          }
        ],
        "content-type": [
          {
            "key": "Content-Type",
            "value": "application/problem+json"
          }
        ]
      },
      "bodyEncoding": "text",
      "body": "{\"title\":\"no\"}"
    }
    "#);
}

/// A browser that has to guess might run a body as HTML.
#[test]
fn a_body_has_a_type() {
    for (body, of_type) in [
        ("{\"a\":1}", "application/json"),
        ("\"text\"", "application/json"),
        ("no", "text/plain; charset=utf-8"),
        ("<script>alert(1)</script>", "text/plain; charset=utf-8"),
        ("{\"a\":1", "text/plain; charset=utf-8"),
    ] {
        let answer = answered(&event(), &denied(403, &[], Some(body)));
        assert_eq!(header(&answer, "content-type"), [of_type]);
        assert_eq!(answer["body"], body);
    }
    for body in [None, Some("")] {
        let answer = answered(&event(), &denied(403, &[], body));
        assert_eq!(
            (header(&answer, "content-type"), answer.get("body")),
            (vec![], None)
        );
    }
}

#[test]
fn statuses_without_a_body_have_none() {
    for status in [204, 205, 304] {
        let decision = denied(status, &[], Some("text"));
        let answer = answered(&event(), &decision);
        assert_eq!(
            (answer.get("body"), answer.get("bodyEncoding")),
            (None, None)
        );
        assert_eq!(
            notices(&event(), &decision),
            ["body left out: a response with this status has none"]
        );
        assert_eq!(notices(&event(), &denied(status, &[], None)), [""; 0]);
    }
    let head = event_of("HEAD", "/", "", &[]);
    let answer = answered(&head, &denied(403, &[], Some("text")));
    assert_eq!(answer.get("body"), None);
    assert_eq!(notices(&head, &denied(403, &[], Some("text"))), [""; 0]);
}

#[test]
fn a_status_is_one_that_a_client_can_be_given() {
    for status in [0, 100, 199, 600, 999, u16::MAX] {
        let error = refused(&event(), &denied(status, &[], None));
        assert_eq!(error, EdgeAnswerError::Status { status });
    }
    for (status, phrase) in [
        (200, json!("OK")),
        (302, json!("Found")),
        (429, json!("Too Many Requests")),
        (503, json!("Service Unavailable")),
        (299, Value::Null),
        (599, Value::Null),
    ] {
        let answer = answered(&event(), &denied(status, &[], None));
        assert_eq!(answer["status"], status.to_string());
        assert_eq!(answer["statusDescription"], phrase);
    }
}

#[test]
fn headers_that_a_response_cannot_have_are_left_out() {
    for (name, disallowed) in [
        ("Connection", true),
        ("X-Amz-Cf-Id", true),
        ("x-edge-1", true),
        ("X-Cache", true),
        ("X-Real-IP", true),
        ("X-AMZN-REQUESTID", true),
        ("Content-Length", false),
        ("content-encoding", false),
        ("Transfer-Encoding", false),
        ("Host", false),
        ("VIA", false),
        ("CDN-Loop", false),
        ("Warning", false),
    ] {
        let decision = denied(403, &[(name, "1"), ("X-A", "1"), (name, "2")], None);
        let answer = answered(&event(), &decision);
        let lower = name.to_lowercase();
        assert_eq!(answer["headers"].get(&lower), None, "{name}");
        assert_eq!(header(&answer, "x-a"), ["1"]);
        let notice = if disallowed {
            format!("header {lower} left out: CloudFront does not let functions set it")
        } else {
            format!("header {lower} left out: it is not for a function to set in a response")
        };
        assert_eq!(notices(&event(), &decision), [notice]);
    }
}

/// What a policy writes into a challenge cannot become another header.
#[test]
fn a_challenge_stays_one_line() {
    let challenge = Challenge {
        realm: Some("a\r\nX-Admin: 1".to_owned()),
        error_description: Some("b\"\n\u{fc}".to_owned()),
        ..Challenge::default()
    };
    let answer = answered(&event(), &deny(Deny::challenge(401, challenge)));
    assert_eq!(
        header(&answer, "www-authenticate"),
        ["Bearer realm=\"aX-Admin: 1\", error_description=\"b\""]
    );
}

#[test]
fn a_response_has_a_limit_and_its_body_is_cut() {
    let bytes = |body: &str| {
        let decision = denied(403, &[("Content-Type", "text/plain")], Some(body));
        let answer = answered(&event(), &decision);
        let sent = answer["body"].as_str().unwrap().to_owned();
        (answer.to_string().len(), sent, notices(&event(), &decision))
    };
    let (without, ..) = bytes("a");
    let room = MAX_GENERATED_BYTES - without + 1;
    for (unit, size) in [
        ("a", 1),
        ("\u{fc}", 2),
        ("\u{1f600}", 4),
        ("\"", 2),
        ("\u{1}", 6),
    ] {
        let fitting = unit.repeat(room / size);
        let (all, sent, cut) = bytes(&fitting);
        assert_eq!(
            (all, sent.len(), cut.len()),
            (MAX_GENERATED_BYTES - room % size, fitting.len(), 0)
        );
        let (all, sent, cut) = bytes(&format!("{fitting}{unit}"));
        assert_eq!((all, sent), (MAX_GENERATED_BYTES - room % size, fitting));
        assert_eq!(cut, ["body cut: a response of a function has a limit"]);
    }
}

#[test]
fn headers_alone_have_a_limit() {
    let of = |value: usize, body| denied(403, &[("X-A", &"a".repeat(value))], body);
    let bytes = answered(&event(), &of(1, None)).to_string().len();
    let longest = MAX_GENERATED_BYTES - bytes + 1;
    let answer = answered(&event(), &of(longest, None));
    assert_eq!(answer.to_string().len(), MAX_GENERATED_BYTES);
    assert_eq!(
        refused(&event(), &of(longest + 1, None)),
        EdgeAnswerError::ResponseTooLarge {
            bytes: MAX_GENERATED_BYTES + 1
        }
    );
    // No room at all for a body, and its type takes some.
    let full = of(longest - 80, Some("text"));
    assert_eq!(answered(&event(), &full).get("body"), None);
    assert_eq!(notices(&event(), &full).len(), 1);
}

#[test]
fn a_response_can_be_looked_at() {
    let decision = denied(403, &[("X-A", "s3cret")], Some("s3cret"));
    let (answer, _) = answer_with(&event(), &decision, &EdgeOptions::default()).unwrap();
    assert!(!answer.is_forward());
    insta::assert_snapshot!(format!("{answer:?}"), @"Respond(GeneratedResponse { status: 403, headers: [X-A: [6 bytes], Cache-Control: [8 bytes], Content-Type: [25 bytes]], notices: [], .. })");
    let response = response(answer);
    assert_eq!((response.status(), response.body()), (403, Some("s3cret")));
    assert_eq!(response.headers().first("x-a"), Some("s3cret"));
    assert_eq!(response.notices(), []);
}

#[test]
fn a_failure_is_answered_without_fail() {
    for (failure, status) in [
        (EdgeFailure::Forbidden, 403),
        (EdgeFailure::Unavailable, 503),
    ] {
        let answer = error_answer(failure);
        assert!(!answer.is_forward() && answer.notices().is_empty());
        let json = serde_json::to_string(&answer).unwrap();
        assert_eq!(json, failure.json());
        super::rules::check(&event(), &json).unwrap();
        assert_eq!(response(answer).status(), status);
    }
}
