//! `portcullis aws plan`: what binding would change, and how plans are shown.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use portcullis_discovery::{
    Account, ApiPlan, BindingState, Plan, SdkApis, Selection, StateFile, plan, read_function,
};
use serde_json::{Value, json};

use super::STATE_FILE;
use super::connect::{ConnectArguments, read};
use super::select::{SelectArguments, TargetArguments};
use crate::commands::{Outcome, print};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    select: SelectArguments,
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    connect: ConnectArguments,
    /// The file that earlier bindings are recorded in.
    #[arg(long, value_name = "FILE", default_value = STATE_FILE)]
    state: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Outcome> {
    let apis = arguments.connect.connect().await?;
    let selection = arguments.select.selection();
    let mut account = read(&apis, &selection).await?;
    let state = load(&StateFile::new(&arguments.state), &account)?;
    let plan = make(&apis, &mut account, &selection, &arguments.target, &state).await?;
    show(&plan, "bind", arguments.json)?;
    Ok(if plan.has_conflict() {
        Outcome::No
    } else {
        Outcome::Yes
    })
}

/// The plan of binding what was read.
pub(super) async fn make(
    apis: &SdkApis,
    account: &mut Account,
    selection: &Selection,
    arguments: &TargetArguments,
    state: &BindingState,
) -> Result<Plan> {
    let function = arguments.function(&account.identity())?;
    let view = read_function(apis, account, &function).await?;
    let view = view.with_context(|| format!("there is no function {function}"))?;
    let target = arguments.target(function, &view)?;
    let (include, deploy) = (arguments.include(), arguments.deploy);
    Ok(plan(account, selection, include, &target, deploy, state))
}

/// What earlier bindings of this account recorded.
pub(super) fn load(file: &StateFile, account: &Account) -> Result<BindingState> {
    let Some(state) = file.load()? else {
        return Ok(BindingState::new(account));
    };
    state.check(account)?;
    Ok(state)
}

/// Prints a plan; `verb` is the command that carries it out.
pub(super) fn show(plan: &Plan, verb: &str, as_json: bool) -> Result<()> {
    print(&if as_json {
        json(plan)?.to_string()
    } else {
        as_text(plan, verb)
    })
}

/// The plan as JSON, with a sentence beside each change.
pub(super) fn json(plan: &Plan) -> Result<Value> {
    let mut document = serde_json::to_value(plan)?;
    let apis = document.get_mut("apis").and_then(Value::as_array_mut);
    for (entry, api) in apis.into_iter().flatten().zip(&plan.apis) {
        let steps: Vec<_> = api.changes.iter().map(|one| one.sentence(api)).collect();
        if let Some(entry) = entry.as_object_mut() {
            entry.insert("steps".to_owned(), json!(steps));
        }
    }
    Ok(document)
}

fn as_text(plan: &Plan, verb: &str) -> String {
    let mut lines = vec![format!("account {} in {}", plan.account, plan.region)];
    let mut number = 0;
    for api in &plan.apis {
        lines.push(String::new());
        lines.extend(of_api(api, &mut number));
    }
    lines.push(String::new());
    let touched = plan
        .apis
        .iter()
        .filter(|api| !api.changes.is_empty())
        .count();
    lines.push(match (plan.changes(), plan.apis.len()) {
        (_, 0) => format!("There is no API to {verb} among those that were selected."),
        (0, _) => format!("Nothing to {verb}."),
        (changes, _) => format!("{changes} changes of {touched} APIs."),
    });
    lines.join("\n")
}

fn of_api(api: &ApiPlan, number: &mut usize) -> Vec<String> {
    let mut lines = vec![format!("{} {} API \"{}\"", api.id, api.protocol, api.name)];
    for change in &api.changes {
        *number += 1;
        lines.push(format!("  {number:>4}. {}", change.sentence(api)));
    }
    if !api.bound.is_empty() {
        lines.push(format!("  bound already: {}", api.bound.join(", ")));
    }
    let skipped = api.skipped.iter();
    lines.extend(skipped.map(|(route, why)| format!("  left alone: {route}: {why}")));
    lines.extend(api.notes.iter().map(|note| format!("  note: {note}")));
    lines.extend(
        api.conflict
            .iter()
            .map(|why| format!("  CANNOT BE BOUND: {why}")),
    );
    lines
}
