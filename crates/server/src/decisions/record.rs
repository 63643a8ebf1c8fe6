//! What is kept of a decision, and how it reads as JSON: with `input`, the record of a decision can be replayed.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use portcullis_model::{Attribute, Check, CheckOutcome, ReasonCode, Trace};
use portcullis_store::{
    DecisionAbout, Id, InvalidValue, MAX_DECISION_BYTES, NewDecision, UnixMillis,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::input::RecordedInput;

/// Longest path that is kept, in bytes.
const MAX_PATH_BYTES: usize = 512;

/// What a record takes beside its texts: the allocations and its place in the row, in bytes.
const RECORD_OVERHEAD: usize = 128;

/// A decision that was made.
pub(super) struct DecisionRecord {
    pub(super) id: String,
    /// Milliseconds since 1970.
    pub(super) time: i64,
    pub(super) phase: Phase,
    pub(super) protocol: Protocol,
    pub(super) gateway: Option<Arc<str>>,
    pub(super) method: String,
    /// Without the query, see [`bounded_path`].
    pub(super) path: String,
    pub(super) outcome: &'static str,
    pub(super) reason: ReasonCode,
    pub(super) status: Option<u16>,
    pub(super) elapsed: Duration,
    pub(super) trace: Trace,
    pub(super) input: Option<RecordedInput>,
}

/// What was decided on.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    Request,
    Response,
}

/// How the decision was asked for.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Protocol {
    Sideband,
    Authzen,
    Cloudentity,
}

/// The record as it is written, in this order.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    time: String,
    phase: Phase,
    protocol: Protocol,
    gateway: Option<&'a str>,
    method: &'a str,
    path: &'a str,
    outcome: &'static str,
    reason: &'static str,
    status: Option<u16>,
    service: Option<&'a str>,
    operation: Option<&'a str>,
    elapsed_us: u64,
    revision: Option<&'a str>,
    trace: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Value>,
}

impl DecisionRecord {
    /// One line of JSON of at most [`MAX_DECISION_BYTES`]: what is too large is left out.
    pub(super) fn to_json(&self) -> String {
        let whole = self.line(true);
        if whole.len() <= MAX_DECISION_BYTES {
            whole
        } else {
            self.line(false)
        }
    }

    fn line(&self, with_details: bool) -> String {
        let (trace, input) = if with_details {
            let input = self.input.as_ref().and_then(RecordedInput::to_json);
            (trace(&self.trace), input)
        } else {
            (Value::Null, None)
        };
        let line = Line {
            id: &self.id,
            time: rfc3339(self.time),
            phase: self.phase,
            protocol: self.protocol,
            gateway: self.gateway.as_deref(),
            method: &self.method,
            path: &self.path,
            outcome: self.outcome,
            reason: self.reason.as_str(),
            status: self.status,
            service: self.trace.service.as_deref(),
            operation: self.trace.operation.as_deref(),
            elapsed_us: u64::try_from(self.elapsed.as_micros()).unwrap_or(u64::MAX),
            revision: self.trace.revision.as_deref(),
            trace,
            input,
        };
        // Writing texts and numbers to a string cannot fail.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// About how many bytes of memory it takes: of texts, with something for each place in which one is kept.
    pub(super) fn footprint(&self) -> usize {
        let attributes = |check: &Check| {
            let attributes = check.attributes.iter();
            attributes
                .map(|one| size_of::<Attribute>() + one.name.len() + one.value.len())
                .sum::<usize>()
        };
        let checks = self.trace.checks.iter();
        let checks = checks
            .map(|check| size_of::<Check>() + check.detail.len() + attributes(check))
            .sum::<usize>();
        // What is shared (the names of service, operation, revision and gateway) is not counted.
        let input = self.input.as_ref().map_or(0, RecordedInput::footprint);
        let miss = self.trace.nearest_miss.as_ref().map_or(0, String::len);
        let texts = self.id.len() + self.method.len() + self.path.len() + miss;
        size_of::<Self>() + RECORD_OVERHEAD + texts + checks + input
    }

    pub(super) fn about(&self) -> DecisionAbout {
        let text = |text: &Option<Arc<str>>| text.as_deref().unwrap_or_default().to_owned();
        DecisionAbout {
            outcome: self.outcome.to_owned(),
            reason: self.reason.as_str().to_owned(),
            service: text(&self.trace.service),
            operation: text(&self.trace.operation),
            gateway: text(&self.gateway),
        }
    }

    pub(super) fn decided_at(&self) -> UnixMillis {
        UnixMillis(self.time)
    }

    /// The same for a database.
    pub(super) fn to_stored(&self) -> Result<NewDecision, InvalidValue> {
        Ok(NewDecision {
            id: Id::try_from(self.id.clone())?,
            decided_at: self.decided_at(),
            about: self.about(),
            record: self.to_json(),
        })
    }
}

/// The path as far as it is kept.
pub(super) fn bounded_path(path: &str) -> String {
    let end = path.floor_char_boundary(MAX_PATH_BYTES);
    path.get(..end).unwrap_or_default().to_owned()
}

/// A time as RFC 3339 writes it, to the millisecond.
fn rfc3339(millis: i64) -> String {
    let time = DateTime::from_timestamp_millis(millis);
    time.unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Every step, without values: [`Trace`] holds none.
fn trace(trace: &Trace) -> Value {
    let checks = trace.checks.iter().map(|check| {
        let attributes = check.attributes.iter();
        let attributes: Map<_, _> = attributes
            .map(|one| (one.name.to_string(), json!(one.value)))
            .collect();
        json!({
            "name": check.name,
            "level": check.level.as_str(),
            "passed": check.outcome == CheckOutcome::Passed,
            "detail": check.detail,
            "attributes": attributes,
        })
    });
    json!({ "checks": checks.collect::<Vec<_>>(), "nearest_miss": trace.nearest_miss })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_paths_are_as_documented() {
        assert_eq!(rfc3339(1_700_000_000_007), "2023-11-14T22:13:20.007Z");
        assert_eq!(bounded_path("/moons"), "/moons");
        let long = format!("/{}", "ü".repeat(300));
        assert_eq!(bounded_path(&long), format!("/{}", "ü".repeat(255)));
    }
}
