//! Rule `scopes`: the token was granted any or all of the named scopes (RFC 6749 section 3.3).
//!
//! Reason code: `insufficient_scope`, 403 with the scopes that would do in the challenge (RFC
//! 6750 section 3.1).

use portcullis_model::{Challenge, ChallengeError, ReasonCode};

use super::Refusal;
use crate::claims::AccessToken;

/// Scopes that a token needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ScopeRule {
    any_of: Vec<String>,
    all_of: Vec<String>,
    /// The scopes that would do, as the challenge names them.
    wanted: String,
    message: String,
}

impl ScopeRule {
    /// A rule on scopes that are valid scope tokens; at least one list has an element.
    pub(crate) fn new(any_of: Vec<String>, all_of: Vec<String>) -> Self {
        // RFC 6750 section 3.1 names the scopes "necessary"; where any of several would do, all of
        // them are named, as API Gateway's own JWT authorizer and Spring Security do.
        let wanted = all_of
            .iter()
            .chain(&any_of)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ");
        let message = match (any_of.as_slice(), all_of.as_slice()) {
            ([], all) => format!(
                "the token lacks one of the scopes that are all needed: {}",
                all.join(", ")
            ),
            (any, []) => format!(
                "the token has none of the scopes of which one is needed: {}",
                any.join(", ")
            ),
            (any, all) => format!(
                "the token needs all of the scopes {} and one of {}",
                all.join(", "),
                any.join(", ")
            ),
        };
        Self {
            any_of,
            all_of,
            wanted,
            message,
        }
    }

    /// Every scope that it names.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.any_of.iter().chain(&self.all_of).map(String::as_str)
    }

    pub(crate) fn check(&self, token: &AccessToken<'_>) -> Result<(), Box<Refusal>> {
        let all = self.all_of.iter().all(|scope| token.has_scope(scope));
        let any = self.any_of.is_empty() || self.any_of.iter().any(|scope| token.has_scope(scope));
        if all && any {
            return Ok(());
        }
        Err(Box::new(Refusal {
            status: 403,
            code: ReasonCode::InsufficientScope,
            message: self.message.clone().into(),
            challenge: Some(Challenge {
                error: Some(ChallengeError::InsufficientScope),
                scope: Some(self.wanted.clone()),
                ..Challenge::default()
            }),
        }))
    }
}

/// Whether a name is a scope token (RFC 6749 section 3.3).
pub(crate) fn is_scope_token(scope: &str) -> bool {
    !scope.is_empty()
        && scope
            .bytes()
            .all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~'))
}
