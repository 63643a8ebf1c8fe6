//! What more operations cost: the same service and the same questions with policies of 10 to 10,000
//! operations, one question at a time; and how much memory the largest takes.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use portcullis_jose::AwsLc;
use portcullis_test_support::issuer::Issuer;

use super::load::Calls;
use super::policy::Operations;
use super::servers::{Log, Server};
use crate::rounds::{Round, Samples, Spread, take_turns, timed};

/// How many operations the policies have. The first is what the others are compared with.
pub(crate) const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
/// Rounds, how long the service is asked in each, and how often the engine.
pub(crate) const ROUNDS: usize = 15;
pub(crate) const TIME: Duration = Duration::from_millis(60);
const EVALUATIONS: u32 = 2_000;
/// How long all connections ask the service of the largest policy before its memory is looked at.
pub(crate) const LOAD: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 64;

/// What was measured.
pub(crate) struct Growth {
    /// The engine alone, AuthZEN and sideband, in that order.
    pub(crate) rows: Vec<Row>,
    /// With the largest policy: most memory, and memory after the load, in bytes.
    pub(crate) memory: (f64, f64),
}

/// The time of one decision with a policy of each size.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// In seconds.
    pub(crate) times: Vec<Spread>,
    /// How many times as long as with the smallest.
    pub(crate) ratios: Vec<Spread>,
}

impl Growth {
    pub(crate) fn measure(
        portcullis: &Path,
        issuer: &Issuer,
        tokens: &[String],
        now: u64,
    ) -> Result<Self> {
        let servers = SIZES
            .map(|size| {
                let operations = Operations(size);
                Server::portcullis(portcullis, operations, issuer.url(), Log::EachDecision)
            })
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        let asked = |calls: fn(Operations, &Server, &[String]) -> Result<Calls>| {
            let pairs = servers.iter().zip(SIZES);
            pairs
                .map(|(server, size)| calls(Operations(size), server, tokens))
                .collect::<Result<Vec<_>>>()
        };
        let authzen = asked(|operations, server, _| Ok(operations.authzen(server.address)))?;
        let sideband = asked(|operations, server, tokens| {
            let one = tokens.get(..1).unwrap_or_default();
            operations.sideband(server.address, one)
        })?;
        let rows = vec![
            Row::new("the engine alone, in memory", engine(now)?)?,
            Row::new("AuthZEN, one connection", alone(&authzen))?,
            Row::new(
                "sideband, the same RS256 token, one connection",
                alone(&sideband),
            )?,
        ];
        for calls in [&authzen, &sideband] {
            let largest = calls.last().context("a size")?;
            largest.saturate(CONNECTIONS, LOAD)?;
        }
        let largest = servers.last().context("a size")?;
        let memory = (largest.memory("VmHWM")?, largest.memory("VmRSS")?);
        Ok(Self { rows, memory })
    }
}

impl Row {
    fn new(name: &'static str, mut contestants: Vec<Round<'_>>) -> Result<Self> {
        let samples = take_turns(&mut contestants, ROUNDS)?;
        let first = samples.first().context("a size")?;
        let ratios = samples.iter().map(|sample| sample.ratio_to(first));
        Ok(Self {
            name,
            times: samples.iter().map(Samples::spread).collect::<Result<_>>()?,
            ratios: ratios.collect::<Result<_>>()?,
        })
    }
}

/// The median of each round.
fn alone(calls: &[Calls]) -> Vec<Round<'_>> {
    let round = |calls: &Calls| -> Result<Duration> {
        let median = calls.one_by_one(TIME)?.percentile(50)?;
        Ok(Duration::from_secs_f64(median))
    };
    calls
        .iter()
        .map(|calls| Box::new(move || round(calls)) as Round<'_>)
        .collect()
}

fn engine(now: u64) -> Result<Vec<Round<'static>>> {
    SIZES
        .into_iter()
        .map(|size| {
            let (policy, questions) = Operations(size).in_process()?;
            let round = move || {
                timed(EVALUATIONS, |at| {
                    let question = questions.get(at % questions.len()).context("a question")?;
                    black_box(policy.evaluate(black_box(question), &AwsLc, now));
                    Ok(())
                })
            };
            Ok(Box::new(round) as Round<'static>)
        })
        .collect()
}
