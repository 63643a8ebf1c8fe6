//! Traces: a span for each call, sent to an OpenTelemetry collector by OTLP (http/protobuf).
//!
//! A span holds the route, the status, and of the decision its id, outcome, reason code, and the
//! names that the policy gives to service and operation. It holds no URL, token or claim. A call
//! that brings a `traceparent` (W3C Trace Context) becomes part of that trace, and is left out where
//! its sender says that the trace is not recorded.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{MatchedPath, Request};
use axum::http::{self, Method, StatusCode};
use axum::response::Response;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    SpanKind, Status, TraceContextExt, Tracer, TracerProvider, get_active_span,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HeaderExtractor, HttpClient as Transport, HttpError as TransportError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use portcullis_model::Decision;
use portcullis_pdp::Unavailable;
use portcullis_pdp::http::{HttpClient, HttpRequest, HttpResponse};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::metrics::unavailable;

/// How long the collector may take to accept spans.
const EXPORT_TIME: Duration = Duration::from_secs(10);
/// How long the last spans may take when the service stops.
const FLUSH_TIME: Duration = Duration::from_secs(3);
/// Largest answer of a collector that is read, in bytes; it says how many spans were rejected.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Where traces go.
#[derive(Debug, Clone)]
pub struct TraceSettings {
    /// The whole URL of the collector, such as `http://127.0.0.1:4318/v1/traces`.
    pub endpoint: String,
    /// The name of this service in traces.
    pub service_name: String,
}

/// Makes spans and sends them in the background, in batches. What the collector does not take in
/// time is dropped: the queue is bounded (2,048 spans by default).
#[derive(Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Sends through that client, on that runtime. The OpenTelemetry SDK reads the standard
    /// variables for headers, sampling and batches by itself. Fails where the URL is none.
    pub fn new(
        settings: &TraceSettings,
        client: Arc<HttpClient>,
        runtime: Handle,
    ) -> Result<Self, InvalidTraces> {
        let invalid = |cause: String| InvalidTraces(cause);
        HttpRequest::post_in_the_open(&settings.endpoint, Bytes::new())
            .map_err(|error| invalid(error.to_string()))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector {
                client,
                runtime,
                failing: Arc::default(),
            })
            .with_endpoint(&settings.endpoint)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(EXPORT_TIME)
            .build()
            .map_err(|error| invalid(error.to_string()))?;
        let resource = Resource::builder()
            .with_service_name(settings.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        let tracer = provider.tracer("portcullis");
        Ok(Self { provider, tracer })
    }

    /// Sends what is left. On a thread of its own, because it blocks.
    pub async fn finish(self) {
        let (sender, done) = oneshot::channel();
        std::thread::spawn(move || {
            let outcome = self.provider.shutdown_with_timeout(FLUSH_TIME);
            // Nobody waits any more where the service was told to stop at once.
            let _ = sender.send(outcome);
        });
        if let Ok(Err(error)) = done.await {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }

    /// Begins the span of a call, as a part of the trace that the call names.
    pub(crate) fn begin(&self, request: &Request, route: Option<&MatchedPath>) -> Context {
        let method = known(request.method());
        let parent = TraceContextPropagator::new()
            .extract_with_context(&Context::new(), &HeaderExtractor(request.headers()));
        // A path that is no route may hold anything.
        let mut attributes = vec![KeyValue::new("http.request.method", method)];
        let name = match route {
            Some(route) => {
                attributes.push(KeyValue::new("http.route", route.as_str().to_owned()));
                format!("{method} {}", route.as_str())
            }
            None => method.to_owned(),
        };
        let span = self
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Server)
            .with_attributes(attributes)
            .start_with_context(&self.tracer, &parent);
        parent.with_span(span)
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traces")
    }
}

/// Ends the span of a call.
pub(crate) fn end(context: &Context, response: &Response) {
    let span = context.span();
    let status = response.status();
    span.set_attribute(KeyValue::new(
        "http.response.status_code",
        i64::from(status.as_u16()),
    ));
    let id = response.headers().get("correlation-id");
    if let Some(id) = id.and_then(|id| id.to_str().ok()) {
        span.set_attribute(KeyValue::new("portcullis.decision_id", id.to_owned()));
    }
    if status.is_server_error() {
        span.set_status(Status::error(""));
    }
    span.end();
}

/// Notes a decision in the span of the call that it is for, if there is one.
pub(crate) fn note(answer: &Result<Decision, Unavailable>) {
    get_active_span(|span| {
        if !span.is_recording() {
            return;
        }
        let (outcome, reason) = match answer {
            Ok(decision) => (decision.as_str(), decision.reason.code.as_str()),
            Err(error) => ("none", unavailable(error)),
        };
        span.set_attribute(KeyValue::new("portcullis.outcome", outcome));
        span.set_attribute(KeyValue::new("portcullis.reason", reason));
        let Ok(decision) = answer else { return };
        for (key, name) in [
            ("portcullis.service", &decision.trace.service),
            ("portcullis.operation", &decision.trace.operation),
        ] {
            if let Some(name) = name {
                span.set_attribute(KeyValue::new(key, name.to_string()));
            }
        }
    });
}

/// A method may be any word; the conventions of OpenTelemetry want the known ones only.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        _ => "_OTHER",
    }
}

/// The collector, reached by the client that the service has anyway.
#[derive(Clone)]
struct Collector {
    client: Arc<HttpClient>,
    runtime: Handle,
    failing: Arc<AtomicBool>,
}

impl Collector {
    async fn send(self, request: HttpRequest) -> Result<http::Response<Bytes>, TransportError> {
        let answer = self
            .client
            .send(request, EXPORT_TIME, MAX_ANSWER_BYTES)
            .await;
        let problem = match &answer {
            Ok(HttpResponse {
                status: 200..=299, ..
            }) => None,
            Ok(answer) => Some(format!("it answered with HTTP status {}", answer.status)),
            Err(error) => Some(error.to_string()),
        };
        self.tell(problem);
        let answer = answer?;
        let mut response = http::Response::new(answer.body);
        *response.status_mut() = StatusCode::from_u16(answer.status)?;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }

    /// Says so once when it begins, and once when it is over.
    fn tell(&self, problem: Option<String>) {
        let failed = self.failing.swap(problem.is_some(), Ordering::Relaxed);
        match problem {
            Some(cause) if !failed => {
                tracing::warn!(cause, "traces cannot be sent to the collector");
            }
            None if failed => tracing::info!("traces are sent to the collector again"),
            _ => {}
        }
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

impl Transport for Collector {
    // The trait was written with `async_trait`; this is what that makes of an async function.
    fn send_bytes<'a, 'b>(
        &'a self,
        request: http::Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<http::Response<Bytes>, TransportError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let mut request = HttpRequest::post_in_the_open(&head.uri.to_string(), body)?;
            for (name, value) in &head.headers {
                request = request.header(name.as_str(), value.to_str()?)?;
            }
            // The thread that sends batches has no runtime of its own.
            self.runtime.spawn(self.clone().send(request)).await?
        })
    }
}

/// Traces cannot be sent to the place that was named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the collector of traces (OTEL_EXPORTER_OTLP_ENDPOINT) cannot be used: expected a URL such as http://127.0.0.1:4318: {0}"
)]
pub struct InvalidTraces(String);
