//! What docs/benchmarks.md says of the decision service under load.

use std::fmt::Write as _;

use anyhow::{Context, Result};

use super::goals::{
    COMPARISONS, MAX_AT_HALF, MAX_GROWTH, MAX_MEDIAN, MAX_MEMORY, MIN_RATIO, goals,
};
use super::growth::{self, Row, SIZES};
use super::load::OPEN_CONNECTIONS;
use super::panels::{memory_panel, per_second_panel};
use super::peak::{AtHalf, CONNECTIONS, Peak, ROUNDS, TIME, TIME_AT_HALF};
use super::servers::NO_CERBOS;
use super::{AUTHZEN, CERBOS_AUTHZEN, OTHER_TOKENS, SAME_TOKEN, ServiceFigures, TOKENS};
use crate::goals::Target;
use crate::report::{machine, micros, thousands, times};
use crate::rounds::Spread;
use crate::section::Section;

/// The section, for the page.
pub(crate) fn section(figures: &ServiceFigures) -> Result<Section> {
    let cerbos = figures.cerbos.as_ref();
    let peer = cerbos.map_or_else(
        || format!("Peer: Cerbos, not measured: {NO_CERBOS}"),
        |(version, _)| format!("Peer: Cerbos {version}"),
    );
    let mut text = format!(
        "## Decision service\n\nMeasured with {}. {peer}. The load is made on the same cores. Other programs took {:.0} % of them \
         meanwhile.\n\n",
        machine()?,
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
        versions: cerbos
            .map(|(version, _)| ("Cerbos".to_owned(), version.clone()))
            .into_iter()
            .collect(),
    })
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

fn beside_cerbos(text: &mut String, figures: &ServiceFigures) -> Result<()> {
    if figures.cerbos.is_none() {
        writeln!(
            text,
            "\nDecisions a second, Portcullis to Cerbos: not measured: {NO_CERBOS}."
        )?;
        return Ok(());
    }
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
    let mut rows = vec![
        ("Portcullis, 10,000 operations", figures.growth.memory, true),
        ("Portcullis, 100 operations", figures.memory, false),
    ];
    if let Some((_, memory)) = figures.cerbos {
        rows.push(("Cerbos, 100 operations", memory, false));
    }
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

#[cfg(test)]
mod tests {
    use super::super::growth::Growth;
    use super::{AtHalf, Peak, Row, ServiceFigures, Spread, section};

    const fn spread(median: f64) -> Spread {
        Spread {
            low: median,
            median,
            high: median,
        }
    }

    /// Portcullis' four, and the three of Cerbos, which take seven times as long.
    fn figures(cerbos: bool) -> ServiceFigures {
        let names = ["AuthZEN", "quiet", "same", "other", "C1", "C2", "C3"];
        let names = if cerbos { &names[..] } else { &names[..4] };
        let peak = |at| {
            let time = if at < 4 { 20e-6 } else { 140e-6 };
            Peak {
                connections: 64,
                seconds: [time, time].into_iter().collect(),
                processor: spread(time),
                alone: (spread(time * 2.0), spread(time * 3.0)),
            }
        };
        let half = |contestant| AtHalf {
            contestant,
            rate: 1000.0,
            latency: (spread(1e-4), spread(1e-3)),
        };
        ServiceFigures {
            names: names.to_vec(),
            peaks: (0..names.len()).map(peak).collect(),
            at_half: [0, 2, 3, 4]
                .into_iter()
                .filter(|at| *at < names.len())
                .map(half)
                .collect(),
            growth: Growth {
                rows: vec![Row {
                    name: "the engine alone, in memory",
                    times: vec![spread(1.5e-6); 4],
                    ratios: vec![spread(1.0); 4],
                }],
                memory: (39e6, 38e6),
            },
            memory: (28e6, 27e6),
            cerbos: cerbos.then(|| ("0.51.0".to_owned(), (137e6, 126e6))),
            others: 1.0,
        }
    }

    #[test]
    fn the_ratio_to_cerbos_is_judged() {
        let section = section(&figures(true)).unwrap();
        assert!(section.text.contains("Peer: Cerbos 0.51.0."));
        assert!(section.goals.iter().all(crate::goals::Goal::met));
        let bars: Vec<_> = section
            .panels
            .iter()
            .map(|panel| panel.bars.len())
            .collect();
        assert_eq!(bars, [4, 2]);
    }

    #[test]
    fn without_cerbos_the_rest_is_there_and_the_page_says_why() {
        let section = section(&figures(false)).unwrap();
        let why = "not measured: its npm package has no binary for this machine";
        assert_eq!(section.text.matches(why).count(), 2, "{}", section.text);
        let rows: Vec<_> = section.goals.iter().map(crate::goals::Goal::row).collect();
        let (first, others) = rows.split_first().unwrap();
        assert!(first.ends_with(&format!("{why} |")), "{first}");
        assert!(others.iter().all(|row| row.ends_with("| met |")));
        assert!(section.versions.is_empty());
        let bars: Vec<_> = section
            .panels
            .iter()
            .map(|panel| panel.bars.len())
            .collect();
        assert_eq!(bars, [2, 1]);
    }
}
