//! What each decision becomes in each dialect.

use serde_json::{Value, json};

use crate::support::{Service, TOKEN, allows, check_log, recorded, rest_event};

fn forbidden() -> Value {
    json!({
        "response_code": "403", "response_status": "Forbidden", "http_version": "1.1",
        "headers": [{ "www-authenticate": "Bearer error=\"insufficient_scope\", scope=\"gold\"" }],
    })
}

const DIALECTS: [(&str, &str); 5] = [
    ("rest_token.awsdocs", "rest_token"),
    ("rest_request.awsdocs", "rest_request"),
    ("http_v1_request.awsdocs", "http_v1"),
    ("http_v2_request.awsdocs", "http_v2"),
    ("websocket_connect_authorizer.awsdocs", "websocket_connect"),
];

#[test]
fn a_permit_is_an_allow_policy_for_this_request() {
    let service = Service::permitting();
    let mut function = service.function(&[]);
    for (file, _) in DIALECTS {
        let answer = function.invoke(&recorded(file)).outcome.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            answer["policyDocument"]["Statement"][0]["Effect"], "Allow",
            "{file}"
        );
        assert_eq!(answer["context"]["reason"], "permitted_by_decision_point");
        assert_eq!(answer["context"]["decision_id"], "4f6c-11");
        assert_eq!(answer["context"]["cache"], "off");
    }
    assert_eq!(service.calls(), DIALECTS.len());
}

#[test]
fn a_deny_is_a_deny_policy_with_its_reason() {
    let service = Service::denying(forbidden());
    let mut function = service.function(&[]);
    for (file, _) in DIALECTS {
        let answer: Value =
            serde_json::from_str(&function.invoke(&recorded(file)).outcome.unwrap()).unwrap();
        assert_eq!(
            answer["policyDocument"]["Statement"][0]["Effect"], "Deny",
            "{file}"
        );
        let context = &answer["context"];
        assert_eq!(
            (&context["reason"], &context["status"]),
            (&json!("insufficient_scope"), &json!(403))
        );
        assert!(context["challenge"].as_str().unwrap().contains("gold"));
    }
}

#[test]
fn a_401_is_the_error_that_api_gateway_knows() {
    let service = Service::denying(json!({ "response_code": 401 }));
    let mut function = service.function(&[]);
    for (file, _) in DIALECTS {
        let error: Value =
            serde_json::from_str(&function.invoke(&recorded(file)).outcome.unwrap_err()).unwrap();
        assert_eq!(error["errorMessage"], "Unauthorized", "{file}");
    }
    let log = function.stop();
    assert!(
        !log.contains("\"level\":\"ERROR\""),
        "a 401 is an answer, not a failure: {log}"
    );
}

#[test]
fn an_http_api_gets_simple_answers_where_it_wants_them() {
    let event = recorded("http_v2_request.awsdocs");
    for (service, expected) in [
        (Service::permitting(), true),
        (Service::denying(forbidden()), false),
        (Service::denying(json!({ "response_code": "401" })), false),
    ] {
        let mut function = service.function(&[("PORTCULLIS_HTTP_RESPONSE", "simple")]);
        let answer: Value =
            serde_json::from_str(&function.invoke(&event).outcome.unwrap()).unwrap();
        assert_eq!(answer["isAuthorized"], expected);
    }
}

#[test]
fn the_service_sees_the_request_of_the_client() {
    let service = Service::permitting();
    let mut function = service.function(&[
        ("PORTCULLIS_BASE_URL", "https://api.example.com"),
        ("PORTCULLIS_STRIP_STAGE", "true"),
    ]);
    assert!(allows(
        &function.invoke(&rest_event("/planets").to_string()).outcome
    ));
    assert_eq!(
        service.last(),
        json!({
            "source_ip": "192.0.2.7", "source_port": 49152, "method": "GET",
            "url": "https://api.example.com/planets?key=query-secret", "http_version": "1.1",
            "headers": [{ "Authorization": format!("Bearer {TOKEN}") }],
        })
    );
}

#[test]
fn one_metric_line_an_event_and_nothing_secret_in_any_line() {
    for debug in ["false", "true"] {
        for level in ["TRACE", "INFO"] {
            let service = Service::permitting();
            let mut function =
                service.function(&[("IS_DEBUG_ENABLED", debug), ("AWS_LAMBDA_LOG_LEVEL", level)]);
            for event in [
                rest_event("/planets").to_string(),
                rest_event("/a/../b").to_string(),
                "{}".to_owned(),
            ] {
                let _ = function.invoke(&event);
            }
            let log = check_log(&function.stop());
            let metrics: Vec<_> = log.iter().filter(|line| !line["_aws"].is_null()).collect();
            let decisions: Vec<_> = metrics
                .iter()
                .map(|line| line["decision"].as_str().unwrap())
                .collect();
            assert_eq!(decisions, ["permit", "deny", "error"]);
            assert_eq!(
                metrics
                    .iter()
                    .map(|line| line["ColdStart"].as_u64().unwrap())
                    .sum::<u64>(),
                1
            );
            let decided: Vec<_> = log
                .iter()
                .filter(|line| line["message"] == "decided")
                .collect();
            assert_eq!(decided.len(), 2);
            assert_eq!(decided[0]["decision_id"], "4f6c-11");
            assert_eq!(decided[1]["reason"], "ambiguous_path");
        }
    }
}
