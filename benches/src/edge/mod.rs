//! The Lambda@Edge function beside a handler that makes the same call by hand in Node.js, and beside the native
//! authorizer: becoming ready, the first decision, warm decisions, what the function itself costs of those, memory, size.

mod instance;
mod package;
mod report;
mod stage;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

pub(crate) use report::section;

use crate::company::Moment;
use crate::figures::{decide, zip_size};
use crate::own_cost::OwnCost;
use crate::rounds::{Round, Samples, Spread, in_turns, take_turns};
use instance::{Before, Instance, Memory, Transport};
use stage::{NODE, Service, Stage};

/// How many instances of each are started.
pub(crate) const STARTS: usize = 21;
/// Decisions after the first one that still count as those of a new instance.
pub(crate) const NEXT: u32 = 30;
/// Decisions before an instance counts as warm: V8 has compiled its code with all it has by then.
pub(crate) const WARM_UP: u32 = 10_000;
pub(crate) const ROUNDS: usize = 40;
pub(crate) const DECISIONS: u32 = 400;
/// Decisions before the first reading of the memory, the second, and the last.
pub(crate) const MEMORY_STEPS: [u32; 3] = [100, 9_900, 100_000];

/// The row about loading.
const READY: &str = "ready: the handler is loaded";

/// Every row has a value for the edge function, the handler by hand and the authorizer, in this order.
type Columns<T> = [T; 3];

/// What was measured.
pub(crate) struct Figures {
    times: Vec<Row>,
    /// Own cost of the edge function to that of each.
    ratios: Columns<Option<Spread>>,
    /// After each of the [`MEMORY_STEPS`]; of the authorizer there is only the peak.
    memory: [Vec<Memory>; NODE],
    authorizer_peak: f64,
    zips: Columns<f64>,
    node: String,
    /// What other programs took of the machine meanwhile, in percent.
    others: f64,
}

/// A row of times, in seconds.
struct Row {
    name: String,
    times: Columns<Option<Spread>>,
    /// How long the edge function may take.
    target: Option<f64>,
}

/// Measures everything: some three minutes.
pub(crate) fn measure(root: &Path, binaries: &Path, now: u64) -> Result<Figures> {
    let stage = Stage::new(root, binaries, now)?;
    let begin = Moment::now()?;
    let mut times = starts(&stage)?;
    let (warm, authorizer_peak) = warm(&stage)?;
    times.push(warm);
    let (own_cost, ratios) = own_cost(&stage)?;
    times.push(own_cost);
    let [edge, by_hand] = &stage.plain.packages;
    Ok(Figures {
        times,
        ratios,
        memory: [memory(&stage, 0)?, memory(&stage, 1)?],
        authorizer_peak,
        zips: [
            bytes(edge.zip_size()?)?,
            bytes(by_hand.zip_size()?)?,
            bytes(zip_size(&[&stage.bootstrap])?)?,
        ],
        node: stage
            .node(0, &stage.plain, Before::Nothing, Transport::Stub)?
            .node
            .clone(),
        others: Moment::now()?.others_since(begin),
    })
}

/// New instances, in turns: loading and the first decisions.
fn starts(stage: &Stage<'_>) -> Result<Vec<Row>> {
    let (mut ready, mut processor, mut with_modules) =
        (Taken::default(), Taken::default(), Taken::default());
    let (mut first, mut first_tls, mut next) =
        (Taken::default(), Taken::default(), Taken::default());
    // The authorizer comes after those in Node.js.
    in_turns(NODE + 1, STARTS, |number| {
        if number < NODE {
            let mut instance =
                stage.node(number, &stage.plain, Before::Modules, Transport::Http)?;
            ready.add(number, instance.load.time)?;
            processor.add(number, instance.load.processor)?;
            first.add(number, median(instance.each(1)?)?)?;
            next.add(number, median(instance.each(NEXT)?)?)?;
            let instance = stage.node(number, &stage.plain, Before::Nothing, Transport::Http)?;
            with_modules.add(number, instance.load.time)?;
            first_tls.add(number, first_decision(stage, number, &stage.tls)?)?;
            return Ok(());
        }
        let mut function = stage.authorizer(&stage.plain);
        ready.add(number, function.ready().as_secs_f64())?;
        let mut decision = || Ok(decide(&mut function, &stage.rest_event)?.as_secs_f64());
        first.add(number, decision()?)?;
        let decisions = (0..NEXT).map(|_| decision()).collect::<Result<_>>()?;
        next.add(number, median(decisions)?)?;
        let mut function = stage.authorizer(&stage.tls);
        function.ready();
        let decision = decide(&mut function, &stage.rest_event)?;
        first_tls.add(number, decision.as_secs_f64())
    })?;
    Ok(vec![
        ready.row(READY, Some(report::MAX_READY))?,
        processor.row("processor time of that", None)?,
        with_modules.row("ready, and the modules of Node.js loaded with it", None)?,
        first.row("first decision of an instance (connects)", None)?,
        first_tls.row("the same over TLS", None)?,
        next.row(&format!("one of the next {NEXT} decisions"), None)?,
    ])
}

fn first_decision(stage: &Stage<'_>, number: usize, service: &Service) -> Result<f64> {
    let mut instance = stage.node(number, service, Before::Modules, Transport::Http)?;
    median(instance.each(1)?)
}

/// Warm decisions with a service on loopback, and the most memory of the authorizer.
fn warm(stage: &Stage<'_>) -> Result<(Row, f64)> {
    let mut instances = instances(stage, Transport::Http)?;
    let mut function = stage.authorizer(&stage.plain);
    function.ready();
    for instance in &mut instances {
        instance.each(WARM_UP)?;
    }
    for _ in 0..WARM_UP {
        decide(&mut function, &stage.rest_event)?;
    }
    let mut contestants: Vec<Round<'_>> = Vec::new();
    for instance in &mut instances {
        contestants.push(Box::new(|| seconds(median(instance.each(DECISIONS)?)?)));
    }
    contestants.push(Box::new(|| {
        let decision = |_| Ok(decide(&mut function, &stage.rest_event)?.as_secs_f64());
        seconds(median(
            (0..DECISIONS).map(decision).collect::<Result<_>>()?,
        )?)
    }));
    let samples = take_turns(&mut contestants, ROUNDS)?;
    drop(contestants);
    let peak = bytes(function.peak_memory_kib() * 1024)?;
    Ok((row("warm decision", &samples, None)?, peak))
}

/// Processor time of warm decisions without service and HTTP client, and how many times as much the edge function takes.
fn own_cost(stage: &Stage<'_>) -> Result<(Row, Columns<Option<Spread>>)> {
    let mut instances = instances(stage, Transport::Stub)?;
    for instance in &mut instances {
        instance.each(WARM_UP)?;
    }
    let authorizer = OwnCost::new(&stage.rest_event)?;
    let mut contestants: Vec<Round<'_>> = Vec::new();
    for instance in &mut instances {
        contestants.push(Box::new(|| seconds(instance.round(DECISIONS)?.processor)));
    }
    contestants.push(Box::new(|| {
        (0..DECISIONS / 10).try_for_each(|_| authorizer.decide())?;
        let begin = processor_time()?;
        (0..DECISIONS).try_for_each(|_| authorizer.decide())?;
        Ok(processor_time()?.saturating_sub(begin) / DECISIONS)
    }));
    let samples = take_turns(&mut contestants, ROUNDS)?;
    let [edge, by_hand, native] = columns(&samples)?;
    let ratios = [
        None,
        Some(edge.ratio_to(by_hand)?),
        Some(edge.ratio_to(native)?),
    ];
    let name = "own cost of a warm decision, in processor time";
    Ok((row(name, &samples, Some(report::MAX_OWN_COST))?, ratios))
}

fn memory(stage: &Stage<'_>, number: usize) -> Result<Vec<Memory>> {
    let mut instance = stage.node(number, &stage.plain, Before::Modules, Transport::Http)?;
    MEMORY_STEPS
        .iter()
        .map(|decisions| instance.memory(*decisions))
        .collect()
}

fn instances(stage: &Stage<'_>, transport: Transport) -> Result<Vec<Instance>> {
    (0..NODE)
        .map(|number| stage.node(number, &stage.plain, Before::Modules, transport))
        .collect()
}

/// What starting instances took, in seconds.
#[derive(Default)]
struct Taken(Columns<Vec<f64>>);

impl Taken {
    fn add(&mut self, column: usize, seconds: f64) -> Result<()> {
        let column = self.0.get_mut(column).context("there are three columns")?;
        column.push(seconds);
        Ok(())
    }

    fn row(self, name: &str, target: Option<f64>) -> Result<Row> {
        let mut times = [None; 3];
        for (spread, column) in times.iter_mut().zip(self.0) {
            if !column.is_empty() {
                *spread = Some(column.into_iter().collect::<Samples>().spread()?);
            }
        }
        Ok(Row {
            name: name.to_owned(),
            times,
            target,
        })
    }
}

fn row(name: &str, samples: &[Samples], target: Option<f64>) -> Result<Row> {
    let [edge, by_hand, authorizer] = columns(samples)?;
    Ok(Row {
        name: name.to_owned(),
        times: [
            Some(edge.spread()?),
            Some(by_hand.spread()?),
            Some(authorizer.spread()?),
        ],
        target,
    })
}

fn columns(samples: &[Samples]) -> Result<Columns<&Samples>> {
    match samples {
        [edge, by_hand, authorizer] => Ok([edge, by_hand, authorizer]),
        _ => anyhow::bail!("there are three contestants"),
    }
}

fn median(times: Vec<f64>) -> Result<f64> {
    Ok(times.into_iter().collect::<Samples>().spread()?.median)
}

fn seconds(seconds: f64) -> Result<Duration> {
    Ok(Duration::try_from_secs_f64(seconds)?)
}

fn bytes(bytes: u64) -> Result<f64> {
    Ok(f64::from(u32::try_from(bytes)?))
}

/// What this thread has used of the processors.
fn processor_time() -> Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?)
}
