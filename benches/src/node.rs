//! Node.js as Lambda runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// What Lambda gives to Node.js in a function of 128 MB, so that its memory is what it would be there.
pub(crate) const LIMITS: [&str; 2] = ["--max-old-space-size=115", "--max-semi-space-size=7"];

/// The executable itself, for processes that have no `PATH`.
pub(crate) fn program() -> Result<PathBuf> {
    Ok(said(Command::new("node").args(["-p", "process.execPath"]))?.into())
}

/// Such as `v20.20.2`.
pub(crate) fn version(program: &Path) -> Result<String> {
    said(Command::new(program).arg("--version"))
}

/// The version that the manifest of a package names.
pub(crate) fn package_version(folder: &Path) -> Result<String> {
    #[expect(clippy::disallowed_methods, reason = "the manifest of a peer")]
    let manifest = fs::read(folder.join("package.json"))?;
    let manifest: Value = serde_json::from_slice(&manifest)?;
    let version = manifest.get("version").and_then(Value::as_str);
    Ok(version.context("no version in package.json")?.to_owned())
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().context("node")?;
    ensure!(output.status.success(), "{command:?} failed");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
