//! The authorizer's own cost of one decision: event in, sideband request out, sideband answer in, policy out, with its log
//! line and its metric line. Everything but HTTP and the wait for the decision service.

use std::hint::black_box;
use std::io::{self, PipeWriter, Write as _};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use portcullis_aws::{Answer, AuthorizerEvent, EventOptions, HttpV2Form, answer};
use portcullis_enforcement::{Metrics, Observation};
use portcullis_model::{Decision, logged_path};
use portcullis_sideband::{SidebandReply, SidebandRequest};
use tracing::Dispatch;
use tracing::dispatcher::with_default;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;

/// How many rounds are measured, and how many decisions a round takes.
pub(crate) const ROUNDS: usize = 200;
pub(crate) const DECISIONS: u32 = 200;

/// Such as API Gateway and Lambda give them: log lines are as long as theirs.
const REQUEST_ID: &str = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef";
const UNIX_MILLIS: u64 = 1_790_000_000_000;

/// The median cost over all rounds.
pub(crate) fn measure(event: &str) -> Result<Duration> {
    let authorizer = OwnCost::new(event)?;
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| round(&authorizer))
        .collect::<Result<_>>()?;
    rounds.sort();
    rounds
        .get(ROUNDS / 2)
        .copied()
        .ok_or_else(|| anyhow::anyhow!("no round was measured"))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn round(authorizer: &OwnCost<'_>) -> Result<Duration> {
    let started = Instant::now();
    for _ in 0..DECISIONS {
        authorizer.decide()?;
    }
    Ok(started.elapsed() / DECISIONS)
}

/// What the authorizer does for one event, with what a decision service would answer.
pub(crate) struct OwnCost<'a> {
    event: &'a str,
    options: EventOptions,
    reply: Vec<u8>,
    log: Dispatch,
    metrics: Metrics,
    /// Where log and metrics go: as in Lambda a pipe that somebody reads, so that each line is a system call.
    output: Arc<PipeWriter>,
}

impl<'a> OwnCost<'a> {
    pub(crate) fn new(event: &'a str) -> Result<Self> {
        let options = EventOptions::default();
        let sent = SidebandRequest::from_api_request(
            AuthorizerEvent::parse(event.as_bytes(), &options)?.request(),
        );
        let (mut reader, writer) = io::pipe()?;
        thread::spawn(move || io::copy(&mut reader, &mut io::sink()).ok());
        let output = Arc::new(writer);
        Ok(Self {
            event,
            options,
            // A permit is an echo of the request.
            reply: serde_json::to_vec(&sent)?,
            log: log(Arc::clone(&output)),
            metrics: Metrics::new("portcullis-authorizer"),
            output,
        })
    }

    /// One decision without the wait.
    #[expect(
        clippy::disallowed_methods,
        reason = "the authorizer asks for the time, too"
    )]
    pub(crate) fn decide(&self) -> Result<()> {
        let started = Instant::now();
        let event = AuthorizerEvent::parse(black_box(self.event).as_bytes(), &self.options)?;
        let sent = SidebandRequest::from_api_request(event.request());
        black_box(serde_json::to_vec(&sent)?);
        let decision = SidebandReply::read(black_box(&self.reply), &sent)?;
        let answer = answer(&event, &decision, HttpV2Form::Iam)?;
        with_default(&self.log, || log_line(&event, &decision, &answer));
        let observation = Observation {
            decision: decision.as_str(),
            dialect: Some(event.dialect().as_str()),
            latency: started.elapsed(),
            cold_start: false,
        };
        let mut line = self.metrics.line(&observation, UNIX_MILLIS);
        line.push('\n');
        (&*self.output).write_all(line.as_bytes())?;
        black_box(serde_json::to_vec(&answer)?);
        Ok(())
    }
}

/// The log of the authorizer (`crates/authorizer/src/log.rs`), which is its whole process', into that pipe.
fn log(output: Arc<PipeWriter>) -> Dispatch {
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_writer(output);
    Dispatch::new(tracing_subscriber::registry().with(lines))
}

/// The line that it writes for a decision (`crates/authorizer/src/authorizer.rs`).
fn log_line(event: &AuthorizerEvent, decision: &Decision, answer: &Answer) {
    let request = event.request();
    tracing::info!(
        requestId = REQUEST_ID,
        decision = decision.as_str(),
        reason = decision.reason.code.as_str(),
        detail = decision.reason.message.as_ref(),
        decision_id = decision.id(),
        status = decision.status(),
        cache = answer.cache(),
        dialect = event.dialect().as_str(),
        method = request.method.as_str(),
        host = request.url.host(),
        path = logged_path(request.url.path()),
        "decided"
    );
}

#[cfg(test)]
mod tests {
    use std::io::{self, BufRead as _, BufReader};
    use std::sync::Arc;

    use super::OwnCost;

    #[test]
    fn a_decision_writes_the_two_lines_of_the_authorizer() {
        let event = crate::figures::event("token");
        let mut authorizer = OwnCost::new(&event).unwrap();
        let (reader, writer) = io::pipe().unwrap();
        authorizer.output = Arc::new(writer);
        authorizer.log = super::log(Arc::clone(&authorizer.output));
        authorizer.decide().unwrap();
        drop(authorizer);
        let lines: Vec<serde_json::Value> = BufReader::new(reader)
            .lines()
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
            .collect();
        let [log, metrics] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        assert_eq!(log["message"], "decided");
        assert_eq!(log["decision"], "permit");
        assert_eq!(metrics["dialect"], log["dialect"]);
        assert!(metrics["_aws"].is_object());
    }
}
