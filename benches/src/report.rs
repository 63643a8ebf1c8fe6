//! Writes the figures into docs/benchmarks.md, between its two marks, and prints them.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::figures::Figures;

const BEGIN: &str = "<!-- figures: written by `make bench` -->";
const END: &str = "<!-- end of figures -->";

pub(crate) fn write(page: &Path, figures: &Figures) -> Result<()> {
    let table = table(figures)?;
    #[expect(clippy::disallowed_methods, reason = "the page that is rewritten")]
    let text = fs::read_to_string(page)?;
    let (before, rest) = text
        .split_once(BEGIN)
        .context("the mark for the beginning of the figures is missing")?;
    let (_, after) = rest
        .split_once(END)
        .context("the mark for the end of the figures is missing")?;
    fs::write(page, format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))?;
    writeln!(io::stdout().lock(), "{table}")?;
    Ok(())
}

fn table(figures: &Figures) -> Result<String> {
    let millis = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    let micros = |time: Duration| format!("{:.1} µs", time.as_secs_f64() * 1e6);
    let megabytes = |bytes: f64| format!("{:.2} MB", bytes / 1e6);
    #[expect(
        clippy::cast_precision_loss,
        reason = "sizes are shown with two decimals"
    )]
    let (binary, zip, memory) = (
        figures.size.0 as f64,
        figures.size.1 as f64,
        (figures.peak_memory_kib * 1024) as f64,
    );
    let rows = [
        (
            "process start to first `next` call, median",
            millis(figures.start.0),
            "15 ms",
        ),
        ("the same, slowest of 41", millis(figures.start.1), "—"),
        (
            "first decision of an instance (connects), median",
            millis(figures.first_decision),
            "—",
        ),
        (
            "the same over TLS, median",
            millis(figures.first_decision_tls),
            "—",
        ),
        (
            "one decision, median of 5,000",
            micros(figures.decision.0),
            "—",
        ),
        (
            "one decision, 99th percentile",
            micros(figures.decision.1),
            "—",
        ),
        (
            "own cost of one decision, without the wait",
            micros(figures.own_cost),
            "50 µs",
        ),
        (
            "peak memory (VmHWM) after 5,500 decisions",
            megabytes(memory),
            "20 MB",
        ),
        ("size of `bootstrap`", megabytes(binary), "5 MB"),
        ("size of the zip", megabytes(zip), "—"),
    ];
    let mut table = format!(
        "Measured with {}.\n\n| figure | value | target |\n|---|---|---|\n",
        machine()?
    );
    for (name, value, target) in rows {
        writeln!(table, "| {name} | {value} | {target} |")?;
    }
    Ok(table)
}

/// The compiler and the processor.
fn machine() -> Result<String> {
    let rustc = Command::new("rustc").arg("--version").output()?;
    #[expect(clippy::disallowed_methods, reason = "the kernel tells it in a file")]
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or(": an unknown processor");
    let cores = processors
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let rustc = String::from_utf8_lossy(&rustc.stdout);
    Ok(format!(
        "{}, {cores} cores of {}",
        rustc.trim(),
        model.trim_start_matches([' ', '\t', ':'])
    ))
}
