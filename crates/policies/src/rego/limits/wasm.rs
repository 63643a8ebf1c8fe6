//! Where the machine has no clock and cannot tell how much memory it uses: in WebAssembly. So it is stopped after each
//! instruction, and both are looked at here.
//!
//! An instruction that wants more memory at once than the module may have ends the call in an error, which the host
//! catches and answers with 503.

use std::arch::wasm32::memory_size;
use std::sync::OnceLock;
use std::time::Duration;

use portcullis_engine::PolicyFailure;
use regorus::Value;
use regorus::rvm::RegoVM;

use super::steps::run_in_steps;
use super::{MAX_MEMORY, MAX_STEPS, MAX_TIME};

/// How many instructions pass between two looks at the clock.
const CLOCK_INTERVAL: usize = 16;
/// A page of memory, in bytes (WebAssembly Core Specification 2.0, section 4.2.8).
const PAGE: usize = 64 * 1024;

static CLOCK: OnceLock<fn() -> Duration> = OnceLock::new();

/// Takes the clock of the host: the time since some moment, which never goes back. Without one, the evaluation of every
/// Rego policy fails. The first clock stays.
pub fn use_clock(now: fn() -> Duration) {
    let _ = CLOCK.set(now);
}

/// Gives a machine the limit that it looks at by itself.
pub(in crate::rego) fn limit(machine: &mut RegoVM) {
    machine.set_max_instructions(MAX_STEPS);
}

/// Evaluates a rule.
pub(in crate::rego) fn run(machine: &mut RegoVM, entry: &str) -> Result<Value, PolicyFailure> {
    let no_clock = || PolicyFailure::Failed("there is no clock".to_owned());
    let now = CLOCK.get().ok_or_else(no_clock)?;
    let deadline = now().saturating_add(MAX_TIME);
    let pages = memory_size::<0>();
    run_in_steps(machine, entry, |steps| {
        // Memory never shrinks: what was free before comes on top, within the maximum of the module (tools/edge-module).
        let grown = memory_size::<0>().saturating_sub(pages);
        if grown.saturating_mul(PAGE) > MAX_MEMORY as usize {
            return Some("memory");
        }
        (steps.is_multiple_of(CLOCK_INTERVAL) && now() > deadline).then_some("time")
    })
}
