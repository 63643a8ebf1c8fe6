//! `make bench`: measures and rewrites the figures in docs/benchmarks.md.
//!
//! The figures of the authorizer come from the release binaries in this run: `bootstrap` under a
//! Lambda runtime API on loopback, asking `portcullis serve`, which verifies a real RS256 token; and beside functions in
//! Node.js and Python that do the same. Verification and policy decision are measured in this process, beside their peers.
//! The decision service is put under load beside Cerbos, both as processes of their own. The edge function runs in Node.js,
//! beside a handler by hand.
//!
//! With the name of a part as its argument, only that part is measured and shown: the page and its plot are of one run. All
//! parts are tried, also after one has failed; the page is written once there are all, and until then they are kept, for a
//! run that goes on where this one ended.

mod authorizer;
mod cloudentity;
mod company;
mod decision_service;
mod edge;
mod figures;
mod function;
mod goals;
mod kept;
mod node;
mod own_cost;
mod page;
mod peer;
mod plot;
mod policy_decision;
mod process;
mod report;
mod rounds;
mod section;
mod service;
mod summary;
mod tokens;
mod verification;

use std::env;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use portcullis_test_support::issuer::Issuer;

use company::Moment;
use decision_service::DecisionService;
use figures::Figures;
use kept::{Kept, Part};
use section::Section;
use summary::Summary;
use verification::Verification;

/// In the order of the page.
const PARTS: [&str; 7] = [
    "authorizer",
    "function",
    "verification",
    "decision",
    "service",
    "cloudentity",
    "edge",
];

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?;
    match env::args().nth(1) {
        Some(least) if least == function::LEAST => function::least(),
        Some(only) => {
            ensure!(
                PARTS.contains(&only.as_str()),
                "{only} is not a part: the parts are {}",
                PARTS.join(", ")
            );
            page::print(&part(&only, &root)?.text)
        }
        None => everything(&root),
    }
}

/// Measures all parts and rewrites the page and its plot.
fn everything(root: &Path) -> Result<()> {
    ensure!(
        !cfg!(debug_assertions),
        "the page is of release builds, and this is none: run `make bench`"
    );
    let kept = Kept::of(root);
    let begin = figures::unix_now()?;
    let (mut parts, mut failed) = (Vec::new(), Vec::new());
    for name in PARTS {
        let part = match kept.find(name, begin) {
            Some(part) => Ok(part),
            None => measured(name, root, &kept),
        };
        match part {
            Ok(part) => {
                page::print(&part.section.text)?;
                parts.push((name, part));
            }
            // What comes after it takes minutes, too, and is then there for the next run.
            Err(error) => {
                page::print(&format!("{name}: {error:#}\n"))?;
                failed.push(name);
            }
        }
    }
    ensure!(
        failed.is_empty(),
        "not measured, for the reason above: {}. The page stays as it was. What was measured is kept in target/bench: `make bench` \
         measures the rest, within six hours and with the same sources",
        failed.join(", ")
    );
    let summary = Summary::new(&parts, begin)?;
    page::print(&summary.text)?;
    let texts = parts
        .iter()
        .map(|(name, part)| (*name, part.section.text.as_str()));
    let texts: Vec<_> = [("summary", summary.text.as_str())]
        .into_iter()
        .chain(texts)
        .collect();
    let docs = root.join("docs");
    page::write(&docs.join("benchmarks.md"), &texts).context("docs/benchmarks.md")?;
    fs::write(docs.join(summary::PLOT), summary.svg).context("docs/benchmarks.svg")?;
    kept.forget()
}

/// Measures a part and keeps it.
fn measured(name: &str, root: &Path, kept: &Kept) -> Result<Part> {
    let begin = Moment::now()?;
    // What the tests' support does not expect ends in a panic, which is one part's as well.
    let section = panic::catch_unwind(|| part(name, root))
        .unwrap_or_else(|_| bail!("a panic, as said above"))?;
    let end = Moment::now()?;
    let others = (end.others_since(begin), end.ticks_since(begin));
    kept.keep(name, section, others, figures::unix_now()?)
}

fn part(name: &str, root: &Path) -> Result<Section> {
    let now = figures::unix_now()?;
    let binaries = binaries(root);
    match name {
        "authorizer" => authorizer::section(&authorizer(&binaries)?),
        "function" => function::section(&function::measure(root, &binaries, now)?),
        "verification" => report::verification(&Verification::measure(root, now)?),
        "decision" => report::decision(&policy_decision::measure(now)?),
        "cloudentity" => cloudentity::section(&cloudentity::measure(&binaries, now)?),
        "edge" => edge::section(&edge::measure(root, &binaries, now)?),
        _ => service::section(&service::measure(root, &binaries, now)?),
    }
}

fn authorizer(binaries: &Path) -> Result<Figures> {
    let (bootstrap, portcullis) = (binaries.join("bootstrap"), binaries.join("portcullis"));
    for binary in [&bootstrap, &portcullis] {
        ensure!(
            binary.is_file(),
            "{} is not there: run `make build` first",
            binary.display()
        );
    }
    let issuer = Issuer::start();
    let service = DecisionService::start(&portcullis, issuer.url())?;
    let (audience, scope) = (decision_service::AUDIENCE, decision_service::SCOPE);
    let token = issuer.token(audience, scope, figures::unix_now()?);
    Figures::measure(&bootstrap, &service.url(), &token)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the Makefile says where the binaries are"
)]
fn binaries(root: &Path) -> PathBuf {
    env::var_os("PORTCULLIS_BIN_DIR").map_or_else(|| root.join("target/release"), PathBuf::from)
}
