//! `POST /api/system/{tid}/gateways/requests`: decisions of a gateway, which join those that were made here.
//!
//! Of the token nothing is kept, nor of what a policy said beside its answer; headers of the client are not, either.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use portcullis_cloudentity::{GatewayEvent, GatewayEvents};
use portcullis_model::{Check, CheckOutcome, Level, ReasonCode, Trace};
use serde_json::json;
use uuid::Uuid;

use super::access::Caller;
use super::configuration::Configured;
use super::issuer::PUSH_REQUESTS;
use super::refusal::Refusal;
use super::{answer, read_json};
use crate::app::AppState;
use crate::decisions::Reported;

/// Largest batch, in bytes: tokens are part of events.
pub(super) const MAX_EVENTS_BYTES: usize = 4 * 1024 * 1024;
/// Most events of a batch.
const MAX_EVENTS: usize = 1000;
/// Most failures of an event that are kept, and the longest text of one, in characters.
const MAX_FAILURES: usize = 8;
const MAX_TEXT: usize = 200;
/// What an event says where the request was let through.
const AUTHORIZED: &str = "AUTHORIZED";

/// Takes decisions that a gateway has made.
pub(super) async fn push(
    State(state): State<AppState>,
    path: RawPathParams,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let caller = Caller::with(&state, &path, &headers, PUSH_REQUESTS).await?;
    let sent: GatewayEvents = read_json(&headers, body, MAX_EVENTS_BYTES).await?;
    if sent.events.len() > MAX_EVENTS {
        return Err(Refusal::unprocessable(format!(
            "at most {MAX_EVENTS} events at once"
        )));
    }
    let made = caller.configuration().await?;
    let gateway: Arc<str> = caller.gateway.gateway.name.as_str().into();
    for event in &sent.events {
        let reported = reported(event, &made.configured);
        state
            .decisions
            .reported(&Uuid::new_v4().to_string(), Arc::clone(&gateway), reported);
    }
    Ok(answer(
        StatusCode::OK,
        &json!({ "number_of_pushed_events": sent.events.len() }),
    ))
}

/// What is kept of an event. An API of another gateway is no API of it.
fn reported(event: &GatewayEvent, made: &Configured) -> Reported {
    let mut apis = made.configuration.apis.iter();
    let api = apis.find(|api| api.id == event.api_id);
    let names = made.names.get(&event.api_id).filter(|_| api.is_some());
    let clean = |text: &str| -> String {
        // A validator of somebody else may repeat what it was given.
        let hidden = if event.token.is_empty() {
            text.to_owned()
        } else {
            text.replace(&event.token, "[redacted]")
        };
        let plain = hidden.chars().filter(|one| !one.is_control());
        plain.take(MAX_TEXT).collect()
    };
    let permitted = event.result.result.eq_ignore_ascii_case(AUTHORIZED);
    let failures = event.result.failure.iter().take(MAX_FAILURES);
    let checks = failures.map(|failure| Check {
        name: "policy",
        level: Level::Operation,
        outcome: CheckOutcome::Failed,
        detail: format!("{}: {}", clean(&failure.validator), clean(&failure.message)).into(),
        attributes: Vec::new(),
    });
    let reason = match (permitted, api) {
        (true, Some(api)) if api.policy_id.is_empty() => ReasonCode::Unrestricted,
        (true, _) => ReasonCode::Permitted,
        // The authorizer of this project names the reason in the place of a validator.
        (false, _) => {
            let first = event.result.failure.first();
            let code = ReasonCode::ALL
                .iter()
                .find(|code| first.is_some_and(|first| first.validator == code.as_str()));
            code.copied().unwrap_or(ReasonCode::DeniedByPolicy)
        }
    };
    Reported {
        permitted,
        reason,
        method: api.map_or_else(String::new, |api| api.method.clone()),
        path: api.map_or_else(String::new, |api| api.path.clone()),
        elapsed: Duration::from_millis(event.duration_ms.min(3_600_000)),
        trace: Trace {
            service: names.map(|(service, _)| service.as_str().into()),
            operation: names.map(|(_, operation)| operation.as_str().into()),
            checks: checks.collect(),
            ..Trace::default()
        },
    }
}
