//! What is wrong with a setting: its name, what it holds and what is expected. A secret is never shown.

/// Why an enforcement point cannot work as it is set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSetting {
    /// A variable that must be set is not.
    #[error("{name} is not set: expected {expected}")]
    Missing {
        /// The variable.
        name: String,
        /// What it should hold.
        expected: String,
    },
    /// A variable holds something else than it should.
    #[error("{name} is \"{value}\": expected {expected}")]
    Wrong {
        /// The variable.
        name: String,
        /// What it holds, shortened.
        value: String,
        /// What it should hold.
        expected: String,
    },
    /// A variable that holds a secret holds something else than it should.
    #[error("{name} is [redacted]: expected {expected}")]
    WrongSecret {
        /// The variable.
        name: String,
        /// What it should hold.
        expected: String,
    },
    /// Two variables contradict each other.
    #[error(
        "{first} and {second} are both set: remove one, or choose with PORTCULLIS_DECISION_POINT where each stands for a decision point"
    )]
    Ambiguous {
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
}

impl InvalidSetting {
    /// The variable is not set.
    #[must_use]
    pub fn missing(name: &str, expected: &str) -> Self {
        Self::Missing {
            name: name.to_owned(),
            expected: expected.to_owned(),
        }
    }

    /// The variable holds something else; what it holds is shown, shortened.
    #[must_use]
    pub fn new(name: &str, value: &str, expected: &str) -> Self {
        let value = value
            .chars()
            .take(200)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        Self::Wrong {
            name: name.to_owned(),
            value,
            expected: expected.to_owned(),
        }
    }

    /// The same for a variable whose value is not shown.
    #[must_use]
    pub fn secret(name: &str, expected: &str) -> Self {
        Self::WrongSecret {
            name: name.to_owned(),
            expected: expected.to_owned(),
        }
    }
}
