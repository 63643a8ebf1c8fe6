//! Why a key is not imported, and how bad that is.

use thiserror::Error;

use crate::{AlgorithmError, JsonError};

/// Why a JWK cannot verify signatures here. No variant holds any part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwkError {
    /// Longer than [`MAX_JWK_BYTES`](crate::MAX_JWK_BYTES).
    #[error(
        "the key must not be longer than {} bytes of JSON",
        super::MAX_JWK_BYTES
    )]
    TooLarge,
    /// The key is not a JSON object that may be read.
    #[error("the key cannot be read: {0}")]
    Json(#[source] JsonError),
    /// A member has the wrong type.
    #[error("the key's member \"{member}\" must be {expected}")]
    MemberType {
        /// Which member.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A member is missing that the type of the key requires.
    #[error("the key must have the member \"{member}\"")]
    MissingMember {
        /// Which member.
        member: &'static str,
    },
    /// A member is not canonical base64url.
    #[error("the key's member \"{member}\" must be base64url without padding or white space")]
    Base64 {
        /// Which member.
        member: &'static str,
    },
    /// A number is zero or does not use the fewest octets.
    #[error("the key's member \"{member}\" must be a number without leading zero octets")]
    LeadingZero {
        /// Which member.
        member: &'static str,
    },
    /// `kid` is longer than [`MAX_KID_BYTES`](crate::MAX_KID_BYTES).
    #[error(
        "the key's \"kid\" must not be longer than {} bytes",
        super::MAX_KID_BYTES
    )]
    KidTooLong,
    /// `kty` is none of RSA, EC, OKP and oct.
    #[error("the key's type is not one that verifies signatures: use RSA, EC or OKP")]
    UnsupportedKeyType,
    /// `crv` is none of P-256, P-384, P-521, secp256k1 and Ed25519.
    #[error("the key's curve is not supported: use P-256, P-384, P-521, secp256k1 or Ed25519")]
    UnsupportedCurve,
    /// `use` is not `sig`.
    #[error("the key is not for signatures: its \"use\" must be \"sig\"")]
    NotForSignatures,
    /// `key_ops` has no `verify`.
    #[error("the key is not for verification: its \"key_ops\" must contain \"verify\"")]
    NotForVerification,
    /// `key_ops` names an operation twice.
    #[error("the key's \"key_ops\" must not name an operation twice")]
    DuplicateOperation,
    /// `key_ops` has more than `verify` and `sign`.
    #[error("the key is for unrelated operations: beside \"verify\" there may only be \"sign\"")]
    UnrelatedOperations,
    /// `alg` is not a signature algorithm that is known here.
    #[error("the key's \"alg\" cannot be used: {0}")]
    Algorithm(#[source] AlgorithmError),
    /// `alg` does not fit the key's type and curve.
    #[error("the key's \"alg\" does not fit its type and curve")]
    AlgorithmMismatch,
    /// The key has a private member.
    #[error("the key has the private member \"{member}\": replace the key, it is disclosed")]
    PrivateKey {
        /// Which member.
        member: &'static str,
    },
    /// A key of type oct where none is allowed.
    #[error("the key is a shared secret: use an asymmetric key, and replace a published secret")]
    SymmetricKey,
    /// A secret shorter than the output of the hash.
    #[error("the secret is too short: it must be as long as the output of the hash")]
    SecretTooShort,
    /// A secret longer than anyone needs.
    #[error("the secret must not be longer than 1024 bytes")]
    SecretTooLong,
    /// An RSA modulus outside 2048 to 8192 bits.
    #[error("the RSA modulus has {bits} bits: it must have between 2048 and 8192")]
    RsaModulusSize {
        /// How long it is.
        bits: usize,
    },
    /// An RSA exponent that is even, one, or too long.
    #[error("the RSA exponent must be odd, at least 3 and at most 32 bits long: use 65537")]
    RsaExponent,
    /// An RSA modulus with the fingerprint of CVE-2017-15361.
    #[error("the RSA key was made by a flawed generator (ROCA, CVE-2017-15361): replace it")]
    Roca,
    /// A coordinate that is not as long as its field.
    #[error("the key's member \"{member}\" must be {expected} bytes long")]
    CoordinateLength {
        /// Which member.
        member: &'static str,
        /// How long it must be.
        expected: usize,
    },
    /// A point that is not on its curve, of small order, or numbers that make no key.
    #[error(
        "the key's numbers do not make a valid public key: its point is not on the curve, \
             or its modulus is no product of odd primes"
    )]
    InvalidKey,
    /// The crypto provider implements none of the key's algorithms.
    #[error("the key is for an algorithm that this platform does not implement")]
    NotImplemented,
}

impl JwkError {
    /// Whether the key is merely of no use here or should worry whoever publishes it.
    #[must_use]
    pub const fn verdict(&self) -> KeyVerdict {
        match self {
            Self::UnsupportedKeyType
            | Self::UnsupportedCurve
            | Self::NotForSignatures
            | Self::NotForVerification
            | Self::Algorithm(AlgorithmError::Ed448 | AlgorithmError::Unknown)
            | Self::NotImplemented => KeyVerdict::Unusable,
            _ => KeyVerdict::Refused,
        }
    }

    /// The section of the specification that this refusal enforces.
    #[must_use]
    pub const fn reference(&self) -> &'static str {
        match self {
            Self::TooLarge => "RFC 8259 section 9",
            Self::Json(JsonError::DuplicateMember) | Self::MemberType { .. } => {
                "RFC 7517 section 4"
            }
            Self::Json(error) => error.reference(),
            Self::MissingMember { .. } => "RFC 7518 section 6",
            Self::Base64 { .. } => "RFC 7515 section 2",
            Self::LeadingZero { .. } => "RFC 7518 section 2",
            Self::KidTooLong => "RFC 7517 section 4.5",
            Self::UnsupportedKeyType => "RFC 7517 section 4.1",
            Self::UnsupportedCurve => "RFC 7518 section 6.2.1.1",
            Self::NotForSignatures => "RFC 7517 section 4.2",
            Self::NotForVerification | Self::DuplicateOperation | Self::UnrelatedOperations => {
                "RFC 7517 section 4.3"
            }
            Self::Algorithm(_) | Self::AlgorithmMismatch => "RFC 7517 section 4.4",
            Self::PrivateKey { .. } => "RFC 7517 section 9.2",
            Self::SymmetricKey => "RFC 8725 section 2.1",
            Self::SecretTooShort | Self::SecretTooLong => "RFC 7518 section 3.2",
            Self::RsaModulusSize { .. } => "RFC 7518 section 3.3",
            Self::RsaExponent => "RFC 8017 section 3.1",
            Self::Roca | Self::InvalidKey => "RFC 8725 section 3.4",
            Self::CoordinateLength { .. } => "RFC 7518 section 6.2.1.2",
            Self::NotImplemented => "RFC 8725 section 3.2",
        }
    }
}

/// What it means that a key was not imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyVerdict {
    /// The key is for something else or too new: nothing to worry about.
    Unusable,
    /// The key is malformed or dangerous: tell the issuer.
    Refused,
}
