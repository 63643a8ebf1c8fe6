//! Back-pressure: bounds how many calls are under way at once. One that finds no room waits a moment
//! and is then refused with 429, before anything of its body is read. So is, with 413, a call that says
//! itself that its body is too large.
//!
//! That bounds memory, too: the largest bodies of all calls under way are what the service may hold.

use std::sync::Arc;
use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::app::MAX_BODY_BYTES;
use crate::cloudentity;
use crate::error::ApiError;
use crate::metrics::Metrics;

/// How many calls may be under way at once by default. A decision from memory takes well under a
/// millisecond, so so many are under way only where issuers or clients are slow.
pub const DEFAULT_MAX_REQUESTS: u16 = 256;
/// Most that can be asked for: there are never more calls under way than connections.
pub const LARGEST_MAX_REQUESTS: u16 = 900;
/// How long a call waits for room: long enough for a burst to pass, and short against the budget of
/// an enforcement point, which is seconds.
const PATIENCE: Duration = Duration::from_millis(100);

/// Room for so many calls. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    free: Semaphore,
    metrics: Metrics,
}

impl Room {
    pub(crate) fn new(max_requests: usize, metrics: Metrics) -> Self {
        let free = Semaphore::new(max_requests.min(Semaphore::MAX_PERMITS));
        Self(Arc::new(Shared { free, metrics }))
    }

    async fn take(&self) -> Option<SemaphorePermit<'_>> {
        match tokio::time::timeout(PATIENCE, self.0.free.acquire()).await {
            // INVARIANT: the semaphore is never closed.
            Ok(permit) => permit.ok(),
            Err(_) => None,
        }
    }
}

/// Lets a call pass once there is room for it. Health checks and metrics always pass: whoever looks
/// at a busy service must not take it for a dead one.
pub(crate) async fn limit(State(room): State<Room>, request: Request, next: Next) -> Response {
    if is_exempt(request.uri().path()) {
        return next.run(request).await;
    }
    // What is known of a body before it is read is its `Content-Length`.
    let limit = cloudentity::body_limit(request.uri().path()).unwrap_or(MAX_BODY_BYTES);
    if request.body().size_hint().lower() > limit as u64 {
        return ApiError::too_large(limit).into_response();
    }
    let Some(permit) = room.take().await else {
        room.0.metrics.limited();
        return ApiError::limited().into_response();
    };
    let response = next.run(request).await;
    drop(permit);
    response
}

/// Whether a path is for those who watch the service and not for those who use it.
pub(crate) fn is_exempt(path: &str) -> bool {
    matches!(path, "/health/live" | "/health/ready" | "/metrics")
}
