//! The context of answers: what is in it, how it is encoded, what is left out first.

use portcullis_aws::{
    AnswerError, AuthorizerEvent, HttpV2Form, MAX_CONTEXT_KEY_CHARS, MAX_MESSAGE_BYTES,
    MAX_RESPONSE_BYTES, answer,
};
use portcullis_model::{Decision, Deny, HeaderEdit, HeaderMap, Outcome, Reason, ReasonCode};
use serde_json::{Map, Value, json};

use crate::support::{answered, deny, http_v2_event, parse, permit, rest_event};

fn rest() -> AuthorizerEvent {
    parse(&rest_event("prod", "/planets")).unwrap()
}

fn http_v2() -> AuthorizerEvent {
    parse(&http_v2_event("$default", "/planets", "GET/planets")).unwrap()
}

fn context(event: &AuthorizerEvent, decision: &Decision) -> Map<String, Value> {
    let answer = answered(event, decision, HttpV2Form::Iam).unwrap();
    assert!(answer.to_string().len() <= MAX_RESPONSE_BYTES);
    answer["context"].as_object().unwrap().clone()
}

fn permit_with(members: Value) -> Decision {
    let mut decision = permit();
    let Value::Object(members) = members else {
        panic!("not an object")
    };
    decision.context = members;
    decision
}

fn edit(decision: &mut Decision, name: &str, values: &[&str]) {
    let Outcome::Permit(edits) = &mut decision.outcome else {
        panic!("not a permit")
    };
    edits.headers.push(HeaderEdit {
        name: name.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    });
}

#[test]
fn rest_takes_scalars_only() {
    let decision = permit_with(json!({
        "text": "t", "number": 1.5, "yes": true, "null": null,
        "list": ["a", 1, null], "map": { "a": { "b": "c" } },
    }));
    let context = context(&rest(), &decision);
    assert_eq!(
        Value::Object(context),
        json!({
            "cache": "off", "reason": "permitted",
            "text": "t", "number": 1.5, "yes": true,
            "list": "[\"a\",1,null]", "map": "{\"a\":{\"b\":\"c\"}}",
        })
    );
}

#[test]
fn http_v2_takes_any_json() {
    let members = json!({ "null": null, "list": ["a", 1, null], "map": { "a": { "b": "c" } } });
    let mut context = context(&http_v2(), &permit_with(members.clone()));
    context.remove("cache");
    context.remove("reason");
    assert_eq!(Value::Object(context), members);
}

#[test]
fn keys_are_plain_and_ours_stay_ours() {
    let decision = permit_with(json!({
        "https://example.com/roles": "admin",
        "claims": "x", "principalId": "mallory", "reason": "x", "cache": "on", "status": 1,
        "message": "x", "challenge": "x", "context_truncated": false, "header-x_user": "mallory",
    }));
    for event in [rest(), http_v2()] {
        assert_eq!(
            Value::Object(context(&event, &decision)),
            json!({
                "cache": "off", "reason": "permitted", "https___example_com_roles": "admin",
                "context_truncated": true,
            })
        );
    }
}

#[test]
fn long_empty_and_equal_keys_are_left_out() {
    let long = "k".repeat(MAX_CONTEXT_KEY_CHARS + 1);
    for members in [
        json!({ (long): 1 }),
        json!({ "": 1 }),
        json!({ "a-b": 1, "a.b": 2 }),
    ] {
        let context = context(&rest(), &permit_with(members));
        assert_eq!(context["context_truncated"], true);
    }
}

#[test]
fn no_value_holds_a_control_character() {
    let decision = permit_with(json!({
        "text": "a\r\nX-Admin: 1\u{0}\u{85}",
        "list": ["a\nb", { "k\n": "v\n" }],
    }));
    let rest = context(&rest(), &decision);
    assert_eq!(rest["text"], "a  X-Admin: 1  ");
    assert_eq!(rest["list"], "[\"a b\",{\"k \":\"v \"}]");
    let native = context(&http_v2(), &decision);
    assert_eq!(native["list"], json!(["a b", { "k ": "v " }]));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let shallow = context(&http_v2(), &permit_with(json!({ "x": nested(8) })));
    assert_eq!(shallow["x"], nested(8));
    let deep = context(&http_v2(), &permit_with(json!({ "x": nested(9) })));
    assert!(!deep.contains_key("x"));
    assert_eq!(deep["context_truncated"], true);
}

#[test]
fn edited_headers_can_be_mapped() {
    let mut decision = permit();
    edit(&mut decision, "X-User-Id", &["alice", "a,b"]);
    edit(&mut decision, "Authorization", &[]);
    edit(&mut decision, "x-injected", &["a\r\nb"]);
    let context = context(&rest(), &decision);
    assert_eq!(context["header_x_user_id"], "alice, a,b");
    assert_eq!(context["header_authorization"], "");
    assert_eq!(context["header_x_injected"], "a  b");
    assert!(!context.contains_key("context_truncated"));
}

/// A client can add headers until others no longer fit; none of them may be left out then.
#[test]
fn a_permit_whose_headers_have_no_room_is_refused() {
    let mut twice = permit();
    edit(&mut twice, "X-User", &["alice"]);
    edit(&mut twice, "x_user", &["bob"]);
    let mut large = permit();
    edit(&mut large, "x-roles", &[&"r".repeat(9000)]);
    let mut long_name = permit();
    edit(&mut long_name, &"x".repeat(65), &["1"]);
    let mut crowded = permit();
    for number in 0..300 {
        edit(&mut crowded, &format!("pppppppppppppp{number:03}"), &[]);
    }
    edit(&mut crowded, "x-user", &[]);
    for decision in [twice, large, long_name, crowded] {
        for (event, form) in [(rest(), HttpV2Form::Iam), (http_v2(), HttpV2Form::Simple)] {
            assert_eq!(
                answer(&event, &decision, form),
                Err(AnswerError::HeaderEdits)
            );
        }
    }
}

#[test]
fn the_id_of_the_decision_is_there_on_permit_and_deny() {
    for mut decision in [permit(), deny(403)] {
        decision
            .context
            .insert("decision_id".to_owned(), json!("4f6c"));
        assert_eq!(context(&rest(), &decision)["decision_id"], "4f6c");
    }
}

#[test]
fn headers_come_before_members_and_what_fits_stays() {
    let mut decision = permit_with(json!({
        "a": "x".repeat(5000), "b": "y".repeat(5000), "c": "z",
    }));
    edit(&mut decision, "x-big", &[&"h".repeat(2000)]);
    for event in [rest(), http_v2()] {
        let context = context(&event, &decision);
        let keys: Vec<&str> = context.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "a",
                "c",
                "cache",
                "context_truncated",
                "header_x_big",
                "reason"
            ]
        );
    }
}

#[test]
fn a_deny_says_why_and_no_more() {
    let mut decision = deny(403);
    decision.context = json!({ "secret": 1 }).as_object().unwrap().clone();
    let context = context(&rest(), &decision);
    let lines: Vec<String> = context
        .iter()
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    cache: "off"
    challenge: "Bearer realm=\"https://api.example.com\", scope=\"gold\""
    message: "the token lacks scope gold"
    reason: "insufficient_scope"
    status: 403
    "#);
}

#[test]
fn a_message_can_stand_in_a_json_template() {
    let text = format!("scope \"gold\" \\ \n missing {}", "\u{fc}".repeat(600));
    let reason = Reason::new(ReasonCode::InsufficientScope, text);
    let context = context(&rest(), &Decision::deny(Deny::status(403), reason));
    let message = context["message"].as_str().unwrap();
    assert!(message.starts_with("scope 'gold' '   missing \u{fc}"));
    assert!(message.len() <= MAX_MESSAGE_BYTES);
    let template: Value = serde_json::from_str(&format!("{{\"message\":\"{message}\"}}")).unwrap();
    assert_eq!(template["message"], message);
    assert!(!context.contains_key("challenge"));
}

#[test]
fn a_challenge_is_whole_or_absent() {
    let with = |challenge: &str| {
        let mut headers = HeaderMap::new();
        headers.append("WWW-Authenticate", challenge).unwrap();
        let mut decision = deny(403);
        decision.outcome = Outcome::Deny(Deny {
            headers,
            ..Deny::status(403)
        });
        context(&rest(), &decision)
    };
    assert_eq!(with("Basic realm=\"x\"")["challenge"], "Basic realm=\"x\"");
    let long = with(&"\"".repeat(2000));
    assert!(!long.contains_key("challenge"));
    assert_eq!(long["context_truncated"], true);
    assert_eq!(long["status"], 403);
}
