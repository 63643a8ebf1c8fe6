//! What the system issuer says about itself (RFC 8414, OpenID Connect Discovery 1.0) and its keys (RFC 7517).

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::issuer::SCOPES;
use super::refusal::Refusal;
use super::{Plane, answer, tenant_name};
use crate::app::AppState;

/// `GET /{tid}/system/.well-known/openid-configuration`.
pub(super) async fn metadata(
    State(state): State<AppState>,
    Path(tenant): Path<String>,
) -> Result<Response, Refusal> {
    let plane = Plane::of(&state)?;
    let issuer = plane.issuer(tenant_name(&tenant)?);
    let metadata = json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth2/token"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "scopes_supported": SCOPES,
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported":
            ["ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"],
    });
    Ok(answer(StatusCode::OK, &metadata))
}

/// `GET /{tid}/system/.well-known/jwks.json`.
pub(super) async fn jwks(
    State(state): State<AppState>,
    Path(tenant): Path<String>,
) -> Result<Response, Refusal> {
    let plane = Plane::of(&state)?;
    tenant_name(&tenant)?;
    let issuer = &plane.management.control_plane.issuer;
    let keys = issuer.jwks(plane.store(), plane.now).await?;
    Ok(answer(StatusCode::OK, &keys))
}
