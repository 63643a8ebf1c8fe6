//! `serve --decisions-...`: what is kept of decisions.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use portcullis_pdp::clock::Clock;
use portcullis_server::{
    DEFAULT_DECISIONS_KEPT, DEFAULT_DECISIONS_RETENTION_HOURS, DecisionSettings, Decisions,
    LARGEST_DECISIONS_KEPT, LONGEST_DECISIONS_RETENTION_HOURS, Metrics, RecordedHeaders, Stopping,
};
use portcullis_store::Store;

const SECONDS_PER_HOUR: u64 = 3600;

#[derive(Args)]
pub(super) struct DecisionArguments {
    /// How many recent decisions are kept; 0 keeps none.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_DECISIONS_KEPT,
        value_parser = clap::value_parser!(u32).range(0..=i64::from(LARGEST_DECISIONS_KEPT)))]
    decisions_kept: u32,
    /// For how many hours.
    #[arg(long, value_name = "HOURS", default_value_t = DEFAULT_DECISIONS_RETENTION_HOURS,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_DECISIONS_RETENTION_HOURS)))]
    decisions_retention: u32,
    /// Also keep what `policy test --decisions` replays: URLs and the claims of tokens, which are personal data.
    #[arg(long)]
    record_requests: bool,
    /// A header field that is kept with requests; once for each.
    #[arg(long, value_name = "NAME", requires = "record_requests")]
    record_header: Vec<String>,
}

impl DecisionArguments {
    /// Where decisions will be kept: in that database, or in this process.
    pub(super) fn open(
        &self,
        store: Option<Store>,
        clock: &Arc<dyn Clock>,
        metrics: &Metrics,
        stopping: &Stopping,
    ) -> Result<Decisions> {
        let (clock, metrics, stopping) = (Arc::clone(clock), metrics.clone(), stopping.clone());
        let settings = self.settings()?;
        Ok(Decisions::new(settings, store, clock, metrics, stopping))
    }

    fn settings(&self) -> Result<DecisionSettings> {
        let headers = RecordedHeaders::new(self.record_header.iter().map(String::as_str))
            .context("--record-header")?;
        let hours = u64::from(self.decisions_retention);
        Ok(DecisionSettings {
            kept: self.decisions_kept,
            retention: Duration::from_secs(hours * SECONDS_PER_HOUR),
            inputs: self.record_requests.then_some(headers),
        })
    }

    /// Whether decisions carry claims for their records.
    pub(super) const fn keeps_claims(&self) -> bool {
        self.record_requests && self.decisions_kept > 0
    }
}
