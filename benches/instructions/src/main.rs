//! Runs one hot path a number of times, so that a tool can count its instructions: `make bench-check`.
//!
//! Without arguments the names of the paths are printed, one a line. With a name and a number, everything that the path
//! needs is made ready and the path is run so many times. Two runs with different numbers differ by the path alone: what
//! comes before is the same in both, since tokens and keys are read from a file and none is made here.

mod events;
mod host;
mod paths;

use std::env;
use std::io::{Write as _, stdout};

use anyhow::{Context, Result};

use paths::{PATHS, Stage};

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let Some(name) = arguments.next() else {
        let names = PATHS.map(|(name, _)| name).join("\n");
        return writeln!(stdout(), "{names}").context("standard output");
    };
    let times = arguments
        .next()
        .context("expected a path and how many times it runs")?
        .parse()
        .context("how many times must be a number")?;
    let (_, run) = PATHS
        .iter()
        .find(|(path, _)| *path == name)
        .with_context(|| format!("no path is called {name}: run without arguments to see them"))?;
    let stage = Stage::new()?;
    run(&stage, times)
}
