//! Writes the figures into docs/benchmarks.md, each part between its two marks, and prints them.

use std::fmt::{self, Write as _};
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::figures::Figures;
use crate::policy_decision::{self, DecisionFigure};
use crate::rounds::Spread;
use crate::verification::{self, AlgorithmFigures, Verification};

/// How long a decision on a token that was verified before may take, in seconds.
const MAX_WARM_DECISION: f64 = 10e-6;
/// How long a decision without cryptography may take, in seconds.
const MAX_DECISION: f64 = 5e-6;

/// Shows a part on standard output.
pub(crate) fn print(part: &str) -> Result<()> {
    writeln!(io::stdout().lock(), "{part}")?;
    Ok(())
}

/// Replaces the parts of the page by name; a part that the page has not is added at its end.
pub(crate) fn write(page: &Path, parts: &[(&str, String)]) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the page that is rewritten")]
    let mut text = fs::read_to_string(page)?;
    for (name, part) in parts {
        let begin = format!("<!-- {name}: written by `make bench` -->");
        let end = format!("<!-- end of {name} -->");
        let block = format!("{begin}\n\n{part}\n{end}");
        text = match text.split_once(&begin) {
            Some((before, rest)) => {
                let (_, after) = rest
                    .split_once(&end)
                    .with_context(|| format!("the mark for the end of {name} is missing"))?;
                format!("{before}{block}{after}")
            }
            None => format!("{}\n\n{block}\n", text.trim_end()),
        };
    }
    fs::write(page, text)?;
    Ok(())
}

/// Verification of a token beside its peers.
pub(crate) fn verification(figures: &Verification) -> Result<String> {
    let (aws_jwt_verify, node) = &figures.peer;
    let mut text = format!(
        "## Token verification\n\n\
         Measured with {}. Peers: aws-lc-rs {}, jsonwebtoken {} with its aws-lc-rs backend, \
         aws-jwt-verify {aws_jwt_verify} on Node.js {node}.\n\n\
         | time for one token | token | Portcullis | bare signature check | jsonwebtoken | aws-jwt-verify |\n\
         |---|---|---|---|---|---|\n",
        machine()?,
        locked("aws-lc-rs")?,
        locked("jsonwebtoken")?,
    );
    for row in &figures.algorithms {
        writeln!(
            text,
            "| {} | {} bytes | {} | {} | {} | {} |",
            name(row.algorithm),
            row.token_len,
            micros(row.portcullis),
            micros(row.bare),
            micros(row.jsonwebtoken),
            micros(row.aws_jwt_verify),
        )?;
    }
    text.push_str("\n| ratio |");
    for row in &figures.algorithms {
        write!(text, " {} |", name(row.algorithm))?;
    }
    writeln!(
        text,
        " target | |\n|---|{}---|---|",
        "---|".repeat(figures.algorithms.len())
    )?;
    for ratio in &RATIOS {
        let mut missed = Vec::new();
        write!(text, "| {} |", ratio.name)?;
        for row in &figures.algorithms {
            let spread = (ratio.of)(row);
            write!(text, " {} |", times(spread))?;
            if !ratio.target.met(spread.median) {
                missed.push(row.algorithm);
            }
        }
        writeln!(
            text,
            " {} | {} |",
            ratio.target,
            ratio.target.verdict(&missed)
        )?;
    }
    write!(
        text,
        "\nA value is the median, with the bounds of its middle half in brackets.\n\n\
         - One thread each. The four take turns, {} rounds of {} tokens each, another one first in each \
         round; a ratio is taken within a round, so that what slows the machine down slows both sides down.\n\
         - The tokens are RFC 9068 access tokens with three scopes, 16 of each algorithm in turn; the keys \
         are in one JWK Set of three, parsed beforehand. EdDSA is Ed25519.\n\
         - *Portcullis* parses the token, finds the key by `kid`, checks the signature and then every claim, as \
         a decision does. Of the claims, the peers check issuer, audience and expiry.\n\
         - *Bare signature check* is `ParsedPublicKey::verify_sig` of aws-lc-rs, the form with the key parsed \
         beforehand, on the same message and signature, decoded beforehand.\n\
         - *jsonwebtoken* is `decode` into the same claims type with issuer, audience, expiry and leeway set, \
         and with the key already chosen.\n\
         - *aws-jwt-verify* is `verifySync` with issuer and audience set and the JWK Set given by `cacheJwks`, in \
         a process that stays; it times its own rounds.\n\
         - *aws-jwt-verify to the bare signature check* is what a verifier on aws-lc-rs would reach if nothing but \
         the signature check cost anything.\n",
        verification::ROUNDS,
        verification::OPERATIONS,
    )?;
    Ok(text)
}

/// The policy decision without cryptography.
pub(crate) fn decision(figures: &[DecisionFigure]) -> Result<String> {
    let mut text = format!("## Policy decision\n\nMeasured with {}.\n\n", machine()?);
    text.push_str("| decision without cryptography, 1,000 operations |");
    for layout in policy_decision::layouts() {
        write!(text, " paths are `{layout}/…` |")?;
    }
    writeln!(
        text,
        " target | |\n|---|{}---|---|",
        "---|".repeat(policy_decision::layouts().count())
    )?;
    for DecisionFigure { name, times } in figures {
        write!(text, "| {name} |")?;
        for time in times {
            write!(text, " {} |", micros(*time))?;
        }
        let target = if *name == policy_decision::WARM {
            MAX_WARM_DECISION
        } else {
            MAX_DECISION
        };
        let met = times.iter().all(|time| time.median <= target);
        let verdict = if met { "met" } else { "**not met**" };
        writeln!(text, " {:.0} µs | {verdict} |", target * 1e6)?;
    }
    write!(
        text,
        "\nA value is the median, with the bounds of its middle half in brackets.\n\n\
         - One call of `PolicySet::decide` with a parsed request of four headers, in memory: screening, \
         service, operation, and where it asks for one the token and its rules. {} rounds of {} decisions, in \
         turns.\n\
         - 125 resources with eight operations each, half of them without a parameter but `{{tenant}}`; the request \
         asks for the last resource in the file. Below `/v1` the first segment tells nothing about the \
         operation, below `/v1/{{tenant}}` no path is exact.\n\
         - Cryptography is left out by a crypto provider that takes every signature for genuine. Everything \
         else that a token costs is in the figure: finding it in the header, its digest, parsing it, choosing the \
         key, its claims.\n\
         - The same token again: the whole decision on a token that was verified before, with nothing left out. \
         It is found by its SHA-256 digest; its claims and the rules are checked as ever.\n",
        policy_decision::ROUNDS,
        policy_decision::OPERATIONS,
    )?;
    Ok(text)
}

/// One row of the ratios.
struct Ratio {
    name: &'static str,
    of: fn(&AlgorithmFigures) -> Spread,
    target: Target,
}

const RATIOS: [Ratio; 4] = [
    Ratio {
        name: "Portcullis to the bare signature check",
        of: |row| row.over_bare,
        target: Target::AtMost(1.25),
    },
    Ratio {
        name: "aws-jwt-verify to Portcullis",
        of: |row| row.aws_jwt_verify_over,
        target: Target::AtLeast(2.0),
    },
    Ratio {
        name: "aws-jwt-verify to the bare signature check",
        of: |row| row.aws_jwt_verify_over_bare,
        target: Target::None,
    },
    Ratio {
        name: "jsonwebtoken to Portcullis",
        of: |row| row.jsonwebtoken_over,
        target: Target::None,
    },
];

/// What a figure has to be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    None,
}

impl Target {
    pub(crate) fn met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::None => true,
        }
    }

    /// Whether it is met, or else where not.
    fn verdict(self, missed: &[&str]) -> String {
        match self {
            Self::None => String::new(),
            _ if missed.is_empty() => "met".to_owned(),
            _ => format!("**not met**: {}", missed.join(", ")),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "at most {most:.2}"),
            Self::AtLeast(least) => write!(f, "at least {least:.2}"),
            Self::None => f.write_str("—"),
        }
    }
}

pub(crate) fn micros(time: Spread) -> String {
    let Spread { low, median, high } = time;
    format!(
        "{:.2} µs ({:.2}–{:.2})",
        median * 1e6,
        low * 1e6,
        high * 1e6
    )
}

pub(crate) fn times(ratio: Spread) -> String {
    let Spread { low, median, high } = ratio;
    format!("{median:.2} ({low:.2}–{high:.2})")
}

fn name(algorithm: &str) -> &str {
    match algorithm {
        "RS256" => "RS256 (2048 bits)",
        other => other,
    }
}

/// The version of a crate in the lock file that this program was built with.
fn locked(name: &str) -> Result<&'static str> {
    let (_, rest) = include_str!("../../Cargo.lock")
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .with_context(|| format!("{name} is not in Cargo.lock"))?;
    let (version, _) = rest.split_once('"').context("Cargo.lock")?;
    Ok(version)
}

/// What the authorizer costs.
pub(crate) fn authorizer(figures: &Figures) -> Result<String> {
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
pub(crate) fn machine() -> Result<String> {
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
