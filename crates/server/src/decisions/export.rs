//! `GET decisions.jsonl`: everything that is kept as JSON lines, a page at a time, so that it is never held as a whole.

use std::io;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use portcullis_store::AdminRole;

use super::body::{Parts, body};
use super::query::{Asked, Wanted};
use super::reader::Reader;
use crate::admin;
use crate::app::AppState;
use crate::error::{ApiError, ErrorBody};

/// How many decisions are read at once.
const PAGE: u32 = 200;

/// All decisions that are wanted as JSON lines, the newest first.
#[utoipa::path(get, operation_id = "exportDecisions", path = "/v1/environments/{environment}/decisions.jsonl", tag = "Decisions",
    params(("environment" = String, Path), ("outcome" = Option<String>, Query, description = "permit or deny"),
        ("service" = Option<String>, Query), ("operation" = Option<String>, Query),
        ("reason" = Option<String>, Query), ("gateway" = Option<String>, Query),
        ("since" = Option<String>, Query, description = "RFC 3339; from then on"),
        ("until" = Option<String>, Query, description = "RFC 3339; before then")),
    responses((status = 200, content_type = "application/x-ndjson", body = String), (status = "default", body = ErrorBody)))]
pub(super) async fn decisions(
    State(state): State<AppState>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    admin::authorize(&state, &headers, AdminRole::Viewer).await?;
    let reader = Reader::enter(&state.decisions)?;
    let wanted = Wanted::parse(&uri, Asked::Export)?;
    let (parts, body) = body();
    tokio::spawn(write(reader, wanted, parts));
    let head = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((head, body).into_response())
}

async fn write(reader: Reader, wanted: Wanted, parts: Parts) {
    let mut cursor: Option<String> = None;
    loop {
        let page = reader
            .shared
            .page(&wanted.filter, cursor.as_deref(), PAGE)
            .await;
        let Ok(page) = page else {
            // The client must not take what it has for all of it.
            let broken = io::Error::other("the database is away");
            let _ = parts.send(Err(broken)).await;
            return;
        };
        for mut line in page.lines {
            line.push('\n');
            if parts.send(Ok(Bytes::from(line))).await.is_err() {
                return;
            }
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return,
        }
    }
}
