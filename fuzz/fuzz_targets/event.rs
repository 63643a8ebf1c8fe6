//! Authorizer events in all five dialects, and the answers to them: parsing and answering never
//! panic, a deny is never an Allow, and an answer is never larger than API Gateway takes.
//!
//! An input is an event, or the lines of which one of each dialect is made. Behind a NUL there may
//! be a JSON object: the context of the decision.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_aws::{
    Answer, AuthorizerEvent, EventOptions, HttpV2Form, MAX_RESPONSE_BYTES, Origin, answer,
};
use portcullis_model::{
    Challenge, Decision, Deny, HeaderEdit, HeaderMap, Outcome, Reason, ReasonCode,
};
use serde_json::{Map, Value, json};

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let event = parts.next().unwrap_or_default();
    let said = parts.next().unwrap_or_default();
    check(event, said);
    if let Ok(text) = str::from_utf8(event) {
        for event in assembled(text) {
            check(event.to_string().as_bytes(), said);
        }
    }
});

/// An event of each dialect with these lines in it.
fn assembled(text: &str) -> Vec<Value> {
    let lines: Vec<_> = text.splitn(6, '\n').collect();
    let &[path, host, stage, method, header, query] = lines.as_slice() else {
        return Vec::new();
    };
    let arn = |rest: &str| format!("arn:aws:execute-api:eu-west-1:123456789012:abc/{stage}/{rest}");
    let (name, value) = header.split_once(':').unwrap_or(("authorization", header));
    let headers = json!({ name: value, "Host": host });
    let many = json!({ name: [value], "Host": [host] });
    let context = json!({
        "apiId": "abc", "stage": stage, "domainName": host, "path": format!("/{stage}{path}"),
        "httpMethod": method, "identity": { "sourceIp": "192.0.2.1" },
    });
    let rest = json!({
        "type": "REQUEST", "methodArn": arn(&format!("{method}{path}")), "path": path,
        "httpMethod": method, "headers": headers, "multiValueHeaders": many,
        "queryStringParameters": { "q": query }, "multiValueQueryStringParameters": { "q": [query] },
        "requestContext": context,
    });
    let mut http_v1 = rest.clone();
    http_v1["version"] = "1.0".into();
    http_v1["identitySource"] = value.into();
    let mut websocket = rest.clone();
    websocket["methodArn"] = arn("$connect").into();
    websocket["requestContext"]["eventType"] = "CONNECT".into();
    websocket["requestContext"]["routeKey"] = "$connect".into();
    vec![
        json!({ "type": "TOKEN", "authorizationToken": value, "methodArn": arn(&format!("{method}{path}")) }),
        rest,
        http_v1,
        json!({
            "version": "2.0", "type": "REQUEST", "routeArn": arn(&format!("{method}{path}")),
            "rawPath": path, "rawQueryString": query, "headers": headers, "cookies": [query],
            "requestContext": {
                "apiId": "abc", "stage": stage, "domainName": host,
                "http": { "method": method, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1" },
            },
        }),
        websocket,
    ]
}

fn check(event: &[u8], said: &[u8]) {
    let mut parsed = None;
    for strip_stage in [false, true] {
        for base_url in [None, Origin::parse("https://api.example.com").ok()] {
            let options = EventOptions {
                strip_stage,
                base_url,
            };
            if let Ok(event) = AuthorizerEvent::parse(event, &options) {
                sane(&event, &options);
                parsed = Some(event);
            }
        }
    }
    let Some(event) = parsed else { return };
    let context: Map<String, Value> = serde_json::from_slice(said).unwrap_or_default();
    let said = String::from_utf8_lossy(said);
    for form in [HttpV2Form::Simple, HttpV2Form::Iam] {
        for mut decision in denies(&said) {
            decision.context.clone_from(&context);
            decision.principal = Some(said.clone().into_owned());
            let answer = answer(&event, &decision, form).unwrap();
            assert!(!answer.is_allow());
            shown(&answer, "Deny");
        }
        for mut decision in permits(&said) {
            decision.context.clone_from(&context);
            decision.principal = Some(said.clone().into_owned());
            // Edits that cannot be carried out are refused.
            let Ok(answer) = answer(&event, &decision, form) else {
                continue;
            };
            assert!(answer.is_allow());
            shown(&answer, "Allow");
        }
    }
}

/// What is true of every request that an event stands for.
fn sane(event: &AuthorizerEvent, options: &EventOptions) {
    let request = event.request();
    let url = request.url.as_str();
    assert!(url.starts_with("https://"), "{url}");
    assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
    if let Some(base_url) = &options.base_url {
        let rest = url.strip_prefix(base_url.as_str()).unwrap();
        assert!(rest.is_empty() || rest.starts_with(['/', '?']), "{url}");
    }
    for field in request.headers.iter() {
        assert!(!field.name().is_empty());
        assert!(!field.value().contains(['\r', '\n', '\0']));
    }
    // For their panics only.
    let _ = (request.url.decoded_path(), request.authorization());
    let _ = (
        format!("{event:?}"),
        event.arn().to_string(),
        event.requested_arn(),
    );
}

fn denies(said: &str) -> Vec<Decision> {
    let mut headers = HeaderMap::new();
    let _ = headers.append("www-authenticate", said);
    let _ = headers.append("x-said", said);
    let statuses = [302, 401, 403].into_iter();
    statuses
        .map(|status| {
            let challenge = Challenge {
                realm: Some(said.to_owned()),
                error_description: Some(said.to_owned()),
                scope: Some(said.to_owned()),
                ..Challenge::default()
            };
            let deny = Deny {
                headers: headers.clone(),
                body: Some(said.to_owned()),
                ..Deny::challenge(status, challenge)
            };
            let reason = Reason::new(ReasonCode::InsufficientScope, said.to_owned());
            Decision::deny(deny, reason)
        })
        .collect()
}

fn permits(said: &str) -> Vec<Decision> {
    let reason = Reason::new(ReasonCode::Permitted, said.to_owned());
    let plain = Decision::permit(reason);
    let mut edited = plain.clone();
    if let Outcome::Permit(edits) = &mut edited.outcome {
        edits.headers.push(HeaderEdit {
            name: said.chars().take(80).collect(),
            values: vec![said.to_owned()],
        });
        edits.headers.push(HeaderEdit {
            name: "x-removed".to_owned(),
            values: Vec::new(),
        });
    }
    vec![plain, edited]
}

/// What API Gateway is given.
fn shown(answer: &Answer, effect: &str) {
    if *answer == Answer::Unauthorized {
        assert!(serde_json::to_string(answer).is_err());
        return;
    }
    let text = serde_json::to_string(answer).unwrap();
    assert!(text.len() <= MAX_RESPONSE_BYTES, "{}", text.len());
    let json: Value = serde_json::from_str(&text).unwrap();
    if let Some(authorized) = json.get("isAuthorized") {
        assert_eq!(*authorized, json!(effect == "Allow"));
        return;
    }
    let statements = json["policyDocument"]["Statement"].as_array().unwrap();
    assert!(!statements.is_empty());
    for statement in statements {
        assert_eq!(statement["Effect"], effect);
    }
}
