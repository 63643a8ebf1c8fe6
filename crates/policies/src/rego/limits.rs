//! What bounds one evaluation of a Rego rule.
//!
//! In WebAssembly these are instructions alone: regorus asks for the time in a way that ends the module there, and counts
//! memory in an allocator of C. (Its other way to run a program, in which it can be stopped after each instruction, does
//! not always give the same answer.) What the host does about time and memory is in `crates/edge`; it denies, too.

use portcullis_engine::PolicyFailure;
use regorus::rvm::RegoVM;
use regorus::rvm::vm::VmError;

/// Most instructions of the machine in one evaluation of a rule.
const MAX_STEPS: usize = 500_000;

/// Gives a machine its limits.
pub(super) fn limit(machine: &mut RegoVM) {
    machine.set_max_instructions(MAX_STEPS);
    #[cfg(not(target_family = "wasm"))]
    native::limit(machine);
}

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

#[cfg(not(target_family = "wasm"))]
mod native {
    use std::num::{NonZeroU32, NonZeroU64};
    use std::time::Duration;

    use regorus::MemoryBudgetConfig;
    use regorus::rvm::RegoVM;
    use regorus::utils::limits::ExecutionTimerConfig;

    /// Most time in one evaluation of a rule. Wide, because a busy machine is no reason to deny; steps are
    /// what stops a policy that does too much.
    const MAX_TIME: Duration = Duration::from_millis(250);
    /// How many instructions pass between two looks at the clock.
    const CLOCK_INTERVAL: NonZeroU32 = NonZeroU32::new(256).unwrap();
    /// Most memory that one evaluation of a rule may take, in bytes.
    const MAX_MEMORY: NonZeroU64 = NonZeroU64::new(32 * 1024 * 1024).unwrap();

    pub(super) fn limit(machine: &mut RegoVM) {
        machine.set_execution_timer_config(Some(ExecutionTimerConfig {
            limit: MAX_TIME,
            check_interval: CLOCK_INTERVAL,
        }));
        machine.set_memory_budget_config(Some(MemoryBudgetConfig { limit: MAX_MEMORY }));
    }
}
