//! Contestants that take turns in short rounds, so that whatever else the machine does disturbs all
//! of them alike; and the figures of their rounds.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// One round of a contestant: how long one operation took in it.
pub(crate) type Round<'a> = Box<dyn FnMut() -> Result<Duration> + 'a>;

/// Lets every contestant run once in each of `rounds` rounds, another one first each time.
pub(crate) fn take_turns(contestants: &mut [Round<'_>], rounds: usize) -> Result<Vec<Samples>> {
    let mut samples = vec![Samples(Vec::with_capacity(rounds)); contestants.len()];
    for round in 0..rounds {
        for turn in 0..contestants.len() {
            let at = (round + turn) % contestants.len();
            let contestant = contestants.get_mut(at).context("no such contestant")?;
            let seconds = contestant()?.as_secs_f64();
            let taken = samples.get_mut(at).context("no such contestant")?;
            taken.0.push(seconds);
        }
    }
    Ok(samples)
}

/// Times `operations` operations, after some that warm up what the contestant before has displaced.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn timed(
    operations: u32,
    mut operation: impl FnMut(usize) -> Result<()>,
) -> Result<Duration> {
    let number = usize::try_from(operations)?;
    (0..number / 10).try_for_each(&mut operation)?;
    let started = Instant::now();
    (0..number).try_for_each(&mut operation)?;
    Ok(started.elapsed() / operations)
}

/// The seconds that one operation of a contestant took, round by round.
#[derive(Debug, Clone)]
pub(crate) struct Samples(Vec<f64>);

impl FromIterator<f64> for Samples {
    fn from_iter<T: IntoIterator<Item = f64>>(rounds: T) -> Self {
        Self(rounds.into_iter().collect())
    }
}

impl Samples {
    pub(crate) fn spread(&self) -> Result<Spread> {
        Spread::of(self.0.clone())
    }

    /// How many times as long as `other` this took, round by round.
    pub(crate) fn ratio_to(&self, other: &Self) -> Result<Spread> {
        let both = self.0.iter().zip(&other.0);
        Spread::of(both.map(|(own, other)| own / other).collect())
    }
}

/// The median, and between what the middle half lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Result<Self> {
        values.sort_by(f64::total_cmp);
        let at = |quarter: usize| {
            let value = values.get((values.len().saturating_sub(1)) * quarter / 4);
            value.copied().context("nothing was measured")
        };
        Ok(Self {
            low: at(1)?,
            median: at(2)?,
            high: at(3)?,
        })
    }
}
