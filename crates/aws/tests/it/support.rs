//! Recorded events and small builders for the other modules.

use portcullis_aws::{Answer, AuthorizerEvent, EventError, EventOptions, HttpV2Form, answer};
use portcullis_model::{Challenge, Decision, Deny, Reason, ReasonCode};
use serde_json::{Value, json};

/// Where the recorded events are.
pub(crate) const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/events");

/// A recorded event. In a SAM template the placeholders hold what `sam local generate-event` puts
/// there.
pub(crate) fn recorded(file: &str) -> String {
    let raw = recorded_raw(file);
    [
        ("{{{partition}}}", "aws"),
        ("{{{region}}}", "us-east-1"),
        ("{{{account_id}}}", "123456789012"),
        ("{{{restApiId}}}", "1234567890"),
        ("{{{stage}}}", "prod"),
        ("{{{method}}}", "POST"),
        ("{{{resource}}}", "examplepath"),
        ("{{{uri}}}", "/test"),
    ]
    .iter()
    .fold(raw, |text, (placeholder, value)| {
        text.replace(placeholder, value)
    })
}

/// A recorded event as it is in the file.
#[expect(clippy::disallowed_methods, reason = "the recorded events are files")]
pub(crate) fn recorded_raw(file: &str) -> String {
    std::fs::read_to_string(format!("{EVENTS}/{file}")).unwrap()
}

/// A recorded event with some members replaced (`/a/b` is a JSON pointer).
pub(crate) fn recorded_with(file: &str, changes: &[(&str, Value)]) -> Value {
    let mut event: Value = serde_json::from_str(&recorded(file)).unwrap();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        parent.insert(name.to_owned(), value.clone());
    }
    event
}

pub(crate) fn parse(event: &Value) -> Result<AuthorizerEvent, EventError> {
    parse_with(event, &EventOptions::default())
}

pub(crate) fn parse_with(
    event: &Value,
    options: &EventOptions,
) -> Result<AuthorizerEvent, EventError> {
    AuthorizerEvent::parse(event.to_string().as_bytes(), options)
}

/// The options with `strip_stage`.
pub(crate) fn strip_stage() -> EventOptions {
    EventOptions {
        strip_stage: true,
        base_url: None,
    }
}

pub(crate) fn url(event: &Value) -> String {
    parse(event).unwrap().request().url.as_str().to_owned()
}

pub(crate) fn stripped_url(event: &Value) -> String {
    let event = parse_with(event, &strip_stage()).unwrap();
    event.request().url.as_str().to_owned()
}

/// The path below the stage.
pub(crate) fn entry_path(event: &Value) -> Option<String> {
    let entry = parse(event).unwrap().into_request().entry;
    entry.map(|entry| entry.path)
}

/// Each header as `name: value`.
pub(crate) fn headers(event: &Value) -> Vec<String> {
    let event = parse(event).unwrap();
    let headers = event.request().headers.iter();
    headers
        .map(|field| format!("{}: {}", field.name(), field.value()))
        .collect()
}

pub(crate) fn permit() -> Decision {
    let mut decision = Decision::permit(Reason::new(ReasonCode::Permitted, "every rule holds"));
    decision.principal = Some("alice".to_owned());
    decision
}

pub(crate) fn deny(status: u16) -> Decision {
    let challenge = Challenge {
        realm: Some("https://api.example.com".to_owned()),
        scope: Some("gold".to_owned()),
        ..Challenge::default()
    };
    Decision::deny(
        Deny::challenge(status, challenge),
        Reason::new(ReasonCode::InsufficientScope, "the token lacks scope gold"),
    )
}

/// The answer as the function returns it; `None` for the error `Unauthorized`.
pub(crate) fn answered(
    event: &AuthorizerEvent,
    decision: &Decision,
    form: HttpV2Form,
) -> Option<Value> {
    match answer(event, decision, form).unwrap() {
        Answer::Unauthorized => None,
        answer => Some(serde_json::to_value(answer).unwrap()),
    }
}

/// A REST TOKEN event for an ARN.
pub(crate) fn token_event(arn: &str) -> Value {
    json!({ "type": "TOKEN", "authorizationToken": "Bearer t0p-secret", "methodArn": arn })
}

/// An event of an HTTP API with payload format 2.0 on its own endpoint.
pub(crate) fn http_v2_event(stage: &str, raw_path: &str, route: &str) -> Value {
    json!({
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": format!("arn:aws:execute-api:eu-west-1:123456789012:abc/{stage}/{route}"),
        "rawPath": raw_path,
        "rawQueryString": "",
        "headers": {},
        "requestContext": {
            "apiId": "abc",
            "stage": stage,
            "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
            "http": { "method": "GET", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1" },
        },
    })
}

/// A REST REQUEST event on the API's own endpoint.
pub(crate) fn rest_event(stage: &str, path: &str) -> Value {
    json!({
        "type": "REQUEST",
        "methodArn": format!("arn:aws:execute-api:eu-west-1:123456789012:abc/{stage}/GET{path}"),
        "path": path,
        "httpMethod": "GET",
        "headers": {},
        "requestContext": {
            "apiId": "abc",
            "stage": stage,
            "path": format!("/{stage}{path}"),
            "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
            "identity": { "sourceIp": "2001:db8::1" },
        },
    })
}
