//! The bodies of the sideband protocol, on both sides: `/sideband/request` and `/sideband/response` as the service reads
//! them, and the answers and errors as an enforcement point does. Reading never panics, what is read crosses the
//! wire unchanged, nothing but a full echo is a permit, and of a response that is denied nothing is left.
//!
//! An input is the body of a call, and behind a NUL an answer to it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_model::{
    Decision, Deny, Outcome, Reason, ReasonCode, RequestEdits, ResponseDecision, ResponseEdits,
    ResponseOutcome, Trace,
};
use portcullis_sideband::{
    Headers, SidebandError, SidebandReply, SidebandRequest, SidebandResponse, SidebandResponseReply,
};
use serde_json::Value;

const SENT: &str = r#"{"source_ip":"192.0.2.7","source_port":56782,"method":"GET","url":"https://api.example.com/planets?x=1","http_version":"1.1","headers":[{"Accept":"*/*"},{"X-Multi":"a"},{"X-Multi":"b"}]}"#;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let request = parts.next().unwrap_or_default();
    let reply = parts.next().unwrap_or(request);
    let sent = SidebandRequest::parse(SENT.as_bytes()).unwrap();
    read(reply, &sent);
    let _ = SidebandError::parse(reply);
    response(request);
    let Ok(request) = SidebandRequest::parse(request) else {
        return;
    };
    read(reply, &request);
    let _ = format!("{request:?}");
    let json = serde_json::to_vec(&request).unwrap();
    assert!(SidebandRequest::parse(&json).as_ref() == Ok(&request));
    let Ok(api_request) = request.to_api_request() else {
        return;
    };
    // Once it has been understood, it is said and understood in the same way ever after.
    let again = SidebandRequest::from_api_request(&api_request);
    let understood = again.to_api_request().unwrap();
    assert!(SidebandRequest::from_api_request(&understood) == again);
    crosses(&again);
});

/// A response goes on as it came, or is replaced whole.
fn response(body: &[u8]) {
    let Ok(sent) = SidebandResponse::parse(body) else {
        return;
    };
    let _ = format!("{sent:?}");
    assert!((100..=599).contains(&sent.response_code));
    let understood = sent.to_api_response();
    if let Some(request) = &sent.request {
        let json = serde_json::to_vec(request).unwrap();
        assert!(SidebandRequest::parse(&json).as_ref() == Ok(request));
    }
    let answer = |sent: &SidebandResponse, outcome| {
        let decision = ResponseDecision {
            outcome,
            reason: Reason::new(ReasonCode::Permitted, "said"),
            trace: Trace::default(),
        };
        serde_json::to_value(SidebandResponseReply::from_decision(sent, &decision)).unwrap()
    };
    let permitted = answer(&sent, ResponseOutcome::Permit(ResponseEdits::default()));
    assert_eq!(permitted["response_code"], sent.response_code.to_string());
    assert_eq!(permitted["body"].as_str(), sent.body.as_deref());
    // What the service tells, it would understand: a call with it has the same header fields.
    if let Ok(understood) = understood {
        let again = SidebandResponse::parse(permitted.to_string().as_bytes()).unwrap();
        assert!(again.to_api_response() == Ok(understood));
    }
    let denied = answer(&sent, ResponseOutcome::Deny(Deny::status(403)));
    assert_eq!(denied["response_code"], "403");
    // It is the same, whatever the backend had answered.
    let mut other = sent.clone();
    other.response_code = 200;
    other.response_status = String::new();
    other.headers = Headers::default();
    other.body = None;
    assert_eq!(
        denied,
        answer(&other, ResponseOutcome::Deny(Deny::status(403)))
    );
}

/// A decision survives the way to the enforcement point.
fn crosses(sent: &SidebandRequest) {
    let reason = Reason::new(ReasonCode::Permitted, "permitted");
    let permit = SidebandReply::from_decision(sent, &Decision::permit(reason.clone()), None);
    let read = SidebandReply::read(&serde_json::to_vec(&permit).unwrap(), sent).unwrap();
    assert_eq!(read.outcome, Outcome::Permit(RequestEdits::default()));
    for status in [200, 401, 403, 599] {
        let denied = Decision::deny(Deny::status(status), reason.clone());
        let deny = SidebandReply::from_decision(sent, &denied, None);
        let read = SidebandReply::read(&serde_json::to_vec(&deny).unwrap(), sent).unwrap();
        assert!(!read.is_permit());
    }
}

/// An answer is a permit only if another reader finds a full echo in it and no response.
fn read(reply: &[u8], sent: &SidebandRequest) {
    let Ok(decision) = SidebandReply::read(reply, sent) else {
        return;
    };
    let _ = format!("{decision:?}");
    let text = str::from_utf8(reply).unwrap();
    let json: Value = match serde_json::from_str(text) {
        Ok(json) => json,
        Err(error) => return assert!(is_only_unusual(&error), "{error}"),
    };
    match &decision.outcome {
        Outcome::Permit(_) => {
            assert!(json.get("response").is_none());
            assert_eq!(json["method"], sent.method);
            assert_eq!(json["http_version"], sent.http_version);
            assert!(json["source_ip"].is_string() && json["url"].is_string());
            assert!(json["headers"].is_array() && json.get("source_port").is_some());
        }
        Outcome::Deny(deny) => {
            assert!((200..=599).contains(&deny.status));
            assert!(json["response"].is_object());
        }
    }
}

/// Whether a text follows the grammar of JSON and a reader of values has other reasons not to take
/// it: numbers without bounds, any depth, half a surrogate pair (RFC 8259 sections 6, 8.2 and 9).
/// In members that nobody reads, none of these matters.
fn is_only_unusual(error: &serde_json::Error) -> bool {
    let reasons = [
        "number out of range",
        "recursion limit exceeded",
        "lone leading surrogate",
        "unexpected end of hex escape",
    ];
    reasons
        .iter()
        .any(|reason| error.to_string().starts_with(reason))
}
