//! The control plane of the Cloudentity protocol: a system issuer for gateways, the configuration that they fetch,
//! what they report, and the endpoints that administer them.
//!
//! Paths and JSON are those of `spec/system.yaml` and `spec/admin.yaml` of `cloudentity/acp-client-go`. The tenant in
//! a path is a name that tokens carry and nothing else: there is one tenant. Services, APIs and policies are the
//! drafts of the management API, compiled into the same deployments.

mod access;
mod binding;
mod bindings;
mod client;
mod configuration;
mod discovery;
mod events;
mod gateways;
mod introspect;
mod issuer;
mod known;
mod plan;
mod policies;
mod policy_text;
mod refusal;
mod signing;
mod system;
mod tests_of_policies;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use portcullis_pdp::DecisionPoint;
use portcullis_store::{AdminRole, Store, UnixMillis};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use gateways::withdraw;
pub(crate) use policy_text::{BLOCK_FILE, BLOCK_ID};
pub use signing::SystemIssuer;

use crate::admin::{Administrator, authorize};
use crate::app::AppState;
use crate::call::{is_kind, read};
use crate::error::ApiError;
use crate::management::Management;
use refusal::Refusal;

/// Largest body of a call that administers, in bytes.
const MAX_ADMIN_BYTES: usize = 1024 * 1024;

/// Where the issuer of a tenant is, and how gateways and administrators reach the rest.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(
            "/{tid}/system/.well-known/openid-configuration",
            get(discovery::metadata),
        )
        .route(
            "/.well-known/oauth-authorization-server/{tid}/system",
            get(discovery::metadata),
        )
        .route("/{tid}/system/.well-known/jwks.json", get(discovery::jwks))
        .route("/{tid}/system/oauth2/token", post(token::token))
        .nest("/api/system/{tid}", system())
        .nest("/api/system", system())
        .nest("/api/admin/{tid}", admin())
}

/// The largest body at that path, in bytes, where it is more than that of other calls. It is read once the gateway is
/// known.
pub(crate) fn body_limit(path: &str) -> Option<usize> {
    let rest = path.strip_prefix("/api/system/")?;
    let own = rest.split_once('/').map_or("", |(_, own)| own);
    // With a tenant before it, or without.
    match (rest, own) {
        (CONFIGURATION, _) | (_, CONFIGURATION) => Some(system::MAX_DISCOVERED_BYTES),
        (REQUESTS, _) | (_, REQUESTS) => Some(events::MAX_EVENTS_BYTES),
        _ => None,
    }
}

const CONFIGURATION: &str = "gateways/configuration";
const REQUESTS: &str = "gateways/requests";

fn system() -> Router<AppState> {
    Router::new()
        .route(
            "/gateways/configuration",
            get(system::configuration).post(system::discovered),
        )
        .route("/gateways/requests", post(events::push))
        .route("/gateways/introspect", post(introspect::introspect))
}

fn admin() -> Router<AppState> {
    Router::new()
        .route("/gateways", post(gateways::create))
        .route(
            "/gateways/{gateway}",
            get(gateways::get)
                .put(gateways::put)
                .delete(gateways::delete),
        )
        .route("/servers/{server}/gateways", get(gateways::list))
        .route("/gateways/{gateway}/groups", get(bindings::groups))
        .route(
            "/gateways/{gateway}/groups/{group}/bind",
            post(bindings::bind),
        )
        .route(
            "/gateways/{gateway}/groups/{group}/unbind",
            delete(bindings::unbind),
        )
        .route("/services/{service}/apis", get(bindings::apis))
        .route("/apis/{api}", get(bindings::api).put(bindings::put_api))
        .route("/apis/test", post(tests_of_policies::route))
        .route("/policies", get(policies::list).post(policies::create))
        .route("/servers/{server}/policies", get(policies::list))
        .route("/policies/test", post(tests_of_policies::policy))
        .route(
            "/policies/{policy}",
            get(policies::get)
                .put(policies::put)
                .delete(policies::delete),
        )
}

/// What the control plane has for itself.
#[derive(Debug)]
pub struct ControlPlane {
    issuer: SystemIssuer,
    known: known::Known,
}

impl ControlPlane {
    /// A control plane whose gateways get their access tokens from that issuer.
    #[must_use]
    pub fn new(issuer: SystemIssuer) -> Self {
        Self {
            issuer,
            known: known::Known::default(),
        }
    }
}

/// What every handler works with.
struct Plane {
    management: Arc<Management>,
    decision_point: Arc<dyn DecisionPoint>,
    /// Where clients find this service.
    public_url: Arc<str>,
    now: UnixMillis,
}

impl Plane {
    /// 404 where there is no database, or where nobody knows under which URL issuers are.
    fn of(state: &AppState) -> Result<Self, Refusal> {
        let management = state
            .management
            .clone()
            .ok_or_else(|| Refusal::not_served("it needs a database: give --database-url"))?;
        let public_url = state.public_url.clone().ok_or_else(|| {
            Refusal::not_served("the issuer of gateways needs to know its URL: give --public-url")
        })?;
        Ok(Self {
            management,
            decision_point: Arc::clone(&state.decision_point),
            public_url,
            now: UnixMillis(state.clock.unix_millis()),
        })
    }

    fn store(&self) -> &Store {
        &self.management.store
    }

    /// The system issuer of a tenant.
    fn issuer(&self, tenant: &str) -> String {
        format!("{}/{tenant}/system", self.public_url)
    }

    /// The tenant of a system issuer.
    fn tenant_of<'i>(&self, issuer: &'i str) -> Option<&'i str> {
        let rest = issuer.strip_prefix(&*self.public_url)?.strip_prefix('/')?;
        rest.strip_suffix("/system").filter(|one| is_tenant(one))
    }
}

/// An administrator at work.
struct Admitted {
    plane: Plane,
    administrator: Administrator,
    tenant: String,
}

impl Admitted {
    /// Lets in whoever has the role.
    async fn with(
        state: &AppState,
        tenant: &str,
        headers: &HeaderMap,
        needed: AdminRole,
    ) -> Result<Self, Refusal> {
        let plane = Plane::of(state)?;
        let administrator = authorize(state, headers, needed).await?;
        Ok(Self {
            plane,
            administrator,
            tenant: tenant_name(tenant)?.to_owned(),
        })
    }

    fn store(&self) -> &Store {
        self.plane.store()
    }
}

/// The name of a tenant, from a path. It is written into URLs, so it is a plain word.
fn tenant_name(text: &str) -> Result<&str, Refusal> {
    if is_tenant(text) {
        Ok(text)
    } else {
        Err(Refusal::not_found("tenant"))
    }
}

fn is_tenant(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// The JSON that was sent.
async fn read_json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<T, Refusal> {
    if !is_kind(headers, "application/json") {
        return Err(ApiError::unsupported_media_type("application/json").into());
    }
    let body = read(body, limit).await?;
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|first| *first != b'{') {
        // Serde would read a list as the members of an object in their order.
        return Err(Refusal::unprocessable("the body is a JSON object"));
    }
    serde_json::from_slice(&body).map_err(|error| {
        if error.is_data() {
            // What serde says of data may repeat a value; which member it is, the column says as well.
            let (line, column) = (error.line(), error.column());
            Refusal::unprocessable(format!(
                "the body is not what is expected: line {line}, column {column}"
            ))
        } else {
            let (line, column) = (error.line(), error.column());
            ApiError::invalid_request(format!("The body is no JSON: line {line}, column {column}"))
                .into()
        }
    })
}

/// JSON that nobody on the way keeps: some of it is secret, and all of it is for one client.
fn answer<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let kind = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let body = serde_json::to_vec(body).unwrap_or_default();
    (status, kind, body).into_response()
}

/// The same with an entity tag.
fn tagged<T: Serialize>(status: StatusCode, tag: &str, body: &T) -> Response {
    let mut response = answer(status, body);
    if let Ok(tag) = tag.parse() {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_calls_may_send_more_than_others() {
        for (path, limit) in [
            (
                "/api/system/default/gateways/configuration",
                Some(8 * 1024 * 1024),
            ),
            ("/api/system/gateways/configuration", Some(8 * 1024 * 1024)),
            (
                "/api/system/default/gateways/requests",
                Some(4 * 1024 * 1024),
            ),
            ("/api/system/gateways/requests", Some(4 * 1024 * 1024)),
            ("/api/system/default/gateways/introspect", None),
            ("/api/system/default/x/gateways/requests", None),
            ("/api/admin/default/gateways", None),
            ("/sideband/request", None),
            ("/gateways/requests", None),
        ] {
            assert_eq!(body_limit(path), limit, "{path}");
        }
    }

    #[test]
    fn a_tenant_is_a_plain_word() {
        assert!(is_tenant("Default_1-a"));
        let long = "x".repeat(65);
        for bad in ["", "a.b", "a/b", "a b", "\u{e9}", "a\"", long.as_str()] {
            assert!(!is_tenant(bad), "{bad}");
        }
    }
}
