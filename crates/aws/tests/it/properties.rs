//! What holds for every input.

use portcullis_aws::{
    AuthorizerEvent, EventOptions, HttpV2Form, MAX_RESOURCE_CHARS, MAX_RESPONSE_BYTES, Origin,
    answer,
};
use portcullis_model::{Decision, HeaderEdit, Outcome};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::iam::allows;
use crate::support::{deny, http_v2_event, parse, permit, rest_event, token_event};

/// What a policy variable starts with.
const VARIABLE: &str = "${";

/// Any JSON, with the names that events use more often than others.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "(TOKEN|REQUEST|1\\.0|2\\.0|CONNECT|GET|/|/a|\\$connect)".prop_map(Value::from),
        "arn:aws:execute-api:r:1:abc/(prod|\\$default)/(GET/.{0,9}|\\$connect|\\$default)"
            .prop_map(Value::from),
    ];
    let name = prop_oneof![
        "[a-z]{0,5}",
        "(type|version|methodArn|routeArn|httpMethod|path|rawPath|headers|requestContext)",
        "(multiValueHeaders|queryStringParameters|cookies|http|method|identity|clientCert)",
        "(authorizationToken|domainName|stage|apiId|eventType|routeKey|rawQueryString)",
    ];
    leaf.prop_recursive(5, 64, 12, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..12)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_context() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((".{0,80}", any_json()), 0..20)
        .prop_map(|members| members.into_iter().collect())
}

fn any_permit() -> impl Strategy<Value = Decision> {
    let headers = prop::collection::vec(
        ("[!-~]{0,80}", prop::collection::vec(".{0,600}", 0..4)),
        0..8,
    );
    (any_context(), headers, prop::option::of(".{0,400}")).prop_map(
        |(context, headers, principal)| {
            let mut decision = permit();
            decision.context = context;
            decision.principal = principal;
            if let Outcome::Permit(edits) = &mut decision.outcome {
                edits.headers = headers
                    .into_iter()
                    .map(|(name, values)| HeaderEdit { name, values })
                    .collect();
            }
            decision
        },
    )
}

/// A path as a client may send it, wildcards and all.
fn any_path() -> impl Strategy<Value = String> {
    prop_oneof![
        "(/[a-z0-9]{0,6}){1,6}",
        "(/[a-zA-Z0-9*?$%{}:.~\u{fc} -]{0,12}){1,8}",
        "(/[a-z*]{0,60}){1,30}",
        "/[a-z?]{0,1500}",
        "/\\PC{0,300}",
    ]
}

fn events(path: &str) -> Vec<Value> {
    let route = format!("GET{path}");
    let arn = format!("arn:aws-cn:execute-api:cn-north-1:123456789012:abc/prod/{route}");
    vec![
        token_event(&arn),
        rest_event("prod", path),
        http_v2_event("$default", path, &route),
        http_v2_event("prod", &format!("/prod{path}"), "GET/{proxy+}"),
    ]
}

fn resources(policy: &Value) -> Vec<String> {
    let resources = policy["Statement"][0]["Resource"].as_array().unwrap();
    resources
        .iter()
        .map(|resource| resource.as_str().unwrap().to_owned())
        .collect()
}

proptest! {
    #[test]
    fn parsing_never_panics(event in any_json(), strip_stage in any::<bool>(), base in any::<bool>()) {
        let base_url = base.then(|| Origin::parse("https://api.example.com").unwrap());
        let options = EventOptions { strip_stage, base_url };
        let _ = AuthorizerEvent::parse(event.to_string().as_bytes(), &options);
    }

    #[test]
    fn parsing_bytes_never_panics(event in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = AuthorizerEvent::parse(&event, &EventOptions::default());
    }

    #[test]
    fn an_event_with_one_strange_member_never_panics(
        name in "(type|version|methodArn|httpMethod|path|headers|multiValueHeaders|requestContext)",
        value in any_json(),
    ) {
        let mut event = rest_event("prod", "/planets");
        event[name] = value;
        let _ = parse(&event);
    }

    #[test]
    fn a_path_stays_a_path(path in any_path()) {
        for event in events(&path) {
            let Ok(event) = parse(&event) else { continue };
            let url = &event.request().url;
            prop_assert_eq!(url.query(), None);
            prop_assert!(url.as_str().starts_with("https://abc.execute-api."));
            prop_assert!(!url.path().contains(|c: char| c.is_control() || c == ' ' || !c.is_ascii()));
        }
    }

    #[test]
    fn a_resource_holds_no_wildcard_of_a_client(path in any_path()) {
        for event in events(&path) {
            let Ok(event) = parse(&event) else { continue };
            for decision in [permit(), deny(403)] {
                let answer = answer(&event, &decision, HttpV2Form::Iam).unwrap();
                let answer = serde_json::to_value(answer).unwrap();
                for resource in resources(&answer["policyDocument"]) {
                    prop_assert!(resource.chars().count() <= MAX_RESOURCE_CHARS);
                    if let Some(at) = resource.find('*') {
                        prop_assert_eq!(at, resource.len() - 1);
                        prop_assert!(at >= MAX_RESOURCE_CHARS - 4);
                        prop_assert!(event.arn().to_string().len() > MAX_RESOURCE_CHARS
                            || event.requested_arn().is_some_and(|arn| arn.to_string().len() > MAX_RESOURCE_CHARS));
                    }
                    let strange = path.contains(['*', '?', '$']) || path.contains(char::is_control);
                    prop_assert!(strange || !resource.contains('?'));
                    prop_assert!(!resource.contains(VARIABLE));
                }
            }
        }
    }

    #[test]
    fn a_permit_allows_its_own_arn_and_no_other(
        path in any_path(),
        others in prop::collection::vec(any_path(), 0..8),
    ) {
        for event in events(&path) {
            let Ok(event) = parse(&event) else { continue };
            let own = event.arn().to_string();
            let allowed = answer(&event, &permit(), HttpV2Form::Iam).unwrap();
            let allowed = serde_json::to_value(allowed).unwrap();
            let denied = answer(&event, &deny(403), HttpV2Form::Iam).unwrap();
            let denied = serde_json::to_value(denied).unwrap();
            prop_assert!(allows(&allowed["policyDocument"], &own));
            prop_assert!(!allows(&denied["policyDocument"], &own));
            let listed = resources(&allowed["policyDocument"]);
            if listed.iter().any(|resource| resource.contains(['*', '?'])) {
                continue;
            }
            let (prefix, _) = own.split_once("/GET").unwrap();
            for other in &others {
                for method in ["GET", "PUT"] {
                    let other = format!("{prefix}/{method}{other}");
                    prop_assert_eq!(
                        allows(&allowed["policyDocument"], &other),
                        listed.contains(&other)
                    );
                }
            }
        }
    }

    #[test]
    fn an_answer_is_small_and_its_keys_are_plain(decision in any_permit(), path in any_path()) {
        for event in events(&path) {
            let Ok(event) = parse(&event) else { continue };
            for form in [HttpV2Form::Iam, HttpV2Form::Simple] {
                // Header edits that do not fit are refused, and nothing else is.
                let Ok(answer) = answer(&event, &decision, form) else {
                    prop_assert!(matches!(&decision.outcome, Outcome::Permit(edits) if !edits.headers.is_empty()));
                    continue;
                };
                let json = serde_json::to_string(&answer).unwrap();
                prop_assert!(json.len() <= MAX_RESPONSE_BYTES, "{}", json.len());
                let json: Value = serde_json::from_str(&json).unwrap();
                let context = json["context"].as_object().unwrap();
                prop_assert_eq!(&context["reason"], "permitted");
                prop_assert_eq!(&context["cache"], "off");
                prop_assert!(!context.contains_key("claims"));
                for (key, value) in context {
                    prop_assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{key}");
                    if event.dialect().as_str() != "http_v2" {
                        prop_assert!(value.is_string() || value.is_number() || value.is_boolean());
                    }
                    if let Some(text) = value.as_str() {
                        prop_assert!(!text.contains(char::is_control));
                    }
                }
            }
        }
    }

    #[test]
    fn a_query_is_read_back_as_it_was(pairs in prop::collection::vec((".{0,20}", ".{0,20}"), 0..6)) {
        let mut event = rest_event("prod", "/");
        let mut parameters = Map::new();
        for (name, value) in &pairs {
            parameters.insert(name.clone(), json!([value]));
        }
        event["multiValueQueryStringParameters"] = Value::Object(parameters.clone());
        let event = parse(&event).unwrap();
        let query = event.request().url.query().unwrap_or_default().to_owned();
        let read: Map<String, Value> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap();
                let decode = |text| {
                    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
                };
                (decode(name), json!([decode(value)]))
            })
            .collect();
        prop_assert_eq!(read, parameters);
    }
}
