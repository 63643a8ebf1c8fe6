//! What docs/benchmarks.md says of the function beside its peers.

use std::fmt::Write as _;

use anyhow::{Context, Result};

use super::compared::{COMPARED, Cause, Compared};
use super::contestant::{Job, Runtime};
use super::panels::panels;
use super::{DECISIONS, Figures, Measured, ROUNDS, STARTS, TOKENS, WARM_UP};
use crate::goals::{Goal, Target, Unit};
use crate::report::{machine, thousands, times};
use crate::rounds::{Samples, Spread};
use crate::section::Section;

/// The section, for the page.
pub(crate) fn section(figures: &Figures) -> Result<Section> {
    let versions = figures.versions.iter();
    let versions: Vec<_> = versions
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let mut text = format!(
        "## The function beside its peers\n\nMeasured with {}. {}. Other programs took {:.0} % of the processors meanwhile.\n",
        machine()?,
        versions.join(", "),
        figures.others,
    );
    if let Some(why) = &figures.without_ric {
        writeln!(
            text,
            "\naws-lambda-ric, AWS' own runtime client for Node.js, did not build here: {why}."
        )?;
    }
    let mut goals = Vec::new();
    for job in [Job::Token, Job::Sideband] {
        let table = Table::new(figures, job)?;
        table.figures(&mut text)?;
        table.ratios(&mut text)?;
        goals.extend(table.goals()?);
    }
    method(&mut text)?;
    Ok(Section {
        text,
        goals,
        panels: panels(figures)?,
        versions: figures.versions.clone(),
    })
}

/// The figures of one job.
struct Table<'a> {
    job: Job,
    own: &'a Measured,
    least: &'a Measured,
    peers: Vec<&'a Measured>,
}

impl<'a> Table<'a> {
    fn new(figures: &'a Figures, job: Job) -> Result<Self> {
        let mut rows = figures.rows.iter().filter(|row| row.job == job);
        Ok(Self {
            job,
            own: rows.next().context("`bootstrap` comes first")?,
            least: rows.next().context("the least function comes second")?,
            peers: rows.collect(),
        })
    }

    const fn title(&self) -> &'static str {
        match self.job {
            Job::Token => "verifies the access token",
            Job::Sideband => "asks a decision service",
        }
    }

    fn figures(&self, text: &mut String) -> Result<()> {
        let rows = || [self.own].into_iter().chain(self.peers.iter().copied());
        write!(text, "\n| the function {} |", self.title())?;
        for row in rows() {
            write!(text, " {} |", row.runtime.name())?;
        }
        writeln!(text, "\n|---|{}", "---|".repeat(rows().count()))?;
        let mut line = |name: &str, value: &dyn Fn(&Measured) -> Result<String>| -> Result<()> {
            write!(text, "| {name} |")?;
            for row in rows() {
                write!(text, " {} |", value(row)?)?;
            }
            text.push('\n');
            Ok(())
        };
        let time = |samples: &Samples| Ok(spread(samples.spread()?));
        line("process start to first `next` call", &|row| {
            time(&row.start)
        })?;
        line("first decision", &|row| time(&row.first))?;
        line("process start to first answer", &|row| {
            time(&row.first_answer)
        })?;
        let warm = match self.job {
            Job::Token => "warm decision, the same token: median",
            Job::Sideband => "warm decision: median",
        };
        line(warm, &|row| time(&row.same.median))?;
        line("99th percentile", &|row| {
            Ok(Unit::Seconds.shown(row.same.slow))
        })?;
        line("processor time", &|row| time(&row.same.processor))?;
        line(
            "processor time of the least possible function",
            &|row| match row.runtime {
                Runtime::Portcullis => time(&self.least.same.processor),
                _ => Ok("—".to_owned()),
            },
        )?;
        if self.job == Job::Token {
            let other = |row: &Measured, of: fn(&super::Warm) -> Result<String>| {
                of(row.other.as_ref().context("other tokens")?)
            };
            line("warm decision, another token each time: median", &|row| {
                other(row, |warm| Ok(spread(warm.median.spread()?)))
            })?;
            line("99th percentile", &|row| {
                other(row, |warm| Ok(Unit::Seconds.shown(warm.slow)))
            })?;
            line("processor time", &|row| {
                other(row, |warm| Ok(spread(warm.processor.spread()?)))
            })?;
        }
        line(
            "peak memory (VmHWM)",
            &|row| Ok(Unit::Bytes.shown(row.peak)),
        )?;
        line("size of the zip", &|row| Ok(Unit::Bytes.shown(row.zip)))
    }

    fn ratios(&self, text: &mut String) -> Result<()> {
        text.push_str("\n| times the figure of `bootstrap` |");
        for peer in &self.peers {
            write!(text, " {} |", peer.runtime.name())?;
        }
        writeln!(
            text,
            " target for Node.js | |\n|---|{}---|---|",
            "---|".repeat(self.peers.len())
        )?;
        for compared in &COMPARED {
            if (compared.of)(self.own).is_none() {
                continue;
            }
            write!(text, "| {} |", compared.name)?;
            let mut missed = Vec::new();
            for peer in &self.peers {
                let ratio = self.ratio(compared, peer)?;
                write!(text, " {} |", shown(ratio))?;
                if peer.runtime.is_node() && !compared.target.met(ratio.median) {
                    missed.push(peer.runtime.name());
                }
            }
            let verdict = match (compared.target, missed.as_slice()) {
                (Target::None, _) => String::new(),
                (_, []) => "met".to_owned(),
                (_, missed) => format!("**not met**: {}", missed.join(", ")),
            };
            writeln!(text, " {} | {verdict} |", compared.target)?;
            if matches!(compared.cause, Cause::Shared) {
                text.push_str("| above the least possible function |");
                for peer in &self.peers {
                    write!(text, " {} |", shown(self.ratio_above(compared, peer)?))?;
                }
                text.push_str(" — | |\n");
            }
        }
        Ok(())
    }

    /// How many times as much the peer takes.
    fn ratio(&self, compared: &Compared, peer: &Measured) -> Result<Spread> {
        let [own, peer] = [self.own, peer].map(compared.of);
        peer.context("a figure of the peer")?
            .ratio_to(&own.context("a figure of `bootstrap`")?)
    }

    /// The same of what is above the least that a function can do.
    fn ratio_above(&self, compared: &Compared, peer: &Measured) -> Result<Spread> {
        let [own, least, peer] = [self.own, self.least, peer].map(compared.of);
        let least = least.context("a figure of the least function")?;
        let above = |samples: Option<Samples>| Some(samples?.above(&least));
        above(peer)
            .context("a figure of the peer")?
            .ratio_to(&above(own).context("a figure of `bootstrap`")?)
    }

    /// How much of the figure of `bootstrap` every function has to take, and how the peers compare above that.
    fn why_shared(&self, compared: &Compared) -> Result<String> {
        let above: Vec<_> = self
            .peers
            .iter()
            .filter(|peer| peer.runtime.is_node())
            .map(|peer| Ok(format!("{:.1}", self.ratio_above(compared, peer)?.median)))
            .collect::<Result<_>>()?;
        Ok(format!(
            "of the {} of `bootstrap`, {} are what the HTTP calls cost on bare sockets, in any language; above that the ratio is {}, and \
             two lines of log are in it, where the peers write none",
            shown_median(compared, self.own)?,
            shown_median(compared, self.least)?,
            above.join(" and "),
        ))
    }

    /// What there is to say where the target is missed.
    fn why(&self, compared: &Compared) -> Result<String> {
        let cause = match compared.cause {
            Cause::Both(cause) => cause,
            Cause::Shared => return self.why_shared(compared),
        };
        let peers = self.peers.iter().filter(|peer| peer.runtime.is_node());
        let peers = peers.map(|peer| shown_median(compared, peer));
        Ok(format!(
            "`bootstrap` takes {} and Node.js {}; {cause}",
            shown_median(compared, self.own)?,
            peers.collect::<Result<Vec<_>>>()?.join(" and "),
        ))
    }

    /// One for each figure with a target: the peer in Node.js that comes nearest.
    fn goals(&self) -> Result<Vec<Goal>> {
        let mut goals = Vec::new();
        for compared in &COMPARED {
            if compared.target == Target::None || (compared.of)(self.own).is_none() {
                continue;
            }
            let peers = self.peers.iter().filter(|peer| peer.runtime.is_node());
            let ratios = peers
                .map(|peer| Ok(self.ratio(compared, peer)?.median))
                .collect::<Result<Vec<_>>>()?;
            let name = format!(
                "function that {}, nearest Node.js to `bootstrap`: {}",
                self.title(),
                compared.name
            );
            let why = self.why(compared)?;
            goals.push(Goal::worst(
                &name,
                ratios,
                compared.target,
                Unit::Times,
                why,
            ));
        }
        Ok(goals)
    }
}

/// The median of a figure, in its unit.
fn shown_median(compared: &Compared, row: &Measured) -> Result<String> {
    let samples = (compared.of)(row).context("a figure")?;
    Ok(compared.unit.shown(samples.spread()?.median))
}

fn method(text: &mut String) -> Result<()> {
    write!(
        text,
        "\nA value is the median, with the bounds of its middle half in brackets. A ratio is taken within a round.\n\n\
         - Every function is a process with its settings in the environment, under the same implementation of the Lambda runtime \
         API on loopback (`tests/support`), which is what Lambda shows to it. All take turns, another one first in each round. \
         The file cache is warm. The event is a REST REQUEST event with nine headers.\n\
         - The peers are in `benches/peers/function`. Node.js: aws-jwt-verify with issuer and audience, its keys fetched at \
         the first event (with a fetcher of our own, as its own takes `https` only), one scope, an IAM policy; and the sideband call \
         with `node:http` on a kept connection and one more try, as PingOne's kit makes it. *Least runtime* is `runtime.cjs`, a \
         loop of forty lines around `node:http`; *aws-lambda-ric* is the runtime client that AWS publishes, with its native part. Both \
         with Lambda's limits of the heap for 128 MB, CommonJS, and with packages as npm installs them: nobody bundled or minified \
         them, which can make their start shorter. They run on the Node.js that is here, which is not Lambda's build of it. Python: PyJWT with cryptography on AWS' \
         awslambdaric.\n\
         - Not equal: `bootstrap` asks the issuer for its metadata before its keys, and for both while it waits for its first event. It \
         writes a log line and metrics for each decision, which are read from a pipe, and answers with a policy for every route that the \
         token opens; the peers log nothing and answer for one route.\n\
         - Before anything is measured, each function has to permit the good token, and to refuse one with another bit in its signature and one \
         without the scope.\n\
         - *Process start to first `next` call* is from just before the process is made to the arrival of its first request; \
         *first decision* is the event after that. {STARTS} processes of each. What is put off until the first event shows in \
         *process start to first answer*.\n\
         - *Processor time* is that of the whole process, in user mode and in the kernel, by the clock that the kernel has for it: asking \
         the runtime API for the event, reading it, verifying the token or asking the service, and posting the answer, with all of HTTP. \
         It is what can be compared between languages; the cost of `bootstrap` without HTTP is in the first table of this page.\n\
         - *The least possible function* is a loop on bare sockets (`benches/src/function/least.rs`): it asks for the event, sends a \
         prepared call to the service where there is one, and posts a prepared answer. It reads nothing and decides nothing; what \
         it takes is the kernel's part, which every function has to pay. *Above* it is what language, libraries and decision cost.\n\
         - Warm: after {} decisions with different tokens, {ROUNDS} rounds of {DECISIONS}. *The same token* is found by its digest in `bootstrap` and verified \
         anew by the others, so that it has no target. *Another token each time*: {} in turn, eight times as many as `bootstrap` \
         remembers. RS256 with 2048 bits, keys cached. The function that asks a decision service treats all tokens alike.\n\
         - The decision service is `portcullis serve`, which verifies the token; what it takes is not in the processor time.\n\
         - *Peak memory* is `VmHWM` of the process after all its decisions. *Size of the zip* is without what Lambda brings: Node.js or \
         Python, and its runtime client.\n",
        thousands(WARM_UP),
        thousands(TOKENS),
    )?;
    Ok(())
}

fn spread(spread: Spread) -> String {
    let Spread { low, median, high } = spread;
    let (factor, unit) = Unit::Seconds.scale(median);
    format!(
        "{:.2} {unit} ({:.2}–{:.2})",
        median * factor,
        low * factor,
        high * factor
    )
}

/// A ratio, with its spread where there is one.
fn shown(ratio: Spread) -> String {
    if ratio.low < ratio.high {
        times(ratio)
    } else {
        format!("{:.2}", ratio.median)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Warm;
    use super::{Figures, Job, Measured, Runtime, Samples, section};

    fn samples(value: f64) -> Samples {
        [value, value].into_iter().collect()
    }

    /// One whose decisions take so much of the processors, and everything else in the same proportion.
    fn measured(job: Job, runtime: Runtime, processor: f64) -> Measured {
        let warm = |processor| Warm {
            median: samples(processor),
            slow: processor * 2.0,
            processor: samples(processor),
        };
        Measured {
            job,
            runtime,
            start: samples(processor * 100.0),
            first: samples(processor * 10.0),
            first_answer: samples(processor * 110.0),
            same: warm(processor),
            other: (job == Job::Token).then(|| warm(processor * 2.0)),
            peak: processor * 1e11,
            zip: 2e6,
        }
    }

    fn figures() -> Figures {
        let rows = [Job::Token, Job::Sideband].into_iter().flat_map(|job| {
            [
                measured(job, Runtime::Portcullis, 40e-6),
                measured(job, Runtime::Least, 20e-6),
                measured(job, Runtime::Node, 160e-6),
                measured(job, Runtime::NodeRic, 240e-6),
            ]
        });
        Figures {
            rows: rows.collect(),
            without_ric: None,
            versions: vec![("Node.js".to_owned(), "v20".to_owned())],
            others: 3.0,
        }
    }

    #[test]
    fn the_same_token_is_not_judged_where_bootstrap_remembers_it() {
        let section = section(&figures()).unwrap();
        let row = "| processor time of a decision, the same token | 4.00 | 6.00 | — |  |";
        assert_eq!(section.text.matches(row).count(), 1, "{}", section.text);
        for goal in section.goals {
            assert!(!goal.figure.contains("the same token"), "{}", goal.figure);
        }
    }

    #[test]
    fn ratios_are_to_bootstrap_and_judged_for_each_peer() {
        let text = section(&figures()).unwrap().text;
        assert!(text.contains(
            "| processor time of the least possible function | 20.00 µs (20.00–20.00) | — | — |"
        ));
        for name in [
            "processor time of a decision, another token each time",
            "processor time of a decision",
        ] {
            let row = format!(
                "| {name} | 4.00 | 6.00 | at least 5.00 | **not met**: Node.js, least runtime |"
            );
            assert_eq!(text.matches(&row).count(), 1, "{text}");
        }
        assert!(text.contains("| peak memory (VmHWM) | 4.00 | 6.00 | at least 3.00 | met |"));
        assert!(text.contains("| above the least possible function | 7.00 | 11.00 | — | |"));
    }

    #[test]
    fn a_goal_is_of_the_nearest_peer_and_says_why_it_is_missed() {
        let goals = section(&figures()).unwrap().goals;
        let rows: Vec<_> = goals.iter().map(crate::goals::Goal::row).collect();
        assert_eq!(rows.len(), 6, "{rows:?}");
        let missed: Vec<_> = rows.iter().filter(|row| row.contains("not met")).collect();
        assert_eq!(
            missed.len(),
            4,
            "start and processor time of each kind: {rows:?}"
        );
        let why =
            "`bootstrap` takes 4.00 ms and Node.js 16.00 ms and 24.00 ms; making the process,";
        assert!(missed.iter().any(|row| row.contains(why)), "{missed:?}");
        let why = "of the 40.00 µs of `bootstrap`, 20.00 µs are what the HTTP calls cost on bare sockets, in any language; above \
                   that the ratio is 7.0 and 11.0, and two lines of log are in it, where the peers write none |";
        assert!(
            missed
                .iter()
                .any(|row| row.contains("| 4.00 |") && row.contains(why)),
            "{missed:?}"
        );
    }

    #[test]
    fn every_one_that_decides_has_its_bars() {
        let panels = section(&figures()).unwrap().panels;
        assert_eq!(panels.len(), 5);
        for panel in panels {
            let labels: Vec<_> = panel.bars.iter().map(|bar| bar.label.as_str()).collect();
            let all = [
                "Portcullis",
                "Node.js, least runtime",
                "Node.js, AWS' runtime",
            ];
            assert_eq!(labels, all, "{}", panel.title);
        }
    }

    #[test]
    fn without_aws_client_the_page_says_why() {
        let mut figures = figures();
        figures.rows.retain(|row| row.runtime != Runtime::NodeRic);
        figures.without_ric = Some("not here: cmake".to_owned());
        let text = section(&figures).unwrap().text;
        assert!(
            text.contains("did not build here: not here: cmake."),
            "{text}"
        );
        assert!(!text.contains("| Node.js, aws-lambda-ric |"));
    }
}
