//! Answers as the service writes them, and decisions written as answers.

use portcullis_model::{
    BodyEdit, Challenge, ChallengeError, Decision, Deny, HeaderEdit, Outcome, Reason, ReasonCode,
    RequestEdits,
};
use portcullis_sideband::{SidebandReply, SidebandRequest};
use serde_json::{Value, json};

use crate::support::{sent, sent_json, with, without};

fn read(json: &Value) -> Decision {
    SidebandReply::read(json.to_string().as_bytes(), &sent()).unwrap()
}

fn edits(json: &Value) -> RequestEdits {
    match read(json).outcome {
        Outcome::Permit(edits) => edits,
        Outcome::Deny(deny) => panic!("{deny:?}"),
    }
}

fn deny(json: &Value) -> Deny {
    match read(json).outcome {
        Outcome::Deny(deny) => deny,
        Outcome::Permit(edits) => panic!("{edits:?}"),
    }
}

/// As recorded from the live service: status as text, lower-case names, no body.
fn live_401() -> Value {
    with(
        sent_json(),
        "response",
        json!({
            "response_code": "401",
            "response_status": "Unauthorized",
            "http_version": "1.1",
            "headers": [
                {"www-authenticate": "Bearer realm=\"https://api.example.com\", error=\"invalid_token\""},
                {"content-length": "0"}
            ]
        }),
    )
}

#[test]
fn an_echo_is_a_permit_that_edits_nothing() {
    let decision = read(&sent_json());
    assert_eq!(decision.reason.code, ReasonCode::PermittedByDecisionPoint);
    assert!(edits(&sent_json()).is_empty());
    let stateful = with(sent_json(), "state", json!("H4sIAAAA"));
    assert!(edits(&stateful).is_empty());
}

#[test]
fn a_spelling_is_no_edit() {
    let mut json = sent_json();
    json["url"] = json!("https://API.example.com:443/planets?x=1");
    json["source_port"] = json!("56782");
    json["headers"] = json!([
        {"x-multi": "a"}, {"x-multi": "b"}, {"authorization": "Bearer s3cret"}, {"accept": "*/*"}
    ]);
    json["body"] = json!("");
    assert_eq!(edits(&json), RequestEdits::default());
}

#[test]
fn headers_are_set_changed_and_removed() {
    let headers = json!([
        {"accept": "application/json"}, {"Authorization": "Bearer s3cret"},
        {"X-Multi": "b"}, {"SH-USER": "7d9f"}
    ]);
    let edits = edits(&with(sent_json(), "headers", headers));
    let edit = |name: &str, values: &[&str]| HeaderEdit {
        name: name.into(),
        values: values.iter().map(|&value| value.into()).collect(),
    };
    assert_eq!(
        edits.headers,
        [
            edit("accept", &["application/json"]),
            edit("X-Multi", &["b"]),
            edit("SH-USER", &["7d9f"])
        ]
    );
    let edits = super::replies::edits(&with(sent_json(), "headers", json!([])));
    assert!(edits.headers.iter().all(|edit| edit.values.is_empty()));
    assert_eq!(edits.headers.len(), 3);
}

#[test]
fn path_and_query_may_be_rewritten() {
    let url = "https://api.example.com/planets?name=sedan&compare=co";
    let edits = edits(&with(sent_json(), "url", json!(url)));
    assert_eq!(edits.url.as_deref(), Some(url));
}

#[test]
fn a_body_that_went_missing_is_an_edit() {
    let read = |before: &str, after: &Value| {
        let sent = with(sent_json(), "body", json!(before)).to_string();
        let sent = SidebandRequest::parse(sent.as_bytes()).unwrap();
        let decision = SidebandReply::read(after.to_string().as_bytes(), &sent).unwrap();
        match decision.outcome {
            Outcome::Permit(edits) => edits.body,
            Outcome::Deny(deny) => panic!("{deny:?}"),
        }
    };
    assert_eq!(read("{}", &with(sent_json(), "body", json!("{}"))), None);
    let replaced = Some(BodyEdit::Replace("{ }".to_owned()));
    assert_eq!(
        read("{}", &with(sent_json(), "body", json!("{ }"))),
        replaced
    );
    assert_eq!(read("{}", &sent_json()), Some(BodyEdit::Remove));
    assert_eq!(read("", &sent_json()), None, "an empty body is no body");
}

#[test]
fn an_address_may_be_written_otherwise() {
    let long = with(sent_json(), "source_ip", json!("2001:db8:0:0:0:0:0:1"));
    let short = with(sent_json(), "source_ip", json!("2001:db8::1"));
    let sent = SidebandRequest::parse(short.to_string().as_bytes()).unwrap();
    let decision = SidebandReply::read(long.to_string().as_bytes(), &sent).unwrap();
    assert!(decision.is_permit());
}

#[test]
fn the_live_401() {
    let decision = read(&live_401());
    assert_eq!(decision.reason.code, ReasonCode::DeniedByDecisionPoint);
    let deny = deny(&live_401());
    assert_eq!((deny.status, deny.body.as_deref()), (401, None));
    assert_eq!(
        deny.www_authenticate().collect::<Vec<_>>(),
        ["Bearer realm=\"https://api.example.com\", error=\"invalid_token\""]
    );
    assert!(
        !deny.headers.contains("content-length"),
        "the framing of a message that was never sent is not the client's"
    );
}

#[test]
fn a_response_code_may_be_a_number() {
    let mut json = live_401();
    json["response"]["response_code"] = json!(403);
    json["response"]["body"] = json!("{\"message\":\"banned\"}");
    let deny = deny(&json);
    assert_eq!(deny.status, 403);
    assert_eq!(deny.body.as_deref(), Some("{\"message\":\"banned\"}"));
}

#[test]
fn a_deny_needs_no_echo() {
    let bare = json!({"response": {"response_code": "404", "response_status": "Not Found"}});
    assert_eq!(deny(&bare).status, 404);
    let broken_echo = with(without(live_401(), "headers"), "url", json!("nonsense"));
    assert_eq!(deny(&broken_echo).status, 401);
}

#[test]
fn a_deny_as_it_is_sent() {
    let challenge = Challenge {
        realm: Some("https://api.example.com".into()),
        error: Some(ChallengeError::InvalidToken),
        ..Challenge::default()
    };
    let mut deny = Deny::challenge(401, challenge);
    deny.headers.append("X-Denied-By", "policy").unwrap();
    let reason = Reason::new(ReasonCode::TokenExpired, "expired");
    let reply = SidebandReply::from_decision(&sent(), &Decision::deny(deny, reason), None);
    let json = serde_json::to_string_pretty(&reply).unwrap();
    insta::assert_snapshot!(json, @r#"
    {
      "source_ip": "192.0.2.7",
      "source_port": 56782,
      "method": "GET",
      "url": "https://api.example.com/planets?x=1",
      "http_version": "1.1",
      "headers": [
        {
          "Accept": "*/*"
        },
        {
          "Authorization": "Bearer s3cret"
        },
        {
          "X-Multi": "a"
        },
        {
          "X-Multi": "b"
        }
      ],
      "response": {
        "response_code": "401",
        "response_status": "Unauthorized",
        "http_version": "1.1",
        "headers": [
          {
            "www-authenticate": "Bearer realm=\"https://api.example.com\", error=\"invalid_token\""
          },
          {
            "X-Denied-By": "policy"
          },
          {
            "content-length": "0"
          }
        ]
      }
    }
    "#);
}

#[test]
fn a_permit_as_it_is_sent() {
    let mut decision = Decision::permit(Reason::new(ReasonCode::Permitted, "permitted"));
    decision.outcome = Outcome::Permit(RequestEdits {
        headers: vec![
            HeaderEdit {
                name: "authorization".into(),
                values: vec![],
            },
            HeaderEdit {
                name: "X-User".into(),
                values: vec!["7d9f".into()],
            },
        ],
        url: None,
        body: None,
    });
    let with_body = with(sent_json(), "body", json!("a body"));
    let sent = SidebandRequest::parse(with_body.to_string().as_bytes()).unwrap();
    let reply = SidebandReply::from_decision(&sent, &decision, None);
    let json = serde_json::to_string_pretty(&reply).unwrap();
    insta::assert_snapshot!(json, @r#"
    {
      "source_ip": "192.0.2.7",
      "source_port": 56782,
      "method": "GET",
      "url": "https://api.example.com/planets?x=1",
      "http_version": "1.1",
      "headers": [
        {
          "Accept": "*/*"
        },
        {
          "X-Multi": "a"
        },
        {
          "X-Multi": "b"
        },
        {
          "X-User": "7d9f"
        }
      ],
      "body": "a body"
    }
    "#);
}

#[test]
fn an_echo_without_headers_still_has_the_array() {
    let json = with(sent_json(), "headers", json!([]));
    let sent = SidebandRequest::parse(json.to_string().as_bytes()).unwrap();
    let permit = Decision::permit(Reason::new(ReasonCode::Permitted, "permitted"));
    let reply = serde_json::to_value(SidebandReply::from_decision(&sent, &permit, None)).unwrap();
    assert_eq!(reply["headers"], json!([]));
    assert_eq!(reply.get("response"), None);
}

#[test]
fn debug_shows_no_value() {
    let reply: SidebandReply = serde_json::from_value(live_401()).unwrap();
    let shown = format!("{reply:?} {:?}", reply.response);
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(!shown.contains("realm"), "{shown}");
}
