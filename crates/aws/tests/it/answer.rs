//! Each decision in each dialect.

use portcullis_aws::{
    Answer, AnswerError, AuthorizerEvent, HttpV2Form, MAX_PRINCIPAL_BYTES, MAX_RESPONSE_BYTES,
    UNAUTHORIZED, UNKNOWN_PRINCIPAL, answer,
};
use portcullis_model::{Decision, Deny, Outcome, Reason, ReasonCode, RequestEdits};
use serde_json::json;

use crate::iam::allows;
use crate::support::{answered, deny, http_v2_event, parse, permit, recorded, rest_event};

/// An event of each dialect, and the form of its answer.
fn dialects() -> Vec<(&'static str, AuthorizerEvent, HttpV2Form)> {
    let http_v2 = http_v2_event("$default", "/planets/1", "GET/planets/{id}");
    let recorded = |file| serde_json::from_str(&recorded(file)).unwrap();
    [
        (
            "REST TOKEN",
            recorded("rest_token.awsdocs.json"),
            HttpV2Form::Simple,
        ),
        (
            "REST REQUEST",
            recorded("rest_request.awsdocs.json"),
            HttpV2Form::Simple,
        ),
        (
            "HTTP 1.0",
            recorded("http_v1_request.awsdocs.json"),
            HttpV2Form::Simple,
        ),
        ("HTTP 2.0 IAM", http_v2.clone(), HttpV2Form::Iam),
        ("HTTP 2.0 simple", http_v2, HttpV2Form::Simple),
        (
            "WebSocket",
            recorded("websocket_connect_authorizer.awsdocs.json"),
            HttpV2Form::Simple,
        ),
    ]
    .into_iter()
    .map(|(name, event, form)| (name, parse(&event).unwrap(), form))
    .collect()
}

/// Each dialect's answer as the function returns it.
fn all(decision: &Decision) -> String {
    let answers = dialects().into_iter().map(|(name, event, form)| {
        let text = match answer(&event, decision, form).unwrap() {
            Answer::Unauthorized => format!("error {UNAUTHORIZED}"),
            answer => serde_json::to_string(&answer).unwrap(),
        };
        format!("{name}: {text}")
    });
    answers.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_permit_in_each_dialect() {
    let mut decision = permit();
    decision.context = json!({ "roles": ["astronomer"], "level": 2 })
        .as_object()
        .unwrap()
        .clone();
    insta::assert_snapshot!(all(&decision), @r#"
    REST TOKEN: {"principalId":"alice","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":["arn:aws:execute-api:us-west-2:123456789012:ymy8tbxw7b/?/GET/"]}]},"context":{"cache":"off","level":2,"reason":"permitted","roles":"[\"astronomer\"]"}}
    REST REQUEST: {"principalId":"alice","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":["arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/GET/request"]}]},"context":{"cache":"off","level":2,"reason":"permitted","roles":"[\"astronomer\"]"}}
    HTTP 1.0: {"principalId":"alice","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":["arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/GET/request"]}]},"context":{"cache":"off","level":2,"reason":"permitted","roles":"[\"astronomer\"]"}}
    HTTP 2.0 IAM: {"principalId":"alice","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":["arn:aws:execute-api:eu-west-1:123456789012:abc/$default/GET/planets/{id}","arn:aws:execute-api:eu-west-1:123456789012:abc/$default/GET/planets/1"]}]},"context":{"cache":"off","level":2,"reason":"permitted","roles":["astronomer"]}}
    HTTP 2.0 simple: {"isAuthorized":true,"context":{"cache":"off","level":2,"principalId":"alice","reason":"permitted","roles":["astronomer"]}}
    WebSocket: {"principalId":"alice","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":["arn:aws:execute-api:us-east-1:123456789012:abcdef123/default/$connect"]}]},"context":{"cache":"off","level":2,"reason":"permitted","roles":"[\"astronomer\"]"}}
    "#);
}

#[test]
fn a_deny_in_each_dialect() {
    insta::assert_snapshot!(all(&deny(403)), @r#"
    REST TOKEN: {"principalId":"unknown","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Deny","Resource":["arn:aws:execute-api:us-west-2:123456789012:ymy8tbxw7b/?/GET/"]}]},"context":{"cache":"off","challenge":"Bearer realm=\"https://api.example.com\", scope=\"gold\"","message":"the token lacks scope gold","reason":"insufficient_scope","status":403}}
    REST REQUEST: {"principalId":"unknown","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Deny","Resource":["arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/GET/request"]}]},"context":{"cache":"off","challenge":"Bearer realm=\"https://api.example.com\", scope=\"gold\"","message":"the token lacks scope gold","reason":"insufficient_scope","status":403}}
    HTTP 1.0: {"principalId":"unknown","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Deny","Resource":["arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/GET/request"]}]},"context":{"cache":"off","challenge":"Bearer realm=\"https://api.example.com\", scope=\"gold\"","message":"the token lacks scope gold","reason":"insufficient_scope","status":403}}
    HTTP 2.0 IAM: {"principalId":"unknown","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Deny","Resource":["arn:aws:execute-api:eu-west-1:123456789012:abc/$default/GET/planets/{id}","arn:aws:execute-api:eu-west-1:123456789012:abc/$default/GET/planets/1"]}]},"context":{"cache":"off","challenge":"Bearer realm=\"https://api.example.com\", scope=\"gold\"","message":"the token lacks scope gold","reason":"insufficient_scope","status":403}}
    HTTP 2.0 simple: {"isAuthorized":false,"context":{"cache":"off","challenge":"Bearer realm=\"https://api.example.com\", scope=\"gold\"","message":"the token lacks scope gold","principalId":"unknown","reason":"insufficient_scope","status":403}}
    WebSocket: {"principalId":"unknown","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Deny","Resource":["arn:aws:execute-api:us-east-1:123456789012:abcdef123/default/$connect"]}]},"context":{"cache":"off","challenge":"Bearer realm=\"https://api.example.com\", scope=\"gold\"","message":"the token lacks scope gold","reason":"insufficient_scope","status":403}}
    "#);
}

#[test]
fn a_401_in_each_dialect() {
    insta::assert_snapshot!(all(&deny(401)), @r#"
    REST TOKEN: error Unauthorized
    REST REQUEST: error Unauthorized
    HTTP 1.0: error Unauthorized
    HTTP 2.0 IAM: error Unauthorized
    HTTP 2.0 simple: {"isAuthorized":false,"context":{"cache":"off","challenge":"Bearer realm=\"https://api.example.com\", scope=\"gold\"","message":"the token lacks scope gold","principalId":"unknown","reason":"insufficient_scope","status":401}}
    WebSocket: error Unauthorized
    "#);
}

#[test]
fn whatever_the_status_only_a_permit_lets_through() {
    for (name, event, form) in dialects() {
        for status in [
            0,
            100,
            200,
            204,
            302,
            400,
            401,
            403,
            404,
            429,
            500,
            503,
            599,
            u16::MAX,
        ] {
            let answer = answer(&event, &deny(status), form).unwrap();
            assert!(!answer.is_allow(), "{name} {status}");
            assert_eq!(
                answer == Answer::Unauthorized,
                status == 401 && name != "HTTP 2.0 simple"
            );
            if let Ok(json) = serde_json::to_value(&answer) {
                assert_ne!(json["isAuthorized"], true);
                assert_ne!(json["policyDocument"]["Statement"][0]["Effect"], "Allow");
            }
        }
        let answer = answer(&event, &permit(), form).unwrap();
        assert!(answer.is_allow(), "{name}");
        let json = serde_json::to_value(&answer).unwrap();
        match &answer {
            Answer::Policy(_) => {
                assert!(
                    allows(&json["policyDocument"], &event.arn().to_string()),
                    "{name}"
                );
            }
            answer => assert!(matches!(answer, Answer::Simple(_)), "{name}"),
        }
    }
}

#[test]
fn unauthorized_cannot_be_returned() {
    assert!(serde_json::to_string(&Answer::Unauthorized).is_err());
}

#[test]
fn an_http_api_gets_the_arn_as_given_and_as_requested() {
    let event = parse(&http_v2_event("prod", "/prod/a*", "GET/{proxy+}")).unwrap();
    let answer = answered(&event, &permit(), HttpV2Form::Iam).unwrap();
    assert_eq!(
        answer["policyDocument"]["Statement"][0]["Resource"],
        json!([
            "arn:aws:execute-api:eu-west-1:123456789012:abc/prod/GET/{proxy+}",
            "arn:aws:execute-api:eu-west-1:123456789012:abc/prod/GET/a?",
        ])
    );
}

#[test]
fn a_principal_is_whole_or_unknown() {
    let event = parse(&rest_event("prod", "/")).unwrap();
    let longest = "p".repeat(MAX_PRINCIPAL_BYTES);
    let too_long = "p".repeat(MAX_PRINCIPAL_BYTES + 1);
    for (principal, shown) in [
        (None, UNKNOWN_PRINCIPAL),
        (Some("alice|1"), "alice|1"),
        (Some(""), UNKNOWN_PRINCIPAL),
        (Some("alice\nbob"), UNKNOWN_PRINCIPAL),
        (Some(longest.as_str()), longest.as_str()),
        (Some(too_long.as_str()), UNKNOWN_PRINCIPAL),
    ] {
        let mut decision = permit();
        decision.principal = principal.map(str::to_owned);
        let answer = answered(&event, &decision, HttpV2Form::Simple).unwrap();
        assert_eq!(answer["principalId"], shown);
    }
}

#[test]
fn a_permit_that_cannot_be_carried_out_is_none() {
    let with = |edits: RequestEdits| {
        let mut decision = permit();
        decision.outcome = Outcome::Permit(edits);
        decision
    };
    let url = with(RequestEdits {
        url: Some("https://other.example/".to_owned()),
        ..RequestEdits::default()
    });
    let body = with(RequestEdits {
        body: Some(portcullis_model::BodyEdit::Remove),
        ..RequestEdits::default()
    });
    for (name, event, form) in dialects() {
        assert_eq!(
            answer(&event, &url, form),
            Err(AnswerError::UrlEdit),
            "{name}"
        );
        assert_eq!(
            answer(&event, &body, form),
            Err(AnswerError::BodyEdit),
            "{name}"
        );
    }
}

#[test]
fn the_largest_deny_fits() {
    let path = "\"".repeat(10_000);
    let route = format!("GET/{}", "\\".repeat(10_000));
    let event = http_v2_event("$default", &format!("/{}", &path[..2_000]), &route);
    let event = parse(&event).unwrap();
    let mut refusal = Deny::status(403);
    refusal
        .headers
        .append("WWW-Authenticate", &"\"".repeat(1024))
        .unwrap();
    let reason = Reason::new(ReasonCode::DeniedByDecisionPoint, "\"".repeat(9000));
    let mut decision = Decision::deny(refusal, reason);
    decision.principal = Some("\\".repeat(256));
    for form in [HttpV2Form::Iam, HttpV2Form::Simple] {
        let answer = answered(&event, &decision, form).unwrap();
        assert!(answer.to_string().len() <= MAX_RESPONSE_BYTES);
        assert_eq!(answer["context"]["challenge"].as_str().unwrap().len(), 1024);
    }
}
