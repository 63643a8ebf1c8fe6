//! `portcullis policy`: work with a policy directory.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use portcullis_engine::{PolicySet, ResourceMetadata, resource_metadata};
use portcullis_model::{BaseUrl, Method, PathPattern};
use portcullis_pdp::bundle::Bundle;
use portcullis_pdp::directory::LoadError;
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::keys::fetch_jwks;
use serde_json::json;

mod deployment;
mod import;
mod replay;
mod test;

use super::{Outcome, directory, print};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check that a policy directory compiles, and say what it protects.
    #[command(
        after_help = "Examples:\n  portcullis policy check policy/\n  portcullis policy check policy/ --json"
    )]
    Check(CheckArguments),
    /// Print the metadata of each API service as a protected resource (RFC 9728), and where it belongs.
    #[command(
        after_help = "Examples:\n  portcullis policy metadata policy/\n  portcullis policy metadata policy/ --json"
    )]
    Metadata(CheckArguments),
    /// Write a policy directory into one file, for the authorizer's `PORTCULLIS_BUNDLE`.
    #[command(
        after_help = "Examples:\n  portcullis policy bundle policy/ -o policy.json\n  \
        portcullis policy bundle policy/ --with-keys -o policy.json"
    )]
    Bundle(BundleArguments),
    /// Run the tests of a policy directory (tests/*.yaml) and say what they do not cover.
    #[command(
        after_help = "Examples:\n  portcullis policy test policy/\n  portcullis policy test policy/ --junit report.xml\n  \
        portcullis policy test policy/ --compare old-policy/"
    )]
    Test(test::Arguments),
    /// Make a policy directory the current deployment of a database.
    #[command(
        after_help = "Examples:\n  portcullis policy push policy/ --database-url sqlite:portcullis.db --note \"open the moons\"\n  \
        PORTCULLIS_DATABASE_URL=postgres://... portcullis policy push policy/"
    )]
    Push(deployment::PushArguments),
    /// Write the files of a deployment into a directory.
    #[command(
        after_help = "Examples:\n  portcullis policy pull --database-url sqlite:portcullis.db -o policy/\n  \
        portcullis policy pull --database-url sqlite:portcullis.db --number 7 -o policy-7/"
    )]
    Pull(deployment::PullArguments),
    /// List the deployments of a database, the newest first.
    #[command(
        after_help = "Examples:\n  portcullis policy deployments --database-url sqlite:portcullis.db"
    )]
    Deployments(deployment::ListArguments),
    /// Make an earlier deployment the current one again, under a new number.
    #[command(
        after_help = "Examples:\n  portcullis policy rollback 7 --database-url sqlite:portcullis.db"
    )]
    Rollback(deployment::RollbackArguments),
    /// Import policies that were written for other products.
    #[command(subcommand)]
    Import(import::Command),
}

#[derive(clap::Args)]
pub(crate) struct BundleArguments {
    /// The policy directory.
    directory: PathBuf,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Put the issuers' keys in, fetched now, so that the first decision after a start needs no
    /// request.
    #[arg(long)]
    with_keys: bool,
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
    match command {
        Command::Check(arguments) => check(arguments),
        Command::Metadata(arguments) => metadata(arguments),
        Command::Bundle(arguments) => bundle(arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Push(arguments) => deployment::push(arguments),
        Command::Pull(arguments) => deployment::pull(arguments),
        Command::Deployments(arguments) => deployment::list(arguments),
        Command::Rollback(arguments) => deployment::rollback(arguments),
        Command::Import(command) => import::run(command),
    }
}

/// The metadata documents; a service without a base URL has no identifier, and so none.
fn metadata(arguments: &CheckArguments) -> Result<Outcome> {
    let policy = directory(&arguments.directory).load()?;
    let documents: Vec<ResourceMetadata> = policy
        .services()
        .iter()
        .filter_map(resource_metadata)
        .collect();
    if documents.is_empty() {
        bail!(
            "no API service has a base URL, which is a resource's identifier (RFC 9728 section 1.2)"
        );
    }
    if arguments.json {
        let all = documents
            .iter()
            .map(|document| json!({ "url": document.url, "metadata": document }));
        print(&json!(all.collect::<Vec<_>>()).to_string())?;
        return Ok(Outcome::Yes);
    }
    for document in &documents {
        print(&format!(
            "{}\n{}",
            document.url,
            serde_json::to_string_pretty(document)?
        ))?;
    }
    Ok(Outcome::Yes)
}

fn bundle(arguments: &BundleArguments) -> Result<Outcome> {
    let directory = directory(&arguments.directory);
    let policy = directory.load()?;
    let mut bundle = Bundle::new(&directory.read()?, &portcullis_policies::languages())?;
    if arguments.with_keys {
        let http = HttpClient::new(&TlsRoots::public())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        for issuer in policy.issuers() {
            let keys = runtime
                .block_on(fetch_jwks(&http, &issuer))
                .with_context(|| format!("cannot get the keys of {issuer}"))?;
            bundle.keys.insert(issuer.to_string(), keys);
        }
    }
    std::fs::write(&arguments.output, bundle.to_json())
        .with_context(|| format!("cannot write {}", arguments.output.display()))?;
    print(&format!(
        "{}  sha256:{}",
        arguments.output.display(),
        bundle.digest()
    ))?;
    Ok(Outcome::Yes)
}

fn check(arguments: &CheckArguments) -> Result<Outcome> {
    match directory(&arguments.directory).load() {
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
