//! `portcullis aws doctor`: what is wrong, and what to do about it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use portcullis_discovery::{Finding, PolicyView, Severity, doctor};
use serde_json::json;

use super::connect::{ConnectArguments, read};
use super::select::SelectArguments;
use crate::commands::{Outcome, directory, print};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    select: SelectArguments,
    #[command(flatten)]
    connect: ConnectArguments,
    /// The policy directory that decides, to hold routes and caches against.
    #[arg(long, value_name = "DIR")]
    policy: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Outcome> {
    let policy = match &arguments.policy {
        None => None,
        Some(path) => Some(directory(path).load()?),
    };
    let apis = arguments.connect.connect().await?;
    let account = read(&apis, &arguments.select.selection()).await?;
    let findings = doctor(&account, policy.as_ref().map(PolicyView::new));
    let errors = findings
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .count();
    print(&if arguments.json {
        json!({ "apis": account.apis.len(), "errors": errors, "findings": findings }).to_string()
    } else {
        as_text(&findings, account.apis.len(), errors)
    })?;
    Ok(if errors == 0 {
        Outcome::Yes
    } else {
        Outcome::No
    })
}

fn as_text(findings: &[Finding], apis: usize, errors: usize) -> String {
    let mut lines = Vec::new();
    for finding in findings {
        let (severity, code) = (finding.severity.as_str(), finding.code.as_str());
        lines.push(format!("{severity:<7}  {code}"));
        lines.push(format!("         {}", finding.message));
        lines.push(format!("         ► {}", finding.advice));
    }
    lines.push(format!(
        "{apis} APIs, {} findings, {errors} of them errors.",
        findings.len()
    ));
    lines.join("\n")
}
