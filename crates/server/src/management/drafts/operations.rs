//! The drafts of operations, which are part of an API service.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use portcullis_store::{AdminRole, Id};

use super::super::resources::ApiOperation;
use super::super::{Admitted, JSON, Page, json_body};
use super::{create_one, delete_one, get_one, id, list_all, put_one};
use crate::app::AppState;
use crate::error::{ApiError, ErrorBody};

fn operations_path(admitted: &Admitted, environment: &str, service: &Id) -> String {
    let base = &admitted.base;
    format!("{base}/v1/environments/{environment}/apiServers/{service}/operations")
}

/// Lists the operations of an API service in the order they were made.
#[utoipa::path(get, operation_id = "listOperations", path = "/v1/environments/{environment}/apiServers/{service}/operations",
    tag = "Operations", params(("environment" = String, Path), ("service" = String, Path), Page),
    responses((status = 200), (status = "default", body = ErrorBody)))]
pub(crate) async fn list_operations(
    State(state): State<AppState>,
    Path((environment, service)): Path<(String, String)>,
    page: Page,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Viewer).await?;
    let service = id(&service)?;
    let path = operations_path(&admitted, &environment, &service);
    list_all::<ApiOperation>(&admitted, &path, Some(&service), page).await
}

/// Makes an operation.
#[utoipa::path(post, operation_id = "createOperation", path = "/v1/environments/{environment}/apiServers/{service}/operations",
    tag = "Operations", params(("environment" = String, Path), ("service" = String, Path)),
    request_body = ApiOperation,
    responses((status = 201, body = ApiOperation), (status = "default", body = ErrorBody)))]
pub(crate) async fn create_operation(
    State(state): State<AppState>,
    Path((environment, service)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Editor).await?;
    let sent = json_body(&headers, JSON, body).await?;
    let service = id(&service)?;
    let path = operations_path(&admitted, &environment, &service);
    create_one::<ApiOperation>(&admitted, &path, Some(service), sent).await
}

/// Reads an operation; its entity tag is good for `If-Match` and `If-None-Match`.
#[utoipa::path(get, operation_id = "getOperation", path = "/v1/environments/{environment}/apiServers/{service}/operations/{id}",
    tag = "Operations",
    params(("environment" = String, Path), ("service" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = ApiOperation), (status = 304), (status = "default", body = ErrorBody)))]
pub(crate) async fn get_operation(
    State(state): State<AppState>,
    Path((environment, service, asked)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Viewer).await?;
    let (service, asked) = (id(&service)?, id(&asked)?);
    let path = operations_path(&admitted, &environment, &service);
    let path = format!("{path}/{asked}");
    get_one::<ApiOperation>(&admitted, &headers, &path, Some(&service), &asked).await
}

/// Puts another in its place; with `If-Match`, only where nobody has changed it since.
#[utoipa::path(put, operation_id = "putOperation", path = "/v1/environments/{environment}/apiServers/{service}/operations/{id}",
    tag = "Operations",
    params(("environment" = String, Path), ("service" = String, Path), ("id" = String, Path)),
    request_body = ApiOperation,
    responses((status = 200, body = ApiOperation), (status = 412, body = ErrorBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn put_operation(
    State(state): State<AppState>,
    Path((environment, service, asked)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Editor).await?;
    let sent = json_body(&headers, JSON, body).await?;
    let (service, asked) = (id(&service)?, id(&asked)?);
    let path = operations_path(&admitted, &environment, &service);
    let path = format!("{path}/{asked}");
    put_one::<ApiOperation>(&admitted, &headers, &path, Some(&service), &asked, sent).await
}

/// Deletes an operation.
#[utoipa::path(delete, operation_id = "deleteOperation", path = "/v1/environments/{environment}/apiServers/{service}/operations/{id}",
    tag = "Operations",
    params(("environment" = String, Path), ("service" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = 412, body = ErrorBody), (status = "default", body = ErrorBody)))]
pub(crate) async fn delete_operation(
    State(state): State<AppState>,
    Path((_, service, asked)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let admitted = Admitted::with(&state, &headers, AdminRole::Editor).await?;
    let (service, asked) = (id(&service)?, id(&asked)?);
    delete_one::<ApiOperation>(&admitted, &headers, Some(&service), &asked).await
}
