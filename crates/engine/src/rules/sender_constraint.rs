//! Rule `sender_constraint`: the token is bound to a DPoP key, to a client certificate, or to either
//! (RFC 9449, RFC 8705).
//!
//! Reason code: `sender_constraint_unmet`, 401. That a bound token was sent by whoever holds its key
//! is checked before any rule; this rule only asks that it be bound.

use portcullis_model::{Challenge, ChallengeError, ChallengeScheme, ReasonCode};

use super::Refusal;
use crate::claims::AccessToken;

/// What a token must be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SenderConstraintRule {
    /// A DPoP key.
    Dpop,
    /// A client certificate.
    Mtls,
    /// One of the two.
    Any,
}

impl SenderConstraintRule {
    /// Every rule with its name in a policy.
    pub(crate) const ALL: [(&'static str, Self); 3] = [
        ("dpop", Self::Dpop),
        ("mtls", Self::Mtls),
        ("any", Self::Any),
    ];

    pub(crate) fn check(self, token: &AccessToken<'_>) -> Result<(), Box<Refusal>> {
        let confirmation = token.confirmation().unwrap_or_default();
        let (dpop, mtls) = (confirmation.jkt.is_some(), confirmation.x5t_s256.is_some());
        let (bound, message) = match self {
            Self::Dpop => (dpop, "the token is not bound to a DPoP key"),
            Self::Mtls => (mtls, "the token is not bound to a client certificate"),
            Self::Any => (
                dpop || mtls,
                "the token is bound neither to a DPoP key nor to a client certificate",
            ),
        };
        if bound {
            return Ok(());
        }
        Err(Box::new(Refusal {
            status: 401,
            code: ReasonCode::SenderConstraintUnmet,
            message: message.into(),
            challenge: Some(Challenge {
                scheme: self.scheme(),
                error: Some(ChallengeError::InvalidToken),
                ..Challenge::default()
            }),
        }))
    }

    /// The scheme under which a token that satisfies the rule is sent.
    pub(crate) const fn scheme(self) -> ChallengeScheme {
        match self {
            Self::Dpop => ChallengeScheme::Dpop,
            Self::Mtls | Self::Any => ChallengeScheme::Bearer,
        }
    }
}
