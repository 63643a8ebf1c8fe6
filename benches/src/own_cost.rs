//! The authorizer's own cost of one decision: event in, sideband request out, sideband answer in,
//! policy out. Everything but the wait for the decision service.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use portcullis_aws::{AuthorizerEvent, EventOptions, HttpV2Form, answer};
use portcullis_sideband::{SidebandReply, SidebandRequest};

/// How many rounds are measured, and how many decisions a round takes.
pub(crate) const ROUNDS: usize = 200;
pub(crate) const DECISIONS: u32 = 200;

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
}

impl<'a> OwnCost<'a> {
    pub(crate) fn new(event: &'a str) -> Result<Self> {
        let options = EventOptions::default();
        let sent = SidebandRequest::from_api_request(
            AuthorizerEvent::parse(event.as_bytes(), &options)?.request(),
        );
        Ok(Self {
            event,
            options,
            // A permit is an echo of the request.
            reply: serde_json::to_vec(&sent)?,
        })
    }

    /// One decision without the wait.
    pub(crate) fn decide(&self) -> Result<()> {
        let event = AuthorizerEvent::parse(black_box(self.event).as_bytes(), &self.options)?;
        let sent = SidebandRequest::from_api_request(event.request());
        black_box(serde_json::to_vec(&sent)?);
        let decision = SidebandReply::read(black_box(&self.reply), &sent)?;
        let answer = answer(&event, &decision, HttpV2Form::Iam)?;
        black_box(serde_json::to_vec(&answer)?);
        Ok(())
    }
}
