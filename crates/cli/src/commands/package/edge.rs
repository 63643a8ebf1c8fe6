//! `portcullis package edge`: the edge function and its settings in a zip, without a compiler.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde_json::json;

use super::archive::{Archive, Kind, write};
use super::edge_config::EdgeConfig;
use super::languages;
use crate::commands::{Outcome, print};

include!(concat!(env!("OUT_DIR"), "/packages.rs"));

/// The handler, where that of `PingOne`'s kit is.
const HANDLER: &str = "aws-lambda-authorizer/src/aws-lambda-authorizer.handler";
const FOLDER: &str = "aws-lambda-authorizer/src";
/// The largest zip of a function for viewer requests that every account takes: later pages of the CloudFront developer
/// guide say 50 MB, and accounts still refuse more than this.
const MAX_ZIP_BYTES: usize = 1024 * 1024;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The file to write. It may hold secrets, so that only its owner may read it.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The settings, in TOML, by the names of config.js; without it, config.js is to be filled in by hand.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A language of custom policies to put in, beside validators; `cedar` brings `rego` along.
    #[arg(long, value_name = "LANGUAGE")]
    with: Vec<Language>,
    /// Write the zip even if it is larger than 1 MB, which CloudFront may refuse.
    #[arg(long)]
    allow_large: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    Rego,
    Cedar,
}

pub(super) fn run(arguments: &Arguments) -> Result<Outcome> {
    let has = |language: Language| arguments.with.contains(&language);
    // A module with Cedar alone would be built for few: Cedar is by far the larger one.
    let variant = match (has(Language::Rego), has(Language::Cedar)) {
        (false, false) => "plain",
        (true, false) => "rego",
        (_, true) => "rego-cedar",
    };
    // The languages that are in it, or `plain`.
    let names: Vec<_> = variant.split('-').collect();
    let config = match &arguments.config {
        Some(path) => EdgeConfig::read(path, languages(&names))?,
        None => EdgeConfig::by_hand(),
    };
    let module = PACKAGES.iter().find(|(name, _)| *name == variant);
    let Some((_, Some(module))) = module else {
        bail!(
            "this portcullis was built without the module of the edge function; build it with `make build`"
        );
    };
    let mut archive = Archive::new();
    archive.take(module)?;
    let script = format!("{FOLDER}/config.js");
    archive.add(&script, config.script.as_bytes(), Kind::Data)?;
    for (name, content) in &config.files {
        let path = format!("{FOLDER}/{name}");
        if archive.has(&path) {
            bail!(
                "{name}: the package has a file of that name itself; give yours another name, in the settings as well"
            );
        }
        archive.add(&path, content, Kind::Data)?;
    }
    let zip = archive.finish()?;
    if zip.len() > MAX_ZIP_BYTES && !arguments.allow_large {
        bail!(
            "the zip has {} bytes, and CloudFront may refuse more than {MAX_ZIP_BYTES} for viewer requests; \
             leave out a language, or write it with --allow-large",
            zip.len()
        );
    }
    write(&arguments.output, &zip)?;
    let output = arguments.output.display().to_string();
    if arguments.json {
        let document = json!({
            "output": output,
            "bytes": zip.len(),
            "handler": HANDLER,
            "languages": names.iter().filter(|name| **name != "plain").collect::<Vec<_>>(),
        });
        print(&document.to_string())?;
    } else {
        print(&format!(
            "{output}: {} KB; runtime nodejs22.x or newer on x86_64, handler {HANDLER}",
            zip.len().div_ceil(1000)
        ))?;
        if config.by_hand {
            print(&format!("Fill in {script} before you upload it."))?;
        }
    }
    Ok(Outcome::Yes)
}
