//! Takes the modules of the edge function in, where `make build` has made them: so `portcullis package edge` needs no
//! compiler. Without them the command says how they are made.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

const VARIANTS: [&str; 3] = ["plain", "rego", "rego-cedar"];

#[expect(
    clippy::disallowed_methods,
    reason = "a build script is told by variables"
)]
fn main() -> std::io::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| manifest.join("../../target"), PathBuf::from);
    let modules = target.join("edge");
    // Cargo watches only what is there.
    fs::create_dir_all(&modules)?;
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_DIR");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", modules.display());
    let mut source = format!(
        "const PACKAGES: [(&str, Option<&[u8]>); {}] = [\n",
        VARIANTS.len()
    );
    for variant in VARIANTS {
        let zip = modules.join(variant).with_extension("zip");
        let content = if zip.exists() {
            let zip = zip.canonicalize()?;
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
