//! `portcullis`, the one command: parses arguments and hands over to a module a subcommand.
//!
//! Exit status: 0 done or permit, 1 the answer is no, 2 the command could not do its work.
//!
//! It is a library so that docs/reference/commands.md can be written from what it says of itself; `main.rs` is the
//! program.

mod commands;
mod memory;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use commands::{Outcome, admin, aws, decide, package, policy, serve, token};

/// Authorization for APIs on AWS: one decision, enforced wherever a request enters.
#[derive(Parser)]
#[command(
    name = "portcullis",
    version,
    about,
    max_term_width = 100,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the decision service.
    Serve(Box<serve::Arguments>),
    /// Work with a policy directory.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Say who may administer a decision service.
    #[command(subcommand)]
    Admin(admin::Command),
    /// Work with access tokens.
    #[command(subcommand)]
    Token(token::Command),
    /// See who authorizes the APIs of an AWS account, and bind them to the authorizer.
    #[command(subcommand)]
    Aws(aws::Command),
    /// Write what AWS is given: the functions for API Gateway and CloudFront, as a zip.
    #[command(subcommand)]
    Package(package::Command),
    /// Make one decision and show how it came about.
    Decide(decide::Arguments),
    /// Compile policies from standard input and say nothing: how the decision service tries them out.
    #[command(hide = true)]
    CompileWorker,
}

/// The commands with their options, as `--help` describes them.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Does what the arguments of this process say, and gives its exit status.
#[must_use]
pub fn run() -> ExitCode {
    memory::use_small_pages();
    let outcome = match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Policy(command) => policy::run(&command),
        Command::Admin(command) => admin::run(&command),
        Command::Token(command) => token::run(&command),
        Command::Aws(command) => aws::run(&command),
        Command::Package(command) => package::run(&command),
        Command::Decide(arguments) => decide::run(&arguments),
        Command::CompileWorker => portcullis_policies::work()
            .map(|()| Outcome::Yes)
            .map_err(Into::into),
    };
    match outcome {
        Ok(Outcome::Yes) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Err(error) => {
            commands::complain(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}
