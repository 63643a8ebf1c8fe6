//! What each server can do at most, how fast it is when one client asks, and how fast at half of the most.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Contestant;
use crate::rounds::{Samples, Spread};

/// Connections on which the most is looked for.
pub(crate) const CONNECTIONS: [usize; 3] = [4, 16, 64];
/// Rounds, and how long one figure is taken in each.
pub(crate) const ROUNDS: usize = 5;
pub(crate) const TIME: Duration = Duration::from_millis(300);
/// How long a figure is taken at fixed times.
pub(crate) const TIME_AT_HALF: Duration = Duration::from_millis(600);

/// The figures of one contestant.
#[derive(Debug)]
pub(crate) struct Peak {
    /// On how many connections it does most.
    pub(crate) connections: usize,
    /// Seconds that pass for one decision there, round by round.
    pub(crate) seconds: Samples,
    /// Seconds of processor time that its process takes for one decision there.
    pub(crate) processor: Spread,
    /// Median and 99th percentile of the latency on one connection, in seconds.
    pub(crate) alone: (Spread, Spread),
}

/// The latency at fixed times.
#[derive(Debug)]
pub(crate) struct AtHalf {
    pub(crate) contestant: usize,
    /// Calls in a second.
    pub(crate) rate: f64,
    /// Median and 99th percentile, in seconds.
    pub(crate) latency: (Spread, Spread),
}

/// What is taken of one contestant on one number of connections, round by round.
#[derive(Debug, Default, Clone)]
struct Column {
    seconds: Vec<f64>,
    processor: Vec<f64>,
}

/// Lets all take turns, another one first in each round.
pub(crate) fn measure(contestants: &[Contestant<'_>]) -> Result<Vec<Peak>> {
    let number = contestants.len();
    let mut columns = vec![vec![Column::default(); CONNECTIONS.len()]; number];
    let mut alone = vec![(Vec::new(), Vec::new()); number];
    for round in 0..ROUNDS {
        for turn in 0..number {
            let at = (round + turn) % number;
            let (contestant, columns, alone) = contestants
                .get(at)
                .zip(columns.get_mut(at))
                .zip(alone.get_mut(at))
                .map(|((contestant, columns), alone)| (contestant, columns, alone))
                .context("no such contestant")?;
            let latencies = contestant.calls.one_by_one(TIME)?;
            alone.0.push(latencies.percentile(50)?);
            alone.1.push(latencies.percentile(99)?);
            for (column, connections) in columns.iter_mut().zip(CONNECTIONS) {
                let before = contestant.server.processor_time()?;
                let done = contestant.calls.saturate(connections, TIME)?;
                let used = contestant.server.processor_time()? - before;
                column.seconds.push(1.0 / done.per_second);
                column.processor.push(used / done.calls);
            }
            contestant.server.forget_log()?;
        }
    }
    let both = columns.into_iter().zip(alone);
    both.map(|(columns, (medians, slowest))| {
        let alone = (
            Samples::from_iter(medians).spread()?,
            Samples::from_iter(slowest).spread()?,
        );
        best(columns, alone)
    })
    .collect()
}

/// The number of connections on which a contestant does most.
fn best(columns: Vec<Column>, alone: (Spread, Spread)) -> Result<Peak> {
    let mut peaks = columns
        .into_iter()
        .zip(CONNECTIONS)
        .map(|(column, connections)| {
            let seconds = Samples::from_iter(column.seconds);
            Ok((
                seconds.spread()?.median,
                connections,
                seconds,
                column.processor,
            ))
        })
        .collect::<Result<Vec<_>>>()?;
    peaks.sort_by(|one, other| one.0.total_cmp(&other.0));
    let first = peaks.into_iter().next();
    let (_, connections, seconds, processor) = first.context("nothing was measured")?;
    Ok(Peak {
        connections,
        seconds,
        processor: Samples::from_iter(processor).spread()?,
        alone,
    })
}

/// Asks these contestants half as often as they could answer, in turns.
pub(crate) fn at_half(
    contestants: &[Contestant<'_>],
    peaks: &[Peak],
    asked: &[usize],
) -> Result<Vec<AtHalf>> {
    let mut latencies = vec![(Vec::new(), Vec::new()); asked.len()];
    let rate = |at: usize| -> Result<f64> {
        let peak = peaks.get(at).context("no such contestant")?;
        Ok(0.5 / peak.seconds.spread()?.median)
    };
    for round in 0..ROUNDS {
        for turn in 0..asked.len() {
            let column = (round + turn) % asked.len();
            let at = *asked.get(column).context("no such contestant")?;
            let contestant = contestants.get(at).context("no such contestant")?;
            let taken = contestant.calls.at_fixed_times(rate(at)?, TIME_AT_HALF)?;
            let latency = latencies.get_mut(column).context("no such contestant")?;
            latency.0.push(taken.percentile(50)?);
            latency.1.push(taken.percentile(99)?);
            contestant.server.forget_log()?;
        }
    }
    let both = asked.iter().zip(latencies);
    both.map(|(&contestant, (medians, slowest))| {
        Ok(AtHalf {
            contestant,
            rate: rate(contestant)?,
            latency: (
                Samples::from_iter(medians).spread()?,
                Samples::from_iter(slowest).spread()?,
            ),
        })
    })
    .collect()
}
