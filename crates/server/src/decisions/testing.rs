//! What the tests of recorded decisions share.

use std::sync::Arc;
use std::time::Duration;

use portcullis_model::{ReasonCode, Trace};
use portcullis_pdp::clock::SystemClock;
use portcullis_store::{Options, Store};
use sqlx::Connection as _;
use tempfile::TempDir;

use super::record::{DecisionRecord, Phase, Protocol};
use super::{DecisionSettings, Decisions, Shared};
use crate::health::Readiness;
use crate::metrics::Metrics;
use crate::stopping::Stopper;

/// Decisions in that database or in memory: as many as 100,000, of any age.
pub(super) fn kept(store: Option<Store>) -> (Decisions, Arc<Shared>) {
    let settings = DecisionSettings {
        kept: 100_000,
        retention: Duration::MAX,
        inputs: None,
    };
    kept_with(settings, store)
}

pub(super) fn kept_with(
    settings: DecisionSettings,
    store: Option<Store>,
) -> (Decisions, Arc<Shared>) {
    let stopping = Stopper::new(Readiness::default(), Duration::ZERO).stopping();
    let metrics = Metrics::new(Arc::new(SystemClock));
    let clock = Arc::new(SystemClock);
    let decisions = Decisions::new(settings, store, clock, metrics, stopping);
    let shared = Arc::clone(decisions.0.as_ref().unwrap());
    (decisions, shared)
}

pub(super) async fn kept_in_database() -> (Decisions, Arc<Shared>, Store) {
    let options = Options::default();
    let store = Store::open("sqlite::memory:", &options).await.unwrap();
    let (decisions, shared) = kept(Some(store.clone()));
    (decisions, shared, store)
}

/// The same in a file, with a connection that knows nothing of the store.
pub(super) async fn kept_in_file() -> (Decisions, Arc<Shared>, Store, File) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("d.db").display());
    let store = Store::open(&url, &Options::default()).await.unwrap();
    let (decisions, shared) = kept(Some(store.clone()));
    let raw = sqlx::AnyConnection::connect(&url).await.unwrap();
    let file = File {
        raw,
        _directory: directory,
    };
    (decisions, shared, store, file)
}

/// A database in a file of its own.
pub(super) struct File {
    raw: sqlx::AnyConnection,
    _directory: TempDir,
}

impl File {
    pub(super) async fn run(&mut self, statement: &'static str) {
        sqlx::query(statement).execute(&mut self.raw).await.unwrap();
    }
}

/// A decision of that number, made at that millisecond.
pub(super) fn record(number: i64, service: &str) -> DecisionRecord {
    DecisionRecord {
        id: format!("d-{number}"),
        time: number,
        phase: Phase::Request,
        protocol: Protocol::Sideband,
        gateway: None,
        method: "GET".to_owned(),
        path: "/".to_owned(),
        outcome: "permit",
        reason: ReasonCode::Permitted,
        status: None,
        elapsed: Duration::ZERO,
        trace: Trace {
            service: Some(service.into()),
            ..Trace::default()
        },
        input: None,
    }
}

/// One of about 200 KB.
pub(super) fn large(number: i64) -> DecisionRecord {
    let mut record = record(number, "S");
    record.trace.nearest_miss = Some("x".repeat(200_000));
    record
}
