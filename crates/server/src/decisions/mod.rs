//! Recent decisions: kept with a bound in number and in age, found, exported and streamed.
//!
//! Nothing here holds a decision up: recording one is a push into a bounded queue, and writing it as JSON and into a
//! database happens in the background. Where there is no room, the oldest go.

mod body;
mod export;
mod input;
mod list;
mod query;
mod reader;
mod record;
mod ring;
mod source;
mod stream;
#[cfg(test)]
mod testing;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_engine::Question;
use portcullis_model::{
    ApiRequest, Decision, ReasonCode, ResponseDecision, ResponseOutcome, SentTokens, Trace,
};
use portcullis_pdp::clock::Clock;
use portcullis_store::Store;
use tokio::sync::{Notify, Semaphore};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use input::{InvalidRecordedHeader, RecordedHeaders};
pub use writer::DecisionWriter;

use crate::app::AppState;
use crate::metrics::Metrics;
use crate::stopping::Stopping;
use record::{DecisionRecord, Phase, Protocol};
use ring::Ring;

/// How many decisions are kept by default.
pub const DEFAULT_DECISIONS_KEPT: u32 = 2_000;
/// Most that can be asked for.
pub const LARGEST_DECISIONS_KEPT: u32 = 1_000_000;
/// How many hours they are kept by default.
pub const DEFAULT_DECISIONS_RETENTION_HOURS: u32 = 24;
/// Longest retention, in hours: ten years.
pub const LONGEST_DECISIONS_RETENTION_HOURS: u32 = 87_600;
/// How many decisions wait for a database that is away.
const MAX_WAITING: usize = 20_000;
/// Most memory of the decisions that wait for a database, in bytes.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;
/// Most memory of decisions that are kept in this process, in bytes: for each that may be kept, and in any case.
const BYTES_PER_KEPT: usize = 8 * 1024;
const MIN_KEPT_BYTES: usize = 16 * 1024 * 1024;
/// How many pages, streams and exports may be under way at once.
const MAX_READERS: usize = 16;

/// What is kept of decisions.
#[derive(Debug, Clone)]
pub struct DecisionSettings {
    /// How many decisions are kept; 0 keeps none.
    pub kept: u32,
    /// How long they are kept.
    pub retention: Duration,
    /// With these headers, what a replay needs is kept, too: the claims of tokens are personal data. `None` keeps
    /// nothing of it.
    pub inputs: Option<RecordedHeaders>,
}

/// A decision that an enforcement point has made by itself and told of afterwards.
#[derive(Debug, Clone)]
pub(crate) struct Reported {
    pub(crate) permitted: bool,
    pub(crate) reason: ReasonCode,
    /// The method and the path of the API; empty where it is not known.
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) elapsed: Duration,
    pub(crate) trace: Trace,
}

/// The recent decisions. Clones share them.
#[derive(Clone)]
pub struct Decisions(Option<Arc<Shared>>);

struct Shared {
    settings: DecisionSettings,
    /// The database that all replicas share; without one, decisions are kept in this process until it ends.
    store: Option<Store>,
    /// The decisions themselves, or those on their way to the database.
    ring: Ring,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    stopping: Stopping,
    readers: Arc<Semaphore>,
    /// Wakes the writer.
    wake: Notify,
    /// Whether decisions were dropped since the last was written.
    overflowing: AtomicBool,
}

impl Decisions {
    /// Keeps nothing.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Keeps decisions as the settings say, in that database or in this process. [`Self::start`] is to be called,
    /// too.
    #[must_use]
    pub fn new(
        settings: DecisionSettings,
        store: Option<Store>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        stopping: Stopping,
    ) -> Self {
        if settings.kept == 0 {
            return Self::off();
        }
        let kept = usize::try_from(settings.kept).unwrap_or(usize::MAX);
        let budget = kept.saturating_mul(BYTES_PER_KEPT).max(MIN_KEPT_BYTES);
        let (bound, budget) = match store {
            None => (kept, budget),
            Some(_) => (MAX_WAITING, MAX_WAITING_BYTES),
        };
        Self(Some(Arc::new(Shared {
            settings,
            store,
            ring: Ring::new(bound, budget),
            clock,
            metrics,
            stopping,
            readers: Arc::new(Semaphore::new(MAX_READERS)),
            wake: Notify::new(),
            overflowing: AtomicBool::new(false),
        })))
    }

    /// Begins to write into the database, and to delete what is too old, in the background. Needs a tokio runtime.
    #[must_use]
    pub fn start(&self) -> DecisionWriter {
        DecisionWriter::start(self.0.clone())
    }

    /// Records a decision on a request; `path` is its path without the token.
    pub(crate) fn request(
        &self,
        id: &str,
        gateway: Option<Arc<str>>,
        request: &ApiRequest,
        path: &str,
        decision: Decision,
        elapsed: Duration,
    ) {
        let Some(shared) = &self.0 else { return };
        let now = shared.clock.unix_millis();
        let input = shared.settings.inputs.as_ref();
        let input = input.map(|headers| headers.input(request, decision.claims.as_ref(), now));
        shared.record(DecisionRecord {
            id: id.to_owned(),
            time: now,
            phase: Phase::Request,
            protocol: Protocol::Sideband,
            gateway,
            method: request.method.as_str().to_owned(),
            path: record::bounded_path(path),
            outcome: decision.as_str(),
            reason: decision.reason.code,
            status: decision.status(),
            elapsed,
            trace: decision.trace,
            input,
        });
    }

    /// Records a decision on a response; `request` is the one that was responded to.
    pub(crate) fn response(
        &self,
        id: &str,
        gateway: Option<Arc<str>>,
        request: &ApiRequest,
        decision: ResponseDecision,
        elapsed: Duration,
    ) {
        let Some(shared) = &self.0 else { return };
        let (outcome, status) = match &decision.outcome {
            ResponseOutcome::Permit(_) => ("permit", None),
            ResponseOutcome::Deny(deny) => ("deny", Some(deny.status)),
        };
        shared.record(DecisionRecord {
            id: id.to_owned(),
            time: shared.clock.unix_millis(),
            phase: Phase::Response,
            protocol: Protocol::Sideband,
            gateway,
            method: request.method.as_str().to_owned(),
            path: record::bounded_path(&SentTokens::of(request).redacted(request.url.path())),
            outcome,
            reason: decision.reason.code,
            status,
            elapsed,
            trace: decision.trace,
            input: None,
        });
    }

    /// Records a decision that a gateway of the Cloudentity protocol has told of.
    pub(crate) fn reported(&self, id: &str, gateway: Arc<str>, reported: Reported) {
        let Some(shared) = &self.0 else { return };
        let outcome = if reported.permitted { "permit" } else { "deny" };
        shared.record(DecisionRecord {
            id: id.to_owned(),
            time: shared.clock.unix_millis(),
            phase: Phase::Request,
            protocol: Protocol::Cloudentity,
            gateway: Some(gateway),
            method: reported.method,
            path: record::bounded_path(&reported.path),
            outcome,
            reason: reported.reason,
            status: (!reported.permitted).then_some(403),
            elapsed: reported.elapsed,
            trace: reported.trace,
            input: None,
        });
    }

    /// Records a decision on a question of `AuthZEN`.
    pub(crate) fn evaluation(
        &self,
        id: &str,
        gateway: Option<Arc<str>>,
        question: &Question,
        decision: Decision,
        elapsed: Duration,
    ) {
        let Some(shared) = &self.0 else { return };
        shared.record(DecisionRecord {
            id: id.to_owned(),
            time: shared.clock.unix_millis(),
            phase: Phase::Request,
            protocol: Protocol::Authzen,
            gateway,
            method: question.method.as_str().to_owned(),
            path: record::bounded_path(&question.route),
            outcome: decision.as_str(),
            reason: decision.reason.code,
            status: decision.status(),
            elapsed,
            trace: decision.trace,
            input: None,
        });
    }
}

impl Shared {
    fn record(&self, record: DecisionRecord) {
        let pushed = self.ring.push(Arc::new(record));
        if self.store.is_none() {
            // Those that go for their number are not counted: that is what was asked for.
            if pushed.crowded_out > 0 {
                self.metrics.decision_dropped(pushed.crowded_out as u64);
                if !self.overflowing.swap(true, Ordering::Relaxed) {
                    tracing::warn!("the decisions are so large that fewer are kept than asked for");
                }
            }
            return;
        }
        self.driven_out(pushed.dropped.len());
        if pushed.waiting >= portcullis_store::MAX_DECISION_BATCH
            || pushed.bytes >= writer::MAX_BATCH_BYTES
        {
            self.wake.notify_one();
        }
    }

    /// Counts those that went because too many wait for the database, and tells of the first.
    fn driven_out(&self, count: usize) {
        if count == 0 {
            return;
        }
        self.metrics.decision_dropped(count as u64);
        if !self.overflowing.swap(true, Ordering::Relaxed) {
            tracing::error!("too many decisions wait for the database; the oldest are dropped");
        }
    }

    /// The time before which nothing is kept, in milliseconds since 1970.
    fn oldest(&self) -> i64 {
        let retention = i64::try_from(self.settings.retention.as_millis()).unwrap_or(i64::MAX);
        self.clock.unix_millis().saturating_sub(retention)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Decisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.0.as_ref().map(|shared| &shared.settings);
        f.debug_tuple("Decisions").field(&settings).finish()
    }
}

/// The routes below an environment, whose id is not looked at, with their document.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::decisions))
        .routes(routes!(stream::decisions))
        .routes(routes!(list::decision))
        .routes(routes!(export::decisions))
}
