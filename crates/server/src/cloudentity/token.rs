//! `POST /{tid}/system/oauth2/token`: client credentials (RFC 6749 section 4.4).

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_pdp::form::Form;
use portcullis_store::StoreError;
use serde_json::json;

use super::client::authenticate;
use super::issuer::{LIFETIME, SCOPES, claims};
use super::refusal::Refusal;
use super::{Plane, answer, is_kind, read, tenant_name};
use crate::app::AppState;
use crate::error::ApiError;

/// Largest form, in bytes.
const MAX_FORM_BYTES: usize = 32 * 1024;

/// Why there is no token (RFC 6749 section 5.2).
#[derive(Debug)]
pub(super) enum TokenError {
    /// Something about the call is wrong.
    InvalidRequest(&'static str),
    /// Nobody that is known, or not in a way that holds. It does not say which.
    InvalidClient,
    /// Another grant than client credentials.
    UnsupportedGrant,
    /// A scope that no gateway has.
    InvalidScope,
    /// An error that is none of OAuth.
    Other(Refusal),
}

impl From<Refusal> for TokenError {
    fn from(refusal: Refusal) -> Self {
        Self::Other(refusal)
    }
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

impl From<ApiError> for TokenError {
    fn from(error: ApiError) -> Self {
        Self::Other(error.into())
    }
}

/// Gives a gateway an access token.
pub(super) async fn token(
    State(state): State<AppState>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, TokenError> {
    let plane = Plane::of(&state)?;
    let issuer = plane.issuer(tenant_name(&tenant)?);
    if !is_kind(&headers, "application/x-www-form-urlencoded") {
        return Err(TokenError::InvalidRequest(
            "the Content-Type is application/x-www-form-urlencoded",
        ));
    }
    let body = read(body, MAX_FORM_BYTES).await?;
    let form = Form::parse(&body).ok_or(TokenError::InvalidRequest(
        "the body is a form in which nothing is said twice",
    ))?;
    let grant = form.get("grant_type");
    let grant = grant.ok_or(TokenError::InvalidRequest("grant_type is missing"))?;
    let client = authenticate(&plane, &issuer, &headers, &form).await?;
    if grant != "client_credentials" {
        return Err(TokenError::UnsupportedGrant);
    }
    let scopes = match form.get("scope") {
        None => SCOPES.to_vec(),
        Some(asked) => asked
            .split(' ')
            .filter(|one| !one.is_empty())
            .map(|one| SCOPES.into_iter().find(|known| *known == one))
            .collect::<Option<Vec<_>>>()
            .ok_or(TokenError::InvalidScope)?,
    };
    let claims = claims(
        &issuer,
        &client.gateway,
        &client.credential,
        &scopes,
        plane.now,
    );
    let signer = &plane.management.control_plane.issuer;
    let token = signer.sign(plane.store(), plane.now, &claims).await?;
    tracing::info!(
        gateway = client.gateway.gateway.name.as_str(),
        "a gateway was given an access token"
    );
    Ok(answer(
        StatusCode::OK,
        &json!({
            "access_token": token, "token_type": "Bearer", "expires_in": LIFETIME,
            "scope": scopes.join(" "),
        }),
    ))
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        let (status, error, description) = match self {
            Self::Other(refusal) => return refusal.into_response(),
            Self::InvalidRequest(why) => (StatusCode::BAD_REQUEST, "invalid_request", why),
            Self::InvalidClient => (
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "the client is not known, or has not authenticated with a live credential of its own",
            ),
            Self::UnsupportedGrant => (
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "the one grant is client_credentials",
            ),
            Self::InvalidScope => (
                StatusCode::BAD_REQUEST,
                "invalid_scope",
                "a scope is asked for that gateways do not have",
            ),
        };
        tracing::info!(error, description, "no token was given");
        let body = json!({ "error": error, "error_description": description });
        let mut response = answer(status, &body);
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"portcullis\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
