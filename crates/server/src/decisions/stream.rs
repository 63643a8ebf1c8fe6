//! `GET decisions/stream`: decisions as they are made, as server-sent events (WHATWG HTML, section 9.2).
//!
//! A stream reads from where the decisions are kept, at its own pace: it holds nothing that has not been read, and a
//! reader that falls behind what is kept is told how many it missed, and let go.

use std::io;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use portcullis_store::{AdminRole, DecisionFilter};
use tokio::time::Instant;

use super::body::{Parts, body};
use super::query::{Asked, Wanted};
use super::reader::Reader;
use super::source::Place;
use crate::admin;
use crate::app::AppState;
use crate::error::{ApiError, ErrorBody};

/// How often something is sent, so that nobody on the way takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often it is asked whether the administrator still is one.
const AUTHORIZATION: Duration = Duration::from_secs(15);
/// How often it is looked for more, in memory and in a database.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];
/// Longest `Last-Event-ID` that is looked at, in bytes.
const MAX_ID_BYTES: usize = 128;

/// What is decided from now on, or since the decision that `Last-Event-ID` names, as server-sent events.
#[utoipa::path(get, operation_id = "streamDecisions", path = "/v1/environments/{environment}/decisions/stream", tag = "Decisions",
    params(("environment" = String, Path), ("outcome" = Option<String>, Query, description = "permit or deny"),
        ("service" = Option<String>, Query), ("operation" = Option<String>, Query),
        ("reason" = Option<String>, Query), ("gateway" = Option<String>, Query),
        ("Last-Event-ID" = Option<String>, Header)),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = "default", body = ErrorBody)))]
pub(super) async fn decisions(
    State(state): State<AppState>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    admin::authorize(&state, &headers, AdminRole::Viewer).await?;
    let reader = Reader::enter(&state.decisions)?;
    let wanted = Wanted::parse(&uri, Asked::Stream)?;
    let last = match headers.get("last-event-id") {
        None => None,
        Some(id) if id.is_empty() => None,
        Some(id) => Some(id.to_str().ok().filter(|id| id.len() <= MAX_ID_BYTES)),
    };
    let resumed = match last.flatten() {
        Some(id) => reader.shared.place_after(id).await?,
        None => None,
    };
    // What was there between an event that is gone and now cannot be told.
    let gap = last.is_some() && resumed.is_none();
    let place = match resumed {
        Some(place) => place,
        None => reader.shared.end().await?,
    };
    let (parts, body) = body();
    let guard = Guard {
        state,
        headers,
        asked: now(),
    };
    tokio::spawn(write(reader, guard, wanted.filter, place, gap, parts));
    let head = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((head, body).into_response())
}

/// Who reads a stream, asked again and again: a token may be revoked, or expire, while it is open.
struct Guard {
    state: AppState,
    headers: HeaderMap,
    /// When it was last known that they may.
    asked: Instant,
}

/// Whether a stream may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Yes,
    /// The database that knows is away.
    Unknown,
    No,
}

impl Guard {
    async fn allows(&mut self) -> Allowed {
        if now().saturating_duration_since(self.asked) < AUTHORIZATION {
            return Allowed::Yes;
        }
        match admin::authorize(&self.state, &self.headers, AdminRole::Viewer).await {
            Ok(_) => {
                self.asked = now();
                Allowed::Yes
            }
            Err(error) if error.is_refusal() => Allowed::No,
            Err(_) => Allowed::Unknown,
        }
    }
}

async fn write(
    reader: Reader,
    mut guard: Guard,
    filter: DecisionFilter,
    place: Place,
    gap: bool,
    parts: Parts,
) {
    let stopping = reader.shared.stopping.clone();
    tokio::select! {
        () = stopping.begun() => {}
        // A client that went away is noticed also where there is nothing to send.
        () = parts.closed() => {}
        () = follow(&reader, &mut guard, &filter, place, gap, &parts) => {}
    }
}

/// Ends where the client is gone, was too slow or may not read any more.
async fn follow(
    reader: &Reader,
    guard: &mut Guard,
    filter: &DecisionFilter,
    mut place: Place,
    gap: bool,
    parts: &Parts,
) {
    let [memory, database] = PAUSES;
    let pause = match reader.shared.store {
        None => memory,
        Some(_) => database,
    };
    let opening = if gap {
        missed(None)
    } else {
        ": decisions follow\n\n".to_owned()
    };
    if send(parts, opening).await.is_err() {
        return;
    }
    let mut quiet_since = now();
    loop {
        // A database that is away is asked again; the stream goes on where it was. Nothing is shown meanwhile.
        let following = match guard.allows().await {
            Allowed::Yes => reader.shared.following(filter, place).await.ok(),
            Allowed::Unknown => None,
            Allowed::No => return refuse(parts).await,
        };
        let mut more = false;
        if let Some(following) = following {
            if following.missed > 0 {
                let _ = send(parts, missed(Some(following.missed))).await;
                return;
            }
            for (id, line) in following.events {
                // A client that reads slowly may take long for these.
                match guard.allows().await {
                    Allowed::Yes => {}
                    Allowed::Unknown => return,
                    Allowed::No => return refuse(parts).await,
                }
                let event = format!("id: {id}\nevent: decision\ndata: {line}\n\n");
                if send(parts, event).await.is_err() {
                    return;
                }
                quiet_since = now();
            }
            (place, more) = (following.place, following.more);
        }
        if now().saturating_duration_since(quiet_since) >= HEARTBEAT {
            if send(parts, ":\n\n".to_owned()).await.is_err() {
                return;
            }
            quiet_since = now();
        }
        if !more {
            tokio::time::sleep(pause).await;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the moment of the last event, against which the heartbeat is measured"
)]
fn now() -> Instant {
    Instant::now()
}

/// How many decisions the reader will not get; `None` where nobody knows.
fn missed(count: Option<u64>) -> String {
    let count = count.map_or_else(|| "null".to_owned(), |count| count.to_string());
    format!("event: missed\ndata: {{\"missed\":{count}}}\n\n")
}

async fn refuse(parts: &Parts) {
    let why =
        "event: refused\ndata: {\"message\":\"the administrator token is not good any more\"}\n\n";
    // The stream ends in any case.
    let _ = send(parts, why.to_owned()).await;
}

async fn send(parts: &Parts, text: String) -> Result<(), io::Error> {
    let sent = parts.send(Ok(Bytes::from(text))).await;
    sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
}
