//! `POST /api/system/{tid}/gateways/introspect`: what a token is worth (RFC 7662), to the services of the gateway that
//! asks and to no others.

use axum::body::Body;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use portcullis_jose::JsonObject;
use portcullis_pdp::form::Form;
use serde_json::{Map, Value, json};

use super::access::Caller;
use super::issuer::INTROSPECT;
use super::refusal::Refusal;
use super::{answer, is_kind, read};
use crate::app::AppState;
use crate::error::ApiError;

/// Largest form, in bytes.
const MAX_FORM_BYTES: usize = 32 * 1024;
/// Members of an answer (reference: RFC 7662 section 2.2 and Cloudentity's own). The others are in `ext`.
const MEMBERS: [&str; 20] = [
    "sub",
    "scope",
    "client_id",
    "aud",
    "exp",
    "iat",
    "nbf",
    "iss",
    "jti",
    "username",
    "token_type",
    "acr",
    "amr",
    "idp",
    "idp_sub",
    "cnf",
    "act",
    "may_act",
    "auth_time",
    "ext",
];

/// Answers what a token is worth.
pub(super) async fn introspect(
    State(state): State<AppState>,
    path: RawPathParams,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let caller = Caller::with(&state, &path, &headers, INTROSPECT).await?;
    let kind = "application/x-www-form-urlencoded";
    if !is_kind(&headers, kind) {
        return Err(ApiError::unsupported_media_type(kind).into());
    }
    let body = read(body, MAX_FORM_BYTES).await?;
    let form = Form::parse(&body);
    let token = form.as_ref().and_then(|form| form.get("token"));
    let token =
        token.ok_or_else(|| ApiError::invalid_request("The body is a form with one token"))?;
    let made = caller.configuration().await?;
    let configuration = &made.configured.configuration;
    let services: Vec<String> = configuration
        .services
        .iter()
        .map(|service| service.name.clone())
        .collect();
    let claims = state.decision_point.inspect(&services, token).await;
    let claims = claims.map_err(|error| {
        tracing::warn!(%error, "a token could not be looked at");
        ApiError::unavailable()
    })?;
    let said = match claims {
        None => json!({ "active": false }),
        Some(claims) => active(claims, &caller.tenant, &configuration.server_id),
    };
    Ok(answer(StatusCode::OK, &said))
}

fn active(claims: JsonObject, tenant: &str, server: &str) -> Value {
    let mut said = Map::new();
    let mut others = Map::new();
    said.insert("active".to_owned(), json!(true));
    let scopes = claims.get("scope").or_else(|| claims.get("scp"));
    let scopes = match scopes {
        Some(Value::Array(list)) => {
            let list: Vec<_> = list.iter().filter_map(Value::as_str).collect();
            Some(list.join(" "))
        }
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    for (name, value) in claims {
        match (name.as_str(), value) {
            ("active" | "scope", _) => {}
            ("aud", Value::String(audience)) => {
                said.insert(name, json!([audience]));
            }
            (member, value) if MEMBERS.contains(&member) => {
                said.insert(name, value);
            }
            (_, value) => {
                others.insert(name, value);
            }
        }
    }
    if let Some(scopes) = scopes {
        said.insert("scope".to_owned(), json!(scopes));
    }
    if let Some(ext) = said.get_mut("ext").and_then(Value::as_object_mut) {
        for (name, value) in others {
            ext.entry(name).or_insert(value);
        }
    } else if !others.is_empty() {
        said.insert("ext".to_owned(), Value::Object(others));
    }
    said.insert("tenant_id".to_owned(), json!(tenant));
    said.insert("server_id".to_owned(), json!(server));
    Value::Object(said)
}
