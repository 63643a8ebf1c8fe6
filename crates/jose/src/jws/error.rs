//! Why a token is refused, before and at its signature. No variant and no message holds anything
//! that the token said.

use std::fmt;

use thiserror::Error;

use crate::{AlgorithmError, JsonError, KeySelectionError};

/// Why a text is not a token that may be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwsError {
    /// Longer than [`MAX_JWS_BYTES`](crate::MAX_JWS_BYTES).
    #[error("the token must not be longer than {} bytes", crate::MAX_JWS_BYTES)]
    TooLarge,
    /// JWS JSON serialization, general or flattened.
    #[error(
        "the token is in the JSON serialization: send it in the compact serialization, three \
         parts joined by full stops"
    )]
    JsonSerialization,
    /// JWE compact serialization: five parts.
    #[error("the token is encrypted (JWE): have the issuer send it signed only (JWS)")]
    Encrypted,
    /// Neither three parts nor five.
    #[error("the token must have exactly three parts joined by full stops")]
    PartCount,
    /// A part is not canonical base64url.
    #[error("the token's {part} must be base64url without padding, white space or unused bits set")]
    Base64 {
        /// Which part.
        part: Part,
    },
    /// The header is not a JSON object that may be read.
    #[error("the token's header cannot be read: {0}")]
    HeaderJson(#[source] JsonError),
    /// The payload is not a JSON object that may be read.
    #[error("the token's payload cannot be read: {0}")]
    PayloadJson(#[source] JsonError),
    /// A member of the header has the wrong type.
    #[error("the member \"{member}\" of the token's header must be a string")]
    MemberType {
        /// Which member.
        member: &'static str,
    },
    /// No `alg`.
    #[error("the token's header must name its algorithm in \"alg\"")]
    MissingAlgorithm,
    /// An `alg` that is refused.
    #[error(transparent)]
    Algorithm(#[from] AlgorithmError),
    /// `crit` is there, so the token demands an extension; none is understood here.
    #[error("the token's header demands an extension with \"crit\": none is supported")]
    CriticalExtension,
    /// `b64` is there, whatever its value.
    #[error("the token's header has \"b64\": an unencoded payload is not for tokens")]
    UnencodedPayload,
    /// The third part is empty.
    #[error("the token is not signed: its third part is empty")]
    MissingSignature,
}

impl JwsError {
    /// The section of the specification that this refusal enforces.
    #[must_use]
    pub const fn reference(&self) -> &'static str {
        match self {
            Self::TooLarge => "RFC 8259 section 9",
            Self::JsonSerialization => "RFC 7519 section 1",
            Self::Encrypted => "RFC 7516 section 9",
            Self::PartCount => "RFC 7515 section 7.1",
            Self::Base64 { .. } => "RFC 7515 section 2",
            Self::HeaderJson(error) => match error {
                JsonError::DuplicateMember => "RFC 7515 section 4",
                other => other.reference(),
            },
            Self::PayloadJson(error) => match error {
                JsonError::NotAnObject => "RFC 7519 section 7.2",
                JsonError::DuplicateMember => "RFC 7519 section 4",
                other => other.reference(),
            },
            Self::MemberType { member } => match member.as_bytes() {
                b"kid" => "RFC 7515 section 4.1.4",
                b"typ" => "RFC 7515 section 4.1.9",
                b"cty" => "RFC 7515 section 4.1.10",
                _ => "RFC 7515 section 4.1.1",
            },
            Self::MissingAlgorithm => "RFC 7515 section 4.1.1",
            Self::Algorithm(error) => error.reference(),
            Self::CriticalExtension => "RFC 7515 section 4.1.11",
            Self::UnencodedPayload => "RFC 7797 section 7",
            Self::MissingSignature => "RFC 7518 section 3.6",
        }
    }
}

/// A part of a token (RFC 7515 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The first.
    Header,
    /// The second.
    Payload,
    /// The third.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// Why a well-formed token is not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// No key, or not exactly one, may verify the token.
    #[error(transparent)]
    Key(#[from] KeySelectionError),
    /// The key is for another algorithm than the token's.
    #[error("the key is not for the token's algorithm: sign with the algorithm of the key")]
    AlgorithmMismatch,
    /// The signature is not of this token and this key.
    #[error("the token's signature does not match the key: the token was changed or forged")]
    Signature,
}

impl VerifyError {
    /// The section of the specification that this refusal enforces.
    #[must_use]
    pub const fn reference(&self) -> &'static str {
        match self {
            Self::Key(error) => error.reference(),
            Self::AlgorithmMismatch => "RFC 8725 section 3.1",
            Self::Signature => "RFC 7515 section 5.2",
        }
    }
}
