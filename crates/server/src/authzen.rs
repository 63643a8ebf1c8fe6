//! `OpenID` `AuthZEN` Authorization API 1.0: evaluation, evaluations, action search and metadata, for
//! enforcement points that have verified who asks.
//!
//! Bodies are read by `portcullis_pdp::authzen`. Nothing is shared between the items of a batch, and the public URL is a
//! setting, never the `Host` header.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use portcullis_engine::Question;
use portcullis_model::{ChallengeError, Decision, Outcome};
use portcullis_pdp::authzen::{
    AskedEvaluation, AskedEvaluations, InvalidCall, Questions, Semantic,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::app::{AppState, MAX_BODY_BYTES};
use crate::call::{is_kind, read};
use crate::credentials::Caller;
use crate::error::ApiError;
use crate::revision::MinimumRevision;
use crate::sideband::authenticate_bearer;

/// How long metadata may be kept, as `Cache-Control` says it.
const METADATA_LIFETIME: &str = "max-age=3600";

/// `POST /access/v1/evaluation` (section 6).
pub(crate) async fn evaluation(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (caller, body) = open(&state, &headers, body).await?;
    let question = AskedEvaluation::read(&body)?.question()?;
    Ok(answer(
        &headers,
        &decide(&state, &headers, &caller, &question)?,
    ))
}

/// `POST /access/v1/evaluations` (section 7): without items, one evaluation.
pub(crate) async fn evaluations(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (caller, body) = open(&state, &headers, body).await?;
    let (questions, semantic) = match AskedEvaluations::read(&body)?.questions()? {
        Questions::One(question) => {
            let decision = decide(&state, &headers, &caller, &question)?;
            return Ok(answer(&headers, &decision));
        }
        Questions::Several(questions, semantic) => (questions, semantic),
    };
    let mut decisions = Vec::new();
    for question in &questions {
        let decision = decide(&state, &headers, &caller, question)?;
        let permit = decision.get("decision") == Some(&Value::Bool(true));
        decisions.push(decision);
        let ends = match semantic {
            Semantic::ExecuteAll => false,
            Semantic::DenyOnFirstDeny => !permit,
            Semantic::PermitOnFirstPermit => permit,
        };
        if ends {
            break;
        }
    }
    Ok(answer(&headers, &json!({ "evaluations": decisions })))
}

/// `POST /access/v1/search/action` (section 8): the methods that the subject may use on the route.
pub(crate) async fn search_action(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (_, body) = open(&state, &headers, body).await?;
    let question = AskedEvaluation::read(&body)?.search()?;
    let methods = state.decision_point.permitted_methods(&question);
    let results: Vec<Value> = methods.iter().map(|name| json!({ "name": name })).collect();
    let found = json!({ "results": results, "page": { "next_token": "", "count": methods.len() } });
    Ok(answer(&headers, &found))
}

/// `GET /.well-known/authzen-configuration` (section 9), where the public URL is known.
///
/// The path of the URL stands behind the well-known one (section 9.1).
pub(crate) async fn metadata(
    State(state): State<AppState>,
    asked: Uri,
) -> Result<Response, ApiError> {
    const WELL_KNOWN: &str = "/.well-known/authzen-configuration";
    let url = state.public_url.as_ref().ok_or_else(ApiError::not_found)?;
    let path = url
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)))
        .unwrap_or_default();
    if asked.path().strip_prefix(WELL_KNOWN) != Some(path) {
        return Err(ApiError::not_found());
    }
    let at = |path: &str| format!("{url}{path}");
    let document = json!({
        "policy_decision_point": &**url,
        "access_evaluation_endpoint": at("/access/v1/evaluation"),
        "access_evaluations_endpoint": at("/access/v1/evaluations"),
        "search_action_endpoint": at("/access/v1/search/action"),
        "supported_obligations": ["step-up"],
    });
    let cached = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, METADATA_LIFETIME),
    ];
    Ok((cached, document.to_string()).into_response())
}

/// The body of a call of somebody who may make it.
async fn open(
    state: &AppState,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Caller, Vec<u8>), ApiError> {
    let caller = authenticate_bearer(state, headers)?;
    if !is_kind(headers, "application/json") {
        return Err(ApiError::unsupported_media_type("application/json"));
    }
    Ok((caller, read(body, MAX_BODY_BYTES).await?))
}

impl From<InvalidCall> for ApiError {
    fn from(error: InvalidCall) -> Self {
        Self::invalid_request(error.to_string())
    }
}

fn decide(
    state: &AppState,
    headers: &HeaderMap,
    caller: &Caller,
    question: &Question,
) -> Result<Value, ApiError> {
    let demanded = MinimumRevision::of(headers)?;
    let id = Uuid::new_v4().to_string();
    let started = state.clock.monotonic();
    let decision = state.decision_point.evaluate(question);
    let elapsed = state.clock.monotonic().saturating_duration_since(started);
    demanded.check(&decision.trace)?;
    tracing::info!(
        decision_id = id,
        decision = decision.as_str(),
        reason = decision.reason.code.as_str(),
        status = decision.status(),
        service = decision.trace.service.as_deref(),
        operation = decision.trace.operation.as_deref(),
        gateway = caller.gateway.as_deref(),
        protocol = "authzen",
        "decided"
    );
    let answer = described(&id, &decision);
    let decisions = &state.decisions;
    decisions.evaluation(&id, caller.gateway.clone(), question, decision, elapsed);
    Ok(answer)
}

/// The decision and its context. A permit that changes the request is one only for whoever makes the
/// changes, which an obligation says (obligations profile, section 2).
fn described(id: &str, decision: &Decision) -> Value {
    let mut context = json!({
        "id": id,
        "reason": decision.reason.code.as_str(),
        "revision": decision.trace.revision.as_deref(),
    });
    let mut obligations = Vec::new();
    match &decision.outcome {
        Outcome::Permit(edits) if !edits.is_empty() => {
            let headers: Map<String, Value> = edits
                .headers
                .iter()
                .map(|edit| (edit.name.clone(), json!(edit.values)))
                .collect();
            obligations.push(json!({
                "id": "request-edits", "type": "custom",
                "properties": { "headers": headers, "url": edits.url, "body": edits.body.is_some() },
            }));
        }
        Outcome::Permit(_) => {}
        Outcome::Deny(deny) => {
            let mut reasons = Map::new();
            reasons.insert(deny.status.to_string(), json!(decision.reason.message));
            if let Some(members) = context.as_object_mut() {
                members.insert("reason_admin".to_owned(), Value::from(reasons));
            }
            let step_up = deny.challenges.iter().find(|challenge| {
                challenge.error == Some(ChallengeError::InsufficientUserAuthentication)
            });
            if let Some(acr) = step_up.and_then(|challenge| challenge.acr_values.as_deref()) {
                obligations.push(json!({
                    "id": "step-up", "type": "step-up", "properties": { "acr_value": acr },
                }));
            }
        }
    }
    if let Some(members) = context.as_object_mut().filter(|_| !obligations.is_empty()) {
        members.insert("obligations".to_owned(), Value::from(obligations));
    }
    json!({ "decision": decision.is_permit(), "context": context })
}

/// 200 with the identifier of the request, where it has one (section 10.1.3).
fn answer(headers: &HeaderMap, body: &Value) -> Response {
    const REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-request-id");
    let kind = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (kind, body.to_string()).into_response();
    if let Some(id) = headers.get(&REQUEST_ID) {
        let id: HeaderValue = id.clone();
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
