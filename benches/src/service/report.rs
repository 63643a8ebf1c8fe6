//! What docs/benchmarks.md says of the decision service under load.

use std::fmt::Write as _;

use anyhow::{Context, Result};

use super::growth::{self, Row, SIZES};
use super::load::OPEN_CONNECTIONS;
use super::peak::{AtHalf, CONNECTIONS, Peak, ROUNDS, TIME, TIME_AT_HALF};
use super::{
    AUTHZEN, AUTHZEN_QUIET, CERBOS_AUTHZEN, CERBOS_LOGGING, CERBOS_OWN, OTHER_TOKENS, SAME_TOKEN,
    ServiceFigures, TOKENS,
};
use crate::report::{Target, machine, micros, times};
use crate::rounds::Spread;

/// How many times the decisions of Cerbos.
const MIN_RATIO: f64 = 5.0;
/// Longest median on one connection, in seconds.
const MAX_MEDIAN: f64 = 60e-6;
/// Longest 99th percentile at half of the most, in seconds.
const MAX_AT_HALF: f64 = 5e-3;
/// How many times as long a decision may take with more operations.
const MAX_GROWTH: f64 = 1.5;
/// Most memory with the largest policy, in bytes.
const MAX_MEMORY: f64 = 40e6;

/// The section, for the page.
pub(crate) fn section(figures: &ServiceFigures) -> Result<String> {
    let mut text = format!(
        "## Decision service\n\nMeasured with {}. Peer: Cerbos {}. The load is made on the same cores. Other programs took {:.0} % of them \
         meanwhile.\n\n",
        machine()?,
        figures.cerbos_version,
        figures.others,
    );
    under_load(&mut text, figures)?;
    beside_cerbos(&mut text, figures)?;
    at_half(&mut text, figures)?;
    growth(&mut text, figures)?;
    memory(&mut text, figures)?;
    method(&mut text)?;
    Ok(text)
}

fn under_load(text: &mut String, figures: &ServiceFigures) -> Result<()> {
    text.push_str(
        "| 100 operations | most decisions a second | on connections | processor time of one | one connection, median | the same, 99th percentile | target for the median | |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (at, (name, peak)) in figures.names.iter().zip(&figures.peaks).enumerate() {
        let (median, slowest) = peak.alone;
        let target = [AUTHZEN, SAME_TOKEN, OTHER_TOKENS].contains(&at);
        let (target, verdict) = if target {
            ("60 µs", verdict(median.median < MAX_MEDIAN))
        } else {
            ("—", "")
        };
        writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {target} | {verdict} |",
            per_second(peak.seconds.spread()?),
            peak.connections,
            micros(peak.processor),
            micros(median),
            micros(slowest),
        )?;
    }
    Ok(())
}

/// A comparison: its name, ours, theirs, and whether the target is for it.
const COMPARISONS: [(&str, usize, usize, bool); 6] = [
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

fn beside_cerbos(text: &mut String, figures: &ServiceFigures) -> Result<()> {
    text.push_str("\n| decisions a second, Portcullis to Cerbos | ratio | ratio of processor times | target | |\n|---|---|---|---|---|\n");
    let peak = |at: usize| -> Result<&Peak> { figures.peaks.get(at).context("no such figure") };
    for (name, ours, theirs, aimed) in COMPARISONS {
        let (ours, theirs) = (peak(ours)?, peak(theirs)?);
        let ratio = theirs.seconds.ratio_to(&ours.seconds)?;
        let target = if aimed {
            Target::AtLeast(MIN_RATIO)
        } else {
            Target::None
        };
        let verdict = if aimed {
            verdict(target.met(ratio.median))
        } else {
            ""
        };
        writeln!(
            text,
            "| {name} | {} | {:.1} | {target} | {verdict} |",
            times(ratio),
            theirs.processor.median / ours.processor.median,
        )?;
    }
    Ok(())
}

fn at_half(text: &mut String, figures: &ServiceFigures) -> Result<()> {
    text.push_str("\n| at half of the most, at fixed times | calls a second | median | 99th percentile | target for it | |\n|---|---|---|---|---|---|\n");
    for AtHalf {
        contestant,
        rate,
        latency: (median, slowest),
    } in &figures.at_half
    {
        let name = figures.names.get(*contestant).context("no such figure")?;
        let (target, verdict) = if *contestant < CERBOS_AUTHZEN {
            ("5 ms", verdict(slowest.median < MAX_AT_HALF))
        } else {
            ("—", "")
        };
        writeln!(
            text,
            "| {name} | {} | {} | {} | {target} | {verdict} |",
            thousands(*rate),
            millis(*median),
            millis(*slowest)
        )?;
    }
    Ok(())
}

fn growth(text: &mut String, figures: &ServiceFigures) -> Result<()> {
    text.push_str("\n| one decision, operations in the policy |");
    for size in SIZES {
        write!(text, " {} |", thousands_of(size))?;
    }
    writeln!(
        text,
        " largest to 10 | target | |\n|---|{}---|---|---|",
        "---|".repeat(SIZES.len())
    )?;
    for Row {
        name,
        times: spreads,
        ratios,
    } in &figures.growth.rows
    {
        write!(text, "| {name} |")?;
        for time in spreads {
            write!(text, " {} |", micros(*time))?;
        }
        let worst = ratios
            .iter()
            .max_by(|one, other| one.median.total_cmp(&other.median));
        let worst = *worst.context("no size")?;
        let target = Target::AtMost(MAX_GROWTH);
        writeln!(
            text,
            " {} | {target} | {} |",
            times(worst),
            verdict(target.met(worst.median))
        )?;
    }
    Ok(())
}

fn memory(text: &mut String, figures: &ServiceFigures) -> Result<()> {
    text.push_str("\n| memory after the load | most (VmHWM) | then (VmRSS) | target for the most | |\n|---|---|---|---|---|\n");
    let [own, cerbos] = figures.memory;
    let rows = [
        ("Portcullis, 10,000 operations", figures.growth.memory, true),
        ("Portcullis, 100 operations", own, false),
        ("Cerbos, 100 operations", cerbos, false),
    ];
    for (name, (most, after), aimed) in rows {
        let (target, verdict) = if aimed {
            ("40 MB", verdict(most < MAX_MEMORY))
        } else {
            ("—", "")
        };
        writeln!(
            text,
            "| {name} | {:.1} MB | {:.1} MB | {target} | {verdict} |",
            most / 1e6,
            after / 1e6
        )?;
    }
    Ok(())
}

fn method(text: &mut String) -> Result<()> {
    write!(
        text,
        "\nA value is the median over the rounds, with the bounds of its middle half in brackets.\n\n\
         - HTTP/1.1 over loopback on kept connections. The load is prepared bytes; of every answer the status and the \
         decision are looked at, and anything but a permit ends the run. Server and load share the machine, so that \
         the most that a fast server can do is bounded by what the load costs; processor time is what its process \
         alone uses.\n\
         - Other programs on the machine lower what a server can do at most, that of Cerbos more than that of Portcullis, \
         and hold up answers for milliseconds: with a share of more than a few percent, the ratios of decisions and the \
         latencies at half of the most are theirs as well.\n\
         - {ROUNDS} rounds; in each, every server is asked on one connection and on {}, each for {} ms after a \
         warm-up, another one first in each round. *The most* is what the best number of connections gives; a ratio is \
         taken within a round.\n\
         - The policy has 50 resources with two operations each, reading and writing, and a scope for each. Portcullis \
         finds an operation by method and path, `GET /r7/{{id}}`; for Cerbos a resource is a kind with a policy \
         of its own, the method an action, the scope a condition, so that it finds the rule in its index. The \
         AuthZEN question is the same text for both, with the scopes as a property of the subject.\n\
         - Not equal: Portcullis checks a gateway credential with every call, and answers with an id, a reason and a \
         revision; Cerbos checks no credential and answers `{{\"decision\":true}}`. Cerbos reads its HTTP calls \
         into gRPC and would be faster over gRPC itself, which is not measured. Cerbos verifies no token in this run.\n\
         - Both write a line for each decision unless told not to; here into a file. Where a log is off, both have \
         `--log-level=warn`. Audit and telemetry of Cerbos are off. Both take the processors as they find them.\n\
         - *The same token again* is found by its digest and not verified anew; its claims and the rule are checked. \
         *Other tokens* are {} in turn, eight times as many as the service remembers, so at least seven of \
         eight signatures are verified. RS256 with 2048 bits, keys cached.\n\
         - *At fixed times*: {OPEN_CONNECTIONS} connections with one call under way on each, {} ms in each round; a \
         latency counts from the time at which the call was due, whether or not earlier answers held it up. The \
         imprecision of the load's timer, some 60 µs, is in it.\n\
         - *One decision* with more operations: the median on one connection, {} rounds of {} ms; the engine alone \
         answers the AuthZEN question in memory. One service holds all operations. *Largest to 10* is the worst of \
         the three ratios.\n\
         - Memory is that of the process after {} seconds of calls on 64 connections, with the whole policy in one file.\n",
        listed(),
        TIME.as_millis(),
        thousands_of(TOKENS),
        TIME_AT_HALF.as_millis(),
        growth::ROUNDS,
        growth::TIME.as_millis(),
        growth::LOAD.as_secs() * 2,
    )?;
    Ok(())
}

const fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**not met**" }
}

fn per_second(seconds: Spread) -> String {
    let Spread { low, median, high } = seconds;
    let [least, middle, most] = [high, median, low].map(|time| thousands(1.0 / time));
    format!("{middle} ({least}–{most})")
}

fn millis(time: Spread) -> String {
    let Spread { low, median, high } = time;
    format!(
        "{:.2} ms ({:.2}–{:.2})",
        median * 1e3,
        low * 1e3,
        high * 1e3
    )
}

/// A whole number with commas.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn thousands_of(number: usize) -> String {
    u32::try_from(number).map_or_else(|_| number.to_string(), |number| thousands(number.into()))
}

fn listed() -> String {
    let numbers = CONNECTIONS.map(|number| number.to_string());
    numbers.join(", ")
}
