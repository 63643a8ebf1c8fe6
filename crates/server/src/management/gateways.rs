//! Gateways and the credentials they ask with: shown once, kept as digests.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::DateTime;
use portcullis_store::{
    AdminRole, Gateway, GatewayCredential, Id, NewGatewayCredential, UnixMillis,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::drafts::id;
use super::{Admitted, JSON, Page, answer, json_body, listing, rfc3339};
use crate::app::AppState;
use crate::cloudentity::withdraw;
use crate::error::{ApiError, Detail, ErrorBody};
use crate::secret::{Secret, SecretKind};

/// A gateway: a registered deployment of an enforcement point.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGateway {
    /// `API_GATEWAY_INTEGRATION`, as in PingOne.
    #[serde(rename = "type")]
    kind: GatewayType,
    /// 1 to 256 characters, unique.
    #[schema(min_length = 1, max_length = 256)]
    name: String,
}

/// The one kind of gateway there is.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
pub(crate) enum GatewayType {
    #[serde(rename = "API_GATEWAY_INTEGRATION")]
    ApiGatewayIntegration,
}

/// What it is called.
pub(super) const INTEGRATION: &str = "API_GATEWAY_INTEGRATION";

/// What a new credential is to be.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewCredential {
    /// From when on it is no longer good, as RFC 3339 writes it; never where it is not there.
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// Lists the gateways in the order they were made.
#[utoipa::path(get, operation_id = "listGateways", path = "/v1/environments/{environment}/gateways", tag = "Gateways",
    params(("environment" = String, Path), Page),
    responses((status = 200), (status = "default", body = ErrorBody)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Path(environment): Path<String>,
    page: Page,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Viewer).await?;
    let found = admitted.store().gateways(page.cursor, page.limit()).await?;
    let last = found.last().map(|one| one.position);
    let path = collection(&admitted, &environment);
    let items: Vec<Value> = found.iter().map(|one| shown(&path, one)).collect();
    Ok(listing("gateways", &path, page, &items, last))
}

/// Makes a gateway. It can ask for nothing before it has a credential.
#[utoipa::path(post, operation_id = "createGateway", path = "/v1/environments/{environment}/gateways", tag = "Gateways",
    params(("environment" = String, Path)), request_body = NewGateway,
    responses((status = 201, body = NewGateway), (status = "default", body = ErrorBody)))]
pub(crate) async fn create(
    State(state): State<AppState>,
    Path(environment): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Deployer).await?;
    let sent: NewGateway = typed(json_body(&headers, JSON, body).await?)?;
    let name = sent.name.parse().map_err(|_| {
        let detail = Detail::value("expected 1 to 256 bytes without control characters");
        ApiError::invalid_data(vec![detail.at("name")])
    })?;
    let kind = INTEGRATION.parse().map_err(|_| ApiError::unavailable())?;
    let made = admitted
        .store()
        .create_gateway(new_id()?, name, kind, admitted.now)
        .await?;
    let path = collection(&admitted, &environment);
    Ok(answer(StatusCode::CREATED, &shown(&path, &made)))
}

/// Reads a gateway.
#[utoipa::path(get, operation_id = "getGateway", path = "/v1/environments/{environment}/gateways/{id}", tag = "Gateways",
    params(("environment" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = NewGateway), (status = "default", body = ErrorBody)))]
pub(crate) async fn get(
    State(state): State<AppState>,
    Path((environment, asked)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Viewer).await?;
    let found = gateway(&admitted, &id(&asked)?).await?;
    let path = collection(&admitted, &environment);
    Ok(answer(StatusCode::OK, &shown(&path, &found)))
}

/// Deletes a gateway with its credentials, which are no longer good at once.
///
/// What a gateway of the Cloudentity protocol was bound to is unbound, with a deployment of its own: nothing of it goes
/// on deciding.
#[utoipa::path(delete, operation_id = "deleteGateway", path = "/v1/environments/{environment}/gateways/{id}", tag = "Gateways",
    params(("environment" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = "default", body = ErrorBody)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Path((_, asked)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Deployer).await?;
    let asked = id(&asked)?;
    if let Some(found) = admitted.store().cloudentity_gateway(&asked).await? {
        let by = admitted.administrator.as_name()?;
        withdraw(&admitted.management, admitted.now, &by, &found.gateway).await?;
    } else {
        admitted.store().delete_gateway(&asked).await?;
    }
    refresh(&admitted).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Lists the last 1,000 credentials of a gateway, the newest first, without the credentials themselves.
#[utoipa::path(get, operation_id = "listCredentials", path = "/v1/environments/{environment}/gateways/{id}/credentials", tag = "Gateways",
    params(("environment" = String, Path), ("id" = String, Path)),
    responses((status = 200), (status = "default", body = ErrorBody)))]
pub(crate) async fn list_credentials(
    State(state): State<AppState>,
    Path((environment, asked)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Viewer).await?;
    let found = gateway(&admitted, &id(&asked)?).await?;
    let credentials = admitted.store().credentials_of(&found.id).await?;
    let items: Vec<Value> = credentials.iter().map(credential).collect();
    let path = format!(
        "{}/{}/credentials",
        collection(&admitted, &environment),
        found.id
    );
    Ok(answer(
        StatusCode::OK,
        &json!({
            "_links": { "self": { "href": path } },
            "size": items.len(),
            "_embedded": { "credentials": items },
        }),
    ))
}

/// Makes a credential, of which a gateway may have 5 that are good. The answer is the one place where it is shown.
#[utoipa::path(post, operation_id = "createCredential", path = "/v1/environments/{environment}/gateways/{id}/credentials", tag = "Gateways",
    params(("environment" = String, Path), ("id" = String, Path)), request_body = NewCredential,
    responses((status = 201), (status = "default", body = ErrorBody)))]
pub(crate) async fn create_credential(
    State(state): State<AppState>,
    Path((_, asked)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Deployer).await?;
    let sent: NewCredential = typed(json_body(&headers, JSON, body).await?)?;
    let expires_at = sent.expires_at.as_deref().map(expiry).transpose()?;
    if expires_at.is_some_and(|at| at <= admitted.now) {
        let detail = Detail::value("expected a time to come").at("expiresAt");
        return Err(ApiError::invalid_data(vec![detail]));
    }
    let secret = Secret::random(SecretKind::GatewayCredential).ok_or_else(ApiError::unavailable)?;
    let new = NewGatewayCredential {
        id: new_id()?,
        gateway_id: id(&asked)?,
        sha256: secret.sha256(),
        expires_at,
    };
    let made = admitted
        .store()
        .create_credential(new, admitted.now)
        .await?;
    refresh(&admitted).await?;
    let mut shown = credential(&made);
    if let Some(members) = shown.as_object_mut() {
        members.insert("credential".to_owned(), json!(secret.expose()));
    }
    Ok(answer(StatusCode::CREATED, &shown))
}

/// Takes a credential back: from now on here, and within a second or so at other replicas.
#[utoipa::path(delete, operation_id = "revokeCredential", path = "/v1/environments/{environment}/gateways/{id}/credentials/{credential}",
    tag = "Gateways",
    params(("environment" = String, Path), ("id" = String, Path), ("credential" = String, Path)),
    responses((status = 204), (status = "default", body = ErrorBody)))]
pub(crate) async fn revoke_credential(
    State(state): State<AppState>,
    Path((_, asked, credential)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Deployer).await?;
    let (gateway, credential) = (id(&asked)?, id(&credential)?);
    let of = admitted.store().credentials_of(&gateway).await?;
    if !of.iter().any(|one| one.id == credential) {
        return Err(ApiError::not_found());
    }
    admitted
        .store()
        .revoke_credential(&credential, admitted.now)
        .await?;
    refresh(&admitted).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Tells this process at once; the others notice.
async fn refresh(admitted: &Admitted) -> Result<(), ApiError> {
    let credentials = &admitted.management.credentials;
    Ok(credentials.read(admitted.store(), admitted.now).await?)
}

async fn gateway(admitted: &Admitted, id: &Id) -> Result<Gateway, ApiError> {
    let found = admitted.store().gateway(id).await?;
    found.ok_or_else(ApiError::not_found)
}

fn collection(admitted: &Admitted, environment: &str) -> String {
    format!("{}/v1/environments/{environment}/gateways", admitted.base)
}

fn shown(path: &str, gateway: &Gateway) -> Value {
    json!({
        "_links": { "self": { "href": format!("{path}/{}", gateway.id) } },
        "id": gateway.id,
        "type": gateway.kind,
        "name": gateway.name,
        "createdAt": rfc3339(gateway.created_at),
    })
}

fn credential(credential: &GatewayCredential) -> Value {
    json!({
        "id": credential.id,
        "createdAt": rfc3339(credential.created_at),
        "expiresAt": credential.expires_at.and_then(rfc3339),
        "revokedAt": credential.revoked_at.and_then(rfc3339),
        "lastUsedAt": credential.last_used_at.and_then(rfc3339),
    })
}

/// A time as RFC 3339 writes it.
fn expiry(text: &str) -> Result<UnixMillis, ApiError> {
    let at = DateTime::parse_from_rfc3339(text).map_err(|_| {
        let detail = Detail::value("expected a time such as 2030-01-31T12:00:00Z");
        ApiError::invalid_data(vec![detail.at("expiresAt")])
    })?;
    Ok(UnixMillis(at.timestamp_millis()))
}

pub(super) fn typed<T: for<'de> Deserialize<'de>>(sent: Value) -> Result<T, ApiError> {
    serde_json::from_value(sent)
        .map_err(|error| ApiError::invalid_data(vec![Detail::value(error.to_string())]))
}

fn new_id() -> Result<Id, ApiError> {
    id(&Uuid::new_v4().to_string())
}
