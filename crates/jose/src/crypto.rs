//! The border to the signature primitives: what a [`CryptoProvider`] has to offer.
//!
//! Natively that is [`AwsLc`](crate::AwsLc). A WebAssembly build has none of its own and is given
//! one by its host. A provider only sees keys and signatures that have passed every check that
//! needs no cryptography.

use thiserror::Error;

use crate::Algorithm;

/// Signature primitives, from aws-lc-rs or from the host of a WebAssembly module.
pub trait CryptoProvider {
    /// Parses a public key for one algorithm, once, when the key is imported. The provider must
    /// refuse a point that is not on its curve (RFC 8725 section 3.4).
    fn prepare(
        &self,
        algorithm: Algorithm,
        key: &KeyMaterial<'_>,
    ) -> Result<Box<dyn VerifyingKey>, KeyRejected>;

    /// The SHA-256 digest of `message`, for thumbprints (RFC 7638 section 3).
    fn sha256(&self, message: &[u8]) -> [u8; 32];

    /// The HMAC of `message` with SHA-256 (RFC 2104), for signatures of requests.
    fn hmac_sha256(&self, key: &[u8], message: &[u8]) -> [u8; 32];
}

/// A key that a provider has prepared for one algorithm.
pub trait VerifyingKey: Send + Sync {
    /// Whether `signature` is a signature of `message` (RFC 7515 section 5.2, step 8). An ECDSA
    /// signature is `r || s`, each as long as the curve's order (RFC 7518 section 3.4).
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureMismatch>;
}

/// A public key, or the secret of a message authentication code, as its JWK describes it.
///
/// Numbers are unsigned and big-endian, without leading zeros for RSA and at full field length for
/// curve coordinates (RFC 7518 section 6).
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum KeyMaterial<'k> {
    /// RFC 7518 section 6.3.
    Rsa {
        /// `n`.
        modulus: &'k [u8],
        /// `e`.
        exponent: &'k [u8],
    },
    /// RFC 7518 section 6.2.
    Ec {
        /// `crv`.
        curve: Curve,
        /// `x`.
        x: &'k [u8],
        /// `y`.
        y: &'k [u8],
    },
    /// RFC 8037 section 2, with the curve Ed25519.
    Ed25519 {
        /// `x`.
        public_key: &'k [u8; 32],
    },
    /// RFC 7518 section 6.4.
    Symmetric {
        /// `k`.
        secret: &'k [u8],
    },
}

/// An elliptic curve of the key type EC (RFC 7518 section 6.2.1.1, RFC 8812 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// secp256k1.
    Secp256k1,
}

impl Curve {
    /// The length of a coordinate in bytes (RFC 7518 section 6.2.1.2).
    #[must_use]
    pub const fn coordinate_len(self) -> usize {
        match self {
            Self::P256 | Self::Secp256k1 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// Why a provider does not take a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyRejected {
    /// The key is not a valid key of its type, for example a point that is not on its curve.
    #[error("the key is not a valid public key of its type")]
    Invalid,
    /// The provider does not implement the algorithm.
    #[error("the algorithm is not implemented here")]
    UnsupportedAlgorithm,
}

/// The signature does not belong to the message and the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the signature does not match")]
pub struct SignatureMismatch;
