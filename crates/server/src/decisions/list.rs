//! `GET decisions` and `GET decisions/{id}`: pages of decisions, the newest first, and one of them.

use std::fmt::Write as _;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use portcullis_store::AdminRole;
use serde_json::json;

use super::query::{Asked, Wanted};
use super::reader::Reader;
use crate::admin;
use crate::app::AppState;
use crate::error::{ApiError, ErrorBody};

/// A page of decisions, the newest first.
#[utoipa::path(get, operation_id = "listDecisions", path = "/v1/environments/{environment}/decisions", tag = "Decisions",
    params(("environment" = String, Path), ("outcome" = Option<String>, Query, description = "permit or deny"),
        ("service" = Option<String>, Query), ("operation" = Option<String>, Query),
        ("reason" = Option<String>, Query), ("gateway" = Option<String>, Query),
        ("since" = Option<String>, Query, description = "RFC 3339; from then on"),
        ("until" = Option<String>, Query, description = "RFC 3339; before then"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; a page of large records has fewer"), ("cursor" = Option<String>, Query, description = "that of `_links.next`")),
    responses((status = 200), (status = "default", body = ErrorBody)))]
pub(super) async fn decisions(
    State(state): State<AppState>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    admin::authorize(&state, &headers, AdminRole::Viewer).await?;
    let reader = Reader::enter(&state.decisions)?;
    let wanted = Wanted::parse(&uri, Asked::Page)?;
    let cursor = wanted.cursor.as_deref();
    let page = reader
        .shared
        .page(&wanted.filter, cursor, wanted.limit)
        .await?;
    let at = |cursor: Option<&str>| {
        let url = state.public_url.as_deref().unwrap_or_default();
        format!("{url}{}{}", uri.path(), wanted.query(cursor))
    };
    let mut links = json!({ "self": { "href": at(cursor) } });
    if let (Some(members), Some(next)) = (links.as_object_mut(), &page.next) {
        members.insert("next".to_owned(), json!({ "href": at(Some(next)) }));
    }
    let size = page.lines.len();
    // The records are JSON already.
    let mut body = "{\"_embedded\":{\"decisions\":[".to_owned();
    for (number, line) in page.lines.into_iter().enumerate() {
        if number > 0 {
            body.push(',');
        }
        body.push_str(&line);
    }
    // Writing to a string cannot fail.
    let _ = write!(body, "]}},\"size\":{size},\"_links\":{links}}}");
    let body = Bytes::from_owner(PageBody {
        text: body,
        _reader: reader,
    });
    Ok(answer(Body::from(body)))
}

/// A page, which holds its place among the readers until it is sent: so many are in memory at once, not more.
struct PageBody {
    text: String,
    _reader: Reader,
}

impl AsRef<[u8]> for PageBody {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// One decision.
#[utoipa::path(get, operation_id = "getDecision", path = "/v1/environments/{environment}/decisions/{id}", tag = "Decisions",
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
    found
        .map(|line| answer(Body::from(line)))
        .ok_or_else(ApiError::not_found)
}

/// Decisions are about people: nobody on the way keeps them.
fn answer(body: Body) -> Response {
    let head = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (head, body).into_response()
}
