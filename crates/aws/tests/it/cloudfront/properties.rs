//! What holds for every event and every decision.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_aws::{
    EdgeAnswer, EdgeOptions, LoginRedirect, Notice, Origin, ViewerBody, ViewerRequest, edge_answer,
};
use portcullis_model::{
    BodyEdit, Challenge, ChallengeError, Decision, Deny, HeaderEdit, HeaderMap, RequestEdits,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::rules;
use super::support::{deny, event_of, permit, request_of};

/// Names that the rules are about, names that look like them, and others.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[xX][-_](user|USER|tenant|a)",
        2 => "(host|Via|CDN-Loop|content-length|Transfer-Encoding|Warning|content-encoding)",
        2 => "(Connection|expect|X-Cache|x-real-ip|X-Forwarded-Proto|Client-Cert|X-Amzn-Auth)",
        2 => "[xX]-(Edge|edge|Amz-Cf|amz-cf)-?[a-z]{0,3}",
        1 => "(cloudfront-viewer-country|CloudFront-Viewer-Address|Cookie|Accept|Cache-Control)",
        1 => "(content-type|Location|Set-Cookie|WWW-Authenticate|__proto__|constructor)",
        1 => "[!-~]{0,12}",
    ]
}

/// Mostly values that a header can have.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[ -~]{0,20}",
        2 => "\\PC{0,20}",
        1 => "[a-z]{0,3}[\r\n\t\u{0}\u{85}]?[a-z]{0,3}",
        1 => (0..30_000usize).prop_map(|length| "v".repeat(length)),
    ]
}

fn any_path() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "(/[a-z0-9%.;~]{0,6}){1,4}",
        2 => "/[!-~]{0,12}",
        1 => "\\PC{0,8}",
        1 => (0..9000usize).prop_map(|length| format!("/{}", "p".repeat(length))),
    ]
}

fn any_query() -> impl Strategy<Value = String> {
    prop_oneof![2 => Just(String::new()), 3 => "[a-z0-9=&%+]{0,12}", 1 => "[!-~]{0,12}", 1 => ".{0,6}"]
}

fn any_body() -> impl Strategy<Value = Option<Value>> {
    let data = prop_oneof![
        3 => "\\PC{0,40}".prop_map(|text| STANDARD.encode(text)),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| STANDARD.encode(bytes)),
        1 => "[A-Za-z0-9+/=]{0,12}",
    ];
    let truncated =
        prop_oneof![4 => Just(json!(false)), 1 => Just(json!(true)), 1 => Just(json!("false"))];
    let encoding = prop_oneof![4 => Just("base64"), 1 => Just("text"), 1 => Just("other")];
    let body = (data, truncated, encoding).prop_map(|(data, truncated, encoding)| {
        json!({ "inputTruncated": truncated, "action": "read-only", "encoding": encoding, "data": data })
    });
    prop::option::of(body)
}

fn any_event() -> impl Strategy<Value = Value> {
    let method = prop_oneof![6 => "(GET|HEAD|POST|PUT|DELETE)", 1 => "[ -~]{0,6}"];
    let accept = prop_oneof![
        Just("text/html,*/*;q=0.8".to_owned()),
        "(text/html|application/json|\\*/\\*)(;q=[01.]{1,4})?",
    ];
    let headers = prop::collection::vec((any_name(), any_value()), 0..6);
    (method, any_path(), any_query(), accept, headers, any_body()).prop_map(
        |(method, uri, query, accept, headers, body)| {
            let mut fields = vec![("Accept", accept.as_str())];
            // One `Host` is there already, and most events are to be read.
            let others = headers
                .iter()
                .filter(|(name, _)| !name.eq_ignore_ascii_case("host"));
            fields.extend(others.map(|(name, value)| (name.as_str(), value.as_str())));
            let mut event = event_of(&method, &uri, &query, &fields);
            let request = request_of(&mut event);
            if let Some(body) = body {
                request["body"] = body;
            }
            request["unknown"] = json!([1, 2.5, null, { "a": "\u{fc}" }]);
            event
        },
    )
}

fn any_edits() -> impl Strategy<Value = RequestEdits> {
    let header = (any_name(), prop::collection::vec(any_value(), 0..3))
        .prop_map(|(name, values)| HeaderEdit { name, values });
    let origin = prop_oneof![
        6 => Just("https://api.example.com"),
        1 => Just("HTTPS://API.example.com:443"),
        1 => Just("https://evil.example"),
        1 => Just("http://api.example.com"),
        1 => Just(""),
    ];
    let url = (origin, any_path(), any_query()).prop_map(|(origin, path, query)| {
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{origin}{path}{mark}{query}")
    });
    let body = prop_oneof![
        Just(BodyEdit::Remove),
        "\\PC{0,40}".prop_map(BodyEdit::Replace),
        (0..50_000usize).prop_map(|length| BodyEdit::Replace("\u{fc}".repeat(length / 2))),
    ];
    let headers = prop::collection::vec(header, 0..5);
    (
        headers,
        prop::option::of(url),
        prop::option::weighted(0.3, body),
    )
        .prop_map(|(headers, url, body)| RequestEdits { headers, url, body })
}

fn any_deny() -> impl Strategy<Value = Deny> {
    let status = prop_oneof![4 => Just(401), 2 => 200..600u16, 1 => Just(204), 1 => any::<u16>()];
    let challenge = (
        "\\PC{0,20}",
        prop::option::of(".{0,400}"),
        prop::option::of(any::<u64>()),
    )
        .prop_map(|(realm, acr_values, max_age)| Challenge {
            realm: Some(realm),
            error: Some(ChallengeError::InsufficientUserAuthentication),
            acr_values,
            max_age,
            ..Challenge::default()
        });
    let body = prop_oneof![
        ".{0,100}",
        (0..60_000usize, ".").prop_map(|(length, unit)| unit.repeat(length)),
        (0..60_000usize).prop_map(|length| "\"\u{1}".repeat(length)),
    ];
    let headers = prop::collection::vec((any_name(), any_value()), 0..6);
    let challenges = prop::collection::vec(challenge, 0..3);
    (status, challenges, headers, prop::option::of(body)).prop_map(
        |(status, challenges, fields, body)| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                // What cannot stand in the map cannot stand in a decision.
                let _ = headers.append(&name, &value);
            }
            Deny {
                status,
                challenges,
                headers,
                body,
            }
        },
    )
}

fn any_options() -> impl Strategy<Value = EdgeOptions> {
    (any::<bool>(), any::<bool>()).prop_map(|(base, login)| EdgeOptions {
        base_url: base.then(|| Origin::parse("https://api.example.com").unwrap()),
        login: login.then(|| LoginRedirect::parse("https://login.example.com/?a=b").unwrap()),
        entry: None,
    })
}

fn read(event: &Value, options: &EdgeOptions) -> Option<ViewerRequest> {
    ViewerRequest::parse(event.to_string().as_bytes(), options).ok()
}

/// Any JSON, with the names of the event more often than others.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "(GET|/|viewer-request|::1|base64|text|api.example.com)".prop_map(Value::from),
    ];
    let name = prop_oneof![
        "[a-z]{0,5}",
        "(Records|cf|config|request|eventType|clientIp|method|uri|querystring|headers)",
        "(host|key|value|body|data|encoding|action|inputTruncated|requestId)",
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..10)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn parsing_never_panics(event in any_json()) {
        let _ = ViewerRequest::parse(event.to_string().as_bytes(), &EdgeOptions::default());
    }

    #[test]
    fn parsing_bytes_never_panics(event in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = ViewerRequest::parse(&event, &EdgeOptions::default());
    }

    #[test]
    fn an_event_with_one_strange_member_never_panics(
        pointer in "/Records/0(/cf(/config(/eventType)?|/request(/(uri|method|body|headers(/host)?))?)?)?",
        value in any_json(),
        decision in any_edits().prop_map(permit),
    ) {
        let mut event = event_of("GET", "/", "", &[]);
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = event.pointer_mut(parent).unwrap();
        match parent {
            Value::Array(list) => list[0] = value,
            parent => parent[name] = value,
        }
        let options = EdgeOptions::default();
        if let Some(parsed) = read(&event, &options)
            && let Ok(answer) = edge_answer(&parsed, &decision, &options)
        {
            prop_assert_eq!(rules::check(&event, &serde_json::to_string(&answer).unwrap()), Ok(()));
        }
    }

    /// What is decided on is what the event says, character by character.
    #[test]
    fn an_event_is_read_as_it_is(event in any_event()) {
        let Some(parsed) = read(&event, &EdgeOptions::default()) else { return Ok(()) };
        let original = event.pointer("/Records/0/cf/request").unwrap();
        let request = parsed.request();
        prop_assert_eq!(request.url.host(), "api.example.com");
        prop_assert_eq!(request.url.path(), original["uri"].as_str().unwrap());
        prop_assert_eq!(
            request.url.query().unwrap_or_default(),
            original["querystring"].as_str().unwrap()
        );
        prop_assert_eq!(request.method.as_str(), original["method"].as_str().unwrap());
        let mut fields = request.headers.iter();
        for (_, entries) in original["headers"].as_object().unwrap() {
            for entry in entries.as_array().unwrap() {
                let field = fields.next().unwrap();
                prop_assert_eq!(field.name(), entry["key"].as_str().unwrap());
                prop_assert_eq!(field.value(), entry["value"].as_str().unwrap().trim_matches([' ', '\t']));
            }
        }
        prop_assert!(fields.next().is_none());
    }

    #[test]
    fn a_permit_is_refused_or_taken(event in any_event(), edits in any_edits(), options in any_options()) {
        let Some(parsed) = read(&event, &options) else { return Ok(()) };
        let decision = permit(edits);
        let Ok(answer) = edge_answer(&parsed, &decision, &options) else { return Ok(()) };
        prop_assert!(answer.is_forward());
        prop_assert_eq!(rules::check(&event, &serde_json::to_string(&answer).unwrap()), Ok(()));
    }

    #[test]
    fn a_deny_is_refused_or_taken(event in any_event(), denial in any_deny(), options in any_options()) {
        let Some(parsed) = read(&event, &options) else { return Ok(()) };
        let Ok(answer) = edge_answer(&parsed, &deny(denial.clone()), &options) else {
            prop_assert!(!(200..600).contains(&denial.status) || denial.headers.len() + denial.challenges.len() > 0);
            return Ok(());
        };
        prop_assert!(!answer.is_forward());
        let json = serde_json::to_string(&answer).unwrap();
        prop_assert_eq!(rules::check(&event, &json), Ok(()));
        let answer: Value = serde_json::from_str(&json).unwrap();
        if answer["status"] == "302" && denial.status == 401 {
            let location = answer["headers"]["location"][0]["value"].as_str().unwrap();
            prop_assert!(location.starts_with("https://login.example.com/?a=b"));
        } else {
            prop_assert_eq!(answer["status"].as_str().unwrap(), denial.status.to_string());
        }
        // A deny never becomes something that CloudFront takes for a request.
        prop_assert!(answer.get("uri").is_none() && answer.get("method").is_none());
    }

    /// The backend gets what the decision says, but for what a notice names.
    #[test]
    fn a_permit_is_carried_out(event in any_event(), edits in any_edits()) {
        let options = EdgeOptions::default();
        let Some(parsed) = read(&event, &options) else { return Ok(()) };
        let answer: Result<EdgeAnswer, _> = edge_answer(&parsed, &permit(edits.clone()), &options);
        let Ok(answer) = answer else { return Ok(()) };
        let mut forwarded = event.clone();
        *request_of(&mut forwarded) = serde_json::to_value(&answer).unwrap();
        let body = forwarded.pointer("/Records/0/cf/request/body/data").cloned();
        request_of(&mut forwarded).as_object_mut().unwrap().remove("body");
        let after = read(&forwarded, &options).unwrap();
        let (before, after) = (parsed.request(), after.request());

        let noticed = |name: &str| answer.notices().iter().any(|notice| match notice {
            Notice::HeaderDisallowed { name: left } | Notice::HeaderReadOnly { name: left }
            | Notice::HeaderTwin { name: left } => left.eq_ignore_ascii_case(name),
            _ => false,
        });
        let edit_of = |name: &str| edits.headers.iter().find(|edit| edit.name.eq_ignore_ascii_case(name));
        for edit in &edits.headers {
            let length = edit.name.eq_ignore_ascii_case("content-length") && edits.body.is_some();
            if !noticed(&edit.name) && !length {
                let wanted = edit.values.iter().map(|value| value.trim_matches([' ', '\t']));
                prop_assert!(after.headers.values(&edit.name).eq(wanted), "{}", edit.name);
            }
        }
        for field in before.headers.iter().chain(after.headers.iter()) {
            let name = field.name();
            if edit_of(name).is_none() && !noticed(name) {
                prop_assert!(before.headers.values(name).eq(after.headers.values(name)), "{name}");
            }
        }
        if let Some(url) = &edits.url {
            let wanted = portcullis_model::RequestUrl::parse(url).unwrap();
            prop_assert_eq!(after.url.path(), wanted.path());
            prop_assert_eq!(
                after.url.query().unwrap_or_default(),
                wanted.query().unwrap_or_default()
            );
        } else {
            prop_assert_eq!(&after.url, &before.url);
        }
        let text = match &edits.body {
            None => None,
            Some(BodyEdit::Remove) => Some(json!("")),
            Some(BodyEdit::Replace(text)) => Some(json!(text)),
        };
        prop_assert!(text.is_none() || matches!(parsed.body(), ViewerBody::Whole(_)));
        prop_assert_eq!(body, text);
    }
}

/// The properties above would hold of a parser that refuses everything.
#[test]
fn most_made_up_events_and_decisions_are_taken() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let options = EdgeOptions::default();
    let (mut read_events, mut permits, mut denies) = (0, 0, 0);
    for _ in 0..400 {
        let event = any_event().new_tree(&mut runner).unwrap().current();
        let edits = any_edits().new_tree(&mut runner).unwrap().current();
        let denial = any_deny().new_tree(&mut runner).unwrap().current();
        let Some(parsed) = read(&event, &options) else {
            continue;
        };
        let taken =
            |decision: Decision| usize::from(edge_answer(&parsed, &decision, &options).is_ok());
        read_events += 1;
        permits += taken(permit(edits));
        denies += taken(deny(denial));
    }
    assert!(
        read_events > 100 && permits > 30 && denies > 80,
        "{read_events} {permits} {denies}"
    );
}
