//! Statements on requests and responses with bodies: whatever they are and whatever is sent, what they change can be
//! sent on ([`portcullis_fuzz::check_decisions`]), and what the last one leaves out is in nothing that goes on.
//!
//! An input is a list of statements in JSON, and behind a NUL what is sent ([`portcullis_fuzz::Message`]): a request with
//! a field `X-Deny` is denied, and so is a response whose status is not 200.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_engine::{PolicySet, SourceFile, compile};
use portcullis_fuzz::{
    CERTIFICATE, Message, NOW, Traffic, check_decisions, rehearse, request, valid_claims,
};
use portcullis_model::{
    ApiResponse, BodyEdit, HeaderEdit, Outcome, RequestEdits, ResponseEdits, ResponseOutcome,
};
use serde_json::{Value, json};

/// The member and the header field that are left out.
const CANARY: &str = "canary";
const ISSUER: &str = "https://idp.example.com";

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (statements, message) = text.split_once('\0').unwrap_or((text, ""));
    let Ok(Value::Array(mut statements)) = serde_json::from_str(statements) else {
        return;
    };
    for phase in ["request", "response"] {
        statements.push(json!({
            "code": "set-headers", "phase": phase, "payload": { CANARY: null },
        }));
        // Not every body is JSON; the others are left as they are.
        statements.push(json!({
            "code": "exclude-attributes", "phase": phase, "payload": [CANARY], "obligatory": false,
        }));
    }
    let Some(policy) = policy(&statements) else {
        // What is added to them is not what is wrong.
        assert!(statements.len() > 4);
        return;
    };
    let told = Value::from(statements).to_string();
    let traffic = Traffic {
        message: Message::read(message),
        certificate: CERTIFICATE.to_owned(),
        tells_response: told
            .replace(r#""phase":"response""#, "")
            .contains("response"),
    };
    check_decisions(&policy, &traffic);
    left_out(&policy, &traffic.message);
});

/// A service with an operation of which these are the statements; `None` where they are none.
fn policy(statements: &[Value]) -> Option<PolicySet> {
    let service = json!({
        "name": "S", "base_urls": ["https://api.example.com"],
        "tokens": [{ "issuer": ISSUER, "audiences": ["api"] }],
        "operations": [{
            "name": "all", "paths": ["/things/{id}"], "statements": statements,
            "policy": "request.yaml", "response_policy": "response.yaml",
        }],
    });
    let field = |field: Value| json!({ "validators": [{ "name": "attributes", "conf": { "fields": [field] } }] });
    let request = field(json!({ "field": "request.headers.x-deny", "comparator": "not_exists" }));
    let response = field(json!({
        "field": "response.status", "comparator": "equals", "value": 200,
    }));
    let file = |path: &str, document: &Value| SourceFile {
        path: path.to_owned(),
        text: document.to_string(),
    };
    let files = [
        file("services/s.yaml", &service),
        file("policies/request.yaml", &request),
        file("policies/response.yaml", &response),
    ];
    compile(&files, &[]).ok()
}

fn left_out(policy: &PolicySet, message: &Message) {
    let asked = request("POST", "https://api.example.com/things/7?a=b", &[]).unwrap();
    let asked = message.in_request(&asked);
    let Some(decision) = rehearse(policy, &asked, &valid_claims(ISSUER, "api")) else {
        return;
    };
    let Outcome::Permit(RequestEdits { headers, body, .. }) = &decision.outcome else {
        return;
    };
    check(headers, body.as_ref(), asked.body.as_deref());
    let response = ApiResponse {
        status: message.status,
        headers: message.headers.clone(),
        body: message.body.clone(),
    };
    let known = decision.follow_up.as_ref();
    let answered = policy.decide_response(&asked, known, &response, NOW);
    match &answered.outcome {
        ResponseOutcome::Permit(ResponseEdits { headers, body }) => {
            assert_eq!(message.status, 200);
            check(headers, body.as_ref(), response.body.as_deref());
        }
        ResponseOutcome::Deny(_) => {}
    }
}

fn check(headers: &[HeaderEdit], body: Option<&BodyEdit>, sent: Option<&str>) {
    let mut edits = headers.iter();
    let canary = edits.find(|edit| edit.name.eq_ignore_ascii_case(CANARY));
    assert!(canary.is_some_and(|edit| edit.values.is_empty()));
    let sent = sent.and_then(|sent| serde_json::from_str::<Value>(sent).ok());
    match body {
        Some(BodyEdit::Replace(body)) => {
            let read = serde_json::from_str(body).ok();
            assert!(!read.is_some_and(|read| holds(&read)), "{body}");
        }
        Some(BodyEdit::Remove) => {}
        None => assert!(sent.is_none(), "a JSON body went on as it was"),
    }
}

/// Whether the member is there, in the value or in an element of it.
fn holds(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.contains_key(CANARY),
        Value::Array(list) => list.iter().any(holds),
        _ => false,
    }
}
