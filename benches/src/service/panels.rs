//! The bars of the decision service under load.

use anyhow::{Context, Result};

use super::{AUTHZEN, AUTHZEN_QUIET, CERBOS_AUTHZEN, CERBOS_LOGGING, ServiceFigures};
use crate::goals::Unit;
use crate::plot::{Bar, Panel, Whose};
use crate::report::thousands;
use crate::rounds::Spread;

pub(super) fn per_second_panel(figures: &ServiceFigures) -> Result<Panel> {
    let bars = [
        (Whose::Portcullis, "portcullis serve", AUTHZEN),
        (Whose::Portcullis, "the same without log", AUTHZEN_QUIET),
        (Whose::Peer, "Cerbos without log", CERBOS_AUTHZEN),
        (Whose::Peer, "Cerbos", CERBOS_LOGGING),
    ];
    // Those of Cerbos may not be there.
    let bars = bars
        .into_iter()
        .filter(|(.., at)| *at < figures.peaks.len());
    let bars = bars.map(|(whose, label, at)| {
        let peak = figures.peaks.get(at).context("no such figure")?;
        let Spread { low, median, high } = peak.seconds.spread()?;
        Ok(Bar {
            whose,
            label: label.to_owned(),
            value: 1.0 / median,
            half: Some((1.0 / high, 1.0 / low)),
            shown: thousands(1.0 / median),
        })
    });
    Ok(Panel {
        title: "Decision service: AuthZEN decisions a second".to_owned(),
        note: "load on the same two cores; more is better".to_owned(),
        bars: bars.collect::<Result<_>>()?,
    })
}

pub(super) fn memory_panel(figures: &ServiceFigures) -> Panel {
    let bar = |whose, label: &str, value| Bar {
        whose,
        label: label.to_owned(),
        value,
        half: None,
        shown: Unit::Bytes.shown(value),
    };
    Panel {
        title: "Decision service: peak memory under load".to_owned(),
        note: "policy of 100 operations; less is better".to_owned(),
        bars: [bar(Whose::Portcullis, "portcullis serve", figures.memory.0)]
            .into_iter()
            .chain(
                figures
                    .cerbos
                    .iter()
                    .map(|(_, (most, _))| bar(Whose::Peer, "Cerbos without log", *most)),
            )
            .collect(),
    }
}
