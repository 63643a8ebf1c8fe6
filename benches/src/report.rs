//! What docs/benchmarks.md says of verification and the policy decision; and how figures are written.

use std::fmt::{Display, Write as _};
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::goals::{Goal, Target, Unit};
use crate::plot::{Bar, Panel, Whose};
use crate::policy_decision::{self, DecisionFigure};
use crate::rounds::Spread;
use crate::section::Section;
use crate::verification::{self, AlgorithmFigures, Verification};

/// How long a decision on a token that was verified before may take, in seconds.
const MAX_WARM_DECISION: f64 = 10e-6;
/// How long a decision without cryptography may take, in seconds.
const MAX_DECISION: f64 = 5e-6;

/// Verification of a token beside its peers.
pub(crate) fn verification(figures: &Verification) -> Result<Section> {
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
        let verdict = match (ratio.target, missed.as_slice()) {
            (Target::None, _) => String::new(),
            (_, []) => "met".to_owned(),
            (_, missed) => format!("**not met**: {}", missed.join(", ")),
        };
        writeln!(text, " {} | {verdict} |", ratio.target)?;
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
         a process that stays; it times its own rounds. It is the package as npm installs it, not bundled, on the Node.js that is here.\n\
         - *aws-jwt-verify to the bare signature check* is what a verifier on aws-lc-rs would reach if nothing but \
         the signature check cost anything.\n",
        verification::ROUNDS,
        verification::OPERATIONS,
    )?;
    let goals = RATIOS.iter().filter(|ratio| ratio.target != Target::None);
    Ok(Section {
        text,
        goals: goals.map(|ratio| ratio.goal(figures)).collect(),
        panels: figures.algorithms.first().map(panel).into_iter().collect(),
        versions: vec![
            ("aws-lc-rs".to_owned(), locked("aws-lc-rs")?.to_owned()),
            (
                "jsonwebtoken".to_owned(),
                locked("jsonwebtoken")?.to_owned(),
            ),
            ("aws-jwt-verify".to_owned(), aws_jwt_verify.clone()),
            ("Node.js".to_owned(), node.clone()),
        ],
    })
}

/// The bars of one algorithm.
fn panel(row: &AlgorithmFigures) -> Panel {
    let bars = [
        ("Portcullis", row.portcullis),
        ("signature check alone", row.bare),
        ("jsonwebtoken (Rust)", row.jsonwebtoken),
        ("aws-jwt-verify (Node.js)", row.aws_jwt_verify),
    ];
    let bars = bars.map(|(label, Spread { low, median, high })| Bar {
        whose: if label == "Portcullis" {
            Whose::Portcullis
        } else {
            Whose::Peer
        },
        label: label.to_owned(),
        value: median,
        half: Some((low, high)),
        shown: Unit::Seconds.shown(median),
    });
    Panel {
        title: format!("Verification of a token, {}", name(row.algorithm)),
        note: "time on one thread, keys cached; less is better".to_owned(),
        bars: bars.into(),
    }
}

/// The policy decision without cryptography.
pub(crate) fn decision(figures: &[DecisionFigure]) -> Result<Section> {
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
        let slowest = times
            .iter()
            .map(|time| time.median)
            .fold(f64::NAN, f64::max);
        let verdict = Target::AtMost(target).verdict(slowest);
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
    Ok(Section {
        text,
        goals: decision_goals(figures),
        ..Section::default()
    })
}

/// The slowest of all kinds and layouts, and the slowest with a token that was verified before.
fn decision_goals(figures: &[DecisionFigure]) -> Vec<Goal> {
    let medians = |wanted: fn(&DecisionFigure) -> bool| {
        let wanted = figures.iter().filter(move |figure| wanted(figure));
        wanted.flat_map(|figure| figure.times.iter().map(|time| time.median))
    };
    let public = medians(|figure| figure.name.starts_with("public"));
    let public = Unit::Seconds.shown(public.fold(f64::NAN, f64::max));
    vec![
        Goal::worst(
            "policy decision without cryptography, 1,000 operations, slowest",
            medians(|figure| figure.name != policy_decision::WARM),
            Target::AtMost(MAX_DECISION),
            Unit::Seconds,
            format!(
                "a token that was not seen before is hashed, decoded and parsed for it; without a token the slowest takes {public}"
            ),
        ),
        Goal::worst(
            "the same with a token that was verified before",
            medians(|figure| figure.name == policy_decision::WARM),
            Target::AtMost(MAX_WARM_DECISION),
            Unit::Seconds,
            "the token is found by its SHA-256 digest, which has to be computed, and its claims and the rules are checked as ever",
        ),
    ]
}

/// One row of the ratios.
struct Ratio {
    name: &'static str,
    of: fn(&AlgorithmFigures) -> Spread,
    target: Target,
}

impl Ratio {
    /// The algorithm that comes nearest to the target, or is farthest behind it.
    fn goal(&self, figures: &Verification) -> Goal {
        let algorithms = figures.algorithms.iter();
        let values = algorithms.map(|row| (self.of)(row).median);
        let figure = format!("token verification, {}", self.name);
        let each = |shown: &dyn Fn(&AlgorithmFigures) -> String| {
            let rows = figures.algorithms.iter();
            let rows: Vec<_> = rows
                .map(|row| format!("{} {}", row.algorithm, shown(row)))
                .collect();
            rows.join(", ")
        };
        let why = match self.target {
            Target::AtLeast(_) => format!(
                "most of the time is the signature check, which both have to do; to that alone the ratio is {}",
                each(&|row| format!("{:.2}", row.aws_jwt_verify_over_bare.median))
            ),
            _ => format!(
                "beside the signature check the token is decoded and parsed, its key found and every claim checked: {}",
                each(&|row| Unit::Seconds.shown(row.portcullis.median - row.bare.median))
            ),
        };
        Goal::worst(&figure, values, self.target, Unit::Times, why)
    }
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

/// A whole number with commas.
pub(crate) fn thousands(number: impl Display) -> String {
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

/// The version of a crate in the lock file that this program was built with.
pub(crate) fn locked(name: &str) -> Result<&'static str> {
    let (_, rest) = include_str!("../../Cargo.lock")
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .with_context(|| format!("{name} is not in Cargo.lock"))?;
    let (version, _) = rest.split_once('"').context("Cargo.lock")?;
    Ok(version)
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

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn numbers_are_grouped_from_the_right() {
        let shown = [0, 999, 1_000, 10_000, 123_456, 1_234_567].map(thousands);
        assert_eq!(
            shown,
            ["0", "999", "1,000", "10,000", "123,456", "1,234,567"]
        );
        assert_eq!(thousands(7_046.6), "7,047");
    }
}
