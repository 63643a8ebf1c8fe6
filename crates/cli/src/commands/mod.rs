//! The subcommands, a module each, and what they share.

pub(crate) mod admin;
pub(crate) mod aws;
pub(crate) mod database;
pub(crate) mod decide;
pub(crate) mod package;
pub(crate) mod policy;
pub(crate) mod serve;
pub(crate) mod token;

use std::io::{self, Write};
use std::path::Path;

use portcullis_pdp::directory::PolicyDirectory;

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done, or permit: exit status 0.
    Yes,
    /// The answer is no: exit status 1.
    No,
}

/// A policy directory with every language that policies may be written in.
pub(crate) fn directory(path: &Path) -> PolicyDirectory {
    PolicyDirectory::new(path).with_languages(portcullis_policies::languages())
}

/// A line of output. A reader that has gone away ends the command quietly.
pub(crate) fn print(line: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A line on standard error.
pub(crate) fn complain(line: &str) {
    // There is nowhere left to say that standard error is gone.
    let _ = writeln!(io::stderr().lock(), "{line}");
}
