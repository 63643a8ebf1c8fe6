//! What the client asks, and what it makes of every answer.

use portcullis_model::{DECISION_ID, Outcome, ReasonCode};
use portcullis_pdp::Unavailable;
use portcullis_sideband::MAX_REPLY_BYTES;

use crate::service::{Act, Service, ok, response};
use crate::support::{CREDENTIAL, client, decide, settings};

fn error_of(answer: Result<portcullis_model::Decision, Unavailable>) -> Unavailable {
    match answer {
        Ok(decision) => panic!("a decision where there is none: {decision:?}"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn asks_as_the_protocol_says() {
    let service = Service::start(|_, seen| ok(&seen.body));
    let client = client(settings(&format!(
        "{}/v1/environments/x/?tenant=1",
        service.url()
    )));
    decide(&client).await.unwrap();
    let seen = &service.seen()[0];
    let head = seen.head.to_ascii_lowercase();
    let line = head.lines().next().unwrap();
    assert_eq!(
        line,
        "post /v1/environments/x/sideband/request?tenant=1 http/1.1"
    );
    for header in [
        "content-type: application/json",
        "accept: application/json",
        &format!("client-token: {CREDENTIAL}"),
        &format!("user-agent: portcullis/{}", env!("CARGO_PKG_VERSION")),
        &format!("host: {}", service.url().trim_start_matches("http://")),
    ] {
        assert!(head.lines().any(|line| line == header), "{header}: {head}");
    }
    assert!(seen.body.contains("token-s3cret"));
}

#[tokio::test]
async fn an_echo_is_a_permit_and_connections_are_kept() {
    let service = Service::start(|_, seen| ok(&seen.body));
    let client = client(settings(&service.url()));
    for _ in 0..10 {
        let decision = decide(&client).await.unwrap();
        assert_eq!(decision.reason.code, ReasonCode::PermittedByDecisionPoint);
        assert!(decision.is_permit());
    }
    assert_eq!((service.connections(), service.seen().len()), (1, 10));
}

#[tokio::test]
async fn a_response_is_a_deny_that_names_its_id() {
    let deny = r#"{"response":{"response_code":"403","headers":[{"x-why":"policy"}],"body":"no"}}"#;
    let service =
        Service::start(move |_, _| Act::Answer(response(200, "correlation-id: 6f1c-9a\r\n", deny)));
    let decision = decide(&client(settings(&service.url()))).await.unwrap();
    assert_eq!(decision.context.get(DECISION_ID), Some(&"6f1c-9a".into()));
    let Outcome::Deny(deny) = decision.outcome else {
        panic!("{decision:?}")
    };
    assert_eq!((deny.status, deny.body.as_deref()), (403, Some("no")));
    assert_eq!(deny.headers.first("X-Why"), Some("policy"));
}

#[tokio::test]
async fn a_200_that_is_neither_is_refused_and_not_asked_for_again() {
    let large = format!(r#"{{"state":"{}"}}"#, "x".repeat(MAX_REPLY_BYTES));
    let echo_of_another = r#"{"source_ip":"0.0.0.0","source_port":49152,"method":"GET",
        "url":"https://other.example/","http_version":"1.1","headers":[]}"#;
    for body in [
        "",
        "{}",
        "[]",
        "null",
        "<html>s3cret</html>",
        r#"{"decision":"PERMIT"}"#,
        r#"{"source_ip":"0.0.0.0","#,
        r#"{"response":null}"#,
        echo_of_another,
        &large,
    ] {
        let body = body.to_owned();
        let service = Service::start(move |_, _| ok(&body));
        let mut settings = settings(&service.url());
        settings.max_retries = 3;
        let error = error_of(decide(&client(settings)).await);
        assert!(matches!(error, Unavailable::BadAnswer { .. }), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
        assert_eq!(service.seen().len(), 1, "{error}");
    }
}

#[tokio::test]
async fn an_echo_counts_with_status_200_only() {
    for status in [201, 202, 203, 206, 226, 300, 400, 418] {
        let service = Service::start(move |_, seen| Act::Answer(response(status, "", &seen.body)));
        let error = error_of(decide(&client(settings(&service.url()))).await);
        assert!(
            matches!(error, Unavailable::Status { status: s, .. } if s == status),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_echo_cut_short_on_the_way_is_no_permit() {
    let service = Service::start(|_, seen| {
        let whole = response(200, "", &seen.body);
        Act::AnswerAndClose(whole[..whole.len() - 1].to_vec())
    });
    let error = error_of(decide(&client(settings(&service.url()))).await);
    assert!(matches!(error, Unavailable::Network { .. }), "{error}");
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let mut messages = Vec::new();
    for status in [301, 400, 401, 403, 404, 413, 500] {
        let body = r#"{"id":"1","code":"X","message":"s3cret"}"#;
        let service = Service::start(move |_, _| Act::Answer(response(status, "", body)));
        let error = error_of(decide(&client(settings(&service.url()))).await);
        messages.push(error.to_string());
    }
    insta::assert_snapshot!(messages.join("\n"), @r"
    the decision point answered with HTTP status 301; redirects are not followed: check SERVICE_URL
    the decision point answered with HTTP status 400; check SERVICE_URL and the version of the service
    the decision point answered with HTTP status 401; the gateway credential is not accepted: check SECRET_HEADER_VALUE and SECRET_HEADER_NAME
    the decision point answered with HTTP status 403; the gateway may not ask this service: check its licence and role
    the decision point answered with HTTP status 404; there is no sideband service: check SERVICE_URL, without /sideband at its end
    the decision point answered with HTTP status 413; the request is larger than the service accepts
    the decision point answered with HTTP status 500; look at the log of the decision point
    ");
}

#[tokio::test]
async fn a_redirect_takes_the_credential_nowhere() {
    let canary = Service::start(|_, seen| ok(&seen.body));
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: {}/sideband/request\r\n", canary.url());
        let service = Service::start(move |_, _| Act::Answer(response(status, &location, "")));
        let error = error_of(decide(&client(settings(&service.url()))).await);
        assert!(
            matches!(error, Unavailable::Status { status: s, .. } if s == status),
            "{error}"
        );
        assert_eq!(service.seen().len(), 1);
    }
    assert_eq!(canary.connections(), 0);
}
