//! Whether the process lives, and whether requests should be sent to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use crate::app::AppState;

/// Whether requests should be sent here: not before the policy set is loaded and the keys of its
/// issuers have been asked for, and never again once the service stops.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    ready: AtomicBool,
    stopped: AtomicBool,
}

impl Readiness {
    /// Says so from now on.
    pub fn set(&self, ready: bool) {
        self.0.ready.store(ready, Ordering::Release);
    }

    /// Says no for good: keys that arrive while the service stops do not make it ready again.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Release);
    }

    /// What was said last; `false` at first.
    #[must_use]
    pub fn get(&self) -> bool {
        !self.0.stopped.load(Ordering::Acquire) && self.0.ready.load(Ordering::Acquire)
    }
}

/// `GET /health/live`: 200 as long as the process answers.
pub(crate) async fn live() -> impl IntoResponse {
    answer(StatusCode::OK, "UP")
}

/// `GET /health/ready`: 200 when requests should be sent here, 503 otherwise.
pub(crate) async fn ready(State(state): State<AppState>) -> impl IntoResponse {
    if state.readiness.get() {
        answer(StatusCode::OK, "UP")
    } else {
        answer(StatusCode::SERVICE_UNAVAILABLE, "DOWN")
    }
}

fn answer(status: StatusCode, word: &str) -> impl IntoResponse + use<> {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        format!("{{\"status\":\"{word}\"}}"),
    )
}
