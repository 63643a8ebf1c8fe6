//! `portcullis policy`: work with a policy directory.

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use portcullis_engine::PolicySet;
use portcullis_model::{BaseUrl, Method, PathPattern};
use portcullis_pdp::directory::{LoadError, PolicyDirectory};
use serde_json::json;

use super::{Outcome, print};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check that a policy directory compiles, and say what it protects.
    #[command(
        after_help = "Examples:\n  portcullis policy check policy/\n  portcullis policy check policy/ --json"
    )]
    Check(CheckArguments),
}

#[derive(clap::Args)]
pub(crate) struct CheckArguments {
    /// The policy directory.
    directory: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &Command) -> Result<Outcome> {
    let Command::Check(arguments) = command;
    match PolicyDirectory::new(&arguments.directory).load() {
        Ok(policy) => {
            print(&if arguments.json {
                describe_json(&policy)
            } else {
                describe(&policy)
            })?;
            Ok(Outcome::Yes)
        }
        Err(LoadError::Policy(problems)) => {
            let findings = problems.0.iter().map(|problem| {
                json!({
                    "file": problem.file,
                    "line": problem.place.map(|(line, _)| line),
                    "column": problem.place.map(|(_, column)| column),
                    "message": problem.message,
                    "help": problem.help,
                })
            });
            if arguments.json {
                print(
                    &json!({ "valid": false, "findings": findings.collect::<Vec<_>>() })
                        .to_string(),
                )?;
            } else {
                print(&problems.to_string())?;
            }
            Ok(Outcome::No)
        }
        Err(error) => Err(error.into()),
    }
}

fn describe(policy: &PolicySet) -> String {
    let mut lines = Vec::new();
    for service in policy.services() {
        lines.push(format!("{}", service.name));
        lines.extend(
            service
                .base_urls
                .iter()
                .map(|base| format!("  {}", base.as_str())),
        );
        for operation in service.operations() {
            let methods: Vec<_> = operation.methods.iter().map(Method::as_str).collect();
            let methods = if methods.is_empty() {
                "any method".to_owned()
            } else {
                methods.join(",")
            };
            let paths: Vec<_> = operation.paths.iter().map(PathPattern::as_str).collect();
            lines.push(format!(
                "  {methods} {}  {} ({})",
                paths.join(" "),
                operation.name,
                operation.guard_summary()
            ));
        }
    }
    lines.push("The policy directory compiles.".to_owned());
    lines.join("\n")
}

fn describe_json(policy: &PolicySet) -> String {
    let services = policy.services().iter().map(|service| {
        let operations = service.operations().iter().map(|operation| {
            json!({
                "name": &*operation.name,
                "methods": operation.methods.iter().map(Method::as_str).collect::<Vec<_>>(),
                "paths": operation.paths.iter().map(PathPattern::as_str).collect::<Vec<_>>(),
                "guard": operation.guard_summary(),
            })
        });
        json!({
            "name": &*service.name,
            "base_urls": service.base_urls.iter().map(BaseUrl::as_str).collect::<Vec<_>>(),
            "operations": operations.collect::<Vec<_>>(),
        })
    });
    json!({ "valid": true, "services": services.collect::<Vec<_>>() }).to_string()
}
