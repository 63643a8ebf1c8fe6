//! `portcullis policy test --decisions`: recorded decisions made again, by another policy directory or by a newer
//! state of the same one, and every one that would change.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use portcullis_engine::{NotReplayable, RecordedDecision};
use portcullis_jose::AwsLc;
use portcullis_model::Decision;
use portcullis_pdp::PolicySet;
use serde_json::json;

use super::super::{Outcome, directory, print};

/// Longest line of an export, in bytes.
const MAX_LINE_BYTES: u64 = 1024 * 1024;

/// A decision that would be another one.
struct Change {
    id: String,
    method: String,
    path: String,
    before: String,
    after: String,
}

/// What came of a file of records.
#[derive(Default)]
struct Replay {
    changes: Vec<Change>,
    replayed: usize,
    without_input: usize,
    bound: usize,
}

/// Replays the decisions of a file. With `other`, the decisions of both policy directories are compared; without,
/// those of the one with those that were recorded.
pub(super) fn run(
    policy: &Path,
    other: Option<&Path>,
    decisions: &Path,
    as_json: bool,
) -> Result<Outcome> {
    let policy = directory(policy).load()?;
    let other = match other {
        Some(other) => Some(directory(other).load()?),
        None => None,
    };
    let file = std::fs::File::open(decisions)
        .with_context(|| format!("cannot read {}", decisions.display()))?;
    let mut lines = BufReader::new(file);
    let mut replay = Replay::default();
    for number in 1_u64.. {
        let mut line = Vec::new();
        let place = || format!("{}:{number}", decisions.display());
        let read = (&mut lines)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line);
        if read.with_context(place)? == 0 {
            break;
        }
        if !line.ends_with(b"\n") && line.len() as u64 >= MAX_LINE_BYTES {
            bail!(
                "{}: the line is longer than {MAX_LINE_BYTES} bytes",
                place()
            );
        }
        let text = std::str::from_utf8(&line).with_context(place)?.trim();
        if text.is_empty() {
            continue;
        }
        let record = RecordedDecision::parse(text).with_context(place)?;
        replay.add(&record, &policy, other.as_ref());
    }
    print(&if as_json {
        replay.as_json()
    } else {
        replay.as_text()
    })?;
    let unchanged = replay.changes.is_empty();
    Ok(if unchanged { Outcome::Yes } else { Outcome::No })
}

impl Replay {
    fn add(&mut self, record: &RecordedDecision, policy: &PolicySet, other: Option<&PolicySet>) {
        let here = match record.replay(policy, &AwsLc) {
            Ok(decision) => decision,
            Err(NotReplayable::WithoutInput) => {
                self.without_input += 1;
                return;
            }
            Err(NotReplayable::Bound) => {
                self.bound += 1;
                return;
            }
        };
        self.replayed += 1;
        let there = other.and_then(|other| record.replay(other, &AwsLc).ok());
        let (before, mut after) = match there {
            None if record.differs(&here) => (recorded(record), summary(&here)),
            Some(there) if differ(&here, &there) => (summary(&here), summary(&there)),
            _ => return,
        };
        if before == after {
            after.push_str(" with other edits, headers or body");
        }
        self.changes.push(Change {
            id: record.id.clone(),
            method: record.method.clone(),
            path: record.path.clone(),
            before,
            after,
        });
    }

    fn as_text(&self) -> String {
        let changes = self.changes.iter().map(|change| {
            // They come from clients: nothing in them may speak to the terminal.
            let (id, method) = (change.id.escape_debug(), change.method.escape_debug());
            let (path, before) = (change.path.escape_debug(), change.before.escape_debug());
            format!(
                "CHANGED {id}: {method} {path}: {before} -> {}",
                change.after
            )
        });
        let mut lines: Vec<String> = changes.collect();
        lines.push(format!(
            "{} replayed, {} changed",
            self.replayed,
            self.changes.len()
        ));
        for (count, why) in [
            (self.without_input, "recorded without the request"),
            (self.bound, "the token is bound to its sender"),
        ] {
            if count > 0 {
                lines.push(format!("{count} skipped: {why}"));
            }
        }
        lines.join("\n")
    }

    fn as_json(&self) -> String {
        let changes = self.changes.iter().map(|change| {
            json!({
                "id": change.id, "method": change.method, "path": change.path,
                "before": change.before, "after": change.after,
            })
        });
        json!({
            "changes": changes.collect::<Vec<_>>(),
            "replayed": self.replayed,
            "skipped": { "without_input": self.without_input, "bound": self.bound },
        })
        .to_string()
    }
}

fn differ(one: &Decision, other: &Decision) -> bool {
    (&one.outcome, one.reason.code) != (&other.outcome, other.reason.code)
}

pub(super) fn summary(decision: &Decision) -> String {
    described(decision.status(), decision.reason.code.as_str())
}

fn recorded(record: &RecordedDecision) -> String {
    described(record.status, &record.reason)
}

fn described(status: Option<u16>, reason: &str) -> String {
    match status {
        None => format!("permit {reason}"),
        Some(status) => format!("deny {status} {reason}"),
    }
}
