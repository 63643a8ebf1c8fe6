//! The targets of the decision service under load, and what it is compared with.

use anyhow::{Context, Result, bail};

use super::servers::NO_CERBOS;
use super::{
    AUTHZEN, AUTHZEN_QUIET, CERBOS_AUTHZEN, CERBOS_LOGGING, CERBOS_OWN, OTHER_TOKENS, SAME_TOKEN,
    ServiceFigures,
};
use crate::goals::{Goal, Target, Unit};

/// How many times the decisions of Cerbos.
pub(super) const MIN_RATIO: f64 = 5.0;
/// Longest median on one connection, in seconds.
pub(super) const MAX_MEDIAN: f64 = 60e-6;
/// Longest 99th percentile at half of the most, in seconds.
pub(super) const MAX_AT_HALF: f64 = 5e-3;
/// How many times as long a decision may take with more operations.
pub(super) const MAX_GROWTH: f64 = 1.5;
/// Most memory with the largest policy, in bytes.
pub(super) const MAX_MEMORY: f64 = 40e6;

/// A comparison: its name, ours, theirs, and whether the target is for it.
pub(super) const COMPARISONS: [(&str, usize, usize, bool); 6] = [
    (
        "AuthZEN, Cerbos without its log",
        AUTHZEN,
        CERBOS_AUTHZEN,
        true,
    ),
    (
        "AuthZEN, both without their logs",
        AUTHZEN_QUIET,
        CERBOS_AUTHZEN,
        true,
    ),
    (
        "AuthZEN, both with their logs",
        AUTHZEN,
        CERBOS_LOGGING,
        true,
    ),
    (
        "AuthZEN to Cerbos' own API without its log",
        AUTHZEN,
        CERBOS_OWN,
        false,
    ),
    (
        "sideband with the same token again to Cerbos' AuthZEN, which verifies none, without its log",
        SAME_TOKEN,
        CERBOS_AUTHZEN,
        false,
    ),
    (
        "sideband with other tokens, each verified, to the same",
        OTHER_TOKENS,
        CERBOS_AUTHZEN,
        false,
    ),
];

/// The targets, each with the figure that is nearest to it or farthest behind.
pub(super) fn goals(figures: &ServiceFigures) -> Result<Vec<Goal>> {
    let peak = |at: usize| figures.peaks.get(at).context("no such figure");
    let alone = |at| Ok::<_, anyhow::Error>(peak(at)?.alone.0.median);
    let medians = [AUTHZEN, SAME_TOKEN, OTHER_TOKENS].map(alone);
    let own = figures.at_half.iter();
    let own = own.filter(|half| half.contestant < CERBOS_AUTHZEN);
    let growth = figures.growth.rows.iter().flat_map(|row| &row.ratios);
    let median = Goal::worst(
        "decision service: one connection, median, slowest of AuthZEN and sideband",
        medians.into_iter().collect::<Result<Vec<_>>>()?,
        Target::AtMost(MAX_MEDIAN),
        Unit::Seconds,
        format!(
            "the call waits for the server, the log and the load by turns: AuthZEN takes {} of the processor for one, and {} without its \
             log",
            Unit::Seconds.shown(peak(AUTHZEN)?.processor.median),
            Unit::Seconds.shown(alone(AUTHZEN_QUIET)?)
        ),
    );
    let largest = figures.growth.memory.0;
    Ok(vec![
        beside_cerbos_goal(figures)?,
        median,
        Goal::worst(
            "decision service: 99th percentile at half of the most, slowest",
            own.map(|half| half.latency.1.median),
            Target::AtMost(MAX_AT_HALF),
            Unit::Seconds,
            format!(
                "server and load share the two cores, and whoever else has them holds up answers for milliseconds: other programs took \
                 {:.0} % of them",
                figures.others
            ),
        ),
        Goal::worst(
            "decision service: one decision with 10,000 operations to one with 10",
            growth.map(|ratio| ratio.median),
            Target::AtMost(MAX_GROWTH),
            Unit::Times,
            engine_alone(figures)?,
        ),
        Goal::new(
            "decision service: most memory (VmHWM) with 10,000 operations",
            largest,
            Target::AtMost(MAX_MEMORY),
            Unit::Bytes,
            format!(
                "beside the policy it has what the allocator keeps of reading it and of calls on 64 connections: with 100 operations, and \
                 after a longer load, the most is {}",
                Unit::Bytes.shown(figures.memory.0)
            ),
        ),
    ])
}

/// The target beside Cerbos, which is not measured where there is no Cerbos.
fn beside_cerbos_goal(figures: &ServiceFigures) -> Result<Goal> {
    let figure = "decision service: AuthZEN decisions a second, to Cerbos, nearest of three";
    let target = Target::AtLeast(MIN_RATIO);
    if figures.cerbos.is_none() {
        return Ok(Goal::not_measured(figure, target, Unit::Times, NO_CERBOS));
    }
    let peak = |at: usize| figures.peaks.get(at).context("no such figure");
    let (mut ratios, mut of_processor) = (Vec::new(), Vec::new());
    for (_, ours, theirs, aimed) in COMPARISONS {
        if aimed {
            let (ours, theirs) = (peak(ours)?, peak(theirs)?);
            ratios.push(theirs.seconds.ratio_to(&ours.seconds)?.median);
            let ratio = theirs.processor.median / ours.processor.median;
            of_processor.push(format!("{ratio:.1}"));
        }
    }
    let why = format!(
        "the load takes its share of the two cores, more of it for the server that answers more; by the processor time of the servers \
         alone the ratios are {}",
        of_processor.join(", ")
    );
    Ok(Goal::worst(figure, ratios, target, Unit::Times, why))
}

/// What more operations cost the engine, which is the part of a call that knows of them.
fn engine_alone(figures: &ServiceFigures) -> Result<String> {
    let engine = figures.growth.rows.first().context("the engine is first")?;
    let (Some(few), Some(many)) = (engine.times.first(), engine.times.last()) else {
        bail!("no size");
    };
    Ok(format!(
        "of a call only the engine knows how many operations there are, and takes {} with the fewest and {} with the most; what a \
         whole call takes more than that is outside of it",
        Unit::Seconds.shown(few.median),
        Unit::Seconds.shown(many.median)
    ))
}
