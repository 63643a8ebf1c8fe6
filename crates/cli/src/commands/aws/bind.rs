//! `portcullis aws bind`: carries a plan out, and how any plan is.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use portcullis_discovery::{BindingState, Plan, SdkApis, StateFile, apply};
use serde_json::json;

use super::STATE_FILE;
use super::connect::{ConnectArguments, read};
use super::plan::{self, load, make, show};
use super::progress::ProgressLine;
use super::select::{SelectArguments, TargetArguments};
use crate::commands::{Outcome, complain, print};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    select: SelectArguments,
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    connect: ConnectArguments,
    #[command(flatten)]
    consent: ConsentArguments,
}

#[derive(Args)]
#[command(next_help_heading = "Carrying it out")]
pub(super) struct ConsentArguments {
    /// Take every API of the account and region.
    #[arg(long)]
    pub(super) all: bool,
    /// The file that records what was there before.
    #[arg(long, value_name = "FILE", default_value = STATE_FILE)]
    pub(super) state: PathBuf,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Outcome> {
    let consent = &arguments.consent;
    let selection = arguments.select.selection_or_all(consent.all)?;
    let apis = arguments.connect.connect().await?;
    let mut account = read(&apis, &selection).await?;
    let file = StateFile::new(&consent.state);
    let _lock = file.lock()?;
    let state = load(&file, &account)?;
    let target = &arguments.target;
    let plan = make(&apis, &mut account, &selection, target, &state).await?;
    let again = async || {
        let mut account = read(&apis, &selection).await?;
        make(&apis, &mut account, &selection, target, &state).await
    };
    carry_out(&apis, &plan, again, &state, &file, "bind", consent).await
}

/// Shows a plan, asks whether it is meant, and carries it out. `again` makes it anew: whoever was asked may have taken
/// their time.
pub(super) async fn carry_out(
    apis: &SdkApis,
    plan: &Plan,
    again: impl AsyncFnOnce() -> Result<Plan>,
    state: &BindingState,
    file: &StateFile,
    verb: &str,
    consent: &ConsentArguments,
) -> Result<Outcome> {
    if !consent.json {
        show(plan, verb, false)?;
    }
    if plan.has_conflict() {
        if consent.json {
            print(&report(plan, "conflict")?)?;
        }
        complain(
            "Nothing was changed, as an API cannot be bound as asked. Select the others to bind them.",
        );
        return Ok(Outcome::No);
    }
    if plan.changes() == 0 {
        if consent.json {
            print(&report(plan, "nothing_to_do")?)?;
        }
        return Ok(Outcome::Yes);
    }
    if !consent.yes {
        if !ask(plan.changes())? {
            complain("Nothing was changed.");
            return Ok(Outcome::No);
        }
        if again().await? != *plan {
            complain(
                "Nothing was changed: the APIs are not what they were when the plan was made. Run it again.",
            );
            return Ok(Outcome::No);
        }
    }
    let mut state = state.clone();
    let total = plan.changes();
    let mut line = ProgressLine::new();
    let save = |state: &BindingState| file.save(state);
    let told = |number: usize, step: &str| line.show(&format!("{number} of {total}: {step}"));
    let done = apply(apis, plan, &mut state, save, told).await;
    line.clear();
    done?;
    print(&if consent.json {
        report(plan, "done")?
    } else {
        format!("Done. {} records it.", file.path().display())
    })?;
    Ok(Outcome::Yes)
}

fn report(plan: &Plan, outcome: &str) -> Result<String> {
    let mut document = plan::json(plan)?;
    if let Some(members) = document.as_object_mut() {
        members.insert("outcome".to_owned(), json!(outcome));
    }
    Ok(document.to_string())
}

/// Asks at a terminal; elsewhere nobody could answer.
fn ask(changes: usize) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody can be asked whether this is meant: look at the plan, and give --yes");
    }
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "Carry out these {changes} changes? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
