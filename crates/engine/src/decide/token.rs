//! Whether the token of a request is genuine: a JWT that a key of its issuer has signed, or an opaque token that
//! its issuer knows.

use std::fmt;
use std::sync::Arc;

use portcullis_jose::{CompactJws, VerifyError};
use portcullis_model::ReasonCode;
use serde_json::Value;

use super::{Course, Progress};
use crate::claims::AccessToken;
use crate::credential::{SentToken, TokenHash};
use crate::host::{Introspection, VerifiedToken};
use crate::policy_set::TokenIssuer;

/// An opaque access token, on its way to the issuer that can read it.
#[derive(Clone, PartialEq, Eq)]
pub struct OpaqueToken {
    text: String,
    hash: TokenHash,
}

impl OpaqueToken {
    /// The token itself, a secret.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What it is known by in caches.
    #[must_use]
    pub const fn hash(&self) -> TokenHash {
        self.hash
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpaqueToken([{} bytes])", self.text.len())
    }
}

/// A genuine token, or why there is none.
pub(crate) enum Genuine<'a> {
    Jwt(Arc<VerifiedToken>, &'a TokenIssuer),
    Introspected(Arc<Introspection>, &'a TokenIssuer),
    Not(Box<Progress>),
}

impl<'a> Course<'a> {
    /// Finds out whether the token is one of an issuer that the service trusts.
    pub(crate) fn genuine(&mut self, sent: &SentToken<'_>, hash: TokenHash) -> Genuine<'a> {
        if let Some(known) = self.remembered(&hash) {
            return known;
        }
        if let Some(issuer) = self.service.introspecting_issuer()
            && !sent.has_jws_form()
        {
            return match self.host.introspection(&issuer.issuer, &hash) {
                Some(introspection) => Genuine::Introspected(introspection, issuer),
                None => Genuine::Not(Box::new(Progress::NeedsIntrospection {
                    issuer: issuer.issuer.clone(),
                    token: OpaqueToken {
                        text: sent.text.to_owned(),
                        hash,
                    },
                })),
            };
        }
        let jws = match CompactJws::parse(sent.text) {
            Ok(jws) => jws,
            Err(error) => {
                return Genuine::Not(Box::new(Progress::Decided(
                    self.invalid_token(ReasonCode::MalformedToken, error.to_string()),
                )));
            }
        };
        let named = jws.payload().get("iss").and_then(Value::as_str);
        let Some(issuer) = named.and_then(|name| self.service.issuer(name)) else {
            let message = "the token names no issuer that the API service accepts";
            return Genuine::Not(Box::new(Progress::Decided(
                self.invalid_token(ReasonCode::UnknownIssuer, message),
            )));
        };
        let Some(keys) = self.host.keys(&issuer.issuer) else {
            return Genuine::Not(Box::new(Progress::NeedsKeys {
                issuer: issuer.issuer.clone(),
                otherwise: None,
            }));
        };
        if let Err(error) = jws.verify_with(&keys).map(drop) {
            // The key that is needed may be newer than those that are here, under a new name or
            // under an old one.
            let otherwise = Some(match error {
                VerifyError::Key(_) => {
                    let message = "none of the issuer's keys fits the token";
                    self.invalid_token(ReasonCode::UnknownKey, message)
                }
                error => self.invalid_token(ReasonCode::InvalidSignature, error.to_string()),
            });
            return Genuine::Not(Box::new(Progress::NeedsKeys {
                issuer: issuer.issuer.clone(),
                otherwise,
            }));
        }
        let verified = Arc::new(VerifiedToken {
            typ: jws.typ().map(str::to_owned),
            claims: jws.into_payload(),
            keys,
        });
        // Only what would be accepted now is worth a place.
        let typ = verified.typ.as_deref();
        if AccessToken::check(&verified.claims, typ, issuer, self.now).is_ok()
            && let Some(expires) = verified.claims.get("exp").and_then(Value::as_f64)
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a NumericDate is checked not to be negative, and a cast of a float saturates"
            )]
            let expires = (expires.ceil() as u64).saturating_add(issuer.leeway);
            self.host
                .keep_verified_token(hash, Arc::clone(&verified), expires);
        }
        Genuine::Jwt(verified, issuer)
    }

    /// A token whose signature was verified before with the keys that the issuer still has.
    pub(super) fn remembered(&self, hash: &TokenHash) -> Option<Genuine<'a>> {
        let verified = self.host.verified_token(hash, self.now)?;
        let named = verified.claims.get("iss").and_then(|iss| iss.as_str())?;
        let issuer = self.service.issuer(named)?;
        let keys = self.host.keys(&issuer.issuer)?;
        Arc::ptr_eq(&keys, &verified.keys).then_some(Genuine::Jwt(verified, issuer))
    }
}
