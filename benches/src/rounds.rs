//! Contestants that take turns in short rounds, so that whatever else the machine does disturbs all
//! of them alike; and the figures of their rounds.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// One round of a contestant: how long one operation took in it.
pub(crate) type Round<'a> = Box<dyn FnMut() -> Result<Duration> + 'a>;

/// Lets every contestant run once in each of `rounds` rounds, another one first each time.
pub(crate) fn take_turns(contestants: &mut [Round<'_>], rounds: usize) -> Result<Vec<Samples>> {
    let mut samples = vec![Samples(Vec::with_capacity(rounds)); contestants.len()];
    in_turns(contestants.len(), rounds, |at| {
        let contestant = contestants.get_mut(at).context("no such contestant")?;
        let seconds = contestant()?.as_secs_f64();
        let taken = samples.get_mut(at).context("no such contestant")?;
        taken.0.push(seconds);
        Ok(())
    })?;
    Ok(samples)
}

/// Calls with the number of each contestant in every round, another one first each time.
pub(crate) fn in_turns(
    contestants: usize,
    rounds: usize,
    mut turn: impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    for round in 0..rounds {
        for place in 0..contestants {
            turn((round + place) % contestants)?;
        }
    }
    Ok(())
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

    /// What is left of it without `other`, round by round.
    pub(crate) fn above(&self, other: &Self) -> Self {
        let both = self.0.iter().zip(&other.0);
        both.map(|(own, other)| own - other).collect()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Round, Samples, Spread, in_turns, take_turns};

    fn samples(values: &[f64]) -> Samples {
        values.iter().copied().collect()
    }

    fn shown(spread: Spread) -> String {
        format!("{} {} {}", spread.low, spread.median, spread.high)
    }

    #[test]
    fn another_one_is_first_in_each_round() {
        let mut turns = Vec::new();
        in_turns(3, 4, |at| {
            turns.push(at);
            Ok(())
        })
        .unwrap();
        assert_eq!(turns, [0, 1, 2, 1, 2, 0, 2, 0, 1, 0, 1, 2]);
    }

    #[test]
    fn samples_belong_to_their_contestant() {
        let round = |seconds| Box::new(move || Ok(Duration::from_secs(seconds))) as Round<'_>;
        let taken = take_turns(&mut [round(1), round(2)], 3).unwrap();
        let taken: Vec<_> = taken.iter().map(|samples| samples.0.clone()).collect();
        assert_eq!(taken, [[1.0; 3], [2.0; 3]]);
    }

    #[test]
    fn an_error_ends_the_rounds() {
        in_turns(2, 5, |at| {
            if at == 1 {
                Err(anyhow::anyhow!("no"))
            } else {
                Ok(())
            }
        })
        .unwrap_err();
    }

    #[test]
    fn the_spread_is_median_and_middle_half() {
        let spread = samples(&[9.0, 1.0, 5.0, 3.0, 7.0]).spread().unwrap();
        assert_eq!(shown(spread), "3 5 7");
        samples(&[]).spread().unwrap_err();
    }

    #[test]
    fn what_is_left_is_taken_within_a_round() {
        let left = samples(&[5.0, 9.0]).above(&samples(&[1.0, 2.0]));
        assert_eq!(left.0, [4.0, 7.0]);
    }

    #[test]
    fn a_ratio_is_taken_within_a_round() {
        // The machine was ten times slower in the second round, for both.
        let ratio = samples(&[2.0, 20.0])
            .ratio_to(&samples(&[1.0, 10.0]))
            .unwrap();
        assert_eq!(shown(ratio), "2 2 2");
    }
}
