//! The authorizer's own cost of one decision: event in, sideband request out, sideband answer in,
//! policy out. Everything but the wait for the decision service.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use portcullis_aws::{AuthorizerEvent, EventOptions, HttpV2Form, answer};
use portcullis_sideband::{SidebandReply, SidebandRequest};

/// How many rounds are measured, and how many decisions a round takes.
const ROUNDS: usize = 200;
const DECISIONS: u32 = 200;

/// The median cost over all rounds.
pub(crate) fn measure(event: &str) -> Result<Duration> {
    let options = EventOptions::default();
    let sent = SidebandRequest::from_api_request(
        AuthorizerEvent::parse(event.as_bytes(), &options)?.request(),
    );
    // A permit is an echo of the request.
    let reply = serde_json::to_vec(&sent)?;
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| round(event, &options, &reply))
        .collect::<Result<_>>()?;
    rounds.sort();
    rounds
        .get(ROUNDS / 2)
        .copied()
        .ok_or_else(|| anyhow::anyhow!("no round was measured"))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn round(event: &str, options: &EventOptions, reply: &[u8]) -> Result<Duration> {
    let started = Instant::now();
    for _ in 0..DECISIONS {
        let event = AuthorizerEvent::parse(black_box(event).as_bytes(), options)?;
        let sent = SidebandRequest::from_api_request(event.request());
        black_box(serde_json::to_vec(&sent)?);
        let decision = SidebandReply::read(black_box(reply), &sent)?;
        let answer = answer(&event, &decision, HttpV2Form::Iam)?;
        black_box(serde_json::to_vec(&answer)?);
    }
    Ok(started.elapsed() / DECISIONS)
}
