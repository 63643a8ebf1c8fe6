//! `portcullis aws`: who authorizes the APIs of an account, and binding them to the authorizer.

mod bind;
mod connect;
mod discover;
mod doctor;
mod plan;
mod progress;
mod select;
mod unbind;

use anyhow::Result;
use clap::Subcommand;

use super::Outcome;

/// Where bindings are recorded, unless another file is named.
const STATE_FILE: &str = "portcullis-aws.json";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List APIs, stages and routes, and who authorizes each, as drafted and as deployed.
    #[command(
        after_help = "Examples:\n  portcullis aws discover\n  portcullis aws discover --tag team=shop --region eu-central-1\n  \
        portcullis aws discover --api a1b2c3d4e5 --json"
    )]
    Discover(discover::Arguments),
    /// Print exactly what binding APIs to the authorizer would change. Changes nothing.
    #[command(
        after_help = "Exit status: 0 it can be done, 1 an API cannot be bound as asked.\n\n\
        Examples:\n  portcullis aws plan --function portcullis --api a1b2c3d4e5\n  \
        portcullis aws plan --function portcullis --tag team=shop --deploy"
    )]
    Plan(plan::Arguments),
    /// Bind APIs to the authorizer: print the plan, ask, and carry it out.
    #[command(
        after_help = "What is there before each change is recorded in the state file first. A binding that was interrupted is \
        finished by the same command.\n\n\
        Examples:\n  portcullis aws bind --function portcullis --api a1b2c3d4e5 --deploy\n  \
        portcullis aws bind --function portcullis --tag team=shop --yes"
    )]
    Bind(bind::Arguments),
    /// Put back what was there before APIs were bound, as the state file has it.
    #[command(
        after_help = "Examples:\n  portcullis aws unbind --api a1b2c3d4e5 --deploy\n  portcullis aws unbind --all --deploy --yes"
    )]
    Unbind(unbind::Arguments),
    /// Report routes that nobody authorizes, changes that are not deployed, and authorizers, caches and permissions
    /// that contradict each other or the policy.
    #[command(after_help = "Exit status: 0 no error was found, 1 some were.\n\n\
        Examples:\n  portcullis aws doctor\n  portcullis aws doctor --api a1b2c3d4e5 --policy policy/")]
    Doctor(doctor::Arguments),
}

pub(crate) fn run(command: &Command) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command {
            Command::Discover(arguments) => discover::run(arguments).await,
            Command::Plan(arguments) => plan::run(arguments).await,
            Command::Bind(arguments) => bind::run(arguments).await,
            Command::Unbind(arguments) => unbind::run(arguments).await,
            Command::Doctor(arguments) => doctor::run(arguments).await,
        }
    })
}
