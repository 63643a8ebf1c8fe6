//! `make bench`: measures the authorizer and rewrites the figures in docs/benchmarks.md.
//!
//! Every figure comes from the release binaries in this run: `bootstrap` under a Lambda runtime
//! API on loopback, asking `portcullis serve`, which verifies a real RS256 token.

mod decision_service;
mod figures;
mod own_cost;
mod report;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use portcullis_test_support::issuer::Issuer;

use decision_service::DecisionService;
use figures::Figures;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?;
    let binaries = binaries(&root);
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
    let token = issuer.token(decision_service::AUDIENCE, "silver", figures::unix_now()?);
    let figures = Figures::measure(&bootstrap, &service.url(), &token)?;
    report::write(&root.join("docs/benchmarks.md"), &figures).context("docs/benchmarks.md")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the Makefile says where the binaries are"
)]
fn binaries(root: &Path) -> PathBuf {
    env::var_os("PORTCULLIS_BIN_DIR").map_or_else(|| root.join("target/release"), PathBuf::from)
}
