//! `portcullis aws unbind`: puts back what was there before.

use anyhow::{Result, bail};
use clap::Args;
use portcullis_discovery::{StateFile, plan_unbinding};

use super::bind::{ConsentArguments, carry_out};
use super::connect::{ConnectArguments, read};
use super::plan::load;
use super::select::SelectArguments;
use crate::commands::Outcome;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    select: SelectArguments,
    #[command(flatten)]
    connect: ConnectArguments,
    /// Deploy the stages, without which they go on as they are, and authorizer and permission stay.
    #[arg(long)]
    deploy: bool,
    #[command(flatten)]
    consent: ConsentArguments,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Outcome> {
    let selection = arguments.select.selection_or_all(arguments.consent.all)?;
    let file = StateFile::new(&arguments.consent.state);
    if file.load()?.is_none() {
        bail!(
            "there is no state file {}, so what was there before is not known: run this where the binding was made, \
             or give --state",
            file.path().display()
        );
    }
    let _lock = file.lock()?;
    let apis = arguments.connect.connect().await?;
    let account = read(&apis, &selection).await?;
    let state = load(&file, &account)?;
    let plan = plan_unbinding(&account, &selection, arguments.deploy, &state);
    let again = async || {
        let account = read(&apis, &selection).await?;
        Ok(plan_unbinding(
            &account,
            &selection,
            arguments.deploy,
            &state,
        ))
    };
    let consent = &arguments.consent;
    carry_out(&apis, &plan, again, &state, &file, "unbind", consent).await
}
