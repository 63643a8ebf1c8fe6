//! The management API: API services, operations, external authorization servers, custom policies, gateways
//! and deployments, in the shapes of `PingOne`'s management API (below `/v1/environments/{environment}`, whose
//! id is not looked at).
//!
//! What is edited are drafts. Nothing of them decides until a deployment compiles them.

pub(crate) mod conditions;
pub(crate) mod deployments;
mod document;
mod drafts;
mod gateways;
mod import;
pub(crate) mod resources;
pub(crate) mod sources;
pub(crate) mod yaml;

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat};
use portcullis_engine::{Diagnostic, PolicyLanguage, SourceFile, compile};
use portcullis_policies::Worker;
use portcullis_store::{AdminRole, MAX_PAGE, Store, UnixMillis};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::admin::{Administrator, authorize};
use crate::app::{AppState, MAX_BODY_BYTES};
use crate::call::{is_kind, read};
use crate::cloudentity::ControlPlane;
use crate::error::{ApiError, Detail};
use crate::stored_credentials::StoredCredentials;

pub use import::{Import, InvalidExport, Names, import};

/// How many items a page has where nobody says: as many as the store gives at once.
const DEFAULT_PAGE: u32 = MAX_PAGE;

/// What the management API works with.
pub struct Management {
    /// Where everything is kept.
    pub store: Store,
    /// What decides who may ask: told at once when that changes.
    pub credentials: Arc<StoredCredentials>,
    /// What tries policies out before they are compiled here.
    pub worker: Worker,
    /// The languages that policies may be written in beside validators.
    pub languages: Vec<Arc<dyn PolicyLanguage>>,
    /// What the control plane of the Cloudentity protocol has for itself.
    pub control_plane: ControlPlane,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Portcullis management API",
        description = "API services, operations, deployments, gateways and recent decisions of the decision service."
    ),
    components(schemas(crate::error::ErrorBody)),
    modifiers(&BearerToken)
)]
struct Document;

/// Every call carries a token of an administrator.
struct BearerToken;

impl utoipa::Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{
            Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
        };
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("administrator", scheme);
        document.security = Some(vec![SecurityRequirement::new("administrator", [""; 0])]);
    }
}

/// The routes with their document.
pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(
            drafts::api_servers::list,
            drafts::api_servers::create
        ))
        .routes(routes!(
            drafts::api_servers::get,
            drafts::api_servers::put,
            deployments::delete_api_server
        ))
        .routes(routes!(
            drafts::operations::list_operations,
            drafts::operations::create_operation
        ))
        .routes(routes!(
            drafts::operations::get_operation,
            drafts::operations::put_operation,
            drafts::operations::delete_operation
        ))
        .routes(routes!(
            drafts::external_servers::list,
            drafts::external_servers::create
        ))
        .routes(routes!(
            drafts::external_servers::get,
            drafts::external_servers::put,
            drafts::delete_external_server
        ))
        .routes(routes!(drafts::policies::list, drafts::policies::create))
        .routes(routes!(
            drafts::policies::get,
            drafts::policies::put,
            drafts::delete_policy
        ))
        .routes(routes!(deployments::status, deployments::deploy))
        .routes(routes!(deployments::list, deployments::create))
        .routes(routes!(deployments::get))
        .routes(routes!(gateways::list, gateways::create))
        .routes(routes!(gateways::get, gateways::delete))
        .routes(routes!(
            gateways::list_credentials,
            gateways::create_credential
        ))
        .routes(routes!(gateways::revoke_credential))
        .merge(crate::decisions::routes())
}

/// The `OpenAPI` document of the management API, as `GET /openapi.json` answers with it.
#[must_use]
pub fn openapi() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        let document = router().into_openapi();
        let mut document = serde_json::to_value(document).unwrap_or_default();
        document::complete(&mut document);
        serde_json::to_string_pretty(&document).unwrap_or_default()
    });
    &DOCUMENT
}

/// Somebody with a role, and what they work with.
struct Admitted {
    management: Arc<Management>,
    administrator: Administrator,
    now: UnixMillis,
    /// What links begin with.
    base: String,
}

impl Admitted {
    /// Lets in whoever has the role; 404 where there is no database.
    async fn with(
        state: &AppState,
        headers: &HeaderMap,
        needed: AdminRole,
    ) -> Result<Self, ApiError> {
        let administrator = authorize(state, headers, needed).await?;
        let management = state.management.clone().ok_or_else(ApiError::not_found)?;
        Ok(Self {
            management,
            administrator,
            now: UnixMillis(state.clock.unix_millis()),
            base: state.public_url.as_deref().unwrap_or_default().to_owned(),
        })
    }

    fn store(&self) -> &Store {
        &self.management.store
    }
}

/// Which page of a list.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// How many items, 1 to 100; 100 where it is not there.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// Where to go on: from the link `next` of the page before.
    cursor: Option<i64>,
}

impl Page {
    fn limit(self) -> u32 {
        self.limit.unwrap_or(DEFAULT_PAGE)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(page) = Query::<Self>::from_request_parts(parts, state)
            .await
            .map_err(|_| {
                ApiError::invalid_request(
                    "The query has `limit`, 1 to 100, and `cursor`, from the link of the page before",
                )
            })?;
        if !(1..=MAX_PAGE).contains(&page.limit()) {
            return Err(ApiError::invalid_request("limit is 1 to 100"));
        }
        Ok(page)
    }
}

/// A page of a list as PingOne writes it; `last` is the cursor of its last item.
fn listing(
    collection: &str,
    path: &str,
    page: Page,
    items: &[Value],
    last: Option<i64>,
) -> Response {
    let mut links = Map::new();
    links.insert("self".to_owned(), json!({ "href": path }));
    let size = items.len();
    if let Some(cursor) = last.filter(|_| size == page.limit() as usize) {
        let next = format!("{path}?limit={}&cursor={cursor}", page.limit());
        links.insert("next".to_owned(), json!({ "href": next }));
    }
    answer(
        StatusCode::OK,
        &json!({ "_links": links, "_embedded": { collection: items }, "size": size }),
    )
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let kind = [
        (header::CONTENT_TYPE, "application/json"),
        // Answers are for one administrator, and some hold a secret.
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, kind, body.to_string()).into_response()
}

/// The JSON that was sent.
async fn json_body(headers: &HeaderMap, kind: &str, body: Body) -> Result<Value, ApiError> {
    if !is_kind(headers, kind) {
        return Err(ApiError::unsupported_media_type(kind));
    }
    let body = read(body, MAX_BODY_BYTES).await?;
    if body.is_empty() && kind != JSON {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ApiError::invalid_request(format!("The body is no JSON: line {line}, column {column}"))
    })
}

/// The usual kind of body.
const JSON: &str = "application/json";

/// A time as RFC 3339 writes it.
pub(crate) fn rfc3339(at: UnixMillis) -> Option<String> {
    DateTime::from_timestamp_millis(at.0).map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Compiles files here that hold no policy of another language.
fn check(
    sources: &[SourceFile],
    languages: &[Arc<dyn PolicyLanguage>],
) -> Result<(), Vec<Diagnostic>> {
    compile(sources, languages)
        .map(drop)
        .map_err(|problems| problems.0)
}

/// What is wrong with a file, as an error of the call.
fn details(problems: Vec<Diagnostic>, with_place: bool) -> ApiError {
    let one = |problem: Diagnostic| {
        let message = match &problem.help {
            Some(help) => format!("{}; {help}", problem.message),
            None => problem.message.clone(),
        };
        match (with_place, problem.place) {
            (true, Some((line, column))) => {
                Detail::value(message).at(&format!("{}:{line}:{column}", problem.file))
            }
            (true, None) => Detail::value(message).at(&problem.file),
            (false, _) => Detail::value(message),
        }
    };
    ApiError::invalid_data(problems.into_iter().map(one).collect())
}
