//! What docs/benchmarks.md says of the edge function.

use std::fmt::Write as _;

use anyhow::{Context, Result};

use super::instance::Memory;
use super::{DECISIONS, Figures, MEMORY_STEPS, NEXT, READY, ROUNDS, Row, STARTS, WARM_UP};
use crate::goals::{Goal, Target, Unit};
use crate::report::{machine, thousands, times};
use crate::rounds::Spread;
use crate::section::Section;

/// How long the module may take until it is ready, in seconds.
pub(crate) const MAX_READY: f64 = 15e-3;
/// How much of the processors a warm decision may take, in seconds.
pub(crate) const MAX_OWN_COST: f64 = 100e-6;
/// Largest zip, in bytes.
const MAX_ZIP: f64 = 700e3;
/// What may be held more after 100,000 decisions, in bytes: one a decision.
const MAX_GROWTH: f64 = 100e3;

const HEAD: &str = "edge, WebAssembly | by hand in Node.js | native authorizer | target for the edge | |\n\
                    |---|---|---|---|---|---|\n";

/// The section, for the page.
pub(crate) fn section(figures: &Figures) -> Result<Section> {
    let mut text = format!(
        "## At the edge\n\nMeasured with {}. Node.js {}. Other programs took {:.0} % of the processors meanwhile.\n\n",
        machine()?,
        figures.node,
        figures.others,
    );
    in_time(&mut text, figures)?;
    in_memory(&mut text, figures)?;
    method(&mut text)?;
    Ok(Section {
        text,
        goals: goals(figures)?,
        ..Section::default()
    })
}

/// The targets: ready, own cost, what is held, size.
fn goals(figures: &Figures) -> Result<Vec<Goal>> {
    let most = |figure: &str, value, most, unit, why: &str| {
        let figure = format!("at the edge: {figure}");
        Goal::new(&figure, value, Target::AtMost(most), unit, why)
    };
    let [held, held_by_hand] = &figures.memory;
    let [zip, ..] = figures.zips;
    let mut goals = Vec::new();
    for row in &figures.times {
        if let (Some(target), Some(edge)) = (row.target, row.times.first().copied().flatten()) {
            let why = if row.name == READY {
                "V8 reads and validates the whole module, about half of it, and compiles what the start calls, about a third"
            } else {
                "event, request, answer and two lines of log are copied into the module and out of it, and V8 runs the module \
                 slower than native code, as the column of the authorizer shows"
            };
            goals.push(most(&row.name, edge.median, target, Unit::Seconds, why));
        }
    }
    goals.push(most(
        "what is held grows over 100,000 decisions by",
        growth(held)?,
        MAX_GROWTH,
        Unit::Bytes,
        &format!(
            "what V8 keeps for code that it compiled again counts as well; by hand it is {:+.3} MB",
            growth(held_by_hand)? / 1e6
        ),
    ));
    goals.push(most(
        "size of the zip",
        zip,
        MAX_ZIP,
        Unit::Bytes,
        "every way of deciding but Rego and Cedar is in the module, and what a decision goes through is compiled for speed, which is larger",
    ));
    Ok(goals)
}

/// By how many bytes more is held at the last reading than at the one before.
fn growth(readings: &[Memory]) -> Result<f64> {
    match readings {
        [.., warm, last] => Ok(last.held - warm.held),
        _ => Err(anyhow::anyhow!("there are several readings")),
    }
}

fn in_time(text: &mut String, figures: &Figures) -> Result<()> {
    write!(text, "| time | {HEAD}")?;
    for Row {
        name,
        times: [edge, by_hand, authorizer],
        target,
    } in &figures.times
    {
        let (wanted, verdict) = match (target, edge) {
            (Some(target), Some(edge)) => {
                (shown(*target), Target::AtMost(*target).verdict(edge.median))
            }
            _ => ("—".to_owned(), ""),
        };
        let [edge, by_hand, authorizer] =
            [edge, by_hand, authorizer].map(|time| spread(time.as_ref()));
        writeln!(
            text,
            "| {name} | {edge} | {by_hand} | {authorizer} | {wanted} | {verdict} |"
        )?;
    }
    let ratio = |ratio: &Option<Spread>| ratio.map_or_else(|| "—".to_owned(), times);
    let [_, by_hand, authorizer] = &figures.ratios;
    writeln!(
        text,
        "| own cost at the edge to this | — | {} | {} | — |  |\n",
        ratio(by_hand),
        ratio(authorizer)
    )?;
    Ok(())
}

fn in_memory(text: &mut String, figures: &Figures) -> Result<()> {
    write!(text, "| memory and size | {HEAD}")?;
    let [edge, by_hand] = &figures.memory;
    let megabytes = |bytes: f64| format!("{:.2} MB", bytes / 1e6);
    let mut decisions = 0;
    for (at, step) in MEMORY_STEPS.iter().enumerate() {
        decisions += step;
        let resident = |all: &[Memory]| {
            let memory = all.get(at).context("a reading for each step")?;
            Ok::<_, anyhow::Error>(megabytes(memory.resident))
        };
        writeln!(
            text,
            "| memory (VmRSS) after {} decisions | {} | {} | — | — |  |",
            thousands(decisions),
            resident(edge)?,
            resident(by_hand)?
        )?;
    }
    writeln!(
        text,
        "| what is held grows, over the last 100,000 of these, by | {:+.3} MB | {:+.3} MB | — | less than 0.1 MB | {} |",
        growth(edge)? / 1e6,
        growth(by_hand)? / 1e6,
        Target::AtMost(MAX_GROWTH).verdict(growth(edge)?)
    )?;
    let modules: Vec<_> = edge
        .iter()
        .map(|memory| format!("{:.2}", memory.module / 1e6))
        .collect();
    writeln!(
        text,
        "| memory of the module, at each of the readings | {} MB | — | — | — |  |",
        modules.join(", ")
    )?;
    let peak = |all: &[Memory]| all.last().map(|memory| megabytes(memory.peak));
    writeln!(
        text,
        "| most memory (VmHWM) | {} | {} | {} | — |  |",
        peak(edge).context("a reading")?,
        peak(by_hand).context("a reading")?,
        megabytes(figures.authorizer_peak)
    )?;
    let kilobytes = |bytes: f64| format!("{:.0} KB", bytes / 1e3);
    let [edge, by_hand, authorizer] = figures.zips;
    writeln!(
        text,
        "| size of the zip | {} | {} | {} | {} | {} |",
        kilobytes(edge),
        kilobytes(by_hand),
        kilobytes(authorizer),
        kilobytes(MAX_ZIP),
        Target::AtMost(MAX_ZIP).verdict(edge)
    )?;
    Ok(())
}

fn method(text: &mut String) -> Result<()> {
    write!(
        text,
        "\nA value is the median, with the bounds of its middle half in brackets.\n\n\
         - *Edge* is the package without Rego and Cedar. *By hand* is `benches/peers/edge-sideband.cjs`: the same call with \
         `node:http` on kept connections, for a permit the request as it came, for a deny a status without a body, which is what \
         PingOne's kit answers; it logs nothing, and the edge function writes two lines for each decision, its log and its \
         metrics. Both run in processes of Node.js with Lambda's limits of its heap for 128 MB, and their output is a pipe that \
         is read. They are loaded unbundled, file by file as they are installed, by the Node.js that is here, which is not \
         Lambda's build of it. The *native authorizer* is the release `bootstrap` under a Lambda runtime API on loopback, so that its \
         times have two HTTP calls more, but for its own cost.\n\
         - The service is on loopback and echoes each request, which is a permit. Viewer-request event with nine headers, one of \
         them an RS256 access token; for the authorizer a REST REQUEST event with the same token.\n\
         - *Ready* is `require` of the handler: reading, validating and starting the module, with the \
         file cache warm. What it needs of Node.js (`crypto`, `fs`, `http`, `https`, `tls` and others) is loaded before, and in \
         the third row with it. For the authorizer it is the time from the start of its process to its first `next` call. \
         *Processor time* counts all threads of the process; on a busy machine it tells more than the clock. {STARTS} \
         instances of each, by turns, another one first in each round.\n\
         - V8 validates the whole module when it is loaded: about half of *ready* is reading and validating it, about a third compiling \
         the functions that the start calls. *First decision*: it compiles any other function when that is first called, and again, \
         better, when it has been called often, so a new instance is slower for some time.\n\
         - *Warm decision*: after {} decisions, {ROUNDS} rounds of {DECISIONS}, by turns; a value is the median of \
         its round. *One of the next {NEXT}* is that without warm-up.\n\
         - *Own cost* is what the function itself takes: event in, sideband request out, answer in, result out, with log line and metrics; making the event is not in it. In \
         place of the HTTP client of Node.js stands one that answers at once, the same for both; for the authorizer it is the \
         figure of the first section, which has its log line and its metrics in it as well, in processor time. {ROUNDS} rounds of {DECISIONS}, by turns, warm; a ratio is taken within a round.\n\
         - *What is held* is the JavaScript heap and what belongs to it outside, such as the memory of the module, read after a \
         collection. The rest of the memory of the process is that of V8, which also grows by hand.\n\
         - The zip at the edge is the one that `portcullis package edge` puts the settings into; the others are of Python's `zipfile`.\n",
        thousands(WARM_UP),
    )?;
    Ok(())
}

fn spread(spread: Option<&Spread>) -> String {
    let Some(Spread { low, median, high }) = spread else {
        return "—".to_owned();
    };
    let (unit, factor, digits) = unit(*median);
    format!(
        "{:.digits$} {unit} ({:.digits$}–{:.digits$})",
        median * factor,
        low * factor,
        high * factor
    )
}

fn shown(target: f64) -> String {
    let (unit, factor, _) = unit(target);
    format!("{:.0} {unit}", target * factor)
}

/// In what a time is shown: the unit, how many of it a second has, and the digits behind the point.
const fn unit(seconds: f64) -> (&'static str, f64, usize) {
    if seconds < 1e-3 {
        ("µs", 1e6, 1)
    } else {
        ("ms", 1e3, 2)
    }
}
