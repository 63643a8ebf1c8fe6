//! Deployments: drafts become what decides, all at once or not at all.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use portcullis_engine::SourceFile;
use portcullis_pdp::directory::revision;
use portcullis_store::{
    AdminRole, Deployment, DeploymentSummary, Name, NewDeployment, NewRollback, Source, StoreError,
    UnixMillis,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::drafts::{delete_one, find, id};
use super::gateways::typed;
use super::resources::ApiServer;
use super::sources::{Drafts, policy_path, service_path};
use super::{
    Admitted, JSON, Management, Page, answer, check, conditions, details, json_body, listing,
    rfc3339,
};
use crate::app::AppState;
use crate::error::{ApiError, Detail, ErrorBody};

/// The kind of body with which PingOne deploys an API service.
const DEPLOY: &str = "application/vnd.pingidentity.apiServer.deploy+json";
/// How often a deployment is made anew that another one came before.
const TRIES: u32 = 5;

/// A deployment to make: of files, or an earlier one again.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewDeploymentBody {
    /// The files of a whole policy directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<Vec<SourceBody>>,
    /// The number of the deployment whose files are to decide again.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback_of: Option<i64>,
    /// What it is for; at most 4096 bytes.
    #[schema(max_length = 4096)]
    #[serde(default)]
    note: String,
}

/// A file of a policy directory.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceBody {
    /// Such as `services/planets.yaml`.
    path: String,
    text: String,
}

/// Deploys an API service: its drafts and all custom policies take the place of what was deployed of them, and
/// everything else stays. Answers when the deployment is stored; replicas decide with it within a second.
#[utoipa::path(post, operation_id = "deployApiServer", path = "/v1/environments/{environment}/apiServers/{id}/deployment", tag = "Deployments",
    params(("environment" = String, Path), ("id" = String, Path)),
    request_body(content = Value, content_type = "application/vnd.pingidentity.apiServer.deploy+json"),
    responses((status = 200), (status = 400, body = ErrorBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn deploy(
    State(state): State<AppState>,
    Path((_, asked)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Deployer).await?;
    json_body(&headers, DEPLOY, body).await?;
    let asked = id(&asked)?;
    let mut deployed = None;
    let made = change(&admitted, |drafts, sources| {
        let text = drafts.service_file(&asked)?;
        put(
            sources,
            service_path(&asked),
            text.ok_or_else(ApiError::not_found)?,
        );
        for policy in &drafts.policies {
            put(sources, policy_path(policy), policy.text.clone());
        }
        let service = drafts.services.get(asked.as_str());
        let service = service.ok_or_else(ApiError::not_found)?;
        deployed = Some(service.clone());
        Ok(format!("API service {}", service.name))
    })
    .await?;
    let service = deployed.ok_or_else(ApiError::not_found)?;
    Ok(answer(
        StatusCode::OK,
        &described(&service, Some(&made), true),
    ))
}

/// What of an API service decides now, and whether its drafts have changed since.
#[utoipa::path(get, operation_id = "getDeploymentOfApiServer", path = "/v1/environments/{environment}/apiServers/{id}/deployment", tag = "Deployments",
    params(("environment" = String, Path), ("id" = String, Path)),
    responses((status = 200), (status = "default", body = ErrorBody)))]
pub(crate) async fn status(
    State(state): State<AppState>,
    Path((_, asked)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Viewer).await?;
    let asked = id(&asked)?;
    find::<ApiServer>(admitted.store(), &asked, None).await?;
    let drafts = Drafts::read(admitted.store().all_drafts().await?)?;
    let service = drafts
        .services
        .get(asked.as_str())
        .ok_or_else(ApiError::not_found)?;
    let current = admitted.store().current_deployment().await?;
    let path = service_path(&asked);
    let deployed = current
        .as_ref()
        .and_then(|one| one.sources.iter().find(|file| file.path == path));
    // A draft that cannot be written as a file is none that is deployed.
    let draft = drafts.service_file(&asked).ok().flatten();
    let is_current = deployed.is_some_and(|file| Some(&file.text) == draft.as_ref())
        && drafts.policies.iter().all(|policy| {
            let files = current.iter().flat_map(|one| &one.sources);
            let path = policy_path(policy);
            files
                .into_iter()
                .any(|file| file.path == path && file.text == policy.text)
        });
    let made = current.as_ref().filter(|_| deployed.is_some());
    let made = made.map(|one| &one.summary);
    Ok(answer(
        StatusCode::OK,
        &described(service, made, is_current),
    ))
}

/// Deletes an API service with its operations. One that is deployed stops deciding: that is a deployment, and
/// needs the role deployer.
#[utoipa::path(delete, operation_id = "deleteApiServer", path = "/v1/environments/{environment}/apiServers/{id}", tag = "API services",
    params(("environment" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = 412, body = ErrorBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn delete_api_server(
    State(state): State<AppState>,
    Path((_, asked)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Editor).await?;
    let asked = id(&asked)?;
    let draft = find::<ApiServer>(admitted.store(), &asked, None).await?;
    conditions::check(&headers, draft.version)?;
    let path = service_path(&asked);
    let current = admitted.store().current_deployment().await?;
    if current.is_some_and(|one| one.sources.iter().any(|file| file.path == path)) {
        let admitted = Admitted::with(&state, &headers, AdminRole::Deployer).await?;
        change(&admitted, |_, sources| {
            sources.retain(|file| file.path != path);
            Ok(format!("without API service {}", draft.name))
        })
        .await?;
    }
    delete_one::<ApiServer>(&admitted, &headers, None, &asked).await
}

/// Lists the deployments, the newest first.
#[utoipa::path(get, operation_id = "listDeployments", path = "/v1/environments/{environment}/deployments", tag = "Deployments",
    params(("environment" = String, Path), Page),
    responses((status = 200), (status = "default", body = ErrorBody)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Path(environment): Path<String>,
    page: Page,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Viewer).await?;
    let found = admitted
        .store()
        .deployments(page.cursor, page.limit())
        .await?;
    let last = found.last().map(|one| one.number);
    let path = format!(
        "{}/v1/environments/{environment}/deployments",
        admitted.base
    );
    let items: Vec<Value> = found.iter().map(summary).collect();
    Ok(listing("deployments", &path, page, &items, last))
}

/// Makes a deployment: of the files of a policy directory, or an earlier one again.
#[utoipa::path(post, operation_id = "createDeployment", path = "/v1/environments/{environment}/deployments", tag = "Deployments",
    params(("environment" = String, Path)), request_body = NewDeploymentBody,
    responses((status = 201), (status = 400, body = ErrorBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn create(
    State(state): State<AppState>,
    Path(_): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Deployer).await?;
    let sent: NewDeploymentBody = typed(json_body(&headers, JSON, body).await?)?;
    let created_by = admitted.administrator.as_name()?;
    let made = match (sent.sources, sent.rollback_of) {
        (Some(sources), None) => {
            let sources = sources
                .into_iter()
                .map(|SourceBody { path, text }| SourceFile { path, text })
                .collect();
            let sources = compiled(&admitted.management, sources).await?;
            let new = new_deployment(sources, sent.note, created_by, admitted.now, None)?;
            admitted.store().deploy(new).await?.summary
        }
        (None, Some(number)) => {
            let earlier = admitted.store().deployment(number).await?;
            let earlier = earlier.ok_or_else(ApiError::not_found)?;
            // This release may not read what an older one wrote.
            compiled(&admitted.management, files(earlier)).await?;
            let new = NewRollback {
                to: number,
                note: sent.note,
                created_by,
                created_at: admitted.now,
            };
            admitted.store().rollback(new).await?.summary
        }
        _ => {
            let detail = Detail::value("expected either `sources` or `rollbackOf`");
            return Err(ApiError::invalid_data(vec![detail]));
        }
    };
    tracing::info!(
        deployment = made.number,
        by = made.created_by.as_str(),
        "deployed"
    );
    Ok(answer(StatusCode::CREATED, &summary(&made)))
}

/// Reads a deployment with its files.
#[utoipa::path(get, operation_id = "getDeployment", path = "/v1/environments/{environment}/deployments/{number}", tag = "Deployments",
    params(("environment" = String, Path), ("number" = i64, Path)),
    responses((status = 200), (status = "default", body = ErrorBody)))]
pub(crate) async fn get(
    State(state): State<AppState>,
    Path((_, number)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Viewer).await?;
    let number = number.parse().map_err(|_| ApiError::not_found())?;
    let found = admitted.store().deployment(number).await?;
    let found = found.ok_or_else(ApiError::not_found)?;
    let mut shown = summary(&found.summary);
    if let Some(members) = shown.as_object_mut() {
        members.insert("sources".to_owned(), json!(found.sources));
    }
    Ok(answer(StatusCode::OK, &shown))
}

/// Makes a deployment out of the current one. `edit` changes its files and says what for; it is called again where
/// another deployment comes first.
async fn change(
    admitted: &Admitted,
    mut edit: impl FnMut(&Drafts, &mut Vec<SourceFile>) -> Result<String, ApiError>,
) -> Result<DeploymentSummary, ApiError> {
    for _ in 0..TRIES {
        let current = admitted.store().current_deployment().await?;
        let after = current.as_ref().map_or(0, |one| one.summary.number);
        let drafts = Drafts::read(admitted.store().all_drafts().await?)?;
        let mut sources = current.map(files).unwrap_or_default();
        let note = edit(&drafts, &mut sources)?;
        let sources = compiled(&admitted.management, sources).await?;
        let new = new_deployment(
            sources,
            note,
            admitted.administrator.as_name()?,
            admitted.now,
            Some(after),
        )?;
        match admitted.store().deploy(new).await {
            Err(StoreError::Conflict { .. }) => {}
            other => {
                let made = other?.summary;
                tracing::info!(
                    deployment = made.number,
                    by = made.created_by.as_str(),
                    "deployed"
                );
                return Ok(made);
            }
        }
    }
    Err(ApiError::busy())
}

/// Compiles the files, in a process of its own where their language asks for that, and gives them back.
pub(crate) async fn compiled(
    management: &Arc<Management>,
    sources: Vec<SourceFile>,
) -> Result<Vec<SourceFile>, ApiError> {
    let management = Arc::clone(management);
    let compile = move || {
        if let Err(error) = management.worker.try_out(&sources) {
            let detail = Detail::value(format!("the policies do not compile: {error}"));
            return Err(ApiError::invalid_data(vec![detail]));
        }
        check(&sources, &management.languages).map_err(|problems| details(problems, true))?;
        Ok(sources)
    };
    tokio::task::spawn_blocking(compile)
        .await
        .map_err(|_| ApiError::unavailable())?
}

/// A deployment of files that compile.
pub(crate) fn new_deployment(
    sources: Vec<SourceFile>,
    note: String,
    created_by: Name,
    created_at: UnixMillis,
    after: Option<i64>,
) -> Result<NewDeployment, ApiError> {
    let digest = revision(&sources);
    let digest = digest.trim_start_matches("sha256:");
    Ok(NewDeployment {
        sha256: digest.parse().map_err(StoreError::from)?,
        sources: sources
            .into_iter()
            .map(|SourceFile { path, text }| Source { path, text })
            .collect(),
        note,
        created_by,
        created_at,
        after,
    })
}

/// Puts a file in the place of the one of its path.
pub(crate) fn put(sources: &mut Vec<SourceFile>, path: String, text: String) {
    match sources.iter_mut().find(|file| file.path == path) {
        Some(file) => file.text = text,
        None => sources.push(SourceFile { path, text }),
    }
}

/// Its files, as they are compiled.
pub(crate) fn files(deployment: Deployment) -> Vec<SourceFile> {
    let file = |Source { path, text }| SourceFile { path, text };
    deployment.sources.into_iter().map(file).collect()
}

/// The deployment of an API service as PingOne describes it.
fn described(service: &ApiServer, made: Option<&DeploymentSummary>, is_current: bool) -> Value {
    let code = if made.is_some() {
        "DEPLOYMENT_SUCCESSFUL"
    } else {
        "DEPLOYMENT_UNINITIALIZED"
    };
    let custom = service.access_control.as_ref();
    json!({
        "authorizationVersion": made.map(|one| json!({ "id": one.number.to_string() })),
        "deployedAt": made.and_then(|one| rfc3339(one.created_at)),
        "accessControl": { "custom": { "enabled": custom.is_none_or(|one| one.custom.enabled) } },
        "status": { "code": code },
        "upToDate": is_current,
    })
}

fn summary(summary: &DeploymentSummary) -> Value {
    json!({
        "id": summary.number.to_string(),
        "sha256": summary.sha256,
        "note": summary.note,
        "createdBy": summary.created_by,
        "createdAt": rfc3339(summary.created_at),
        "rollbackOf": summary.rollback_of.map(|number| number.to_string()),
    })
}
