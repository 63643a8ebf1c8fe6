//! The routes of the decision service and what their handlers share.

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use portcullis_pdp::DecisionPoint;
use portcullis_pdp::clock::Clock;

use crate::admin::Administration;
use crate::authzen;
use crate::cloudentity;
use crate::credentials::GatewayCredentials;
use crate::decisions::Decisions;
use crate::error::ApiError;
use crate::health::{self, Readiness};
use crate::management::{self, Management, openapi};
use crate::sideband;
use crate::state::StateKey;

/// Largest body of a call, in bytes: the limit that `PingAuthorize` ships with.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// What every handler may use.
#[derive(Clone)]
pub struct AppState {
    /// What decides.
    pub decision_point: Arc<dyn DecisionPoint>,
    /// Who may ask; `None` lets everyone ask, for a loopback address only.
    pub credentials: Option<Arc<GatewayCredentials>>,
    /// Who may administer.
    pub administration: Arc<Administration>,
    /// What is managed, where there is a database.
    pub management: Option<Arc<Management>>,
    /// What the states are sealed with that gateways hand back.
    pub state_key: Arc<StateKey>,
    /// Where clients find this service: an `https` URL, or one of a loopback address, without a slash at
    /// its end.
    pub public_url: Option<Arc<str>>,
    /// The decisions that were made.
    pub decisions: Decisions,
    /// Whether requests should be sent here.
    pub readiness: Readiness,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The routes of the decision service.
///
/// Sideband calls are answered at the root, where `PingAuthorize` has them, and below
/// `/v1/environments/{id}`, where `PingOne` has them; the id is not looked at.
pub fn router(state: AppState) -> Router {
    let (management, _) = management::router().split_for_parts();
    management
        .route("/openapi.json", get(document))
        .route("/sideband/request", post(sideband::request))
        .route("/sideband/response", post(sideband::response))
        .route(
            "/v1/environments/{environment}/sideband/response",
            post(sideband::response),
        )
        .route(
            "/v1/environments/{environment}/sideband/request",
            post(sideband::request),
        )
        .route("/access/v1/evaluation", post(authzen::evaluation))
        .route("/access/v1/evaluations", post(authzen::evaluations))
        .route("/access/v1/search/action", post(authzen::search_action))
        .route("/.well-known/authzen-configuration", get(authzen::metadata))
        .route(
            "/.well-known/authzen-configuration/{*path}",
            get(authzen::metadata),
        )
        .merge(cloudentity::routes())
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state)
}

/// `GET /openapi.json`: the document of the management API.
async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi())
}

async fn not_found() -> ApiError {
    ApiError::not_found()
}

async fn method_not_allowed(method: Method) -> ApiError {
    ApiError::method_not_allowed(&method)
}
