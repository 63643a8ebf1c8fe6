//! What of the function is compared with its peers, and the targets.

use super::Measured;
use super::contestant::Job;
use crate::goals::{Target, Unit};
use crate::rounds::Samples;

/// How many times as long a function in Node.js takes to start, how many times the memory it takes, and the processor time.
const MIN_START: Target = Target::AtLeast(5.0);
const MIN_MEMORY: Target = Target::AtLeast(3.0);
const MIN_OWN_COST: Target = Target::AtLeast(5.0);

/// What is compared: a name, its samples, and the target for Node.js.
pub(super) struct Compared {
    pub(super) name: &'static str,
    pub(super) of: fn(&Measured) -> Option<Samples>,
    pub(super) target: Target,
    /// In what it is shown where the target is missed.
    pub(super) unit: Unit,
    pub(super) cause: Cause,
}

/// What there is to say where the target is missed.
pub(super) enum Cause {
    /// This, which is in the figures of both.
    Both(&'static str),
    /// Every function has to take some of it for its HTTP calls alone: the table says how much.
    Shared,
}

/// The same token again has no target: `bootstrap` finds it by its digest, and the peers verify it anew.
pub(super) const COMPARED: [Compared; 6] = [
    Compared {
        name: "process start to first `next` call",
        of: |row| Some(row.start.clone()),
        target: MIN_START,
        unit: Unit::Seconds,
        cause: Cause::Both(
            "making the process, mapping its libraries and connecting to the runtime API are in both",
        ),
    },
    Compared {
        name: "process start to first answer",
        of: |row| Some(row.first_answer.clone()),
        target: Target::None,
        unit: Unit::Seconds,
        cause: Cause::Both("asking for keys or for a decision is in both"),
    },
    Compared {
        name: "processor time of a decision, the same token",
        of: |row| (row.job == Job::Token).then(|| row.same.processor.clone()),
        target: Target::None,
        unit: Unit::Seconds,
        cause: Cause::Shared,
    },
    Compared {
        name: "processor time of a decision, another token each time",
        of: |row| Some(row.other.as_ref()?.processor.clone()),
        target: MIN_OWN_COST,
        unit: Unit::Seconds,
        cause: Cause::Shared,
    },
    Compared {
        name: "processor time of a decision",
        of: |row| (row.job == Job::Sideband).then(|| row.same.processor.clone()),
        target: MIN_OWN_COST,
        unit: Unit::Seconds,
        cause: Cause::Shared,
    },
    Compared {
        name: "peak memory (VmHWM)",
        of: |row| Some([row.peak].into_iter().collect()),
        target: MIN_MEMORY,
        unit: Unit::Bytes,
        cause: Cause::Both(
            "code and libraries count as far as they were used, and Lambda's limits of the heap for 128 MB keep Node.js small",
        ),
    },
];
