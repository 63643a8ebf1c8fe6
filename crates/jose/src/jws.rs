//! JWS compact serialization (RFC 7515 section 3.1): parsing and verification.
//!
//! Parsing refuses everything that is malformed, ambiguous or meant for another mechanism, before
//! any key is looked at. Verification then has one question left: does the signature match?

mod error;
mod header;

use std::fmt;

pub use error::{JwsError, Part, VerifyError};
use header::Header;

use crate::json::{JsonLimits, parse_object};
use crate::{Algorithm, JsonObject, Jwk, Jwks, base64url};

/// The longest token that is looked at: more than the 10 KiB of headers that API Gateway lets
/// through.
pub const MAX_JWS_BYTES: usize = 16 * 1024;

/// A well-formed token whose signature has **not** been checked.
///
/// Its parts may be read to find out which issuer's keys to verify it with; nothing else may
/// depend on them before [`verify`](Self::verify) has returned a [`VerifiedJws`].
pub struct CompactJws<'t, P = JsonObject> {
    signing_input: &'t str,
    header: Header,
    payload: P,
    signature: Vec<u8>,
}

impl<'t> CompactJws<'t> {
    /// Parses a token whose payload is a JSON object, as in a JWT (RFC 7519 section 7.2).
    ///
    /// The members `jku`, `jwk`, `x5u`, `x5c` and `x5t` of the header are ignored: whoever made
    /// the token chose them, so they never choose a key and are never fetched (RFC 8725 section
    /// 3.10).
    pub fn parse(token: &'t str) -> Result<Self, JwsError> {
        parse(token, |text, scratch| {
            base64url::decode_into(text, scratch).map_err(|_| JwsError::Base64 {
                part: Part::Payload,
            })?;
            parse_object(scratch, PAYLOAD_LIMITS).map_err(JwsError::PayloadJson)
        })
    }
}

impl<'t> CompactJws<'t, Vec<u8>> {
    /// Parses a token whose payload is any sequence of octets (RFC 7515 section 2, "JWS Payload").
    pub fn parse_octets(token: &'t str) -> Result<Self, JwsError> {
        parse(token, |text, _| {
            base64url::decode(text).map_err(|_| JwsError::Base64 {
                part: Part::Payload,
            })
        })
    }
}

impl<P> CompactJws<'_, P> {
    /// Checks the signature with `key` (RFC 7515 section 5.2, step 8). The token's algorithm must
    /// be one that the key is for (RFC 8725 section 3.1).
    pub fn verify<'j>(&'j self, key: &'j Jwk) -> Result<VerifiedJws<'j, P>, VerifyError> {
        let verifying_key = key
            .verifying_key(self.alg())
            .ok_or(VerifyError::AlgorithmMismatch)?;
        if self
            .alg()
            .signature_len()
            .is_some_and(|length| length != self.signature.len())
        {
            return Err(VerifyError::Signature);
        }
        verifying_key
            .verify(self.signing_input.as_bytes(), &self.signature)
            .map_err(|_| VerifyError::Signature)?;
        Ok(VerifiedJws {
            header: &self.header,
            payload: &self.payload,
            key,
        })
    }

    /// Finds the key in `keys` by the token's `kid` and `alg` and checks the signature with it.
    pub fn verify_with<'j>(&'j self, keys: &'j Jwks) -> Result<VerifiedJws<'j, P>, VerifyError> {
        self.verify(keys.find(self.kid(), self.alg())?)
    }

    /// The algorithm that the token says it is signed with (RFC 7515 section 4.1.1).
    #[must_use]
    pub const fn alg(&self) -> Algorithm {
        self.header.alg
    }

    /// The name of the key (RFC 7515 section 4.1.4): text to compare, never a path or a query.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.text("kid")
    }

    /// The media type of the token (RFC 7515 section 4.1.9), as written.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.header.text("typ")
    }

    /// The whole header. Here it is only ever shown; the one member with a lawful reader is the
    /// `jwk` of a DPoP proof (RFC 9449 section 4.2), for [`Jwk::from_object`].
    #[must_use]
    pub const fn header(&self) -> &JsonObject {
        &self.header.members
    }

    /// The payload, unverified.
    #[must_use]
    pub const fn payload(&self) -> &P {
        &self.payload
    }

    /// The payload, unverified, for a caller who is done with the token.
    #[must_use]
    pub fn into_payload(self) -> P {
        self.payload
    }

    /// What is signed: header and payload as they were sent (RFC 7515 section 2, "JWS Signing
    /// Input").
    #[must_use]
    pub const fn signing_input(&self) -> &str {
        self.signing_input
    }
}

impl<P> fmt::Debug for CompactJws<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompactJws")
            .field("alg", &self.alg())
            .finish_non_exhaustive()
    }
}

/// A token whose signature has been checked, and the key that did it.
///
/// There is no other way to make one than [`CompactJws::verify`], so a function that takes it
/// cannot be called with an unverified token.
pub struct VerifiedJws<'j, P = JsonObject> {
    header: &'j Header,
    payload: &'j P,
    key: &'j Jwk,
}

impl<'j, P> VerifiedJws<'j, P> {
    /// The algorithm of the signature (RFC 7515 section 4.1.1).
    #[must_use]
    pub const fn alg(&self) -> Algorithm {
        self.header.alg
    }

    /// The name of the key, if the token gives one (RFC 7515 section 4.1.4).
    #[must_use]
    pub fn kid(&self) -> Option<&'j str> {
        self.header.text("kid")
    }

    /// The media type of the token (RFC 7515 section 4.1.9), as written.
    #[must_use]
    pub fn typ(&self) -> Option<&'j str> {
        self.header.text("typ")
    }

    /// The payload.
    #[must_use]
    pub const fn payload(&self) -> &'j P {
        self.payload
    }

    /// The key that verified the signature.
    #[must_use]
    pub const fn key(&self) -> &'j Jwk {
        self.key
    }
}

impl<P> Clone for VerifiedJws<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for VerifiedJws<'_, P> {}

impl<P> fmt::Debug for VerifiedJws<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedJws")
            .field("alg", &self.alg())
            .finish_non_exhaustive()
    }
}

/// Claims may be deep and many (groups, entitlements, RFC 9396 authorization details).
pub(crate) const PAYLOAD_LIMITS: JsonLimits = JsonLimits {
    depth: 16,
    values: 2048,
};

fn parse<P>(
    token: &str,
    read_payload: impl FnOnce(&str, &mut Vec<u8>) -> Result<P, JwsError>,
) -> Result<CompactJws<'_, P>, JwsError> {
    if token.len() > MAX_JWS_BYTES {
        return Err(JwsError::TooLarge);
    }
    if token.trim_start().starts_with('{') {
        return Err(JwsError::JsonSerialization);
    }
    let Parts {
        signing_input,
        header,
        payload,
        signature,
    } = Parts::split(token)?;

    // One buffer for the three parts; what remains in it at the end is the signature.
    let mut scratch = Vec::with_capacity(token.len());
    base64url::decode_into(header, &mut scratch)
        .map_err(|_| JwsError::Base64 { part: Part::Header })?;
    let header = Header::from_json(&scratch)?;
    if signature.is_empty() {
        return Err(JwsError::MissingSignature);
    }
    let payload = read_payload(payload, &mut scratch)?;
    base64url::decode_into(signature, &mut scratch).map_err(|_| JwsError::Base64 {
        part: Part::Signature,
    })?;
    Ok(CompactJws {
        signing_input,
        header,
        payload,
        signature: scratch,
    })
}

/// The three parts, and the first two together.
struct Parts<'t> {
    signing_input: &'t str,
    header: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Parts<'t> {
    fn split(token: &'t str) -> Result<Self, JwsError> {
        let (header, rest) = token.split_once('.').ok_or(JwsError::PartCount)?;
        let (payload, signature) = rest.split_once('.').ok_or(JwsError::PartCount)?;
        match signature.split('.').count() {
            1 => {}
            3 => return Err(JwsError::Encrypted),
            _ => return Err(JwsError::PartCount),
        }
        let signing_input = token
            .get(..header.len() + 1 + payload.len())
            .ok_or(JwsError::PartCount)?;
        Ok(Self {
            signing_input,
            header,
            payload,
            signature,
        })
    }
}
