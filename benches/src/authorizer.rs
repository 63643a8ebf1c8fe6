//! What docs/benchmarks.md says of the authorizer by itself.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;

use crate::figures::{self, Figures};
use crate::goals::{Goal, Target, Unit};
use crate::own_cost;
use crate::report::{machine, thousands};
use crate::section::Section;

/// How long the authorizer may take to start and for a decision, in seconds, and how large it and its memory may be, in bytes.
const MAX_START: f64 = 15e-3;
const MAX_OWN_COST: f64 = 50e-6;
const MAX_MEMORY: f64 = 20e6;
const MAX_SIZE: f64 = 5e6;
/// The row about what is left of a decision without its HTTP calls.
const OWN_COST: &str = "own cost of one decision, without HTTP";

/// The section, for the page.
pub(crate) fn section(figures: &Figures) -> Result<Section> {
    let seconds = |time: Duration| Unit::Seconds.shown(time.as_secs_f64());
    #[expect(
        clippy::cast_precision_loss,
        reason = "sizes are shown with two decimals"
    )]
    let (binary, zip, memory) = (
        figures.size.0 as f64,
        figures.size.1 as f64,
        (figures.peak_memory_kib * 1024) as f64,
    );
    let goals = goals(figures, binary, zip, memory);
    let decisions = thousands(figures::DECISIONS);
    let rows = [
        (
            "process start to first `next` call, median".to_owned(),
            seconds(figures.start.0),
            goals.first(),
        ),
        (
            format!("the same, slowest of {}", figures::STARTS),
            seconds(figures.start.1),
            None,
        ),
        (
            "first decision of an instance (connects), median".to_owned(),
            seconds(figures.first_decision),
            None,
        ),
        (
            "the same over TLS, median".to_owned(),
            seconds(figures.first_decision_tls),
            None,
        ),
        (
            format!("one decision, median of {decisions}"),
            seconds(figures.decision.0),
            None,
        ),
        (
            "one decision, 99th percentile".to_owned(),
            seconds(figures.decision.1),
            None,
        ),
        (OWN_COST.to_owned(), seconds(figures.own_cost), goals.get(1)),
        (
            format!(
                "peak memory (VmHWM) after {} decisions",
                thousands(figures::DECISIONS + figures::WARM_UP)
            ),
            Unit::Bytes.shown(memory),
            goals.get(2),
        ),
        (
            "size of `bootstrap`".to_owned(),
            Unit::Bytes.shown(binary),
            goals.get(3),
        ),
        ("size of the zip".to_owned(), Unit::Bytes.shown(zip), None),
    ];
    let mut text = format!(
        "## The authorizer\n\nMeasured with {}.\n\n| figure | value | target | |\n|---|---|---|---|\n",
        machine()?
    );
    for (name, value, goal) in rows {
        let (target, verdict) = goal.map_or_else(
            || ("—".to_owned(), ""),
            |goal| (goal.target(), goal.verdict()),
        );
        writeln!(text, "| {name} | {value} | {target} | {verdict} |")?;
    }
    method(&mut text)?;
    Ok(Section {
        text,
        goals,
        ..Section::default()
    })
}

/// The targets: start, own cost, memory, size. Sizes are in bytes.
fn goals(figures: &Figures, binary: f64, zip: f64, memory: f64) -> Vec<Goal> {
    let seconds = |time: Duration| Unit::Seconds.shown(time.as_secs_f64());
    let goal = |figure: &str, value, most, unit, why: String| {
        let figure = format!("authorizer: {figure}");
        Goal::new(&figure, value, Target::AtMost(most), unit, why)
    };
    let start = figures.start.0.as_secs_f64();
    let own_cost = figures.own_cost.as_secs_f64();
    vec![
        goal(
            "process start to first `next` call, median",
            start,
            MAX_START,
            Unit::Seconds,
            format!(
                "making the process, mapping the {} of `bootstrap`, its certificate authorities and connecting to the runtime API are \
                 in it; the slowest of {} took {}",
                Unit::Bytes.shown(binary),
                figures::STARTS,
                seconds(figures.start.1)
            ),
        ),
        goal(
            OWN_COST,
            own_cost,
            MAX_OWN_COST,
            Unit::Seconds,
            "the event with its token is read, the request written, the answer read and the policy written, all of it JSON; and a log \
             line and a metric line go into a pipe, with a system call for each"
                .to_owned(),
        ),
        goal(
            "peak memory (VmHWM)",
            memory,
            MAX_MEMORY,
            Unit::Bytes,
            format!(
                "what was used of the {} of `bootstrap` counts, and what the allocator and the connections keep after {} decisions",
                Unit::Bytes.shown(binary),
                thousands(figures::DECISIONS + figures::WARM_UP)
            ),
        ),
        goal(
            "size of `bootstrap`",
            binary,
            MAX_SIZE,
            Unit::Bytes,
            format!(
                "HTTP, TLS, cryptography and every way of deciding are in the one file; the zip, which Lambda fetches, has {}",
                Unit::Bytes.shown(zip)
            ),
        ),
    ]
}

fn method(text: &mut String) -> Result<()> {
    write!(
        text,
        "\n- `bootstrap` runs as Lambda runs it: a process with its settings in the environment, under an implementation of the \
         Lambda runtime API on loopback (`tests/support`). The file cache is warm.\n\
         - The decision service is `portcullis serve` on loopback. It verifies a real RS256 token (2048 bits, cached key) and \
         checks one scope. Both processes and the measuring one share the machine.\n\
         - *Process start to first `next` call* is measured in the parent, from just before the process is made to the arrival of \
         its first request, over {} processes.\n\
         - *One decision* goes from the departure of a REST REQUEST event with nine headers to the arrival of the policy: runtime \
         API, authorizer, decision service and back.\n\
         - *First decision over TLS* has a service on loopback that echoes each request behind a TLS 1.3 handshake, so it is the \
         authorizer's side of connecting: certificate authorities, key exchange, random generator.\n\
         - *Own cost* is measured in one process: event in, sideband request out, sideband answer in, policy out, with the log line \
         and the metric line of `bootstrap`, which go into a pipe that is read; HTTP is not in it. The median of {} rounds of {}.\n\
         - *Peak memory* is `VmHWM` of the process.\n\
         - A run on a shared machine shows sizes, not promises.\n",
        figures::STARTS,
        own_cost::ROUNDS,
        own_cost::DECISIONS,
    )?;
    Ok(())
}
