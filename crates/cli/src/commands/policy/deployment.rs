//! `portcullis policy push`, `pull`, `deployments`, `rollback`: the deployments of a database.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use portcullis_engine::{SourceFile, compile};
use portcullis_pdp::directory::revision;
use portcullis_store::{DeploymentSummary, NewDeployment, NewRollback, Source};
use serde_json::json;

use super::super::database::{Database, now, with_store};
use super::super::{Outcome, directory, print};

/// Who and why.
#[derive(clap::Args)]
pub(crate) struct About {
    /// What the deployment is for.
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Who makes it.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "unknown")]
    by: String,
}

#[derive(clap::Args)]
pub(crate) struct PushArguments {
    /// The policy directory.
    directory: PathBuf,
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    about: About,
}

#[derive(clap::Args)]
pub(crate) struct PullArguments {
    #[command(flatten)]
    database: Database,
    /// The directory to write, which must not exist or be empty.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// The deployment; without it, the current one.
    #[arg(long, value_name = "NUMBER")]
    number: Option<i64>,
}

#[derive(clap::Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    database: Database,
    /// How many, the newest first.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: u32,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(crate) struct RollbackArguments {
    /// The deployment whose policy is to decide again.
    number: i64,
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    about: About,
}

/// Makes the directory the current deployment. One that does not compile is refused.
pub(crate) fn push(arguments: &PushArguments) -> Result<Outcome> {
    let directory = directory(&arguments.directory);
    let mut sources = directory.read()?;
    sources.retain(|file| !file.path.ends_with('/'));
    directory.compile(&sources)?;
    sources.extend(directory.read_tests()?);
    let digest = revision(&sources);
    let digest = digest.trim_start_matches("sha256:");
    let new = NewDeployment {
        sha256: digest.parse()?,
        sources: sources
            .into_iter()
            .map(|SourceFile { path, text }| Source { path, text })
            .collect(),
        note: arguments.about.note.clone(),
        created_by: arguments.about.by.parse()?,
        created_at: now()?,
        after: None,
    };
    let made = with_store(&arguments.database, async |store| {
        Ok(store.deploy(new).await?)
    })?;
    print(&line(&made.summary))?;
    Ok(Outcome::Yes)
}

pub(crate) fn rollback(arguments: &RollbackArguments) -> Result<Outcome> {
    let new = NewRollback {
        to: arguments.number,
        note: arguments.about.note.clone(),
        created_by: arguments.about.by.parse()?,
        created_at: now()?,
    };
    let made = with_store(&arguments.database, async |store| {
        let earlier = store.deployment(arguments.number).await?;
        let earlier =
            earlier.with_context(|| format!("there is no deployment {}", arguments.number))?;
        // This version may not read what an older one wrote.
        let files: Vec<SourceFile> = earlier.sources.into_iter().map(file).collect();
        compile(&files, &portcullis_policies::languages())?;
        Ok(store.rollback(new).await?)
    })?;
    print(&line(&made.summary))?;
    Ok(Outcome::Yes)
}

pub(crate) fn list(arguments: &ListArguments) -> Result<Outcome> {
    let found = with_store(&arguments.database, async |store| {
        Ok(store.deployments(None, arguments.limit).await?)
    })?;
    if arguments.json {
        print(&json!(found).to_string())?;
    } else if found.is_empty() {
        print("There is no deployment yet; make one with `portcullis policy push`.")?;
    } else {
        let lines: Vec<String> = found.iter().map(line).collect();
        print(&lines.join("\n"))?;
    }
    Ok(Outcome::Yes)
}

/// Writes the files of a deployment.
pub(crate) fn pull(arguments: &PullArguments) -> Result<Outcome> {
    let found = with_store(&arguments.database, async |store| {
        Ok(match arguments.number {
            Some(number) => store.deployment(number).await?,
            None => store.current_deployment().await?,
        })
    })?;
    let found =
        found.context("there is no such deployment; `portcullis policy deployments` lists them")?;
    let files = found.sources.iter();
    write_files(
        &arguments.output,
        files.map(|file| (file.path.as_str(), file.text.as_str())),
    )?;
    print(&line(&found.summary))?;
    Ok(Outcome::Yes)
}

/// Writes files with their paths into a directory that is not there yet or empty.
pub(super) fn write_files<'a>(
    output: &Path,
    files: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<()> {
    if output.exists() && std::fs::read_dir(output)?.next().is_some() {
        bail!("{} is not empty; nothing was written", output.display());
    }
    for (path, text) in files {
        let path = inside(output, path)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The place of a file of a deployment. Whoever may write to the database may not write elsewhere on this
/// machine.
fn inside(output: &Path, path: &str) -> Result<PathBuf> {
    let relative = Path::new(path);
    if relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        Ok(output.join(relative))
    } else {
        bail!("the deployment has a file at {path:?}, which is outside of a policy directory")
    }
}

fn file(source: Source) -> SourceFile {
    SourceFile {
        path: source.path,
        text: source.text,
    }
}

fn line(summary: &DeploymentSummary) -> String {
    let digits: String = summary.sha256.as_str().chars().take(12).collect();
    let rollback = summary.rollback_of.map(|earlier| format!("as {earlier}"));
    let note = (!summary.note.is_empty()).then(|| summary.note.escape_debug().to_string());
    let first = format!(
        "{}  sha256:{digits}  by {}",
        summary.number, summary.created_by
    );
    let parts: Vec<String> = [Some(first), rollback, note]
        .into_iter()
        .flatten()
        .collect();
    parts.join("  ")
}
