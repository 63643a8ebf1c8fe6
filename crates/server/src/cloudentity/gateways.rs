//! Gateways: made with their OAuth client, read, changed and deleted.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_jose::{AwsLc, Jwks, SymmetricKeys};
use portcullis_store::{
    AdminRole, ApiGroup, CloudentityGateway, DraftKind, Gateway, GatewaySettings, Id, Name,
    NewCloudentityGateway, StoreError, UnixMillis,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::binding::{block, unbind};
use super::plan::{Plan, commit, commit_with, new_id};
use super::policy_text::seed;
use super::refusal::Refusal;
use super::{Admitted, MAX_ADMIN_BYTES, Plane, answer, read_json, tagged};
use crate::app::AppState;
use crate::management::{Management, conditions, rfc3339};
use crate::secret::{Secret, SecretKind};

/// The one type of gateway.
const AWS: &str = "aws";
/// Most keys of a gateway.
const MAX_KEYS: usize = 5;

/// A gateway to make. Members that are not known are left out, as everywhere in this protocol.
#[derive(Deserialize)]
pub(super) struct NewGateway {
    server_id: String,
    name: String,
    #[serde(default)]
    description: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    create_and_bind_services_automatically: bool,
    /// Absent: the policy that denies. Empty: none.
    default_policy_id: Option<String>,
    /// Public keys to authenticate with.
    jwks: Option<Value>,
}

/// A gateway as it is to be. What is absent stays as it is.
#[derive(Deserialize)]
pub(super) struct ChangedGateway {
    name: Option<String>,
    description: Option<String>,
    default_policy_id: Option<String>,
    jwks: Option<Value>,
    token_exchange: Option<TokenExchange>,
}

#[derive(Deserialize)]
struct TokenExchange {
    #[serde(default)]
    enabled: bool,
}

/// Makes a gateway with its client. The answer is the one place where the secret is shown.
pub(super) async fn create(
    State(state): State<AppState>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let admitted = Admitted::with(&state, &tenant, &headers, AdminRole::Deployer).await?;
    let sent: NewGateway = read_json(&headers, body, MAX_ADMIN_BYTES).await?;
    if sent.kind != AWS {
        return Err(Refusal::unprocessable("the one type of gateway is aws"));
    }
    let missing = || {
        Refusal::unprocessable(
            "server_id is the id of an external OAuth server, whose tokens the services of the gateway take",
        )
    };
    let server: Id = sent.server_id.parse().map_err(|_| missing())?;
    let default_policy_id = match sent.default_policy_id.as_deref() {
        None => Some(block()?),
        given => policy_id(given)?,
    };
    let settings = GatewaySettings {
        name: gateway_name(&sent.name)?,
        description: sent.description,
        default_policy_id,
        jwks: sent.jwks.as_ref().map(keys).transpose()?.flatten(),
    };
    let by = admitted.administrator.as_name()?;
    commit(&admitted.plane, &by, "policy Block API", |plan| {
        seed(plan)?;
        let there = plan.draft(DraftKind::ExternalOAuthServer, &server);
        there.ok_or_else(missing)?;
        check_policy(plan, settings.default_policy_id.as_ref())
    })
    .await?;
    let random = Secret::random(SecretKind::GatewayCredential);
    let secret = random.ok_or_else(crate::error::ApiError::unavailable)?;
    let new = NewCloudentityGateway {
        id: new_id()?,
        kind: AWS.parse().map_err(StoreError::from)?,
        settings,
        server_id: server,
        auto_bind: sent.create_and_bind_services_automatically,
        credential_id: new_id()?,
        sha256: secret.sha256(),
    };
    let now = admitted.plane.now;
    let made = admitted
        .store()
        .create_cloudentity_gateway(new, now)
        .await?;
    let mut shown = shown(&admitted, &made);
    if let Some(members) = shown.as_object_mut() {
        let issuer = admitted.plane.issuer(&admitted.tenant);
        let client = json!({
            "client_id": made.gateway.id, "client_secret": secret.expose(),
            "grant_types": ["client_credentials"], "scopes": super::issuer::SCOPES,
            "token_endpoint_auth_method": "client_secret_basic",
        });
        members.insert("client".to_owned(), client);
        members.insert("server_url".to_owned(), json!(issuer));
        members.insert("issuer_url".to_owned(), json!(issuer));
    }
    Ok(tagged(
        StatusCode::CREATED,
        &conditions::etag(made.version),
        &shown,
    ))
}

/// Reads a gateway.
pub(super) async fn get(
    State(state): State<AppState>,
    Path((tenant, gateway)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let admitted = Admitted::with(&state, &tenant, &headers, AdminRole::Viewer).await?;
    let found = find(&admitted, &gateway).await?;
    let tag = conditions::etag(found.version);
    if conditions::is_known(&headers, found.version)? {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(tagged(StatusCode::OK, &tag, &shown(&admitted, &found)))
}

/// Lists the gateways of an authorization server.
pub(super) async fn list(
    State(state): State<AppState>,
    Path((tenant, server)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let admitted = Admitted::with(&state, &tenant, &headers, AdminRole::Viewer).await?;
    let found = admitted.store().cloudentity_gateways().await?;
    let of = found
        .iter()
        .filter(|gateway| gateway.server_id.as_str() == server);
    let gateways: Vec<Value> = of.map(|one| shown(&admitted, one)).collect();
    Ok(answer(StatusCode::OK, &json!({ "gateways": gateways })))
}

/// Changes a gateway; with `If-Match`, only where nobody has changed it since.
pub(super) async fn put(
    State(state): State<AppState>,
    Path((tenant, gateway)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let admitted = Admitted::with(&state, &tenant, &headers, AdminRole::Deployer).await?;
    let sent: ChangedGateway = read_json(&headers, body, MAX_ADMIN_BYTES).await?;
    let found = find(&admitted, &gateway).await?;
    conditions::check(&headers, found.version)?;
    if sent.token_exchange.is_some_and(|one| one.enabled) {
        return Err(Refusal::unprocessable("tokens are not exchanged here"));
    }
    let mut settings = found.settings.clone();
    if let Some(name) = &sent.name {
        settings.name = gateway_name(name)?;
    }
    if let Some(description) = sent.description {
        settings.description = description;
    }
    if sent.default_policy_id.is_some() {
        settings.default_policy_id = policy_id(sent.default_policy_id.as_deref())?;
    }
    if let Some(jwks) = &sent.jwks {
        settings.jwks = keys(jwks)?;
    }
    let by = admitted.administrator.as_name()?;
    commit(&admitted.plane, &by, "", |plan| {
        check_policy(plan, settings.default_policy_id.as_ref())
    })
    .await?;
    let id = &found.gateway.id;
    let changed = admitted
        .store()
        .update_cloudentity_gateway(id, found.version, &settings)
        .await?;
    let tag = conditions::etag(changed.version);
    Ok(tagged(StatusCode::OK, &tag, &shown(&admitted, &changed)))
}

/// Deletes a gateway: its groups are unbound, its credentials and tokens are no longer good.
pub(super) async fn delete(
    State(state): State<AppState>,
    Path((tenant, gateway)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let admitted = Admitted::with(&state, &tenant, &headers, AdminRole::Deployer).await?;
    let found = find(&admitted, &gateway).await?;
    conditions::check(&headers, found.version)?;
    let by = admitted.administrator.as_name()?;
    let Plane {
        management, now, ..
    } = &admitted.plane;
    withdraw(management, *now, &by, &found.gateway).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Deletes a gateway and unbinds its groups at the same moment, so that nothing of it stays deployed, whatever it
/// reports meanwhile.
pub(crate) async fn withdraw(
    management: &Arc<Management>,
    now: UnixMillis,
    by: &Name,
    gateway: &Gateway,
) -> Result<(), Refusal> {
    let note = format!("without gateway {}", gateway.name);
    commit_with(management, now, by, &note, |plan| {
        let bound: Vec<ApiGroup> = plan
            .groups()
            .iter()
            .filter(|one| one.gateway_id == gateway.id && one.service_id.is_some())
            .cloned()
            .collect();
        for group in &bound {
            unbind(plan, group)?;
        }
        plan.delete_gateway(&gateway.id);
        Ok(())
    })
    .await
}

/// The gateway of an id from a path.
pub(super) async fn find(admitted: &Admitted, id: &str) -> Result<CloudentityGateway, Refusal> {
    let missing = || Refusal::not_found("gateway");
    let id: Id = id.parse().map_err(|_| missing())?;
    let found = admitted.store().cloudentity_gateway(&id).await?;
    found.ok_or_else(missing)
}

/// The id of a policy; an empty one is none.
pub(super) fn policy_id(sent: Option<&str>) -> Result<Option<Id>, Refusal> {
    sent.filter(|id| !id.is_empty())
        .map(|id| {
            id.parse()
                .map_err(|_| Refusal::unprocessable("there is no policy of that policy_id"))
        })
        .transpose()
}

fn check_policy(plan: &Plan, id: Option<&Id>) -> Result<(), Refusal> {
    match id {
        Some(id) if plan.draft(DraftKind::Policy, id).is_none() => Err(Refusal::unprocessable(
            "default_policy_id is the id of a policy",
        )),
        _ => Ok(()),
    }
}

fn gateway_name(text: &str) -> Result<Name, Refusal> {
    text.parse()
        .map_err(|_| Refusal::unprocessable("name has 1 to 256 bytes and no control characters"))
}

/// The public keys of a gateway as they are stored; `None` for an empty set, which takes them away.
fn keys(sent: &Value) -> Result<Option<String>, Refusal> {
    let text = sent.to_string();
    let refuse = |why: String| Refusal::unprocessable(format!("jwks: {why}"));
    let read = Jwks::from_json(text.as_bytes(), SymmetricKeys::Refuse, &AwsLc)
        .map_err(|error| refuse(error.to_string()))?;
    if let Some(skipped) = read.skipped().first() {
        return Err(refuse(skipped.reason.to_string()));
    }
    if read.keys().len() > MAX_KEYS {
        return Err(refuse(format!("at most {MAX_KEYS} keys")));
    }
    Ok((!read.is_empty()).then_some(text))
}

fn shown(admitted: &Admitted, gateway: &CloudentityGateway) -> Value {
    let mut shown = json!({
        "id": gateway.gateway.id,
        "client_id": gateway.gateway.id,
        "name": gateway.gateway.name,
        "description": gateway.settings.description,
        "type": gateway.gateway.kind,
        "authorization_server_id": gateway.server_id,
        "tenant_id": admitted.tenant,
        "create_and_bind_services_automatically": gateway.auto_bind,
        "default_policy_id": gateway.settings.default_policy_id.as_ref().map_or("", Id::as_str),
        "token_exchange": { "enabled": false },
    });
    if let Some(members) = shown.as_object_mut() {
        if let Some(at) = gateway.last_active.and_then(rfc3339) {
            members.insert("last_active".to_owned(), json!(at));
        }
        let keys = gateway.settings.jwks.as_deref();
        if let Some(keys) = keys.and_then(|keys| serde_json::from_str::<Value>(keys).ok()) {
            members.insert("jwks".to_owned(), keys);
        }
    }
    shown
}
