//! The access token of a request, from its `Authorization` header (RFC 6750 section 2.1, RFC 9449
//! section 7.1).
//!
//! The two other ways of RFC 6750, form body and query parameter, are not read: the first never
//! reaches an authorizer and RFC 9700 section 4.3.2 forbids the second.

use std::fmt;

use portcullis_jose::{CryptoProvider, base64url_decode};
use portcullis_model::{ApiRequest, ChallengeScheme, ReasonCode};

/// An access token as it was sent.
#[derive(Clone, Copy)]
pub(crate) struct SentToken<'request> {
    /// Under which scheme: `Bearer` or `DPoP`.
    pub(crate) scheme: ChallengeScheme,
    /// The token.
    pub(crate) text: &'request str,
}

impl SentToken<'_> {
    /// Whether it has the three parts of a signed JWT, of which the first is an object (RFC 7515
    /// section 3.1). Any other token is opaque to everyone but its issuer.
    pub(crate) fn has_jws_form(&self) -> bool {
        let mut parts = self.text.split('.');
        let header = parts.next().and_then(base64url_decode);
        header.is_some_and(|header| header.first() == Some(&b'{')) && parts.count() == 2
    }
}

/// The SHA-256 digest of an access token: what it is known by in caches, so that no cache holds
/// tokens, and what a DPoP proof names as `ath` (RFC 9449 section 4.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of that token.
    #[must_use]
    pub fn of(token: &str, crypto: &dyn CryptoProvider) -> Self {
        Self(crypto.sha256(token.as_bytes()))
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// The access token, or `None` where the request carries no `Authorization` at all.
///
/// The request has been screened, so that there is at most one header.
pub(crate) fn token(request: &ApiRequest) -> Result<Option<SentToken<'_>>, ReasonCode> {
    let Ok(authorization) = request.authorization() else {
        return Err(ReasonCode::AmbiguousAuthorization);
    };
    let Some(authorization) = authorization else {
        return Ok(None);
    };
    let (scheme, text) = authorization
        .split_once(' ')
        .ok_or(ReasonCode::UnsupportedAuthorization)?;
    let text = text.trim_start_matches(' ');
    let scheme = if scheme.eq_ignore_ascii_case("bearer") {
        ChallengeScheme::Bearer
    } else if scheme.eq_ignore_ascii_case("dpop") {
        ChallengeScheme::Dpop
    } else {
        return Err(ReasonCode::UnsupportedAuthorization);
    };
    if text.is_empty() || !is_b64token(text) {
        return Err(ReasonCode::UnsupportedAuthorization);
    }
    Ok(Some(SentToken { scheme, text }))
}

/// Whether these are the characters of `b64token` (RFC 6750 section 2.1), which are those of `token68`
/// (RFC 9110 section 11.2). All are looked at, so that the compiler can look at many at once.
fn is_b64token(token: &str) -> bool {
    token.bytes().fold(true, |so_far, byte| {
        so_far
            & (byte.is_ascii_alphanumeric()
                | matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'='))
    })
}
