//! What an evaluation may still do. Whatever takes time in proportion to the policy or to the request is paid for here, so
//! that neither of them decides for how long a decision takes.

use crate::policy::PolicyFailure;

/// Most steps of one evaluation. Each test is one, and so is each comparison of two values.
const MAX_STEPS: u32 = 100_000;
/// Bytes of text that are compared in a step.
const BYTES_A_STEP: usize = 256;

/// The steps that are left.
#[derive(Debug)]
pub(super) struct Steps(u32);

impl Steps {
    /// Those of a whole evaluation.
    pub(super) const fn all() -> Self {
        Self(MAX_STEPS)
    }

    /// So many.
    #[cfg(test)]
    pub(super) const fn of(steps: u32) -> Self {
        Self(steps)
    }

    /// Takes so many. Fails where they are not left.
    pub(super) fn take(&mut self, steps: usize) -> Result<(), PolicyFailure> {
        self.0 = u32::try_from(steps)
            .ok()
            .and_then(|steps| self.0.checked_sub(steps))
            .ok_or(PolicyFailure::Limit("steps"))?;
        Ok(())
    }

    /// Takes those for so many bytes of text: none for a short one.
    pub(super) fn read(&mut self, bytes: usize) -> Result<(), PolicyFailure> {
        self.take(bytes / BYTES_A_STEP)
    }
}
