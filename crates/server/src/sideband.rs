//! `POST /sideband/request`: an enforcement point asks for a decision on one request.
//!
//! 200 with an echo of the request is a permit; 200 with a `response` beside the echo is a deny
//! that the enforcement point hands to its client. Every other status says that the call itself
//! failed, and no enforcement point lets a request through on it.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use portcullis_model::Decision;
use portcullis_sideband::{SidebandReply, SidebandRequest};
use uuid::Uuid;

use crate::app::{AppState, MAX_BODY_BYTES};
use crate::error::ApiError;

/// The headers that may carry a gateway credential: that of `PingOne` and `PingAuthorize`, and
/// that of their ancestor `PingDataGovernance`.
const CREDENTIAL_HEADERS: [&str; 2] = ["client-token", "pdg-token"];
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

pub(crate) async fn request(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    authenticate(&state, &headers)?;
    let started = state.clock.monotonic();
    let body = read(body).await?;
    let sent = SidebandRequest::parse(&body)
        .map_err(|error| ApiError::invalid_request(error.to_string()))?;
    let request = sent
        .to_api_request()
        .map_err(|error| ApiError::invalid_request(error.to_string()))?;
    let id = Uuid::new_v4().to_string();
    let decision = match state.decision_point.decide(&request).await {
        Ok(decision) => decision,
        Err(error) => {
            tracing::error!(decision_id = id, %error, "no decision could be made");
            return Err(ApiError::unavailable());
        }
    };
    let elapsed = state.clock.monotonic().saturating_duration_since(started);
    log(
        &id,
        &decision,
        request.method.as_str(),
        request.url.path(),
        elapsed,
    );
    let reply = SidebandReply::from_decision(&sent, &decision);
    let reply = serde_json::to_vec(&reply).map_err(|_| ApiError::unavailable())?;
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

fn authenticate(state: &AppState, headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(credentials) = &state.credentials else {
        return Ok(());
    };
    let mut presented = CREDENTIAL_HEADERS
        .iter()
        .flat_map(|name| headers.get_all(*name));
    match (presented.next(), presented.next()) {
        (Some(one), None) if credentials.accept(one.as_bytes()) => Ok(()),
        _ => Err(ApiError::invalid_credential()),
    }
}

async fn read(body: Body) -> Result<Vec<u8>, ApiError> {
    let collected =
        tokio::time::timeout(BODY_TIME, Limited::new(body, MAX_BODY_BYTES).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes().into()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(ApiError::too_large(MAX_BODY_BYTES))
        }
        Ok(Err(_)) => Err(ApiError::invalid_request("The body broke off")),
        Err(_) => Err(ApiError::too_slow()),
    }
}

/// One line a decision. The query stays out: it may hold what nobody should read in a log.
fn log(id: &str, decision: &Decision, method: &str, path: &str, elapsed: Duration) {
    let path: String = path.chars().take(512).collect();
    tracing::info!(
        decision_id = id,
        decision = decision.as_str(),
        reason = decision.reason.code.as_str(),
        status = decision.status(),
        service = decision.trace.service.as_deref(),
        operation = decision.trace.operation.as_deref(),
        method,
        path,
        elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
        "decided"
    );
}
