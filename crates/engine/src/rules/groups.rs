//! Rule `groups`: the subject is a member of one or more of the named groups.
//!
//! Reason code: `missing_group`, 403. No challenge: another token would not help.

use portcullis_model::ReasonCode;

use super::Refusal;
use crate::claims::AccessToken;

/// Groups of which the subject needs one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct GroupRule {
    any_of: Vec<String>,
    message: String,
}

impl GroupRule {
    /// A rule on at least one group.
    pub(crate) fn new(any_of: Vec<String>) -> Self {
        let message = format!("the subject is in none of the groups {}", any_of.join(", "));
        Self { any_of, message }
    }

    pub(crate) fn check(&self, token: &AccessToken<'_>) -> Result<(), Box<Refusal>> {
        if self.any_of.iter().any(|group| token.in_group(group)) {
            return Ok(());
        }
        Err(Box::new(Refusal {
            status: 403,
            code: ReasonCode::MissingGroup,
            message: self.message.clone().into(),
            challenge: None,
        }))
    }
}
