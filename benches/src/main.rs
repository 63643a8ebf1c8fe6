//! `make bench`: measures and rewrites the figures in docs/benchmarks.md.
//!
//! The figures of the authorizer come from the release binaries in this run: `bootstrap` under a
//! Lambda runtime API on loopback, asking `portcullis serve`, which verifies a real RS256 token.
//! Verification and policy decision are measured in this process, beside their peers. The decision service
//! is put under load beside Cerbos, both as processes of their own. The edge function runs in Node.js, beside a
//! handler by hand.
//!
//! With the name of a part as its argument, only that part is measured and shown.

mod cloudentity;
mod company;
mod decision_service;
mod edge;
mod figures;
mod own_cost;
mod peer;
mod policy_decision;
mod report;
mod rounds;
mod service;
mod tokens;
mod verification;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use portcullis_test_support::issuer::Issuer;

use decision_service::DecisionService;
use figures::Figures;
use verification::Verification;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?;
    let only = env::args().nth(1);
    let now = figures::unix_now()?;
    let mut sections = Vec::new();
    for part in [
        "authorizer",
        "verification",
        "decision",
        "service",
        "cloudentity",
        "edge",
    ] {
        if only.as_deref().is_none_or(|only| only == part) {
            let text = match part {
                "authorizer" => report::authorizer(&authorizer(&root)?)?,
                "verification" => report::verification(&Verification::measure(&root, now)?)?,
                "decision" => report::decision(&policy_decision::measure(now)?)?,
                "cloudentity" => {
                    cloudentity::section(&cloudentity::measure(&binaries(&root), now)?)?
                }
                "edge" => edge::section(&edge::measure(&root, &binaries(&root), now)?)?,
                _ => service::section(&service::measure(&root, &binaries(&root), now)?)?,
            };
            report::print(&text)?;
            sections.push((part, text));
        }
    }
    ensure!(
        !sections.is_empty(),
        "the parts are authorizer, verification, decision, service, cloudentity and edge"
    );
    if only.is_none() {
        let page = root.join("docs/benchmarks.md");
        report::write(&page, &sections).context("docs/benchmarks.md")?;
    }
    Ok(())
}

fn authorizer(root: &Path) -> Result<Figures> {
    let binaries = binaries(root);
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
    Figures::measure(&bootstrap, &service.url(), &token)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the Makefile says where the binaries are"
)]
fn binaries(root: &Path) -> PathBuf {
    env::var_os("PORTCULLIS_BIN_DIR").map_or_else(|| root.join("target/release"), PathBuf::from)
}
