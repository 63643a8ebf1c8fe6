//! Strict verification of signed tokens: JWS compact serialization (RFC 7515) with keys from a
//! JWK or a JWK Set (RFC 7517), under the rules of RFC 8725.
//!
//! Floor 1. This crate knows nothing about claims or HTTP and reads no clock, no environment, no
//! file and no source of randomness. What it refuses, and why, is the table in its README.
//!
//! The way of a token: [`CompactJws::parse`] turns it into a value that cannot hold a malformed
//! token, [`Jwks::find`] picks the one key that may verify it, and [`CompactJws::verify`] yields a
//! [`VerifiedJws`]. Keys are parsed when they are imported, never per token.
//!
//! ```
//! # #[cfg(feature = "aws-lc")] {
//! use portcullis_jose::{AwsLc, CompactJws, Jwks, SymmetricKeys};
//!
//! fn subject(token: &str, jwks: &[u8]) -> Result<Option<String>, Box<dyn std::error::Error>> {
//!     let keys = Jwks::from_json(jwks, SymmetricKeys::Refuse, &AwsLc)?;
//!     let jws = CompactJws::parse(token)?;
//!     let verified = jws.verify_with(&keys)?;
//!     Ok(verified.payload().get("sub").and_then(|sub| sub.as_str()).map(String::from))
//! }
//! # }
//! ```

mod algorithm;
#[cfg(feature = "aws-lc")]
mod aws_lc;
mod base64url;
mod crypto;
mod json;
mod jwk;
mod jwks;
mod jws;
#[cfg(feature = "node-crypto")]
mod node;
mod thumbprint;

pub use algorithm::{Algorithm, AlgorithmError};
#[cfg(feature = "aws-lc")]
pub use aws_lc::AwsLc;
pub use crypto::{
    CryptoProvider, Curve, KeyMaterial, KeyRejected, SignatureMismatch, VerifyingKey,
};
pub use json::{JsonError, parse_json_object};
pub use jwk::{Jwk, JwkError, KeyVerdict, MAX_JWK_BYTES, MAX_KID_BYTES, SymmetricKeys};
pub use jwks::{Jwks, JwksError, KeySelectionError, MAX_JWKS_BYTES, MAX_KEYS, SkippedKey};
pub use jws::{CompactJws, JwsError, MAX_JWS_BYTES, Part, VerifiedJws, VerifyError};
#[cfg(feature = "node-crypto")]
pub use node::NodeCrypto;
pub use thumbprint::Thumbprint;

/// Bytes in base64url without padding (RFC 7515 section 2).
#[must_use]
pub fn base64url_encode(bytes: &[u8]) -> String {
    base64url::encode(bytes)
}

/// What canonical base64url without padding encodes (RFC 7515 section 2); `None` for any other text,
/// so that digests in claims and proofs have one spelling.
#[must_use]
pub fn base64url_decode(text: &str) -> Option<Vec<u8>> {
    base64url::decode(text).ok()
}

/// A JSON object whose member names are unique at every depth.
pub type JsonObject = serde_json::Map<String, serde_json::Value>;
