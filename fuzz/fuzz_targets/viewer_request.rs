//! Viewer requests of CloudFront, and the answers to them: parsing and answering never panic, a deny is never
//! forwarded, and an answer keeps the rules that CloudFront answers 502 for.
//!
//! An input is an event, or the lines of which one is made. What stands behind a NUL is said by the decision: in
//! headers, body and URL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_aws::{EdgeOptions, LoginRedirect, Origin, ViewerRequest, edge_answer};
use portcullis_model::{
    BodyEdit, Challenge, Decision, Deny, HeaderEdit, HeaderMap, Outcome, Reason, ReasonCode,
};
use serde_json::{Value, json};

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let event = parts.next().unwrap_or_default();
    let said = String::from_utf8_lossy(parts.next().unwrap_or_default());
    check(event, &said);
    if let Ok(text) = str::from_utf8(event)
        && let Some(event) = assembled(text)
    {
        check(event.to_string().as_bytes(), &said);
    }
});

/// An event with these lines in it.
fn assembled(text: &str) -> Option<Value> {
    let lines: Vec<_> = text.splitn(6, '\n').collect();
    let &[uri, host, method, header, query, body] = lines.as_slice() else {
        return None;
    };
    let (name, value) = header.split_once(':').unwrap_or(("Authorization", header));
    let mut headers = json!({ "host": [{ "key": "Host", "value": host }] });
    headers[name.to_lowercase()] = json!([{ "key": name, "value": value }]);
    Some(json!({ "Records": [{ "cf": {
        "config": {
            "distributionDomainName": "d111111abcdef8.cloudfront.net", "distributionId": "EDFDVBD6EXAMPLE",
            "eventType": "viewer-request", "requestId": "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==",
        },
        "request": {
            "clientIp": "203.0.113.178", "method": method, "uri": uri, "querystring": query, "headers": headers,
            "body": { "action": "read-only", "inputTruncated": false, "encoding": "text", "data": body },
        },
    } }] }))
}

fn check(event: &[u8], said: &str) {
    for base_url in [None, Origin::parse("https://api.example.com").ok()] {
        let options = EdgeOptions {
            base_url,
            login: LoginRedirect::parse("https://login.example.com/start").ok(),
            ..EdgeOptions::default()
        };
        let Ok(event) = ViewerRequest::parse(event, &options) else {
            continue;
        };
        let url = event.request().url.as_str();
        assert!(url.starts_with("https://"), "{url}");
        assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
        let _ = format!("{event:?}");
        for decision in denies(said) {
            // Denies that cannot be written are refused by the caller.
            if let Ok(answer) = edge_answer(&event, &decision, &options) {
                assert!(!answer.is_forward());
                generated(&serde_json::to_value(&answer).unwrap());
            }
        }
        for decision in permits(url, said) {
            if let Ok(answer) = edge_answer(&event, &decision, &options) {
                assert!(answer.is_forward());
                forwarded(&serde_json::to_value(&answer).unwrap());
            }
        }
    }
}

fn denies(said: &str) -> Vec<Decision> {
    let mut headers = HeaderMap::new();
    let _ = headers.append("x-said", said);
    let _ = headers.append(said, "said");
    let statuses = [200, 204, 302, 401, 403, 599].into_iter();
    statuses
        .map(|status| {
            let challenge = Challenge {
                realm: Some(said.to_owned()),
                error_description: Some(said.to_owned()),
                ..Challenge::default()
            };
            let deny = Deny {
                headers: headers.clone(),
                body: Some(said.to_owned()),
                ..Deny::challenge(status, challenge)
            };
            Decision::deny(deny, Reason::new(ReasonCode::InsufficientScope, "said"))
        })
        .collect()
}

fn permits(url: &str, said: &str) -> Vec<Decision> {
    let permit = || Decision::permit(Reason::new(ReasonCode::Permitted, "said"));
    let edits = [
        (Some(said.to_owned()), None),
        (Some(format!("{url}{said}")), None),
        (None, Some(BodyEdit::Replace(said.to_owned()))),
        (None, Some(BodyEdit::Remove)),
    ];
    let mut all = vec![permit()];
    for (url, body) in edits {
        let mut decision = permit();
        if let Outcome::Permit(edits) = &mut decision.outcome {
            edits.url = url;
            edits.body = body;
            for (name, values) in [
                ("x-said", vec![said.to_owned()]),
                (said, vec!["said".to_owned()]),
                ("authorization", Vec::new()),
            ] {
                edits.headers.push(HeaderEdit {
                    name: name.to_owned(),
                    values,
                });
            }
        }
        all.push(decision);
    }
    all
}

/// What CloudFront wants of a response.
fn generated(answer: &Value) {
    let status = answer["status"].as_str().unwrap();
    let number: u16 = status.parse().unwrap();
    assert!((200..600).contains(&number), "{status}");
    assert!(answer.to_string().len() <= 40_000);
    assert!(!(number == 204 && answer.get("body").is_some()));
    for name in headers(answer) {
        let kept = [
            "connection",
            "via",
            "host",
            "content-length",
            "transfer-encoding",
        ];
        assert!(!kept.contains(&name.as_str()), "{name}");
        assert!(
            !name.starts_with("x-edge-") && !name.starts_with("x-amz-cf-"),
            "{name}"
        );
    }
}

/// What CloudFront wants of a request.
fn forwarded(answer: &Value) {
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    let (uri, query) = (text("uri"), text("querystring"));
    assert!(uri.starts_with('/'), "{uri}");
    assert!(!format!("{uri}{query}").contains(['#', ' ', '\r', '\n']));
    headers(answer);
}

/// The names, after a look at the values.
fn headers(answer: &Value) -> Vec<String> {
    let headers = answer["headers"].as_object().unwrap();
    for (name, values) in headers {
        assert_eq!(*name, name.to_lowercase());
        for field in values.as_array().unwrap() {
            let value = field["value"].as_str().unwrap();
            assert!(!value.contains(['\r', '\n', '\0']));
            if let Some(key) = field.get("key") {
                assert!(key.as_str().unwrap().eq_ignore_ascii_case(name));
            }
        }
    }
    headers.keys().cloned().collect()
}
