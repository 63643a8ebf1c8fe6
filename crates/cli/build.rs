//! Takes the modules of the edge function in, where `make build` has made them: so `portcullis package edge` needs no
//! compiler. Without them the command says how they are made, and where they are older than what they are made of, the
//! build says so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fs, io};

const VARIANTS: [&str; 3] = ["plain", "rego", "rego-cedar"];
/// The crates that the modules are made of.
const CRATES: [&str; 10] = [
    "aws",
    "cloudentity",
    "edge",
    "enforcement",
    "engine",
    "jose",
    "model",
    "pdp",
    "policies",
    "sideband",
];
/// What else they are made of: the handler, what builds them, and which compiler, settings and versions that is done with.
const BESIDE: [&str; 6] = [
    "crates/edge/js",
    "tools/edge-module/src",
    "tools/edge-module/Cargo.toml",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
];

#[expect(
    clippy::disallowed_methods,
    reason = "a build script is told by variables"
)]
fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| manifest.join("../../target"), PathBuf::from);
    let modules = target.join("edge");
    // Cargo watches only what is there.
    fs::create_dir_all(&modules)?;
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_DIR");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", modules.display());
    let root = manifest.join("../..");
    let crates = CRATES
        .iter()
        .map(|name| root.join("crates").join(name))
        .flat_map(|folder| [folder.join("src"), folder.join("Cargo.toml")]);
    let beside = BESIDE.iter().map(|path| root.join(path));
    let mut newest_source = SystemTime::UNIX_EPOCH;
    for path in crates.chain(beside) {
        println!("cargo::rerun-if-changed={}", path.display());
        newest_source = newest_source.max(newest(&path)?);
    }
    let mut source = format!(
        "const PACKAGES: [(&str, Option<&[u8]>); {}] = [\n",
        VARIANTS.len()
    );
    for variant in VARIANTS {
        let zip = modules.join(variant).with_extension("zip");
        let content = if zip.exists() {
            let zip = zip.canonicalize()?;
            if fs::metadata(&zip)?.modified()? < newest_source {
                println!(
                    "cargo::warning=`portcullis package edge` will hold an old function: {} is older than its sources; make it anew with `make build`",
                    zip.display()
                );
            }
            let path = zip.to_string_lossy();
            format!("Some(include_bytes!({path:?}))")
        } else {
            "None".to_owned()
        };
        // Writing to a string cannot fail.
        let _ = writeln!(source, "    ({variant:?}, {content}),");
    }
    source.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("packages.rs"), source)
}

/// When a file, or one in a folder, was last changed.
fn newest(path: &Path) -> io::Result<SystemTime> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return metadata.modified();
    }
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(path)? {
        newest = newest.max(self::newest(&entry?.path())?);
    }
    Ok(newest)
}
