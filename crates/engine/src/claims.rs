//! The claims of an access token whose signature has been verified (RFC 9068 section 4, RFC 7519
//! section 4.1), under the profile of its issuer.

mod checks;

use portcullis_model::{FollowUp, ReasonCode};
use serde_json::{Map, Value};

use self::checks::{
    CHECKS, Subject, check_audience, check_confirmation, check_expiry, check_issuer, check_lists,
    check_start, seconds,
};
use crate::policy_set::TokenIssuer;

/// The claims of a token that is genuine, meant for this API, and valid now.
#[derive(Clone, Copy)]
pub struct AccessToken<'token> {
    claims: &'token Map<String, Value>,
    scope_claims: &'static [&'static str],
    issuer: &'token TokenIssuer,
    now: u64,
}

impl<'token> AccessToken<'token> {
    /// Checks the claims of a JWT of that issuer at that time (seconds since 1970).
    ///
    /// The caller has verified the signature with a key of the issuer.
    pub(crate) fn check(
        claims: &'token Map<String, Value>,
        typ: Option<&str>,
        issuer: &'token TokenIssuer,
        now: u64,
    ) -> Result<Self, InvalidClaims> {
        let subject = Subject {
            claims,
            typ,
            issuer,
            now,
        };
        CHECKS.iter().try_for_each(|check| check(&subject))?;
        Ok(Self::of(claims, issuer.profile.scope_claims(), issuer, now))
    }

    /// Checks what the issuer answered when it was asked about an opaque token that it says is
    /// active (RFC 7662 section 4): as the claims of a JWT, but for what only a JWT has.
    pub(crate) fn check_introspected(
        claims: &'token Map<String, Value>,
        issuer: &'token TokenIssuer,
        now: u64,
    ) -> Result<Self, InvalidClaims> {
        let subject = Subject {
            claims,
            typ: None,
            issuer,
            now,
        };
        if claims.contains_key("iss") {
            check_issuer(&subject)?;
        }
        let without_audience = issuer
            .introspection
            .as_ref()
            .is_some_and(|introspection| introspection.audience_optional);
        if claims.contains_key("aud") || !without_audience {
            check_audience(&subject)?;
        }
        if claims.contains_key("exp") {
            check_expiry(&subject)?;
        }
        check_start(&subject, false)?;
        check_lists(&subject, INTROSPECTED_SCOPE)?;
        check_confirmation(&subject)?;
        Ok(Self::of(claims, INTROSPECTED_SCOPE, issuer, now))
    }

    pub(crate) fn of(
        claims: &'token Map<String, Value>,
        scope_claims: &'static [&'static str],
        issuer: &'token TokenIssuer,
        now: u64,
    ) -> Self {
        Self {
            claims,
            scope_claims,
            issuer,
            now,
        }
    }

    /// Everything that is wrong with the claims of a token, for people who ask why it is refused.
    /// Empty exactly where the engine would accept the claims.
    #[must_use]
    pub fn findings(
        claims: &Map<String, Value>,
        typ: Option<&str>,
        issuer: &TokenIssuer,
        now: u64,
    ) -> Vec<InvalidClaims> {
        let subject = Subject {
            claims,
            typ,
            issuer,
            now,
        };
        CHECKS
            .iter()
            .filter_map(|check| check(&subject).err())
            .collect()
    }

    /// Whom the token speaks for.
    #[must_use]
    pub fn subject(&self) -> Option<&'token str> {
        self.claims.get("sub").and_then(Value::as_str)
    }

    /// Whether the token was granted that scope.
    #[must_use]
    pub fn has_scope(&self, wanted: &str) -> bool {
        match self.scope_claim() {
            Some(Value::String(scopes)) => scopes.split(' ').any(|scope| scope == wanted),
            Some(Value::Array(scopes)) => scopes.iter().any(|scope| scope == wanted),
            _ => false,
        }
    }

    /// Whether the subject is in that group.
    #[must_use]
    pub fn in_group(&self, wanted: &str) -> bool {
        let groups = self.groups().and_then(Value::as_array);
        groups.is_some_and(|groups| groups.iter().any(|group| group == wanted))
    }

    /// Whether the subject holds that permission.
    #[must_use]
    pub fn has_permission(&self, wanted: &str) -> bool {
        let held = self.permissions().and_then(Value::as_array);
        held.is_some_and(|held| held.iter().any(|permission| permission == wanted))
    }

    /// What a decision on the response needs to know of it.
    pub(crate) fn follow_up(&self) -> FollowUp {
        FollowUp::Token {
            issuer: self.issuer.issuer.to_string(),
            claims: self.claims.clone(),
        }
    }

    /// Every claim.
    pub(crate) const fn claims(&self) -> &'token Map<String, Value> {
        self.claims
    }

    /// The scopes, in the order of the token.
    pub(crate) fn scopes(&self) -> Vec<&'token str> {
        match self.scope_claim() {
            Some(Value::String(scopes)) => {
                scopes.split(' ').filter(|one| !one.is_empty()).collect()
            }
            Some(Value::Array(scopes)) => scopes.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The claim that holds the groups: its name and its value.
    pub(crate) fn groups(&self) -> Option<&'token Value> {
        groups_claim(self.claims, self.issuer).1
    }

    /// The claim that holds the permissions.
    pub(crate) fn permissions(&self) -> Option<&'token Value> {
        match &self.issuer.permissions {
            Some(path) => path.find(self.claims),
            None => self.claims.get(PERMISSIONS_CLAIM),
        }
    }

    /// The authentication context class, where the token names one (RFC 9068 section 2.2.1).
    #[must_use]
    pub fn acr(&self) -> Option<&'token str> {
        self.claims.get("acr").and_then(Value::as_str)
    }

    /// How long ago the user authenticated, in whole seconds; `None` where the token does not say
    /// or names a time that has not come yet (RFC 9470 section 5).
    #[must_use]
    pub fn seconds_since_authentication(&self) -> Option<u64> {
        let age = seconds(self.now) - time(self.claims, "auth_time").ok()??;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the age is checked not to be negative, and a cast of a float saturates"
        )]
        (age >= -seconds(self.issuer.leeway)).then(|| age.max(0.0).ceil() as u64)
    }

    /// Whether it is bound to a key or a certificate, and so not worth anything by itself.
    pub(crate) fn is_bound(&self) -> bool {
        self.confirmation() != Some(Confirmation::default())
    }

    /// The time at which it was checked (seconds since 1970).
    pub(crate) const fn now(&self) -> u64 {
        self.now
    }

    /// How far the clocks of its issuer and of whoever decides may differ, in seconds.
    pub(crate) const fn leeway(&self) -> u64 {
        self.issuer.leeway
    }

    /// What the token is bound to; `None` where it is bound to something that cannot be checked here, which is not the
    /// same as to nothing.
    pub(crate) fn confirmation(&self) -> Option<Confirmation<'token>> {
        Confirmation::of(self.claims)
    }

    /// The claim that holds the scopes.
    pub(crate) fn scope_claim(&self) -> Option<&'token Value> {
        scope_claim(self.claims, self.scope_claims)
    }
}

/// The keys that whoever sends a token has to prove (`cnf`, RFC 7800 section 3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Confirmation<'token> {
    /// The thumbprint of a DPoP key (RFC 9449 section 6.1).
    pub(crate) jkt: Option<&'token str>,
    /// The SHA-256 thumbprint of a client certificate (RFC 8705 section 3.1).
    pub(crate) x5t_s256: Option<&'token str>,
}

impl<'token> Confirmation<'token> {
    /// `None` where `cnf` is there and names anything that cannot be checked here.
    fn of(claims: &'token Map<String, Value>) -> Option<Self> {
        let Some(cnf) = claims.get("cnf") else {
            return Some(Self::default());
        };
        let mut confirmation = Self::default();
        for (name, value) in cnf.as_object()? {
            let thumbprint = value.as_str().filter(|text| !text.is_empty())?;
            match name.as_str() {
                "jkt" => confirmation.jkt = Some(thumbprint),
                "x5t#S256" => confirmation.x5t_s256 = Some(thumbprint),
                _ => return None,
            }
        }
        (confirmation != Self::default()).then_some(confirmation)
    }
}

/// Where the scopes of an introspected token are (RFC 7662 section 2.2).
const INTROSPECTED_SCOPE: &[&str] = &["scope"];

/// Where permissions are if nothing else is set: the name that Auth0 uses.
const PERMISSIONS_CLAIM: &str = "permissions";

/// The name of the claim that holds the groups, and its value.
fn groups_claim<'claims>(
    claims: &'claims Map<String, Value>,
    issuer: &TokenIssuer,
) -> (&'static str, Option<&'claims Value>) {
    if let Some(path) = &issuer.groups {
        return ("groups", path.find(claims));
    }
    let name = issuer.profile.groups_claim();
    (name, claims.get(name))
}

fn scope_claim<'claims>(
    claims: &'claims Map<String, Value>,
    names: &[&str],
) -> Option<&'claims Value> {
    names.iter().find_map(|name| claims.get(*name))
}

fn text<'claims>(
    claims: &'claims Map<String, Value>,
    name: &'static str,
) -> Result<&'claims str, InvalidClaims> {
    match claims.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(_) => Err(InvalidClaims::NotText { name }),
        None => Err(InvalidClaims::Missing { name }),
    }
}

fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<f64>, InvalidClaims> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => match number.as_f64() {
            Some(seconds) if seconds.is_finite() && seconds >= 0.0 => Ok(Some(seconds)),
            _ => Err(InvalidClaims::NotATime { name }),
        },
        Some(_) => Err(InvalidClaims::NotATime { name }),
    }
}

/// Why the claims of a genuine token were refused. Messages name claims, never their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClaims {
    /// The `typ` header or a claim says that this is another kind of token.
    #[error("the token is not an access token")]
    Type,
    /// `iss` is not the issuer whose key verified the token.
    #[error("the token comes from another issuer")]
    Issuer,
    /// `aud` does not name this API.
    #[error("the token is meant for another audience")]
    Audience,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `cnf` names something else than a DPoP key or a client certificate.
    #[error("the token is bound to something that cannot be checked here")]
    Bound,
    /// A required claim is not there.
    #[error("the token has no claim {name}")]
    Missing {
        /// The claim.
        name: &'static str,
    },
    /// A claim that must be a string that is not empty.
    #[error("claim {name} is not a text")]
    NotText {
        /// The claim.
        name: &'static str,
    },
    /// A claim that must be a `NumericDate`.
    #[error("claim {name} is not a number of seconds")]
    NotATime {
        /// The claim.
        name: &'static str,
    },
    /// A claim that must be a text or a list of texts.
    #[error("claim {name} is not a text or a list of texts")]
    NotAList {
        /// The claim.
        name: &'static str,
    },
}

impl InvalidClaims {
    /// The specification that asks for the check.
    #[must_use]
    pub const fn reference(self) -> &'static str {
        match self {
            Self::Type => "RFC 9068 section 2.1",
            Self::Issuer | Self::Audience => "RFC 9068 section 4",
            Self::Expired => "RFC 7519 section 4.1.4",
            Self::NotYetValid => "RFC 7519 sections 4.1.5 and 4.1.6",
            Self::Bound => "RFC 7800 section 3.1",
            Self::Missing { .. } => "RFC 9068 section 2.2",
            Self::NotText { .. } => "RFC 7519 section 4.1",
            Self::NotATime { .. } => "RFC 7519 section 2",
            Self::NotAList { .. } => "RFC 7519 section 4.1.3, RFC 9068 section 2.2.3",
        }
    }

    /// The stable reason code.
    #[must_use]
    pub const fn code(self) -> ReasonCode {
        match self {
            Self::Type => ReasonCode::WrongTokenType,
            Self::Issuer => ReasonCode::UnknownIssuer,
            Self::Audience => ReasonCode::WrongAudience,
            Self::Expired => ReasonCode::TokenExpired,
            Self::NotYetValid => ReasonCode::TokenNotYetValid,
            Self::Bound => ReasonCode::SenderConstraintUnmet,
            Self::Missing { .. }
            | Self::NotText { .. }
            | Self::NotATime { .. }
            | Self::NotAList { .. } => ReasonCode::InvalidClaim,
        }
    }
}
