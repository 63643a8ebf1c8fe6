//! Builds the WebAssembly module of the edge function and the glue between it and Node.js, for each set of languages,
//! into `target/edge/VARIANT`, and puts them with the handler into `target/edge/VARIANT.zip`, which becomes a part of
//! `portcullis`: `portcullis package edge` adds the settings.
//!
//! `wasm-bindgen` is used as a library, so that it is of the version that the lock file names, as the module is.
#![expect(clippy::print_stderr, reason = "a build step says what it does")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use wasm_bindgen_cli_support::Bindgen;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The variants: a name, and the features of `portcullis-edge`.
const VARIANTS: [(&str, &str); 3] = [
    ("plain", ""),
    ("rego", "rego"),
    ("rego-cedar", "rego,cedar"),
];
/// Where the handler is that `PingOne`'s kit has.
const FOLDER: &str = "aws-lambda-authorizer/src";
const TARGET: &str = "wasm32-unknown-unknown";
/// The most memory that the module may have, in bytes. A function has 128 MB (CloudFront Developer Guide, "Quotas on
/// Lambda@Edge"), of which Node.js with a module that runs Rego takes up to 80, and Lambda ends it with all that it has learnt
/// where it takes more. Whoever asks for more than this gets an error that the handler answers with 503, and the next event a
/// new module.
const MAX_MEMORY: u32 = 40 * 1024 * 1024;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted
        .iter()
        .find(|name| !VARIANTS.iter().any(|(known, _)| known == name))
    {
        bail!("there is no variant {unknown}; there are plain, rego and rego-cedar");
    }
    for (name, features) in VARIANTS {
        if wanted.is_empty() || wanted.iter().any(|one| one == name) {
            build(&root, name, features).with_context(|| format!("building the variant {name}"))?;
        }
    }
    Ok(())
}

fn build(root: &Path, name: &str, features: &str) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([
            "rustc",
            "--locked",
            "--profile",
            "edge",
            "--lib",
            "--target",
            TARGET,
        ])
        .args(["-p", "portcullis-edge", "--features", features])
        .args(["--crate-type", "cdylib", "--"])
        .arg(format!("-Clink-arg=--max-memory={MAX_MEMORY}"))
        .current_dir(root);
    ensure!(cargo.status()?.success(), "cargo build failed");
    let target = target_directory(root);
    let module = target.join(TARGET).join("edge/portcullis_edge.wasm");
    let out = target.join("edge").join(name);
    Bindgen::new()
        .input_path(module)
        .nodejs(true)?
        .typescript(false)
        .remove_producers_section(true)
        .remove_name_section(true)
        .generate(&out)?;
    let folders = [root.join("crates/edge/js"), out];
    let zip = target.join("edge").join(name).with_extension("zip");
    pack(&folders, &zip)?;
    eprintln!("{} ({} KB)", zip.display(), zip.metadata()?.len() / 1024);
    Ok(())
}

/// Writes the files of the folders into a zip, the same bytes for the same files.
fn pack(folders: &[PathBuf], to: &Path) -> Result<()> {
    let mut files = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(folder)? {
            files.push(entry?.path());
        }
    }
    files.sort_by_key(|path| path.file_name().map(OsStr::to_owned));
    let mut zip = ZipWriter::new(File::create(to)?);
    let options = SimpleFileOptions::default()
        .compression_level(Some(9))
        .unix_permissions(0o644);
    for path in files {
        let name = path
            .file_name()
            .and_then(OsStr::to_str)
            .context("a file without a name")?;
        zip.start_file(format!("{FOLDER}/{name}"), options)?;
        io::copy(&mut File::open(&path)?, &mut zip)?;
    }
    zip.finish()?;
    Ok(())
}

/// Where cargo builds to.
#[expect(
    clippy::disallowed_methods,
    reason = "a build step follows cargo's own variable"
)]
fn target_directory(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}
