//! `POST /sideband/request`: an enforcement point asks for a decision on one request.
//! `POST /sideband/response`: it asks for one on what the backend answered.
//!
//! 200 with an echo of the request is a permit; 200 with a `response` beside the echo is a deny
//! that the enforcement point hands to its client. Every other status says that the call itself
//! failed, and no enforcement point lets a request through on it.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use portcullis_model::{
    ApiRequest, Decision, Method, RequestUrl, ResponseDecision, ResponseOutcome, SentTokens,
    Source, logged_path,
};
use portcullis_sideband::{
    SidebandReply, SidebandRequest, SidebandResponse, SidebandResponseReply,
};
use portcullis_store::UnixMillis;
use serde::Serialize;
use uuid::Uuid;

use crate::app::{AppState, MAX_BODY_BYTES};
use crate::call::{Authorization, read};
use crate::credentials::Caller;
use crate::error::ApiError;
use crate::revision::MinimumRevision;

/// The headers that may carry a gateway credential: that of `PingOne` and `PingAuthorize`, and
/// that of their ancestor `PingDataGovernance`.
const CREDENTIAL_HEADERS: [&str; 2] = ["client-token", "pdg-token"];

pub(crate) async fn request(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = authenticate(&state, &headers)?;
    let demanded = MinimumRevision::of(&headers)?;
    let started = state.clock.monotonic();
    let body = read(body, MAX_BODY_BYTES).await?;
    let sent = SidebandRequest::parse(&body)
        .map_err(|error| ApiError::invalid_request(error.to_string()))?;
    let request = sent
        .to_api_request()
        .map_err(|error| ApiError::invalid_request(error.to_string()))?;
    let id = Uuid::new_v4().to_string();
    let decision = decide(&state, &request, &id).await?;
    demanded.check(&decision.trace)?;
    let elapsed = state.clock.monotonic().saturating_duration_since(started);
    // Neither the log nor a record has the token in the path.
    let path = SentTokens::of(&request)
        .redacted(request.url.path())
        .into_owned();
    log(
        &id,
        &caller,
        &decision,
        request.method.as_str(),
        &path,
        elapsed,
    );
    let now = state.clock.unix_now();
    let follow_up = decision.follow_up.as_ref();
    let sealed = follow_up.and_then(|known| state.state_key.seal(&request, known, now));
    let reply = SidebandReply::from_decision(&sent, &decision, sealed);
    let decisions = &state.decisions;
    decisions.request(&id, caller.gateway, &request, &path, decision, elapsed);
    answer(id, &reply)
}

/// The decision on a response. What was known of its request comes from `state`; a gateway that hands back
/// the request itself has it decided on once more, and one that hands back neither is answered where
/// nothing is to be asked or done.
pub(crate) async fn response(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = authenticate(&state, &headers)?;
    let started = state.clock.monotonic();
    let body = read(body, MAX_BODY_BYTES).await?;
    let refuse = |error: String| ApiError::invalid_request(error);
    let sent = SidebandResponse::parse(&body).map_err(|error| refuse(error.to_string()))?;
    let answered = sent
        .to_api_response()
        .map_err(|error| refuse(format!("headers: {error}")))?;
    let id = Uuid::new_v4().to_string();
    let (request, known) = match (&sent.state, &sent.request) {
        (Some(sealed), _) => {
            let now = state.clock.unix_now();
            let opened = sealed
                .as_str()
                .and_then(|text| state.state_key.open(text, now));
            let known = opened.ok_or_else(|| {
                refuse(
                    "state: expected the one that came with the answer to the request".to_owned(),
                )
            })?;
            (known.request, Some(known.follow_up))
        }
        (None, Some(request)) => {
            let request = request
                .to_api_request()
                .map_err(|error| refuse(format!("request: {error}")))?;
            let decision = decide(&state, &request, &id).await?;
            (request, decision.follow_up)
        }
        (None, None) => (bare(&sent).map_err(refuse)?, None),
    };
    let decision = state
        .decision_point
        .decide_response(&request, known.as_ref(), &answered);
    let elapsed = state.clock.monotonic().saturating_duration_since(started);
    log_response(&id, &caller, &decision, elapsed);
    let reply = SidebandResponseReply::from_decision(&sent, &decision);
    let decisions = &state.decisions;
    decisions.response(&id, caller.gateway, &request, decision, elapsed);
    answer(id, &reply)
}

/// The request of which nothing is known but its method and URL.
fn bare(sent: &SidebandResponse) -> Result<ApiRequest, String> {
    Ok(ApiRequest {
        method: Method::parse(&sent.method).map_err(|error| format!("method: {error}"))?,
        url: RequestUrl::parse(&sent.url).map_err(|error| format!("url: {error}"))?,
        http_version: sent.http_version.clone(),
        headers: portcullis_model::HeaderMap::new(),
        source: Source::default(),
        client_certificate: None,
        body: None,
        entry: None,
    })
}

async fn decide(state: &AppState, request: &ApiRequest, id: &str) -> Result<Decision, ApiError> {
    state.decision_point.decide(request).await.map_err(|error| {
        tracing::error!(decision_id = id, %error, "no decision could be made");
        ApiError::unavailable()
    })
}

fn answer(id: String, reply: &impl Serialize) -> Result<Response, ApiError> {
    let reply = serde_json::to_vec(reply).map_err(|_| ApiError::unavailable())?;
    Ok((
        [
            (header::CONTENT_TYPE, "application/json".to_owned()),
            (CORRELATION_ID, id),
        ],
        reply,
    )
        .into_response())
}

/// PingAuthorize names each answer in this header.
const CORRELATION_ID: header::HeaderName = header::HeaderName::from_static("correlation-id");

fn authenticate(state: &AppState, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let mut presented = CREDENTIAL_HEADERS
        .iter()
        .flat_map(|name| headers.get_all(*name));
    match (presented.next(), presented.next()) {
        _ if state.credentials.is_none() => Ok(Caller::default()),
        (Some(one), None) => accept(state, one.as_bytes()),
        _ => Err(ApiError::invalid_credential()),
    }
}

/// The same for clients that send the credential as a bearer token (RFC 6750 section 2.1).
pub(crate) fn authenticate_bearer(
    state: &AppState,
    headers: &HeaderMap,
) -> Result<Caller, ApiError> {
    let caller = match Authorization::of(headers) {
        Authorization::Absent => authenticate(state, headers),
        _ if state.credentials.is_none() => Ok(Caller::default()),
        Authorization::Bearer(token) => accept(state, token),
        Authorization::Other => Err(ApiError::invalid_credential()),
    };
    caller.map_err(ApiError::challenged)
}

fn accept(state: &AppState, presented: &[u8]) -> Result<Caller, ApiError> {
    let now = UnixMillis(state.clock.unix_millis());
    let caller = match &state.credentials {
        Some(credentials) => credentials.accept(presented, now),
        None => Some(Caller::default()),
    };
    caller.ok_or_else(ApiError::invalid_credential)
}

/// One line a decision. The query stays out, and the path comes without the token: nobody should read them in a log.
fn log(
    id: &str,
    caller: &Caller,
    decision: &Decision,
    method: &str,
    path: &str,
    elapsed: Duration,
) {
    tracing::info!(
        decision_id = id,
        decision = decision.as_str(),
        reason = decision.reason.code.as_str(),
        status = decision.status(),
        service = decision.trace.service.as_deref(),
        operation = decision.trace.operation.as_deref(),
        gateway = caller.gateway.as_deref(),
        method,
        path = logged_path(path),
        elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
        "decided"
    );
}

/// One line a decision on a response.
fn log_response(id: &str, caller: &Caller, decision: &ResponseDecision, elapsed: Duration) {
    let (outcome, status) = match &decision.outcome {
        ResponseOutcome::Permit(_) => ("permit", None),
        ResponseOutcome::Deny(deny) => ("deny", Some(deny.status)),
    };
    tracing::info!(
        decision_id = id,
        decision = outcome,
        phase = "response",
        reason = decision.reason.code.as_str(),
        status,
        service = decision.trace.service.as_deref(),
        operation = decision.trace.operation.as_deref(),
        gateway = caller.gateway.as_deref(),
        elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
        "decided"
    );
}
