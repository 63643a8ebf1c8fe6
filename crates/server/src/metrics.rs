//! What the service counts, and the text in which Prometheus reads it.
//!
//! No label holds anything that a caller chooses: outcomes, reason codes, routes, statuses and our
//! own words only, so that the number of time series is bounded and no URL, subject or claim shows.
//! The text is that of `OpenMetrics` 1.0, which Prometheus and the collectors of AWS and
//! `OpenTelemetry` read.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, http::StatusCode};
use portcullis_pdp::Unavailable;
use portcullis_pdp::clock::Clock;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the histogram of decision times, in seconds. A decision from memory takes tens of
/// microseconds; one that waits for keys or for introspection takes as long as the issuer.
const DECISION_SECONDS: [f64; 15] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 5.0,
];
/// The content type of the text.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is counted. Clones count together.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    decisions: Family<DecisionLabels, Counter>,
    decision_time: Histogram,
    calls: Family<CallLabels, Counter>,
    calls_limited: Counter,
    calls_open: Gauge,
    connections: Counter,
    connections_open: Gauge,
    connections_failed: Family<CauseLabels, Counter>,
    loads: Family<LoadLabels, Counter>,
    last_load_good: Family<WhatLabels, Gauge>,
    last_load_time: Family<WhatLabels, Gauge>,
    fetches: Family<FetchLabels, Counter>,
    decision_records: Family<ResultLabels, Counter>,
    decision_records_waiting: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    endpoint: String,
    status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabels {
    cause: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoadLabels {
    what: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WhatLabels {
    what: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FetchLabels {
    kind: &'static str,
    result: &'static str,
}

/// What is loaded from disk, at start and again when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// The policy directory.
    Policy,
    /// The certificate and key of the service.
    Certificate,
}

impl Loaded {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Certificate => "certificate",
        }
    }
}

/// What is asked of an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// Its metadata or its keys.
    Document,
    /// Introspection of a token.
    Introspection,
}

/// How a connection ended that did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The TLS handshake failed or took too long.
    Handshake,
    /// Something that is not HTTP, a head beyond the limits, or a client that was too slow or went away.
    Http,
}

impl Metrics {
    /// Nothing counted yet. The clock tells when something was loaded.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let mut registry = Registry::with_prefix("portcullis");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", version);
        let mut metrics = Self {
            registry: Arc::default(),
            clock,
            decisions: Family::default(),
            decision_time: Histogram::new(DECISION_SECONDS),
            calls: Family::default(),
            calls_limited: Counter::default(),
            calls_open: Gauge::default(),
            connections: Counter::default(),
            connections_open: Gauge::default(),
            connections_failed: Family::default(),
            loads: Family::default(),
            last_load_good: Family::default(),
            last_load_time: Family::default(),
            fetches: Family::default(),
            decision_records: Family::default(),
            decision_records_waiting: Gauge::default(),
        };
        metrics.register(&mut registry);
        metrics.registry = Arc::new(registry);
        metrics
    }

    /// Everything counted at least once, under each word of ours that a label can have: what the reference of metrics is
    /// made of. Reason codes and routes are in there as examples.
    #[must_use]
    pub fn specimen(clock: Arc<dyn Clock>) -> Self {
        let metrics = Self::new(clock);
        for (outcome, reason) in [
            ("permit", "permitted"),
            ("deny", "no_operation"),
            ("none", "keys"),
        ] {
            metrics.decided(outcome, reason, Duration::ZERO);
        }
        metrics.called("/sideband/request", Some(StatusCode::OK));
        metrics.called("other", None);
        metrics.connection_failed(Failure::Handshake);
        metrics.connection_failed(Failure::Http);
        for success in [true, false] {
            metrics.loaded(Loaded::Policy, success);
            metrics.loaded(Loaded::Certificate, success);
            metrics.fetched(Fetched::Document, success);
            metrics.fetched(Fetched::Introspection, success);
        }
        metrics.decisions_written(1);
        metrics.decision_dropped(1);
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "decisions",
            "Decisions by outcome (permit, deny, none) and reason code",
            self.decisions.clone(),
        );
        registry.register_with_unit(
            "decision_time",
            "Time from the question to the decision, without reading the call",
            Unit::Seconds,
            self.decision_time.clone(),
        );
        registry.register(
            "calls",
            "Calls by endpoint and HTTP status; status none: the client went away first",
            self.calls.clone(),
        );
        registry.register(
            "calls_limited",
            "Calls that were refused because too many were under way",
            self.calls_limited.clone(),
        );
        registry.register("calls_open", "Calls under way", self.calls_open.clone());
        registry.register(
            "connections",
            "Connections that were accepted",
            self.connections.clone(),
        );
        registry.register(
            "connections_open",
            "Connections open",
            self.connections_open.clone(),
        );
        registry.register(
            "connections_failed",
            "Connections that ended early: handshake or http",
            self.connections_failed.clone(),
        );
        registry.register(
            "loads",
            "Loads of the policy directory and the certificate, by result",
            self.loads.clone(),
        );
        registry.register(
            "last_load_success",
            "1 if the last load was a success, 0 if the older one is still in use",
            self.last_load_good.clone(),
        );
        registry.register_with_unit(
            "last_load_timestamp",
            "When the last successful load was, since 1970",
            Unit::Seconds,
            self.last_load_time.clone(),
        );
        registry.register(
            "issuer_requests",
            "Requests to issuers: documents (metadata and keys) and introspection, by result",
            self.fetches.clone(),
        );
        registry.register(
            "decision_records",
            "Records of decisions for the database: written, or dropped because it was away for too long or refused them; without one, dropped because they were too large together",
            self.decision_records.clone(),
        );
        registry.register(
            "decision_records_waiting",
            "Records of decisions that wait for the database",
            self.decision_records_waiting.clone(),
        );
    }

    /// Notes that something was loaded, or that loading it failed and the older one stays.
    pub fn loaded(&self, what: Loaded, success: bool) {
        self.in_use(what, success);
        let what = what.as_str();
        let result = result(success);
        self.loads.get_or_create(&LoadLabels { what, result }).inc();
        if success {
            let now = i64::try_from(self.clock.unix_now()).unwrap_or(i64::MAX);
            let labels = WhatLabels { what };
            self.last_load_time.get_or_create(&labels).set(now);
        }
    }

    /// Notes whether what is on disk is what is in use.
    pub(crate) fn in_use(&self, what: Loaded, current: bool) {
        let what = what.as_str();
        self.last_load_good
            .get_or_create(&WhatLabels { what })
            .set(i64::from(current));
    }

    pub(crate) fn decided(&self, outcome: &'static str, reason: &'static str, elapsed: Duration) {
        self.decisions
            .get_or_create(&DecisionLabels { outcome, reason })
            .inc();
        self.decision_time.observe(elapsed.as_secs_f64());
    }

    /// `endpoint` is a route, never a path that was asked for.
    pub(crate) fn called(&self, endpoint: &str, status: Option<StatusCode>) {
        let status = status.map_or_else(|| "none".to_owned(), |status| status.as_str().to_owned());
        let endpoint = endpoint.to_owned();
        self.calls
            .get_or_create(&CallLabels { endpoint, status })
            .inc();
    }

    pub(crate) fn limited(&self) {
        self.calls_limited.inc();
    }

    pub(crate) fn call_opened(&self) -> Open {
        Open::new(&self.calls_open)
    }

    pub(crate) fn connection_opened(&self) -> Open {
        self.connections.inc();
        Open::new(&self.connections_open)
    }

    pub(crate) fn connection_failed(&self, failure: Failure) {
        let cause = match failure {
            Failure::Handshake => "handshake",
            Failure::Http => "http",
        };
        self.connections_failed
            .get_or_create(&CauseLabels { cause })
            .inc();
    }

    pub(crate) fn fetched(&self, what: Fetched, success: bool) {
        let kind = match what {
            Fetched::Document => "document",
            Fetched::Introspection => "introspection",
        };
        let result = result(success);
        self.fetches
            .get_or_create(&FetchLabels { kind, result })
            .inc();
    }

    pub(crate) fn decisions_written(&self, count: u64) {
        let result = "written";
        self.decision_records
            .get_or_create(&ResultLabels { result })
            .inc_by(count);
    }

    pub(crate) fn decision_dropped(&self, count: u64) {
        let result = "dropped";
        self.decision_records
            .get_or_create(&ResultLabels { result })
            .inc_by(count);
    }

    pub(crate) fn decisions_waiting(&self, count: usize) {
        self.decision_records_waiting
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        match text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a string fails only where a metric cannot write itself, which ours can.
            Err(fmt::Error) => String::new(),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

const fn result(success: bool) -> &'static str {
    if success { "success" } else { "failure" }
}

/// The word for a lack of a decision, in place of a reason code.
pub(crate) const fn unavailable(error: &Unavailable) -> &'static str {
    match error {
        Unavailable::Timeout { .. } => "timeout",
        Unavailable::Network { .. } => "network",
        Unavailable::Throttled { .. } => "throttled",
        Unavailable::Status { .. } => "status",
        Unavailable::BadAnswer { .. } => "bad_answer",
        Unavailable::Introspection { .. } => "introspection",
        Unavailable::Keys { .. } => "keys",
    }
}

/// One more under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Open(Gauge);

impl Open {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// `GET /metrics`, for anyone who can connect.
pub fn metrics_router(metrics: Metrics) -> Router {
    Router::new().route(
        "/metrics",
        get(move || {
            let metrics = metrics.clone();
            async move { answer(&metrics) }
        }),
    )
}

fn answer(metrics: &Metrics) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.text()).into_response()
}
