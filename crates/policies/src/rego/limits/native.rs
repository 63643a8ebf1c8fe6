//! Where the machine looks at time and memory by itself.

use std::num::{NonZeroU32, NonZeroU64};

use portcullis_engine::PolicyFailure;
use regorus::rvm::RegoVM;
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{MemoryBudgetConfig, Value};

use super::{MAX_MEMORY, MAX_STEPS, MAX_TIME, failure};

/// How many instructions pass between two looks at the clock.
const CLOCK_INTERVAL: NonZeroU32 = NonZeroU32::new(256).unwrap();

/// Gives a machine its limits.
pub(in crate::rego) fn limit(machine: &mut RegoVM) {
    machine.set_max_instructions(MAX_STEPS);
    machine.set_execution_timer_config(Some(ExecutionTimerConfig {
        limit: MAX_TIME,
        check_interval: CLOCK_INTERVAL,
    }));
    let memory = NonZeroU64::new(MAX_MEMORY.into());
    machine.set_memory_budget_config(memory.map(|limit| MemoryBudgetConfig { limit }));
}

/// Evaluates a rule.
pub(in crate::rego) fn run(machine: &mut RegoVM, entry: &str) -> Result<Value, PolicyFailure> {
    machine
        .execute_entry_point_by_name(entry)
        .map_err(|error| failure(&error))
}
