//! The bars of the function beside its peers.

use anyhow::{Context, Result};

use super::contestant::{Job, Runtime};
use super::{Figures, Measured};
use crate::goals::Unit;
use crate::plot::{Bar, Panel, Whose};
use crate::rounds::{Samples, Spread};

/// All of them, those of the function that verifies the token first.
pub(super) fn panels(figures: &Figures) -> Result<Vec<Panel>> {
    let panel =
        |job, title: &str, note: &str, unit: Unit, of: &dyn Fn(&Measured) -> Option<Samples>| {
            let decides = |row: &&Measured| row.job == job && row.runtime != Runtime::Least;
            let rows = figures.rows.iter().filter(decides);
            let bars = rows.map(|row| {
                let Spread { low, median, high } = of(row).context("a figure")?.spread()?;
                Ok(Bar {
                    whose: if row.runtime == Runtime::Portcullis {
                        Whose::Portcullis
                    } else {
                        Whose::Peer
                    },
                    label: label(row.runtime).to_owned(),
                    value: median,
                    half: (low < high).then_some((low, high)),
                    shown: unit.shown(median),
                })
            });
            Ok::<_, anyhow::Error>(Panel {
                title: title.to_owned(),
                note: format!("{note}; less is better"),
                bars: bars.collect::<Result<_>>()?,
            })
        };
    let token = "function that verifies the access token";
    Ok(vec![
        panel(
            Job::Token,
            "Cold start",
            "process start to first event asked for",
            Unit::Seconds,
            &|row| Some(row.start.clone()),
        )?,
        panel(Job::Token, "Peak memory", token, Unit::Bytes, &|row| {
            Some([row.peak].into_iter().collect())
        })?,
        panel(
            Job::Token,
            "Processor time of a decision, the same token",
            "Portcullis remembers verified tokens",
            Unit::Seconds,
            &|row| Some(row.same.processor.clone()),
        )?,
        panel(
            Job::Token,
            "Processor time of a decision, another token each time",
            token,
            Unit::Seconds,
            &|row| Some(row.other.as_ref()?.processor.clone()),
        )?,
        panel(
            Job::Sideband,
            "Processor time of a decision that a service makes",
            "function that makes the sideband call",
            Unit::Seconds,
            &|row| Some(row.same.processor.clone()),
        )?,
    ])
}

/// The name in the plot.
const fn label(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Portcullis => "Portcullis",
        Runtime::Least => "least possible",
        Runtime::Node => "Node.js, least runtime",
        Runtime::NodeRic => "Node.js, AWS' runtime",
        Runtime::Python => "Python, AWS' runtime",
    }
}
