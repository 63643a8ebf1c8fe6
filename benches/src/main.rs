//! `make bench`: measures and rewrites the figures in docs/benchmarks.md.
//!
//! The figures of the authorizer come from the release binaries in this run: `bootstrap` under a
//! Lambda runtime API on loopback, asking `portcullis serve`, which verifies a real RS256 token; and beside functions in
//! Node.js and Python that do the same. Verification and policy decision are measured in this process, beside their peers.
//! The decision service is put under load beside Cerbos, both as processes of their own. The edge function runs in Node.js,
//! beside a handler by hand.
//!
//! With the name of a part as its argument, only that part is measured and shown: the page and its plot are of one run.

mod authorizer;
mod cloudentity;
mod company;
mod decision_service;
mod edge;
mod figures;
mod function;
mod goals;
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
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use portcullis_test_support::issuer::Issuer;

use company::Moment;
use decision_service::DecisionService;
use figures::Figures;
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
    let begin = Moment::now()?;
    let mut sections = Vec::new();
    for name in PARTS {
        let section = part(name, root)?;
        page::print(&section.text)?;
        sections.push(section);
    }
    let all: Vec<_> = sections.iter().collect();
    let summary = Summary::new(&all, Moment::now()?.others_since(begin))?;
    page::print(&summary.text)?;
    ensure!(
        !cfg!(debug_assertions),
        "the page is not rewritten, as this is not a release build: run `make bench`"
    );
    let texts = sections.iter().map(|section| section.text.as_str());
    let parts: Vec<_> = [("summary", summary.text.as_str())]
        .into_iter()
        .chain(PARTS.into_iter().zip(texts))
        .collect();
    let docs = root.join("docs");
    page::write(&docs.join("benchmarks.md"), &parts).context("docs/benchmarks.md")?;
    fs::write(docs.join(summary::PLOT), summary.svg).context("docs/benchmarks.svg")
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
