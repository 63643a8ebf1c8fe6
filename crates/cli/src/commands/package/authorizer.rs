//! `portcullis package authorizer`: the executable of the Lambda function in a zip, as `bootstrap`, with a policy bundle
//! where there is one (AWS Lambda developer guide, "OS-only runtime").

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use portcullis_enforcement::{Languages, LocalPolicy};
use serde_json::json;

use super::archive::{Archive, Kind, read_file, write};
use super::languages;
use crate::commands::{Outcome, print};

/// The largest zip that Lambda takes in one call (AWS Lambda developer guide, "Lambda quotas").
const MAX_ZIP_BYTES: usize = 50 * 1024 * 1024;
/// How an executable for Linux with 64 bits in little-endian order begins.
const ELF: &[u8] = b"\x7fELF\x02\x01";
/// What an ELF file is, in `e_type`: these two can be started.
const PROGRAM: u8 = 2;
const POSITION_INDEPENDENT: u8 = 3;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The executable: `bootstrap` beside this command unless said otherwise, such as `bootstrap-rego`, which runs Rego,
    /// too, or one for another architecture.
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
    let executable_path = match &arguments.executable {
        Some(path) => path.clone(),
        None => env::current_exe()?.with_file_name("bootstrap"),
    };
    let executable = read_file(&executable_path).with_context(|| {
        format!(
            "{} cannot be read; `make build` writes target/release/bootstrap, or name it with --executable",
            executable_path.display()
        )
    })?;
    let Some(architecture) = architecture(&executable) else {
        bail!(
            "{} is no executable for Linux on x86_64 or arm64",
            executable_path.display()
        );
    };
    let mut archive = Archive::new();
    archive.add("bootstrap", &executable, Kind::Executable)?;
    if let Some(path) = &arguments.bundle {
        let text = read_file(path).with_context(|| format!("{} cannot be read", path.display()))?;
        // As the function will read it when it starts.
        LocalPolicy::from_bundle(&text, &languages_of(&executable_path))
            .with_context(|| format!("{} is no bundle for this function", path.display()))?;
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
            &json!({
                "output": output,
                "bytes": zip.len(),
                "architecture": architecture,
                "handler": "bootstrap",
            })
            .to_string(),
        )?;
    } else {
        print(&format!(
            "{output}: {} KB; runtime provided.al2023 on {architecture}, handler bootstrap",
            zip.len().div_ceil(1000)
        ))?;
    }
    Ok(Outcome::Yes)
}

/// The languages that an executable runs policies in. Only `bootstrap` is known to run none but validators.
fn languages_of(executable: &Path) -> Languages {
    if executable.file_name() == Some(OsStr::new("bootstrap")) {
        return Languages::NONE;
    }
    languages(&["rego"])
}

/// What Lambda calls the architecture of an executable, by its header (System V ABI, "ELF Header", `e_type` and `e_machine`).
fn architecture(executable: &[u8]) -> Option<&'static str> {
    if !executable.starts_with(ELF) {
        return None;
    }
    match executable.get(16..20)? {
        [PROGRAM | POSITION_INDEPENDENT, 0, 62, 0] => Some("x86_64"),
        [PROGRAM | POSITION_INDEPENDENT, 0, 183, 0] => Some("arm64"),
        _ => None,
    }
}
