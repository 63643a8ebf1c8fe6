//! Rule `authentication`: how and how long ago the user authenticated (RFC 9470).
//!
//! Reason code: `insufficient_user_authentication`, 401 with a challenge that names what would do
//! (RFC 9470 section 3), so that the client can send the user to authenticate again.

use portcullis_model::{Challenge, ChallengeError, ReasonCode};

use super::Refusal;
use crate::claims::AccessToken;

/// What the authentication behind a token must have been.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct AuthenticationRule {
    /// Authentication context classes of which `acr` must name one; none where any will do.
    acr_values: Vec<String>,
    /// The most seconds since `auth_time`.
    max_age: Option<u64>,
}

impl AuthenticationRule {
    /// A rule that asks for at least one of the two.
    pub(crate) fn new(acr_values: Vec<String>, max_age: Option<u64>) -> Self {
        Self {
            acr_values,
            max_age,
        }
    }

    /// Whether what holds now stops holding with time.
    pub(crate) const fn grows_old(&self) -> bool {
        self.max_age.is_some()
    }

    /// Whether the authentication grows too old within that time (in seconds).
    pub(crate) fn may_change_within(&self, token: &AccessToken<'_>, seconds: u64) -> bool {
        let age = token.seconds_since_authentication().unwrap_or(u64::MAX);
        self.max_age
            .is_some_and(|max_age| age.saturating_add(seconds) > max_age)
    }

    pub(crate) fn check(&self, token: &AccessToken<'_>) -> Result<(), Box<Refusal>> {
        let strong_enough = self.acr_values.is_empty()
            || self.acr_values.iter().any(|acr| token.acr() == Some(acr));
        let recent_enough = self.max_age.is_none_or(|max_age| {
            token
                .seconds_since_authentication()
                .is_some_and(|age| age <= max_age)
        });
        let message = match (strong_enough, recent_enough) {
            (true, true) => return Ok(()),
            (false, _) => "A different authentication level is required",
            (true, false) => "More recent authentication is required",
        };
        Err(Box::new(Refusal {
            status: 401,
            code: ReasonCode::InsufficientUserAuthentication,
            message: message.into(),
            challenge: Some(Challenge {
                error: Some(ChallengeError::InsufficientUserAuthentication),
                acr_values: (!self.acr_values.is_empty()).then(|| self.acr_values.join(" ")),
                max_age: self.max_age,
                ..Challenge::default()
            }),
        }))
    }
}
