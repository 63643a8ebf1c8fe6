//! The command line from outside, and what must hold for the house as a whole.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test support: a surprise ends the test"
)]

mod administration;
mod command;
mod decide;
mod decisions;
mod dependency_tree;
mod deployments;
mod file_sizes;
mod floors;
mod operations;
mod package;
mod policy_check;
mod policy_replay;
mod policy_test;
mod reference;
mod serve;
mod token_verify;

/// The top directory of the project.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
