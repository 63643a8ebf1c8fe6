//! The claims of an access token whose signature has been verified (RFC 9068 section 4, RFC 7519
//! section 4.1), under the profile of its issuer.

use portcullis_model::ReasonCode;
use serde_json::{Map, Value};

use crate::policy_set::TokenIssuer;
use crate::profile::Profile;

/// How far the clocks of issuer and enforcement point may differ, in seconds.
const LEEWAY: f64 = 5.0;

/// The claims of a token that is genuine, meant for this API, and valid now.
#[derive(Clone, Copy)]
pub struct AccessToken<'token> {
    claims: &'token Map<String, Value>,
    profile: Profile,
}

impl<'token> AccessToken<'token> {
    /// Checks the claims of a token of that issuer at that time (seconds since 1970).
    ///
    /// The caller has verified the signature with a key of the issuer.
    pub(crate) fn check(
        claims: &'token Map<String, Value>,
        typ: Option<&str>,
        issuer: &TokenIssuer,
        now: u64,
    ) -> Result<Self, InvalidClaims> {
        let profile = issuer.profile;
        if !profile.accepts_typ(typ) {
            return Err(InvalidClaims::Type);
        }
        if text(claims, "iss")? != issuer.issuer.as_str() {
            return Err(InvalidClaims::Issuer);
        }
        check_audience(claims, issuer)?;
        check_times(claims, profile, now)?;
        for name in profile.required() {
            text(claims, name)?;
        }
        if let Some((name, mark)) = profile.access_token_mark()
            && text(claims, name)? != mark
        {
            return Err(InvalidClaims::Type);
        }
        let token = Self { claims, profile };
        token.check_lists()?;
        // Proof of possession is not checked in this version, and a bound token without it is
        // worth nothing (RFC 9449 section 7.1, RFC 8705 section 3).
        if claims.contains_key("cnf") {
            return Err(InvalidClaims::Bound);
        }
        Ok(token)
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
        let groups = self
            .claims
            .get(self.profile.groups_claim())
            .and_then(Value::as_array);
        groups.is_some_and(|groups| groups.iter().any(|group| group == wanted))
    }

    fn scope_claim(&self) -> Option<&'token Value> {
        self.profile
            .scope_claims()
            .iter()
            .find_map(|name| self.claims.get(*name))
    }

    /// Scopes are a string or an array of strings, groups an array of strings.
    fn check_lists(&self) -> Result<(), InvalidClaims> {
        match self.scope_claim() {
            None | Some(Value::String(_)) => {}
            Some(Value::Array(scopes)) if scopes.iter().all(Value::is_string) => {}
            Some(_) => {
                return Err(InvalidClaims::NotAList {
                    name: "scope or scp",
                });
            }
        }
        match self.claims.get(self.profile.groups_claim()) {
            None => Ok(()),
            Some(Value::Array(groups)) if groups.iter().all(Value::is_string) => Ok(()),
            Some(_) => Err(InvalidClaims::NotAList {
                name: self.profile.groups_claim(),
            }),
        }
    }
}

fn check_audience(claims: &Map<String, Value>, issuer: &TokenIssuer) -> Result<(), InvalidClaims> {
    let ours = |audience: &str| issuer.audiences.iter().any(|known| known == audience);
    let meant_for_us = match claims.get("aud") {
        Some(Value::String(audience)) => ours(audience),
        Some(Value::Array(audiences))
            if !audiences.is_empty() && audiences.iter().all(Value::is_string) =>
        {
            audiences.iter().filter_map(Value::as_str).any(ours)
        }
        None if issuer.profile.client_is_audience() => ours(text(claims, "client_id")?),
        None => return Err(InvalidClaims::Missing { name: "aud" }),
        Some(_) => return Err(InvalidClaims::NotAList { name: "aud" }),
    };
    if meant_for_us {
        Ok(())
    } else {
        Err(InvalidClaims::Audience)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a NumericDate may have a fraction; seconds fit 52 bits"
)]
fn check_times(
    claims: &Map<String, Value>,
    profile: Profile,
    now: u64,
) -> Result<(), InvalidClaims> {
    let now = now as f64;
    let expires = time(claims, "exp")?.ok_or(InvalidClaims::Missing { name: "exp" })?;
    if now >= expires + LEEWAY {
        return Err(InvalidClaims::Expired);
    }
    let issued = time(claims, "iat")?;
    if issued.is_none() && profile == Profile::Rfc9068 {
        return Err(InvalidClaims::Missing { name: "iat" });
    }
    let starts = time(claims, "nbf")?;
    if [issued, starts]
        .into_iter()
        .flatten()
        .any(|start| start > now + LEEWAY)
    {
        return Err(InvalidClaims::NotYetValid);
    }
    Ok(())
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
    #[error("the token is not an access token (RFC 9068 section 2.1)")]
    Type,
    /// `iss` is not the issuer whose key verified the token.
    #[error("the token comes from another issuer (RFC 9068 section 4)")]
    Issuer,
    /// `aud` does not name this API.
    #[error("the token is meant for another audience (RFC 9068 section 4)")]
    Audience,
    /// `exp` has passed.
    #[error("the token has expired (RFC 7519 section 4.1.4)")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("the token is not valid yet (RFC 7519 section 4.1.5)")]
    NotYetValid,
    /// `cnf` is there.
    #[error(
        "the token is bound to a key of the client and was sent without proof of it (RFC 9449 section 7.1)"
    )]
    Bound,
    /// A required claim is not there.
    #[error("the token has no claim {name} (RFC 9068 section 2.2)")]
    Missing {
        /// The claim.
        name: &'static str,
    },
    /// A claim that must be a string that is not empty.
    #[error("claim {name} is not a text (RFC 7519 section 4.1)")]
    NotText {
        /// The claim.
        name: &'static str,
    },
    /// A claim that must be a `NumericDate`.
    #[error("claim {name} is not a number of seconds (RFC 7519 section 2)")]
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
