//! Builds the WebAssembly module of the edge function and the glue between it and Node.js, for each set of languages,
//! into `target/edge/VARIANT`, where `portcullis package edge` takes them from.
//!
//! `wasm-bindgen` is used as a library, so that it is of the version that the lock file names, as the module is.
#![expect(clippy::print_stderr, reason = "a build step says what it does")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use wasm_bindgen_cli_support::Bindgen;

/// The variants: a name, and the features of `portcullis-edge`.
const VARIANTS: [(&str, &str); 4] = [
    ("plain", ""),
    ("rego", "rego"),
    ("cedar", "cedar"),
    ("rego-cedar", "rego,cedar"),
];
const TARGET: &str = "wasm32-unknown-unknown";
/// The most memory that the module may have, in bytes. A function has 128 MB (CloudFront Developer Guide, "Quotas on
/// Lambda@Edge"), and Lambda ends it with all that it has learnt where it takes more. Whoever asks for more than this gets an
/// error that the handler answers with 503, and the next event a new module.
const MAX_MEMORY: u32 = 48 * 1024 * 1024;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted
        .iter()
        .find(|name| !VARIANTS.iter().any(|(known, _)| known == name))
    {
        bail!("there is no variant {unknown}; there are plain, rego, cedar and rego-cedar");
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
    eprintln!("{}", out.display());
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
