//! `portcullis package`: what AWS is given, as a zip.

mod archive;
mod authorizer;
mod edge;
mod edge_config;

use anyhow::Result;
use clap::Subcommand;
use portcullis_enforcement::Languages;

use super::Outcome;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write the function for CloudFront (Lambda@Edge, viewer request), with its settings.
    #[command(
        after_help = "Examples:\n  portcullis package edge -o edge.zip --config edge.toml\n  \
        portcullis package edge -o edge.zip --config edge.toml --with rego --allow-large\n  \
        portcullis package edge -o edge.zip        (with a config.js to be filled in by hand)\n\n\
        edge.toml has the names of config.js, such as:\n  SERVICE_URL = \"https://...\"\n  \
        SECRET_HEADER_VALUE_ARN = \"arn:aws:secretsmanager:...\"\n  IS_DEBUG_ENABLED = false\n  MAX_RETRIES = 1"
    )]
    Edge(edge::Arguments),
    /// Write the function for API Gateway (Lambda authorizer); its settings are environment variables.
    #[command(
        after_help = "Examples:\n  portcullis package authorizer -o authorizer.zip\n  \
        portcullis package authorizer -o authorizer.zip --bundle policy.json\n  \
        portcullis package authorizer -o authorizer.zip --executable target/release/bootstrap-rego"
    )]
    Authorizer(authorizer::Arguments),
}

/// The languages of a function beside validators, by the extensions of their files, to check a policy with.
fn languages(wanted: &[&str]) -> Languages {
    let known = portcullis_policies::languages().into_iter();
    Languages(
        known
            .filter(|one| wanted.contains(&one.extension()))
            .collect(),
    )
}

pub(crate) fn run(command: &Command) -> Result<Outcome> {
    match command {
        Command::Edge(arguments) => edge::run(arguments),
        Command::Authorizer(arguments) => authorizer::run(arguments),
    }
}
