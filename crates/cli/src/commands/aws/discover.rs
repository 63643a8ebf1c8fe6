//! `portcullis aws discover`: what is there.

use anyhow::Result;
use clap::Args;
use portcullis_discovery::{Account, Api, Authorizer, Deployed, Route, Stage};

use super::connect::{ConnectArguments, read};
use super::select::SelectArguments;
use crate::commands::{Outcome, print};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    select: SelectArguments,
    #[command(flatten)]
    connect: ConnectArguments,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Outcome> {
    let apis = arguments.connect.connect().await?;
    let account = read(&apis, &arguments.select.selection()).await?;
    print(&if arguments.json {
        serde_json::to_string(&account)?
    } else {
        as_text(&account)
    })?;
    Ok(Outcome::Yes)
}

fn as_text(account: &Account) -> String {
    let mut lines = vec![format!(
        "account {} in {}: {} APIs",
        account.id,
        account.region,
        account.apis.len()
    )];
    for api in &account.apis {
        lines.push(String::new());
        lines.push(api.title());
        lines.extend(
            api.tags
                .iter()
                .map(|(key, value)| format!("  tag {key} = {value}")),
        );
        lines.extend(api.authorizers.iter().map(authorizer));
        lines.extend(api.stages.iter().map(|one| stage(api, one)));
        let width = api.routes.iter().map(|one| one.key().chars().count()).max();
        lines.extend(
            api.routes
                .iter()
                .map(|one| route(api, one, width.unwrap_or_default())),
        );
    }
    lines.join("\n")
}

fn authorizer(authorizer: &Authorizer) -> String {
    let calls = match &authorizer.function {
        Some(function) => format!(" calls {}", function.name()),
        None => String::new(),
    };
    let by = match authorizer.identity_sources.as_slice() {
        [] => String::new(),
        sources => format!(", needs {}", sources.join(", ")),
    };
    let cache = match authorizer.ttl {
        0 => ", no cache".to_owned(),
        ttl => format!(", cached for {ttl} s"),
    };
    format!(
        "  authorizer {} ({}){calls}{by}{cache}",
        authorizer.name, authorizer.id
    )
}

fn stage(api: &Api, stage: &Stage) -> String {
    let serves = match (&stage.deployed, api.undeployed(stage)) {
        (Deployed::Nothing, _) => "nothing is deployed".to_owned(),
        (Deployed::Draft, _) => "deploys every change by itself".to_owned(),
        (_, None) => "AWS does not tell what is deployed".to_owned(),
        (_, Some(changes)) if changes.is_empty() => "serves the draft".to_owned(),
        (_, Some(changes)) => format!("does not serve the draft: {}", changes.join("; ")),
    };
    format!("  stage {}: {serves}", stage.name)
}

fn route(api: &Api, route: &Route, width: usize) -> String {
    let kind = route.authorization.kind;
    let by = api.authorizer_of(route).map(|one| format!(" {}", one.name));
    let deployed = api.stages.iter().filter_map(|stage| {
        let Deployed::Routes(routes) = &stage.deployed else {
            return None;
        };
        let served = (*routes.get(&route.key())?)?;
        (served != kind).then(|| format!("  (stage {}: {served})", stage.name))
    });
    let deployed: String = deployed.collect();
    let key = route.key();
    let by = by.unwrap_or_default();
    format!("    {key:<width$}  {kind}{by}{deployed}")
}
