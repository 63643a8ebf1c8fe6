//! What bounds one evaluation of a Rego rule: instructions, time and memory.

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(any(target_family = "wasm", test))]
mod steps;
#[cfg(target_family = "wasm")]
mod wasm;

use std::time::Duration;

use portcullis_engine::PolicyFailure;
use regorus::rvm::vm::VmError;

#[cfg(not(target_family = "wasm"))]
pub(super) use native::{limit, run};
#[cfg(target_family = "wasm")]
pub use wasm::use_clock;
#[cfg(target_family = "wasm")]
pub(super) use wasm::{limit, run};

/// Most instructions of the machine in one evaluation of a rule.
const MAX_STEPS: usize = 500_000;
/// Most time in one evaluation of a rule. Wide, because a busy machine is no reason to deny; steps are
/// what stops a policy that does too much.
const MAX_TIME: Duration = Duration::from_millis(250);
/// Most memory that one evaluation of a rule may take, in bytes.
const MAX_MEMORY: u32 = 32 * 1024 * 1024;

/// What stopped the machine. Its own messages may show values, so they stay here.
pub(super) fn failure(error: &VmError) -> PolicyFailure {
    match error {
        VmError::InstructionLimitExceeded { .. } => PolicyFailure::Limit("steps"),
        VmError::TimeLimitExceeded { .. } => PolicyFailure::Limit("time"),
        VmError::MemoryLimitExceeded { .. } | VmError::MemoryBudgetExceeded { .. } => {
            PolicyFailure::Limit("memory")
        }
        VmError::RegexSizeLimitExceeded { .. } => {
            PolicyFailure::Limit("size of a regular expression")
        }
        _ => PolicyFailure::Failed("the Rego machine could not go on".to_owned()),
    }
}
