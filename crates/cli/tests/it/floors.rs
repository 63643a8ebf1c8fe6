//! The floors of docs/architecture.md hold: a crate imports only from the floors below it, and
//! nothing on floors 1 and 2 can open a socket, read a clock or spawn a task.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Every crate that ships, with its floor.
const FLOORS: [(&str, u8); 16] = [
    ("portcullis-model", 1),
    ("portcullis-jose", 1),
    ("portcullis-engine", 2),
    ("portcullis-sideband", 2),
    ("portcullis-aws", 2),
    ("portcullis-cloudentity", 2),
    ("portcullis-discovery", 3),
    ("portcullis-pdp", 3),
    ("portcullis-policies", 3),
    ("portcullis-store", 3),
    ("portcullis-enforcement", 4),
    ("portcullis-authorizer", 5),
    ("portcullis-edge", 5),
    ("portcullis-server", 5),
    ("portcullis-authorizer-rego", 6),
    ("portcullis-cli", 6),
];

/// What gives a crate a socket, a clock, randomness or a task.
const IO_CRATES: [&str; 15] = [
    "axum",
    "fastrand",
    "getrandom",
    "hyper",
    "hyper-util",
    "lambda_runtime",
    "mio",
    "notify",
    "rand",
    "reqwest",
    "rustls",
    "sqlx",
    "time",
    "tokio",
    "uuid",
];

/// The dependencies that ship with each crate in `crates/`.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--locked",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let shipped = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| {
            package["manifest_path"]
                .as_str()
                .unwrap()
                .contains("/crates/")
        });
    shipped
        .map(|package| {
            let normal = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|one| one["kind"].is_null());
            let names = normal
                .map(|one| one["name"].as_str().unwrap().to_owned())
                .collect();
            (package["name"].as_str().unwrap().to_owned(), names)
        })
        .collect()
}

fn floor(name: &str) -> Option<u8> {
    FLOORS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, floor)| *floor)
}

#[test]
fn every_crate_has_a_floor() {
    let mut known: Vec<_> = FLOORS.iter().map(|(name, _)| (*name).to_owned()).collect();
    known.sort();
    assert_eq!(dependencies().into_keys().collect::<Vec<_>>(), known);
}

#[test]
fn a_crate_imports_only_from_the_floors_below_it() {
    for (name, dependencies) in dependencies() {
        let own = floor(&name).unwrap();
        for dependency in dependencies
            .iter()
            .filter(|one| one.starts_with("portcullis-"))
        {
            let below = floor(dependency)
                .unwrap_or_else(|| panic!("{name} ships {dependency}, which has no floor"));
            assert!(
                below < own,
                "{name} (floor {own}) imports {dependency} (floor {below})"
            );
        }
    }
}

#[test]
fn the_lower_floors_have_no_means_of_io() {
    for (name, dependencies) in dependencies() {
        if floor(&name).unwrap() <= 2 {
            for forbidden in IO_CRATES {
                assert!(
                    !dependencies.iter().any(|one| one == forbidden),
                    "{name} imports {forbidden}"
                );
            }
        }
    }
}
