//! The router in process, with a decision point that answers as told: what each outcome becomes on
//! the wire, and that nothing becomes a 200 without a decision.
#![expect(clippy::unwrap_used, reason = "test support: a surprise ends the test")]

mod authzen;
mod cloudentity;
mod cloudentity_admin;
mod cloudentity_management;
mod cloudentity_tokens;
mod conformance;
mod decision_streams;
mod decisions;
mod hand_clock;
mod limits;
mod management;
mod metrics;
mod pressure;
mod running;
mod stopping;
mod tls;
mod traces;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use portcullis_model::{
    ApiRequest, Challenge, Decision, Deny, HeaderEdit, Outcome, Reason, ReasonCode, RequestEdits,
};
use portcullis_pdp::clock::SystemClock;
use portcullis_pdp::{DecisionFuture, DecisionPoint, Unavailable};
use portcullis_server::{AppState, Decisions, GatewayCredentials, Readiness, StateKey, router};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt;

/// A decision point that always gives the same answer and counts how often it was asked.
struct Always(Result<Decision, Unavailable>, AtomicUsize);

impl DecisionPoint for Always {
    fn decide<'a>(&'a self, _request: &'a ApiRequest) -> DecisionFuture<'a> {
        self.1.fetch_add(1, Ordering::SeqCst);
        let answer = self.0.clone();
        Box::pin(async move { answer })
    }
}

fn permit() -> Decision {
    Decision::permit(Reason::new(ReasonCode::Permitted, "yes"))
}

/// Status, header fields and body of the answer to a call, and how often it led to a decision.
async fn call(
    answer: Result<Decision, Unavailable>,
    credential: &str,
    body: Vec<u8>,
) -> (u16, HeaderMap, Value, usize) {
    let point = Arc::new(Always(answer, AtomicUsize::new(0)));
    let credentials = GatewayCredentials::parse("credential").unwrap();
    let state = AppState {
        decision_point: Arc::clone(&point) as _,
        credentials: Some(Arc::new(credentials)),
        administration: Arc::default(),
        decisions: Decisions::off(),
        management: None,
        state_key: Arc::new(StateKey::random().unwrap()),
        public_url: None,
        readiness: Readiness::default(),
        clock: Arc::new(SystemClock),
    };
    let request = Request::post("/sideband/request").header("client-token", credential);
    let response = router(state)
        .oneshot(request.body(Body::from(body)).unwrap())
        .await
        .unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap();
    (
        head.status.as_u16(),
        head.headers,
        body,
        point.1.load(Ordering::SeqCst),
    )
}

fn sent() -> Value {
    json!({
        "source_ip": "192.0.2.7", "source_port": 56782, "method": "PUT", "http_version": "1.1",
        "url": "https://api.example.com/moons?x=1", "headers": [{ "Accept": "*/*" }], "body": "{}",
    })
}

#[tokio::test]
async fn a_permit_is_the_edited_echo() {
    let mut decision = permit();
    decision.outcome = Outcome::Permit(RequestEdits {
        headers: vec![HeaderEdit {
            name: "X-User".into(),
            values: vec!["carl".into()],
        }],
        ..RequestEdits::default()
    });
    let (status, headers, body, asked) =
        call(Ok(decision), "credential", sent().to_string().into()).await;
    let mut expected = sent();
    expected["headers"] = json!([{ "Accept": "*/*" }, { "X-User": "carl" }]);
    assert_eq!((status, body, asked), (200, expected, 1));
    assert_eq!(headers["content-type"], "application/json");
}

#[tokio::test]
async fn a_deny_is_the_echo_with_a_response() {
    let challenge = Challenge {
        realm: Some("r".into()),
        ..Challenge::default()
    };
    let mut deny = Deny::challenge(401, challenge);
    deny.headers.append("X-Reason", "none").unwrap();
    deny.body = Some("no".into());
    let decision = Decision::deny(deny, Reason::new(ReasonCode::MissingToken, "no token"));
    let (status, _, body, _) = call(Ok(decision), "credential", sent().to_string().into()).await;
    assert_eq!(status, 200);
    assert_eq!(
        body["response"],
        json!({
            "response_code": "401", "response_status": "Unauthorized", "http_version": "1.1",
            "headers": [{ "www-authenticate": "Bearer realm=\"r\"" }, { "X-Reason": "none" }], "body": "no",
        })
    );
}

#[tokio::test]
async fn no_decision_is_no_answer_of_200() {
    let unavailable = Unavailable::Timeout {
        budget: Duration::from_secs(1),
    };
    let (status, headers, body, _) =
        call(Err(unavailable), "credential", sent().to_string().into()).await;
    assert_eq!(
        (status, &body["code"]),
        (503, &json!("SERVICE_UNAVAILABLE"))
    );
    assert_eq!(headers["retry-after"], "1");
}

#[tokio::test]
async fn nobody_is_asked_without_a_credential() {
    for credential in ["", "wrong", "credential,credential"] {
        let (status, _, body, asked) =
            call(Ok(permit()), credential, sent().to_string().into()).await;
        assert_eq!(
            (status, &body["code"], asked),
            (401, &json!("ACCESS_FAILED"), 0),
            "{credential}"
        );
    }
}

fn blocking<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    /// Whatever the body, an answer of 200 stands for one decision, and every other for none.
    #[test]
    fn a_200_is_a_decision(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let (status, _, _, asked) = blocking(call(Ok(permit()), "credential", body));
        prop_assert_eq!(status == 200, asked == 1);
    }

    /// The same for bodies that are nearly right.
    #[test]
    fn a_changed_call_is_a_decision_or_an_error(at in 0_usize..180, to in any::<u8>()) {
        let mut body = sent().to_string().into_bytes();
        let at = at % body.len();
        body[at] = to;
        let (status, _, answer, asked) = blocking(call(Ok(permit()), "credential", body));
        prop_assert_eq!(status == 200, asked == 1);
        prop_assert!(status == 200 || (status == 400 && answer["message"].is_string()));
    }
}
