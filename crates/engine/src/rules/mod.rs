//! The built-in rules of an operation, one file each.

mod authentication;
mod groups;
mod scopes;

use std::borrow::Cow;

use portcullis_model::{Challenge, ReasonCode};

pub(crate) use authentication::AuthenticationRule;
pub(crate) use groups::GroupRule;
pub(crate) use scopes::{ScopeRule, is_scope_token};

use crate::claims::AccessToken;

/// One built-in check on a verified token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Scopes.
    Scopes(ScopeRule),
    /// Group membership.
    Groups(GroupRule),
    /// How and how long ago the user authenticated.
    Authentication(AuthenticationRule),
}

impl Rule {
    /// The name in a policy and in a trace.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Scopes(_) => "scopes",
            Self::Groups(_) => "groups",
            Self::Authentication(_) => "authentication",
        }
    }

    /// Whether the token satisfies the rule.
    pub(crate) fn check(&self, token: &AccessToken<'_>) -> Result<(), Box<Refusal>> {
        match self {
            Self::Scopes(rule) => rule.check(token),
            Self::Groups(rule) => rule.check(token),
            Self::Authentication(rule) => rule.check(token),
        }
    }
}

/// Why a rule does not hold, and what the client is told.
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: ReasonCode,
    pub(crate) message: Cow<'static, str>,
    pub(crate) challenge: Option<Challenge>,
}
