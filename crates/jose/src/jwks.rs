//! A JWK Set (RFC 7517 section 5): which of an issuer's keys may verify tokens, and which one
//! verifies a given token.
//!
//! Real sets also hold keys for encryption and keys of types that are not known yet. Those are
//! skipped and reported. What makes the set itself ambiguous refuses the whole set.

mod error;

use std::collections::HashSet;

pub use error::{JwksError, KeySelectionError};
use serde_json::Value;

use crate::json::{JsonError, JsonLimits, parse_object};
use crate::{Algorithm, CryptoProvider, Jwk, JwkError, KeyVerdict, SymmetricKeys};

/// The longest JWK Set that is read.
pub const MAX_JWKS_BYTES: usize = 256 * 1024;

/// The largest number of keys in a set, usable or not.
pub const MAX_KEYS: usize = 100;

/// The keys of an issuer, checked and prepared. Immutable: a rotation imports a new set. The default is
/// a set without keys.
#[derive(Debug, Default)]
pub struct Jwks {
    /// Invariant: no two have the same `kid`; all are symmetric or none is.
    keys: Vec<Jwk>,
    skipped: Vec<SkippedKey>,
}

impl Jwks {
    /// Imports a set from JSON (RFC 7517 section 5).
    ///
    /// A set without a single usable key is a set that verifies nothing, not an error: an issuer
    /// that withdraws all its keys means it.
    pub fn from_json(
        json: &[u8],
        symmetric: SymmetricKeys,
        crypto: &dyn CryptoProvider,
    ) -> Result<Self, JwksError> {
        if json.len() > MAX_JWKS_BYTES {
            return Err(JwksError::TooLarge);
        }
        let set = parse_object(json, LIMITS).map_err(JwksError::Json)?;
        let Some(Value::Array(entries)) = set.get("keys") else {
            return Err(JwksError::KeysMissing);
        };
        if entries.len() > MAX_KEYS {
            return Err(JwksError::TooManyKeys);
        }
        refuse_mixed_symmetry(entries)?;

        let mut keys = Vec::with_capacity(entries.len());
        let mut skipped = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let key = match entry {
                Value::Object(jwk) => Jwk::from_object(jwk, symmetric, crypto),
                _ => Err(JwkError::Json(JsonError::NotAnObject)),
            };
            match key {
                Ok(key) => keys.push(key),
                Err(reason) => skipped.push(SkippedKey {
                    index,
                    kid: short_kid(entry),
                    reason,
                }),
            }
        }
        refuse_duplicate_kid(&keys, &skipped)?;
        Ok(Self { keys, skipped })
    }

    /// The one key that may verify a token with this `kid` and `alg` (RFC 7515 sections 4.1.4 and
    /// 6). Without a `kid` there must be exactly one key that fits the algorithm.
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Jwk, KeySelectionError> {
        if let Some(kid) = kid {
            let key = self.keys.iter().find(|key| key.kid() == Some(kid));
            let key = key.ok_or(KeySelectionError::UnknownKid)?;
            return if key.fits(algorithm) {
                Ok(key)
            } else {
                Err(KeySelectionError::AlgorithmMismatch)
            };
        }
        let mut fitting = self.keys.iter().filter(|key| key.fits(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(KeySelectionError::Ambiguous),
            (None, _) => Err(KeySelectionError::NoKeyForAlgorithm),
        }
    }

    /// The keys that may verify tokens, in the order of the set.
    #[must_use]
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// The keys that were left out, and why.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Whether the set verifies nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// A key of a set that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its place in the set, from zero.
    pub index: usize,
    /// Its `kid`, where it has one of acceptable length.
    pub kid: Option<String>,
    /// Why it was left out.
    pub reason: JwkError,
}

impl SkippedKey {
    /// Whether the key is merely of no use here or should worry whoever publishes it.
    #[must_use]
    pub const fn verdict(&self) -> KeyVerdict {
        self.reason.verdict()
    }
}

/// The set, `keys`, a key, `x5c`, and some room for what is not known yet.
const LIMITS: JsonLimits = JsonLimits {
    depth: 8,
    values: MAX_KEYS * 32,
};

/// A published secret beside public keys is the ground that algorithm confusion grows on.
fn refuse_mixed_symmetry(entries: &[Value]) -> Result<(), JwksError> {
    let types = entries.iter().filter_map(|entry| entry.get("kty"));
    let symmetric = types.clone().filter(|kty| *kty == "oct").count();
    if symmetric > 0 && symmetric < types.count() {
        return Err(JwksError::MixedSymmetry);
    }
    Ok(())
}

/// A key for something else may share its `kid` with a key for signatures. A key that is refused
/// may not: it was meant for signatures, and nobody can tell which of the two was meant.
fn refuse_duplicate_kid(keys: &[Jwk], skipped: &[SkippedKey]) -> Result<(), JwksError> {
    let refused = skipped
        .iter()
        .filter(|key| key.verdict() == KeyVerdict::Refused);
    let usable = keys.iter().filter_map(Jwk::kid);
    let mut seen = HashSet::new();
    if usable
        .chain(refused.filter_map(|key| key.kid.as_deref()))
        .all(|kid| seen.insert(kid))
    {
        Ok(())
    } else {
        Err(JwksError::DuplicateKid)
    }
}

fn short_kid(entry: &Value) -> Option<String> {
    let kid = entry.get("kid")?.as_str()?;
    (kid.len() <= crate::MAX_KID_BYTES).then(|| kid.to_owned())
}
