//! What docs/benchmarks.md says of the decision service under load.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

use super::growth::{self, Row, SIZES};
use super::load::OPEN_CONNECTIONS;
use super::peak::{AtHalf, CONNECTIONS, Peak, ROUNDS, TIME, TIME_AT_HALF};
use super::{
    AUTHZEN, AUTHZEN_QUIET, CERBOS_AUTHZEN, CERBOS_LOGGING, CERBOS_OWN, OTHER_TOKENS, SAME_TOKEN,
    ServiceFigures, TOKENS,
};
use crate::goals::{Goal, Target, Unit};
use crate::plot::{Bar, Panel, Whose};
use crate::report::{machine, micros, thousands, times};
use crate::rounds::Spread;
use crate::section::Section;

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
pub(crate) fn section(figures: &ServiceFigures) -> Result<Section> {
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
    Ok(Section {
        text,
        goals: goals(figures)?,
        panels: vec![per_second_panel(figures)?, memory_panel(figures)],
        versions: vec![("Cerbos".to_owned(), figures.cerbos_version.clone())],
    })
}

/// The targets, each with the figure that is nearest to it or farthest behind.
fn goals(figures: &ServiceFigures) -> Result<Vec<Goal>> {
    let peak = |at: usize| figures.peaks.get(at).context("no such figure");
    let alone = |at| Ok::<_, anyhow::Error>(peak(at)?.alone.0.median);
    let medians = [AUTHZEN, SAME_TOKEN, OTHER_TOKENS].map(alone);
    let ratios = COMPARISONS.iter().filter(|(.., aimed)| *aimed);
    let ratios = ratios.map(|(_, ours, theirs, _)| {
        let ratio = peak(*theirs)?.seconds.ratio_to(&peak(*ours)?.seconds)?;
        Ok(ratio.median)
    });
    let aimed = COMPARISONS.iter().filter(|(.., aimed)| *aimed);
    let of_processor = aimed.map(|(_, ours, theirs, _)| {
        let ratio = peak(*theirs)?.processor.median / peak(*ours)?.processor.median;
        Ok(format!("{ratio:.1}"))
    });
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
    let [(own_memory, _), _] = figures.memory;
    let largest = figures.growth.memory.0;
    Ok(vec![
        Goal::worst(
            "decision service: AuthZEN decisions a second, to Cerbos, nearest of three",
            ratios.collect::<Result<Vec<_>>>()?,
            Target::AtLeast(MIN_RATIO),
            Unit::Times,
            format!(
                "the load takes its share of the two cores, more of it for the server that answers more; by the processor time of the \
                 servers alone the ratios are {}",
                of_processor.collect::<Result<Vec<_>>>()?.join(", ")
            ),
        ),
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
                Unit::Bytes.shown(own_memory)
            ),
        ),
    ])
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

fn per_second_panel(figures: &ServiceFigures) -> Result<Panel> {
    let bars = [
        (Whose::Portcullis, "portcullis serve", AUTHZEN),
        (Whose::Portcullis, "the same without log", AUTHZEN_QUIET),
        (Whose::Peer, "Cerbos without log", CERBOS_AUTHZEN),
        (Whose::Peer, "Cerbos", CERBOS_LOGGING),
    ];
    let bars = bars.map(|(whose, label, at)| {
        let peak = figures.peaks.get(at).context("no such figure")?;
        let Spread { low, median, high } = peak.seconds.spread()?;
        Ok(Bar {
            whose,
            label: label.to_owned(),
            value: 1.0 / median,
            half: Some((1.0 / high, 1.0 / low)),
            shown: thousands(1.0 / median),
        })
    });
    Ok(Panel {
        title: "Decision service: AuthZEN decisions a second".to_owned(),
        note: "load on the same two cores; more is better".to_owned(),
        bars: bars.into_iter().collect::<Result<_>>()?,
    })
}

fn memory_panel(figures: &ServiceFigures) -> Panel {
    let [(own, _), (cerbos, _)] = figures.memory;
    let bar = |whose, label: &str, value| Bar {
        whose,
        label: label.to_owned(),
        value,
        half: None,
        shown: Unit::Bytes.shown(value),
    };
    Panel {
        title: "Decision service: peak memory under load".to_owned(),
        note: "policy of 100 operations; less is better".to_owned(),
        bars: vec![
            bar(Whose::Portcullis, "portcullis serve", own),
            bar(Whose::Peer, "Cerbos without log", cerbos),
        ],
    }
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
            ("60 µs", Target::AtMost(MAX_MEDIAN).verdict(median.median))
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
        let verdict = target.verdict(ratio.median);
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
            ("5 ms", Target::AtMost(MAX_AT_HALF).verdict(slowest.median))
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
        write!(text, " {} |", thousands(size))?;
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
            target.verdict(worst.median)
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
            ("40 MB", Target::AtMost(MAX_MEMORY).verdict(most))
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
        thousands(TOKENS),
        TIME_AT_HALF.as_millis(),
        growth::ROUNDS,
        growth::TIME.as_millis(),
        growth::LOAD.as_secs() * 2,
    )?;
    Ok(())
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

fn listed() -> String {
    let numbers = CONNECTIONS.map(|number| number.to_string());
    numbers.join(", ")
}
