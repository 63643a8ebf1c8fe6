//! Viewer-request events and decisions for the other modules.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_aws::{
    EdgeAnswer, EdgeAnswerError, EdgeOptions, EventError, GeneratedResponse, Notice, ViewerRequest,
    edge_answer,
};
use portcullis_model::{Decision, Deny, HeaderEdit, Outcome, Reason, ReasonCode, RequestEdits};
use serde_json::{Map, Value, json};

use super::rules;

/// The event of `GET /planets?page=2` for `api.example.com`, with a token and an `Accept` header.
pub(crate) fn event() -> Value {
    event_of(
        "GET",
        "/planets",
        "page=2",
        &[("Authorization", "Bearer s3cret"), ("Accept", "*/*")],
    )
}

/// An event for `api.example.com` with more headers.
pub(crate) fn event_of(method: &str, uri: &str, query: &str, headers: &[(&str, &str)]) -> Value {
    let mut map = Map::new();
    for (name, value) in [("Host", "api.example.com")].iter().chain(headers) {
        let entries = map.entry(name.to_ascii_lowercase()).or_insert(json!([]));
        let entry = json!({ "key": name, "value": value });
        entries.as_array_mut().unwrap().push(entry);
    }
    json!({ "Records": [{ "cf": {
        "config": {
            "distributionDomainName": "d111111abcdef8.cloudfront.net",
            "distributionId": "EDFDVBD6EXAMPLE",
            "eventType": "viewer-request",
            "requestId": "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==",
        },
        "request": {
            "clientIp": "203.0.113.178",
            "headers": map,
            "method": method,
            "querystring": query,
            "uri": uri,
        },
    }}]})
}

/// The same with a body as CloudFront sends one.
pub(crate) fn event_with_body(body: &[u8]) -> Value {
    let mut event = event_of("POST", "/planets", "", &[("Content-Length", "3")]);
    request_of(&mut event)["body"] = json!({
        "inputTruncated": false,
        "action": "read-only",
        "encoding": "base64",
        "data": STANDARD.encode(body),
    });
    event
}

/// `cf.request` of an event.
pub(crate) fn request_of(event: &mut Value) -> &mut Value {
    event.pointer_mut("/Records/0/cf/request").unwrap()
}

/// A copy of it.
pub(crate) fn original(event: &Value) -> Value {
    event.pointer("/Records/0/cf/request").unwrap().clone()
}

pub(crate) fn parse(event: &Value) -> Result<ViewerRequest, EventError> {
    ViewerRequest::parse(event.to_string().as_bytes(), &EdgeOptions::default())
}

pub(crate) fn permit(edits: RequestEdits) -> Decision {
    let mut decision = Decision::permit(Reason::new(ReasonCode::Permitted, "every rule holds"));
    decision.outcome = Outcome::Permit(edits);
    decision
}

pub(crate) fn deny(deny: Deny) -> Decision {
    Decision::deny(deny, Reason::new(ReasonCode::MissingToken, "no token"))
}

/// A permit that edits headers: each name with its values.
pub(crate) fn sets(edits: &[(&str, &[&str])]) -> Decision {
    let headers = edits.iter().map(|(name, values)| HeaderEdit {
        name: (*name).to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    });
    permit(RequestEdits {
        headers: headers.collect(),
        ..RequestEdits::default()
    })
}

/// A permit that edits the URL.
pub(crate) fn goes_to(url: &str) -> Decision {
    permit(RequestEdits {
        url: Some(url.to_owned()),
        ..RequestEdits::default()
    })
}

/// The answer, which CloudFront takes, and its JSON.
pub(crate) fn answer_with(
    event: &Value,
    decision: &Decision,
    options: &EdgeOptions,
) -> Result<(EdgeAnswer, Value), EdgeAnswerError> {
    let parsed = ViewerRequest::parse(event.to_string().as_bytes(), options).unwrap();
    let answer = edge_answer(&parsed, decision, options)?;
    let json = serde_json::to_string(&answer).unwrap();
    if let Err(why) = rules::check(event, &json) {
        panic!("CloudFront answers 502: {why}\n{json}");
    }
    let json = serde_json::from_str(&json).unwrap();
    Ok((answer, json))
}

/// The JSON of the answer.
pub(crate) fn answered(event: &Value, decision: &Decision) -> Value {
    answer_with(event, decision, &EdgeOptions::default())
        .unwrap()
        .1
}

/// The notices of the answer, as they are logged.
pub(crate) fn notices(event: &Value, decision: &Decision) -> Vec<String> {
    let (answer, _) = answer_with(event, decision, &EdgeOptions::default()).unwrap();
    answer.notices().iter().map(Notice::to_string).collect()
}

pub(crate) fn refused(event: &Value, decision: &Decision) -> EdgeAnswerError {
    answer_with(event, decision, &EdgeOptions::default()).unwrap_err()
}

pub(crate) fn response(answer: EdgeAnswer) -> GeneratedResponse {
    match answer {
        EdgeAnswer::Respond(response) => response,
        EdgeAnswer::Forward(_) => panic!("the request was forwarded"),
    }
}

/// The values of a header of an answer.
pub(crate) fn header<'a>(answer: &'a Value, name: &str) -> Vec<&'a str> {
    let entries = answer["headers"][name].as_array();
    entries
        .into_iter()
        .flatten()
        .map(|entry| entry["value"].as_str().unwrap())
        .collect()
}
