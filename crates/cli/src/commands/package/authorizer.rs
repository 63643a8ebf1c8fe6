//! `portcullis package authorizer`: the executable of the Lambda function in a zip, as `bootstrap`, with a policy bundle
//! where there is one (AWS Lambda developer guide, "OS-only runtime").

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use portcullis_pdp::bundle::Bundle;
use serde_json::json;

use super::archive::{Archive, Kind, read_file, write};
use crate::commands::{Outcome, print};

/// The largest zip that Lambda takes in one call (AWS Lambda developer guide, "Lambda quotas").
const MAX_ZIP_BYTES: usize = 50 * 1024 * 1024;
/// How an executable for Linux begins.
const ELF: &[u8] = b"\x7fELF";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The executable: `bootstrap` beside this command unless said otherwise; `bootstrap-rego` runs Rego, too.
    #[arg(long, value_name = "FILE")]
    executable: Option<PathBuf>,
    /// A policy that `portcullis policy bundle` wrote; set `PORTCULLIS_BUNDLE` to `file:policy.json` to use it.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Outcome> {
    let path = match &arguments.executable {
        Some(path) => path.clone(),
        None => env::current_exe()?.with_file_name("bootstrap"),
    };
    let executable = read_file(&path).with_context(|| {
        format!(
            "{} cannot be read; `make build` writes target/release/bootstrap, or name it with --executable",
            path.display()
        )
    })?;
    if !executable.starts_with(ELF) {
        bail!("{} is no executable for Linux", path.display());
    }
    let mut archive = Archive::new();
    archive.add("bootstrap", &executable, Kind::Executable)?;
    if let Some(path) = &arguments.bundle {
        let text = read_file(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Bundle::from_json(&text)
            .with_context(|| format!("{} is no bundle of a policy", path.display()))?;
        archive.add("policy.json", &text, Kind::Data)?;
    }
    let zip = archive.finish()?;
    if zip.len() > MAX_ZIP_BYTES {
        bail!(
            "the zip has {} bytes; Lambda takes {MAX_ZIP_BYTES}",
            zip.len()
        );
    }
    write(&arguments.output, &zip)?;
    let output = arguments.output.display().to_string();
    if arguments.json {
        print(
            &json!({ "output": output, "bytes": zip.len(), "handler": "bootstrap" }).to_string(),
        )?;
    } else {
        print(&format!(
            "{output}: {} KB; runtime provided.al2023, handler bootstrap",
            zip.len().div_ceil(1000)
        ))?;
    }
    Ok(Outcome::Yes)
}
