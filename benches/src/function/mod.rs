//! The Lambda function beside functions that do the same in Node.js and in Python, all under the same Lambda runtime API:
//! start, first decision, warm decisions, processor time, memory, size.

mod compared;
mod contestant;
mod least;
mod panels;
mod report;

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use portcullis_test_support::issuer::Issuer;
use portcullis_test_support::lambda::Function;

pub(crate) use least::{ARGUMENT as LEAST, run as least};
pub(crate) use report::section;

use crate::company::Moment;
use crate::decision_service::{AUDIENCE, DecisionService, SCOPE};
use crate::figures::event;
use crate::process::processor_time;
use crate::rounds::{Samples, in_turns};
use crate::tokens;
use contestant::{Contestant, Field, Job, Runtime};

/// How many processes of each are started.
pub(crate) const STARTS: usize = 31;
/// Decisions before an instance counts as warm.
pub(crate) const WARM_UP: usize = 10_000;
pub(crate) const ROUNDS: usize = 30;
/// Decisions of a round.
pub(crate) const DECISIONS: usize = 300;
/// Different tokens, eight times as many as `bootstrap` remembers: none that comes again is known by then.
pub(crate) const TOKENS: usize = 8_000;
/// Further scopes of the tokens, as tokens have them.
const OTHER_SCOPES: &str = "openid profile moons.read";

/// What was measured.
pub(crate) struct Figures {
    rows: Vec<Measured>,
    /// Why AWS' runtime client for Node.js is not among them.
    without_ric: Option<String>,
    versions: Vec<(String, String)>,
    /// What other programs took of the machine meanwhile, in percent.
    others: f64,
}

/// The figures of one contestant, in seconds and bytes.
struct Measured {
    job: Job,
    runtime: Runtime,
    /// From process start to the first request for an event.
    start: Samples,
    /// From the departure of the first event to the arrival of its answer.
    first: Samples,
    /// Both together: it makes no difference when something is loaded.
    first_answer: Samples,
    /// With the same token in every event.
    same: Warm,
    /// With another token in every event, where it is the function that verifies it.
    other: Option<Warm>,
    /// The most memory after everything.
    peak: f64,
    zip: f64,
}

/// Warm decisions.
struct Warm {
    /// The median of each round.
    median: Samples,
    /// The 99th percentile of all rounds together.
    slow: f64,
    /// Processor time of the process for a decision, round by round.
    processor: Samples,
}

/// What the events are about.
struct Events {
    same: String,
    other: Vec<String>,
    bad_signature: String,
    missing_scope: String,
}

/// Measures everything: about two minutes.
pub(crate) fn measure(root: &Path, binaries: &Path, now: u64) -> Result<Figures> {
    let begin = Moment::now()?;
    let figures = measure_alone(root, binaries, now)?;
    // All processes have ended, and what they took counts as this program's.
    Ok(Figures {
        others: Moment::now()?.others_since(begin),
        ..figures
    })
}

fn measure_alone(root: &Path, binaries: &Path, now: u64) -> Result<Figures> {
    let [bootstrap, portcullis] = ["bootstrap", "portcullis"].map(|name| binaries.join(name));
    for binary in [&bootstrap, &portcullis] {
        ensure!(
            binary.is_file(),
            "{} is not there: run `make build` first",
            binary.display()
        );
    }
    let issuer = Issuer::start();
    let service = DecisionService::start(&portcullis, issuer.url())?;
    let events = Events::new(&issuer, now)?;
    let field = Field::new(root, &bootstrap, &issuer, &service.url(), &events.same)?;
    for contestant in &field.contestants {
        events.check(contestant).with_context(|| {
            let Contestant { job, runtime, .. } = contestant;
            format!("{}, {job:?}", runtime.name())
        })?;
    }
    let starts = starts(&field.contestants, &events)?;
    let warm = warm(&field.contestants, &events)?;
    let all = field.contestants.iter().zip(starts).zip(warm);
    let rows = all
        .map(|((contestant, start), (same, other, peak))| {
            Ok(Measured {
                job: contestant.job,
                runtime: contestant.runtime,
                first_answer: start.iter().map(|(ready, first)| ready + first).collect(),
                start: start.iter().map(|(ready, _)| *ready).collect(),
                first: start.iter().map(|(_, first)| *first).collect(),
                same,
                other,
                peak,
                zip: bytes(contestant.zip_size()?)?,
            })
        })
        .collect::<Result<_>>()?;
    Ok(Figures {
        rows,
        without_ric: field.without_ric,
        versions: field.versions,
        others: 0.0,
    })
}

impl Events {
    fn new(issuer: &Issuer, now: u64) -> Result<Self> {
        let scopes = format!("{OTHER_SCOPES} {SCOPE}");
        let tokens = tokens::many(issuer, &scopes, TOKENS, now);
        let token = tokens.first().context("there are tokens")?;
        Ok(Self {
            same: event(token),
            bad_signature: event(&with_bad_signature(token)?),
            missing_scope: event(&issuer.token(AUDIENCE, OTHER_SCOPES, now)),
            other: tokens.iter().map(|token| event(token)).collect(),
        })
    }

    /// The contestant permits the good token and neither of the others: what does not decide is not measured, but for the
    /// least function, which is there for what the kernel takes.
    fn check(&self, contestant: &Contestant) -> Result<()> {
        if contestant.runtime == Runtime::Least {
            return Ok(());
        }
        let mut function = contestant.start();
        function.ready();
        decide(&mut function, &self.same)?;
        for (name, event) in [
            ("a token with a bad signature", &self.bad_signature),
            ("a token without the scope", &self.missing_scope),
        ] {
            let outcome = function.invoke(event).outcome;
            ensure!(is_refusal(&outcome), "{name} came out as {outcome:?}");
        }
        decide(&mut function, &self.same)?;
        Ok(())
    }
}

/// The token with another bit in the middle of its signature.
fn with_bad_signature(token: &str) -> Result<String> {
    let (signed, signature) = token.rsplit_once('.').context("a token has a signature")?;
    let (before, after) = signature.split_at(signature.len() / 2);
    let mut after = after.chars();
    let other = match after.next() {
        Some('A') => 'B',
        _ => 'A',
    };
    Ok(format!("{signed}.{before}{other}{}", after.as_str()))
}

/// A policy that allows nothing, or the error that API Gateway turns into 401; nothing else is a decision.
fn is_refusal(outcome: &Result<String, String>) -> bool {
    match outcome {
        Ok(policy) => policy.contains("\"Deny\"") && !policy.contains("\"Allow\""),
        Err(error) => error.contains("\"Unauthorized\""),
    }
}

/// The seconds that a permit took.
fn decide(function: &mut Function, event: &str) -> Result<f64> {
    Ok(crate::figures::decide(function, event)?.as_secs_f64())
}

/// New processes, in turns: seconds to the first request for an event, and those of the first decision.
fn starts(contestants: &[Contestant], events: &Events) -> Result<Vec<Vec<(f64, f64)>>> {
    let mut taken = vec![Vec::with_capacity(STARTS); contestants.len()];
    in_turns(contestants.len(), STARTS, |at| {
        let contestant = contestants.get(at).context("no such contestant")?;
        let mut function = contestant.start();
        let ready = function.ready().as_secs_f64();
        let first = decide(&mut function, &events.same)?;
        let taken = taken.get_mut(at).context("no such contestant")?;
        taken.push((ready, first));
        Ok(())
    })?;
    Ok(taken)
}

/// A process that stays, and what was taken of it.
struct Running<'a> {
    job: Job,
    function: Function,
    same: &'a [String],
    other: &'a [String],
    /// Which of the other tokens comes next.
    next: usize,
    taken: [Taken; 2],
}

/// What was taken with the same token, or with others.
#[derive(Default)]
struct Taken {
    latencies: Vec<f64>,
    medians: Vec<f64>,
    processor: Vec<f64>,
}

/// Warm decisions of all in turns, first with the same token in every event, then with others; and the most memory.
fn warm(contestants: &[Contestant], events: &Events) -> Result<Vec<(Warm, Option<Warm>, f64)>> {
    let same = std::slice::from_ref(&events.same);
    let mut running = Vec::with_capacity(contestants.len());
    for contestant in contestants {
        let mut function = contestant.start();
        function.ready();
        for event in events.other.iter().cycle().take(WARM_UP) {
            decide(&mut function, event)?;
        }
        running.push(Running {
            job: contestant.job,
            function,
            same,
            other: &events.other,
            next: 0,
            taken: Default::default(),
        });
    }
    for which in 0..2 {
        in_turns(running.len(), ROUNDS, |at| {
            running
                .get_mut(at)
                .context("no such contestant")?
                .round(which)
        })?;
    }
    running.into_iter().map(Running::figures).collect()
}

impl Running<'_> {
    fn round(&mut self, which: usize) -> Result<()> {
        // With a decision service, what the function does is the same for every token.
        if which == 1 && self.job == Job::Sideband {
            return Ok(());
        }
        let events = if which == 0 { self.same } else { self.other };
        let mut event = || {
            self.next += 1;
            events.get(self.next % events.len()).context("an event")
        };
        // What the contestant before has displaced comes back.
        for _ in 0..DECISIONS / 10 {
            decide(&mut self.function, event()?)?;
        }
        let before = processor_time(self.function.process_id())?;
        let mut latencies = Vec::with_capacity(DECISIONS);
        for _ in 0..DECISIONS {
            latencies.push(decide(&mut self.function, event()?)?);
        }
        let used = processor_time(self.function.process_id())?.saturating_sub(before);
        let taken = self.taken.get_mut(which).context("two kinds of rounds")?;
        taken.latencies.extend(&latencies);
        taken
            .medians
            .push(latencies.into_iter().collect::<Samples>().spread()?.median);
        taken
            .processor
            .push(used.as_secs_f64() / f64::from(u32::try_from(DECISIONS)?));
        Ok(())
    }

    fn figures(self) -> Result<(Warm, Option<Warm>, f64)> {
        let peak = bytes(self.function.peak_memory_kib() * 1024)?;
        let [same, other] = self.taken;
        let other = match self.job {
            Job::Token => Some(other.figures()?),
            Job::Sideband => None,
        };
        Ok((same.figures()?, other, peak))
    }
}

impl Taken {
    fn figures(mut self) -> Result<Warm> {
        self.latencies.sort_by(f64::total_cmp);
        let at = (self.latencies.len() * 99).div_ceil(100).saturating_sub(1);
        let Some(slow) = self.latencies.get(at) else {
            bail!("nothing was measured");
        };
        Ok(Warm {
            slow: *slow,
            median: self.medians.into_iter().collect(),
            processor: self.processor.into_iter().collect(),
        })
    }
}

fn bytes(bytes: u64) -> Result<f64> {
    Ok(f64::from(u32::try_from(bytes)?))
}

#[cfg(test)]
mod tests {
    use super::{Taken, is_refusal, with_bad_signature};

    #[test]
    fn a_bad_signature_is_another_one_of_the_same_length() {
        for token in ["a.b.cccc", "a.b.ccAA"] {
            let bad = with_bad_signature(token).unwrap();
            assert_ne!(bad, token);
            assert_eq!(bad.len(), token.len());
            assert!(bad.starts_with("a.b."));
        }
    }

    #[test]
    fn only_a_refusal_is_a_refusal() {
        let refused = |outcome: Result<&str, &str>| {
            is_refusal(&outcome.map(str::to_owned).map_err(str::to_owned))
        };
        assert!(refused(Ok(r#"{"Effect": "Deny"}"#)));
        assert!(refused(Err(r#"{"errorMessage":"Unauthorized"}"#)));
        assert!(!refused(Ok(r#"{"Effect":"Allow"}"#)));
        assert!(!refused(Ok(r#"[{"Effect":"Deny"},{"Effect":"Allow"}]"#)));
        assert!(!refused(Ok("")));
        assert!(!refused(Err(
            r#"{"errorMessage":"keys.map is not a function"}"#
        )));
    }

    #[test]
    fn the_slow_ones_are_those_of_all_rounds() {
        let taken = Taken {
            latencies: (1..=200).rev().map(f64::from).collect(),
            medians: vec![3.0, 1.0, 2.0],
            processor: vec![5.0],
        };
        let warm = taken.figures().unwrap();
        assert!((warm.slow - 198.0).abs() < f64::EPSILON);
        assert!((warm.median.spread().unwrap().median - 2.0).abs() < f64::EPSILON);
        Taken::default()
            .figures()
            .err()
            .expect("nothing is no figure");
    }
}
