//! `portcullis policy import`: policies that were written for other products.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use portcullis_engine::compile;
use portcullis_server::{Import, Names, import};
use serde_json::Value;

use super::super::database::{now, open};
use super::super::{Outcome, complain, print};
use super::deployment::write_files;

/// Largest file, in bytes.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Import API services from `PingOne`: answers of its management API, saved in files.
    #[command(after_help = "Examples:\n  \
        curl -H \"Authorization: Bearer $TOKEN\" $API/apiServers > servers.json\n  \
        curl -H \"Authorization: Bearer $TOKEN\" \"$API/apiServers/$ID/operations?expand=groups,scopes\" > operations.json\n  \
        portcullis policy import pingone servers.json operations.json --names names.yaml -o policy/\n  \
        portcullis policy import pingone *.json --names names.yaml --database-url sqlite:portcullis.db")]
    Pingone(PingOneArguments),
}

#[derive(clap::Args)]
pub(crate) struct PingOneArguments {
    /// Answers of /apiServers, /apiServers/{id}/operations, /externalOAuthServers, and of lists that have names
    /// (/groups, /resources/{id}/scopes, /signOnPolicies).
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What ids stand for: a YAML file with `issuer`, `resources`, `groups`, `scopes`, `permissions`,
    /// `authentication_policies`, `claims`.
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    /// The policy directory to write, which must not exist or be empty.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// The database whose drafts they become, with their ids; it may have none yet.
    #[arg(
        long,
        value_name = "URL",
        env = "PORTCULLIS_DATABASE_URL",
        hide_env_values = true,
        required_unless_present = "output"
    )]
    database_url: Option<String>,
}

pub(crate) fn run(command: &Command) -> Result<Outcome> {
    let Command::Pingone(arguments) = command;
    let names = match &arguments.names {
        Some(path) => Names::parse(&read(path)?).with_context(|| path.display().to_string())?,
        None => Names::default(),
    };
    let mut documents = Vec::new();
    for path in &arguments.files {
        let document: Value = serde_json::from_str(&read(path)?)
            .with_context(|| format!("{} is no JSON", path.display()))?;
        documents.push((path.display().to_string(), document));
    }
    let imported = match import(&documents, &names) {
        Ok(imported) => imported,
        Err(problems) => {
            complain(&problems.to_string());
            return Ok(Outcome::No);
        }
    };
    if let Err(problems) = compile(&imported.files, &portcullis_policies::languages()) {
        complain(&problems.to_string());
        return Ok(Outcome::No);
    }
    for warning in &imported.warnings {
        complain(&format!("warning: {warning}"));
    }
    match (&arguments.output, &arguments.database_url) {
        (Some(output), _) => {
            let files = imported.files.iter();
            write_files(
                output,
                files.map(|file| (file.path.as_str(), file.text.as_str())),
            )?;
            print(&format!(
                "{} API services in {}; next, `portcullis policy check {}`",
                imported.files.len(),
                output.display(),
                output.display()
            ))?;
        }
        (None, Some(url)) => {
            let services = imported.files.len();
            store(url, imported)?;
            print(&format!(
                "{services} API services are drafts now; deploy each to have it decide"
            ))?;
        }
        (None, None) => bail!("expected --output or --database-url"),
    }
    Ok(Outcome::Yes)
}

/// Makes drafts of it where there are none.
fn store(url: &str, imported: Import) -> Result<()> {
    let now = now()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let store = open(url).await?;
        let is_empty = store.all_drafts().await?.is_empty();
        if is_empty {
            store.replace_all_drafts(imported.drafts, now).await?;
        }
        store.close().await;
        if !is_empty {
            bail!("the database has drafts already; import into an empty one, or write a directory with --output");
        }
        Ok(())
    })
}

fn read(path: &Path) -> Result<String> {
    let length = std::fs::metadata(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .len();
    if length > MAX_FILE_BYTES {
        bail!(
            "{} has {length} bytes; expected at most {MAX_FILE_BYTES}",
            path.display()
        );
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the files that the arguments name"
    )]
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
