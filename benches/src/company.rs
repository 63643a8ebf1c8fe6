//! What other programs took of the machine while the figures were taken: on a shared machine, latencies near
//! the limit of the processors say more about them than about the servers.

use std::fs;

use anyhow::{Context, Result};

/// Processor time since the machine and this program started, in ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// All that could be used.
    whole: f64,
    /// What was used by anyone.
    used: f64,
    /// What this program used, with the servers that have ended.
    own: f64,
}

impl Moment {
    pub(crate) fn now() -> Result<Self> {
        let machine = read("/proc/stat")?;
        // The first line: user, nice, system, idle, iowait, irq, softirq, steal (proc(5)).
        let line = machine.lines().next().context("/proc/stat")?;
        let ticks = numbers(line.split_ascii_whitespace().skip(1).take(8))?;
        let whole: f64 = ticks.iter().sum();
        let idle: f64 = ticks.iter().skip(3).take(2).sum();
        let own = read("/proc/self/stat")?;
        let (_, fields) = own.rsplit_once(')').context("/proc/self/stat")?;
        // utime, stime, and the same of children that were waited for.
        let own = numbers(fields.split_ascii_whitespace().skip(11).take(4))?;
        Ok(Self {
            whole,
            used: whole - idle,
            own: own.iter().sum(),
        })
    }

    /// How much of its processors the machine had since then, used or not.
    pub(crate) fn ticks_since(self, then: Self) -> f64 {
        self.whole - then.whole
    }

    /// The share of the machine that others have taken since then, in percent.
    pub(crate) fn others_since(self, then: Self) -> f64 {
        let others = (self.used - then.used) - (self.own - then.own);
        (100.0 * others / (self.whole - then.whole)).max(0.0)
    }
}

fn numbers<'a>(fields: impl Iterator<Item = &'a str>) -> Result<Vec<f64>> {
    Ok(fields.map(str::parse).collect::<Result<_, _>>()?)
}

#[expect(clippy::disallowed_methods, reason = "the kernel tells it in a file")]
fn read(path: &str) -> Result<String> {
    Ok(fs::read_to_string(path)?)
}
