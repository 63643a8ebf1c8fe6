//! Drafts: made, read, listed, changed and deleted, each with an entity tag.

pub(super) mod operations;

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_engine::SourceFile;
use portcullis_store::{AdminRole, Draft, DraftChange, Id, NewDraft, Store, StoreError, Within};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::resources::{
    ApiOperation, ApiServer, ExternalOAuthServer, PolicyFile, Resource, body, read,
};
use super::sources::{
    Drafts, check_policy_name, service_document, token_documents, without_policies,
};
use super::{Admitted, Page, answer, check, conditions, details, listing, rfc3339, yaml};
use crate::app::AppState;
use crate::cloudentity::{BLOCK_FILE, BLOCK_ID};
use crate::error::{ApiError, Detail, ErrorBody};

/// How often a change is tried again that names no version and that others came before.
const TRIES: u32 = 5;

/// What a draft must be beside well-formed.
trait Checked: Resource {
    /// Refuses what could never be deployed. `parent` is the API service of an operation.
    async fn check(&self, store: &Store, parent: Option<&Id>) -> Result<(), ApiError>;

    /// Whether the draft of that id is none of the management API's, which shows it and leaves it as it is.
    fn is_fixed(_id: &Id) -> bool {
        false
    }
}

impl Checked for ApiServer {
    async fn check(&self, store: &Store, _: Option<&Id>) -> Result<(), ApiError> {
        let external = external_of(store, self).await?;
        let mut document = service_document(self, &[], &external)?;
        if let (None, Some(members)) = (&self.authorization_server, document.as_object_mut()) {
            // Whether it needs one depends on the operations to come.
            let any = json!([{ "issuer": "https://idp.example.com", "audiences": ["x"] }]);
            members.insert("tokens".to_owned(), any);
        }
        compiles(document)
    }
}

impl Checked for ApiOperation {
    async fn check(&self, store: &Store, parent: Option<&Id>) -> Result<(), ApiError> {
        let parent = parent.ok_or_else(ApiError::not_found)?;
        let service = find::<ApiServer>(store, parent, None).await?;
        let (service, _) = read::<ApiServer>(service.body)?;
        let external = external_of(store, &service).await?;
        compiles(service_document(
            &service,
            std::slice::from_ref(self),
            &external,
        )?)
    }
}

impl Checked for ExternalOAuthServer {
    async fn check(&self, _: &Store, _: Option<&Id>) -> Result<(), ApiError> {
        if !(1..=8).contains(&self.issuers.len()) {
            let detail = Detail::value("expected 1 to 8 issuers").at("issuers");
            return Err(ApiError::invalid_data(vec![detail]));
        }
        if self
            .description
            .as_ref()
            .is_some_and(|text| text.len() > 1024)
        {
            let detail = Detail::value("expected at most 1024 bytes").at("description");
            return Err(ApiError::invalid_data(vec![detail]));
        }
        compiles(json!({
            "name": "x", "base_urls": ["https://api.example.com"],
            "tokens": token_documents(self, Some("x"))?,
        }))
    }
}

impl Checked for PolicyFile {
    async fn check(&self, _: &Store, _: Option<&Id>) -> Result<(), ApiError> {
        if self.name == BLOCK_FILE {
            let message = "this file is the policy Block API, which the control plane of gateways has for itself";
            return Err(ApiError::invalid_data(vec![
                Detail::value(message).at("name"),
            ]));
        }
        check_policy_name(self)
    }

    fn is_fixed(id: &Id) -> bool {
        id.as_str() == BLOCK_ID
    }
}

/// The authorization server that a service names.
async fn external_of(
    store: &Store,
    service: &ApiServer,
) -> Result<BTreeMap<String, ExternalOAuthServer>, ApiError> {
    let mut found = BTreeMap::new();
    if let Some(server) = &service.authorization_server {
        let id = server.external.id.parse::<Id>().ok();
        let draft = match &id {
            Some(id) => store.draft(id).await?,
            None => None,
        };
        if let Some(draft) = draft.filter(|one| one.kind == ExternalOAuthServer::KIND) {
            found.insert(server.external.id.clone(), read(draft.body)?.0);
        }
    }
    Ok(found)
}

/// Compiles a service by itself, but for its custom policies.
fn compiles(mut document: Value) -> Result<(), ApiError> {
    without_policies(&mut document);
    let file = SourceFile {
        path: "services/draft.yaml".to_owned(),
        text: yaml::write(&document),
    };
    check(&[file], &[]).map_err(|problems| details(problems, false))
}

/// A draft of a kind, below a parent where it has one.
pub(super) async fn find<R: Resource>(
    store: &Store,
    id: &Id,
    parent: Option<&Id>,
) -> Result<Draft, ApiError> {
    let draft = store.draft(id).await?;
    draft
        .filter(|one| one.kind == R::KIND && one.parent.as_ref() == parent)
        .ok_or_else(ApiError::not_found)
}

/// An id from a path. One that cannot be is the id of nothing.
pub(super) fn id(text: &str) -> Result<Id, ApiError> {
    text.parse().map_err(|_| ApiError::not_found())
}

async fn create_one<R: Checked>(
    admitted: &Admitted,
    path: &str,
    parent: Option<Id>,
    sent: Value,
) -> Result<Response, ApiError> {
    let (resource, name) = read::<R>(sent)?;
    resource.check(admitted.store(), parent.as_ref()).await?;
    let new = NewDraft {
        id: id(&Uuid::new_v4().to_string())?,
        kind: R::KIND,
        parent,
        name,
        body: body(&resource)?,
    };
    let draft = admitted
        .store()
        .create_draft(new, None, admitted.now)
        .await?;
    let path = format!("{path}/{}", draft.id);
    let mut response = shown(StatusCode::CREATED, &path, draft);
    if let Ok(location) = path.parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn list_all<R: Resource>(
    admitted: &Admitted,
    path: &str,
    parent: Option<&Id>,
    page: Page,
) -> Result<Response, ApiError> {
    if let Some(parent) = parent {
        find::<ApiServer>(admitted.store(), parent, None).await?;
    }
    let within = parent.map_or(Within::TopLevel, Within::Parent);
    let drafts = admitted
        .store()
        .drafts(R::KIND, within, page.cursor, page.limit())
        .await?;
    let last = drafts.last().map(|draft| draft.position);
    let items: Vec<Value> = drafts
        .into_iter()
        .map(|draft| {
            let path = format!("{path}/{}", draft.id);
            with_links(&path, draft)
        })
        .collect();
    Ok(listing(R::COLLECTION, path, page, &items, last))
}

async fn get_one<R: Resource>(
    admitted: &Admitted,
    headers: &HeaderMap,
    path: &str,
    parent: Option<&Id>,
    asked: &Id,
) -> Result<Response, ApiError> {
    let draft = find::<R>(admitted.store(), asked, parent).await?;
    if conditions::is_known(headers, draft.version)? {
        let tag = [(header::ETAG, conditions::etag(draft.version))];
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    Ok(shown(StatusCode::OK, path, draft))
}

async fn put_one<R: Checked>(
    admitted: &Admitted,
    headers: &HeaderMap,
    path: &str,
    parent: Option<&Id>,
    asked: &Id,
    sent: Value,
) -> Result<Response, ApiError> {
    if R::is_fixed(asked) {
        return Err(fixed());
    }
    let (resource, name) = read::<R>(sent)?;
    let body = body(&resource)?;
    for _ in 0..TRIES {
        let draft = find::<R>(admitted.store(), asked, parent).await?;
        conditions::check(headers, draft.version)?;
        resource.check(admitted.store(), parent).await?;
        let change = DraftChange {
            name: name.clone(),
            body: body.clone(),
        };
        let changed = admitted
            .store()
            .update_draft(asked, draft.version, change, admitted.now)
            .await;
        match changed {
            // With If-Match the next look says that it does not match any more.
            Err(StoreError::Conflict { .. }) => {}
            other => return Ok(shown(StatusCode::OK, path, other?)),
        }
    }
    Err(ApiError::changed())
}

/// Deletes a draft with all that is below it.
pub(super) async fn delete_one<R: Resource>(
    admitted: &Admitted,
    headers: &HeaderMap,
    parent: Option<&Id>,
    asked: &Id,
) -> Result<Response, ApiError> {
    for _ in 0..TRIES {
        let draft = find::<R>(admitted.store(), asked, parent).await?;
        conditions::check(headers, draft.version)?;
        match admitted.store().delete_draft(asked, draft.version).await {
            Err(StoreError::Conflict { .. }) => {}
            other => {
                other?;
                return Ok(StatusCode::NO_CONTENT.into_response());
            }
        }
    }
    Err(ApiError::changed())
}

fn fixed() -> ApiError {
    ApiError::conflict(
        "The policy Block API denies everything and stays as it is; make another policy",
    )
}

/// An authorization server stays as long as a service names it.
async fn check_unused(store: &Store, asked: &Id) -> Result<(), ApiError> {
    let drafts = Drafts::read(store.all_drafts().await?)?;
    let user = drafts.services.values().find(|service| {
        let server = service.authorization_server.as_ref();
        server.is_some_and(|server| server.external.id == asked.as_str())
    });
    match user {
        Some(service) => Err(ApiError::in_use(format!(
            "The API service {:?} names it; give that another one first",
            service.name
        ))),
        None => Ok(()),
    }
}

/// A draft as it is answered, with its entity tag.
fn shown(status: StatusCode, path: &str, draft: Draft) -> Response {
    let tag = conditions::etag(draft.version);
    let mut response = answer(status, &with_links(path, draft));
    if let Ok(tag) = tag.parse() {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn with_links(path: &str, draft: Draft) -> Value {
    let mut shown = Map::new();
    shown.insert("_links".to_owned(), json!({ "self": { "href": path } }));
    shown.insert("id".to_owned(), json!(draft.id));
    if let Some(parent) = &draft.parent {
        shown.insert("apiServer".to_owned(), json!({ "id": parent }));
    }
    if let Value::Object(members) = draft.body {
        shown.extend(members);
    }
    shown.insert("createdAt".to_owned(), json!(rfc3339(draft.created_at)));
    shown.insert("updatedAt".to_owned(), json!(rfc3339(draft.updated_at)));
    Value::Object(shown)
}

/// The handlers of a collection at the top.
macro_rules! collection {
    ($module:ident, $resource:ident, $path:literal, $one:literal, $tag:literal,
        [$list:literal, $create:literal, $get:literal, $put:literal]) => {
        pub(super) mod $module {
            use axum::body::Body;
            use axum::extract::{Path, State};
            use axum::http::HeaderMap;
            use axum::response::Response;
            use portcullis_store::AdminRole;

            use super::super::resources::$resource;
            use super::super::{Admitted, JSON, Page, json_body};
            use super::{create_one, get_one, id, list_all, put_one};
            use crate::app::AppState;
            use crate::error::{ApiError, ErrorBody};

            fn path(admitted: &Admitted, environment: &str) -> String {
                let path = $path.replace("{environment}", environment);
                format!("{}{path}", admitted.base)
            }

            /// Lists them in the order they were made.
            #[utoipa::path(get, operation_id = $list, path = $path, tag = $tag, params(("environment" = String, Path), Page),
                responses((status = 200), (status = "default", body = ErrorBody)))]
            pub(crate) async fn list(
                State(state): State<AppState>,
                Path(environment): Path<String>,
                page: Page,
                headers: HeaderMap,
            ) -> Result<Response, ApiError> {
                let admitted = Admitted::with(&state, &headers, AdminRole::Viewer).await?;
                let path = path(&admitted, &environment);
                list_all::<$resource>(&admitted, &path, None, page).await
            }

            /// Makes one.
            #[utoipa::path(post, operation_id = $create, path = $path, tag = $tag, params(("environment" = String, Path)),
                request_body = $resource,
                responses((status = 201, body = $resource), (status = "default", body = ErrorBody)))]
            pub(crate) async fn create(
                State(state): State<AppState>,
                Path(environment): Path<String>,
                headers: HeaderMap,
                body: Body,
            ) -> Result<Response, ApiError> {
                let admitted = Admitted::with(&state, &headers, AdminRole::Editor).await?;
                let sent = json_body(&headers, JSON, body).await?;
                let path = path(&admitted, &environment);
                create_one::<$resource>(&admitted, &path, None, sent).await
            }

            /// Reads one; its entity tag is good for `If-Match` and `If-None-Match`.
            #[utoipa::path(get, operation_id = $get, path = $one, tag = $tag,
                params(("environment" = String, Path), ("id" = String, Path)),
                responses((status = 200, body = $resource), (status = 304), (status = "default", body = ErrorBody)))]
            pub(crate) async fn get(
                State(state): State<AppState>,
                Path((environment, asked)): Path<(String, String)>,
                headers: HeaderMap,
            ) -> Result<Response, ApiError> {
                let admitted = Admitted::with(&state, &headers, AdminRole::Viewer).await?;
                let path = format!("{}/{asked}", path(&admitted, &environment));
                get_one::<$resource>(&admitted, &headers, &path, None, &id(&asked)?).await
            }

            /// Puts another in its place; with `If-Match`, only where nobody has changed it since.
            #[utoipa::path(put, operation_id = $put, path = $one, tag = $tag,
                params(("environment" = String, Path), ("id" = String, Path)), request_body = $resource,
                responses((status = 200, body = $resource), (status = 412, body = ErrorBody), (status = "default", body = ErrorBody)))]
            pub(crate) async fn put(
                State(state): State<AppState>,
                Path((environment, asked)): Path<(String, String)>,
                headers: HeaderMap,
                body: Body,
            ) -> Result<Response, ApiError> {
                let admitted = Admitted::with(&state, &headers, AdminRole::Editor).await?;
                let sent = json_body(&headers, JSON, body).await?;
                let path = format!("{}/{asked}", path(&admitted, &environment));
                put_one::<$resource>(&admitted, &headers, &path, None, &id(&asked)?, sent).await
            }
        }
    };
}

collection!(
    api_servers,
    ApiServer,
    "/v1/environments/{environment}/apiServers",
    "/v1/environments/{environment}/apiServers/{id}",
    "API services",
    [
        "listApiServers",
        "createApiServer",
        "getApiServer",
        "putApiServer"
    ]
);
collection!(
    external_servers,
    ExternalOAuthServer,
    "/v1/environments/{environment}/externalOAuthServers",
    "/v1/environments/{environment}/externalOAuthServers/{id}",
    "External OAuth servers",
    [
        "listExternalOAuthServers",
        "createExternalOAuthServer",
        "getExternalOAuthServer",
        "putExternalOAuthServer"
    ]
);
collection!(
    policies,
    PolicyFile,
    "/v1/environments/{environment}/policies",
    "/v1/environments/{environment}/policies/{id}",
    "Custom policies",
    ["listPolicies", "createPolicy", "getPolicy", "putPolicy"]
);

/// Deletes an authorization server that no API service names.
#[utoipa::path(delete, operation_id = "deleteExternalOAuthServer", path = "/v1/environments/{environment}/externalOAuthServers/{id}",
    tag = "External OAuth servers", params(("environment" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = "default", body = ErrorBody)))]
pub(crate) async fn delete_external_server(
    State(state): State<AppState>,
    Path((_, asked)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Editor).await?;
    let asked = id(&asked)?;
    check_unused(admitted.store(), &asked).await?;
    delete_one::<ExternalOAuthServer>(&admitted, &headers, None, &asked).await
}

/// Deletes the draft of a policy. One that was deployed goes on deciding until a push replaces the whole deployment.
#[utoipa::path(delete, operation_id = "deletePolicy", path = "/v1/environments/{environment}/policies/{id}",
    tag = "Custom policies", params(("environment" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = "default", body = ErrorBody)))]
pub(crate) async fn delete_policy(
    State(state): State<AppState>,
    Path((_, asked)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Editor).await?;
    let asked = id(&asked)?;
    if PolicyFile::is_fixed(&asked) {
        return Err(fixed());
    }
    delete_one::<PolicyFile>(&admitted, &headers, None, &asked).await
}
