//! `GET decisions` and `GET decisions/{id}`: pages of decisions, the newest first, and one of them.

use std::fmt::Write as _;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use portcullis_store::AdminRole;
use serde_json::json;

use super::query::{Asked, Wanted};
use crate::admin;
use crate::app::AppState;
use crate::error::{ApiError, ErrorBody};

/// A page of decisions, the newest first.
#[utoipa::path(get, path = "/v1/environments/{environment}/decisions", tag = "Decisions",
    params(("environment" = String, Path), ("outcome" = Option<String>, Query, description = "permit or deny"),
        ("service" = Option<String>, Query), ("operation" = Option<String>, Query),
        ("reason" = Option<String>, Query), ("gateway" = Option<String>, Query),
        ("since" = Option<String>, Query, description = "RFC 3339; from then on"),
        ("until" = Option<String>, Query, description = "RFC 3339; before then"),
        ("limit" = Option<u32>, Query, description = "1 to 1000"), ("cursor" = Option<String>, Query, description = "that of `_links.next`")),
    responses((status = 200), (status = "default", body = ErrorBody)))]
pub(super) async fn decisions(
    State(state): State<AppState>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    admin::authorize(&state, &headers, AdminRole::Viewer).await?;
    let shared = state.decisions.shared()?;
    let wanted = Wanted::parse(&uri, Asked::Page)?;
    let cursor = wanted.cursor.as_deref();
    let page = shared.page(&wanted.filter, cursor, wanted.limit).await?;
    let at = |cursor: Option<&str>| {
        let url = state.public_url.as_deref().unwrap_or_default();
        format!("{url}{}{}", uri.path(), wanted.query(cursor))
    };
    let mut links = json!({ "self": { "href": at(cursor) } });
    if let (Some(members), Some(next)) = (links.as_object_mut(), &page.next) {
        members.insert("next".to_owned(), json!({ "href": at(Some(next)) }));
    }
    // The records are JSON already.
    let mut body = "{\"_embedded\":{\"decisions\":[".to_owned();
    body.push_str(&page.lines.join(","));
    // Writing to a string cannot fail.
    let _ = write!(
        body,
        "]}},\"size\":{},\"_links\":{links}}}",
        page.lines.len()
    );
    Ok(answer(body))
}

/// One decision.
#[utoipa::path(get, path = "/v1/environments/{environment}/decisions/{id}", tag = "Decisions",
    params(("environment" = String, Path), ("id" = String, Path)),
    responses((status = 200), (status = "default", body = ErrorBody)))]
pub(super) async fn decision(
    State(state): State<AppState>,
    path: Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    admin::authorize(&state, &headers, AdminRole::Viewer).await?;
    let shared = state.decisions.shared()?;
    if uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(ApiError::invalid_request("there are no parameters here"));
    }
    let Path((_, id)) = path;
    let found = shared.one(&id).await?;
    found.map(answer).ok_or_else(ApiError::not_found)
}

/// Decisions are about people: nobody on the way keeps them.
fn answer(body: String) -> Response {
    let head = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (head, body).into_response()
}
