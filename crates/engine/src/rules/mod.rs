//! The built-in rules of an operation, one file each.

mod authentication;
mod groups;
mod permission;
mod scopes;
mod sender_constraint;

use std::borrow::Cow;

use portcullis_model::{Attribute, Challenge, ReasonCode};

pub(crate) use authentication::AuthenticationRule;
pub(crate) use groups::GroupRule;
pub(crate) use permission::PermissionRule;
pub(crate) use scopes::{ScopeRule, is_scope_token};
pub(crate) use sender_constraint::SenderConstraintRule;

use crate::claims::AccessToken;

/// One built-in check on a verified token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    /// Scopes.
    Scopes(ScopeRule),
    /// Group membership.
    Groups(GroupRule),
    /// A permission.
    Permission(PermissionRule),
    /// How and how long ago the user authenticated.
    Authentication(AuthenticationRule),
    /// What the token is bound to.
    SenderConstraint(SenderConstraintRule),
}

impl Rule {
    /// The name in a policy and in a trace.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Scopes(_) => "scopes",
            Self::Groups(_) => "groups",
            Self::Permission(_) => "permission",
            Self::Authentication(_) => "authentication",
            Self::SenderConstraint(_) => "sender_constraint",
        }
    }

    /// Whether the token satisfies the rule.
    pub(crate) fn check(&self, token: &AccessToken<'_>) -> Result<(), Box<Refusal>> {
        match self {
            Self::Scopes(rule) => rule.check(token),
            Self::Groups(rule) => rule.check(token),
            Self::Permission(rule) => rule.check(token),
            Self::Authentication(rule) => rule.check(token),
            Self::SenderConstraint(rule) => rule.check(token),
        }
    }

    /// Whether the rule, which holds now, may stop holding for the same token within that time (in
    /// seconds).
    pub(crate) fn may_change_within(&self, token: &AccessToken<'_>, seconds: u64) -> bool {
        match self {
            Self::Scopes(_) | Self::Groups(_) | Self::Permission(_) | Self::SenderConstraint(_) => {
                false
            }
            Self::Authentication(rule) => rule.may_change_within(token, seconds),
        }
    }

    /// The claims that it looks at.
    pub(crate) fn attributes(&self, token: &AccessToken<'_>) -> Vec<Attribute> {
        let claim = |name: &'static str| Attribute::describe(name, token.claims().get(name));
        match self {
            Self::Scopes(_) => vec![Attribute::describe("scope", token.scope_claim())],
            Self::Groups(_) => vec![Attribute::describe("groups", token.groups())],
            Self::Permission(_) => vec![Attribute::describe("permissions", token.permissions())],
            Self::Authentication(_) => vec![claim("acr"), claim("auth_time")],
            Self::SenderConstraint(_) => vec![claim("cnf")],
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
