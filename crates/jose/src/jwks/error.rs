//! Why a set is refused, and why no key of it may verify a token.

use thiserror::Error;

use crate::JsonError;

/// Why a whole JWK Set is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwksError {
    /// Longer than [`MAX_JWKS_BYTES`](crate::MAX_JWKS_BYTES).
    #[error("the key set must not be longer than {} bytes", super::MAX_JWKS_BYTES)]
    TooLarge,
    /// The set is not a JSON object that may be read.
    #[error("the key set cannot be read: {0}")]
    Json(#[source] JsonError),
    /// `keys` is missing or not an array.
    #[error("the key set must have the member \"keys\", an array")]
    KeysMissing,
    /// More than [`MAX_KEYS`](crate::MAX_KEYS).
    #[error("the key set must not have more than {} keys", super::MAX_KEYS)]
    TooManyKeys,
    /// Secrets and public keys in one set.
    #[error("the key set mixes shared secrets with public keys: publish public keys alone")]
    MixedSymmetry,
    /// Two keys for signatures, usable or refused, have the same `kid`.
    #[error("the key set has two keys for signatures with the same \"kid\": give each its own")]
    DuplicateKid,
}

impl JwksError {
    /// The section of the specification that this refusal enforces.
    #[must_use]
    pub const fn reference(&self) -> &'static str {
        match self {
            Self::TooLarge | Self::TooManyKeys => "RFC 8259 section 9",
            Self::Json(JsonError::DuplicateMember) => "RFC 7517 section 5",
            Self::Json(error) => error.reference(),
            Self::KeysMissing => "RFC 7517 section 5.1",
            Self::MixedSymmetry => "RFC 8725 section 2.1",
            Self::DuplicateKid => "RFC 7517 section 4.5",
        }
    }
}

/// Why no key of a set may verify a token. No variant holds what the token said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeySelectionError {
    /// No key has the token's `kid`. After a rotation, a newer set may have it.
    #[error("no key of the issuer has the token's \"kid\": the issuer does not publish the key")]
    UnknownKid,
    /// The key with the token's `kid` is for another algorithm.
    #[error("the key with the token's \"kid\" is not for the token's algorithm")]
    AlgorithmMismatch,
    /// The token has no `kid` and no key is for its algorithm.
    #[error("the issuer has no key for the token's algorithm")]
    NoKeyForAlgorithm,
    /// The token has no `kid` and several keys are for its algorithm.
    #[error("several keys are for the token's algorithm: have the issuer put a \"kid\" in tokens")]
    Ambiguous,
}

impl KeySelectionError {
    /// The section of the specification that this refusal enforces.
    #[must_use]
    pub const fn reference(&self) -> &'static str {
        match self {
            Self::UnknownKid => "RFC 7515 section 4.1.4",
            Self::AlgorithmMismatch | Self::NoKeyForAlgorithm => "RFC 8725 section 3.1",
            Self::Ambiguous => "RFC 7515 section 6",
        }
    }
}
