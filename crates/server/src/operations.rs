//! What surrounds every route: counting, traces, back-pressure, and telling clients to hang up while the
//! service stops.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use opentelemetry::context::FutureExt;

use crate::metrics::{Metrics, Open};
use crate::pressure::{self, Room};
use crate::stopping::Stopping;
use crate::traces::{self, Traces};

/// What surrounds the routes.
#[derive(Debug, Clone)]
pub struct Operations {
    /// Where calls are counted.
    pub metrics: Metrics,
    /// How many calls may be under way at once; at least 1.
    pub max_requests: u16,
    /// Whether the service stops.
    pub stopping: Stopping,
    /// Where spans are made; `None` makes none.
    pub traces: Option<Traces>,
}

impl Operations {
    /// The same routes, counted and bounded.
    pub fn surround(self, router: Router) -> Router {
        let room = Room::new(self.max_requests.into(), self.metrics.clone());
        router
            .layer(from_fn_with_state(room, pressure::limit))
            .layer(from_fn_with_state(Arc::new(self), observe))
    }
}

/// For every call the state is cloned, so it is shared.
async fn observe(
    State(operations): State<Arc<Operations>>,
    request: Request,
    next: Next,
) -> Response {
    // A path that is no route may hold anything.
    let endpoint = request.extensions().get::<MatchedPath>();
    let mut call = Call {
        endpoint: endpoint.map_or_else(|| "other".into(), |path| path.as_str().into()),
        status: None,
        _open: operations.metrics.call_opened(),
        metrics: &operations.metrics,
    };
    let traces = operations.traces.as_ref();
    let traces = traces.filter(|_| !pressure::is_exempt(request.uri().path()));
    let mut response = match traces {
        None => next.run(request).await,
        Some(traces) => {
            let span = traces.begin(&request, request.extensions().get());
            let response = next.run(request).with_context(span.clone()).await;
            traces::end(&span, &response);
            response
        }
    };
    call.status = Some(response.status());
    if operations.stopping.has_begun() {
        // So that the client's next call goes where it will still be answered.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// A call under way; counted when it is over, also where the client went away.
struct Call<'a> {
    endpoint: Box<str>,
    status: Option<StatusCode>,
    metrics: &'a Metrics,
    _open: Open,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.metrics.called(&self.endpoint, self.status);
    }
}
