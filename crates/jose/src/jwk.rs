//! A JSON Web Key that verifies signatures (RFC 7517), checked and parsed when it is imported.
//!
//! What the key may be used for is settled here: its type, curve, `alg`, `use` and `key_ops` leave
//! a short list of algorithms, and for each of them there is a prepared key. A token whose
//! algorithm is not on the list finds no key to be verified with.

mod error;
mod material;
mod rsa;
mod usage;

use std::fmt;

pub use error::{JwkError, KeyVerdict};
use material::Material;

use crate::json::{JsonLimits, parse_object};
use crate::{Algorithm, CryptoProvider, JsonObject, KeyRejected, Thumbprint, VerifyingKey};

/// The longest JWK that is read.
pub const MAX_JWK_BYTES: usize = 32 * 1024;

/// The longest `kid` that a key may have.
pub const MAX_KID_BYTES: usize = 256;

/// Whether keys of the type `oct` are taken (RFC 7518 section 6.4).
///
/// A resource server that can verify a message authentication code can also make one, and a secret
/// in a published key set is no secret. So an authorizer refuses them; tests of this crate against
/// outside vectors do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymmetricKeys {
    /// Every symmetric key is refused. The only choice for production.
    Refuse,
    /// Symmetric keys are taken, for HS256, HS384 and HS512. For tests.
    AllowForTests,
}

/// A key that may verify signatures, prepared for each algorithm it fits.
pub struct Jwk {
    kid: Option<Box<str>>,
    thumbprint: Thumbprint,
    prepared: Vec<Prepared>,
}

impl Jwk {
    /// Imports one key from JSON (RFC 7517 section 4).
    pub fn from_json(
        json: &[u8],
        symmetric: SymmetricKeys,
        crypto: &dyn CryptoProvider,
    ) -> Result<Self, JwkError> {
        if json.len() > MAX_JWK_BYTES {
            return Err(JwkError::TooLarge);
        }
        Self::from_object(
            &parse_object(json, LIMITS).map_err(JwkError::Json)?,
            symmetric,
            crypto,
        )
    }

    /// Imports one key from a parsed object, for example the `jwk` in the header of a DPoP proof
    /// (RFC 9449 section 4.2). The object must come from a reader that refuses duplicate members,
    /// as [`CompactJws`](crate::CompactJws) does.
    pub fn from_object(
        jwk: &JsonObject,
        symmetric: SymmetricKeys,
        crypto: &dyn CryptoProvider,
    ) -> Result<Self, JwkError> {
        let kid = usage::text(jwk, "kid")?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
            return Err(JwkError::KidTooLong);
        }
        let key_type = material::KeyType::of(jwk)?;
        if key_type.is_symmetric() && symmetric == SymmetricKeys::Refuse {
            return Err(JwkError::SymmetricKey);
        }
        key_type.refuse_private_members(jwk)?;
        usage::check_use(jwk)?;
        usage::check_key_ops(jwk)?;
        let material = Material::read(key_type, jwk)?;
        let algorithms = material.algorithms(usage::algorithm(jwk)?)?;
        Ok(Self {
            kid: kid.map(Box::from),
            thumbprint: Thumbprint::new(crypto.sha256(material.canonical_json().as_bytes())),
            prepared: prepare(&algorithms, &material, crypto)?,
        })
    }

    /// The name of the key (RFC 7517 section 4.5).
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The SHA-256 thumbprint (RFC 7638).
    #[must_use]
    pub const fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// The algorithms that the key may verify: the one in `alg` (RFC 7517 section 4.4), or else
    /// all that fit its type and curve.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> + '_ {
        self.prepared.iter().map(|prepared| prepared.algorithm)
    }

    /// Whether the key may verify `algorithm`.
    #[must_use]
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        self.verifying_key(algorithm).is_some()
    }

    pub(crate) fn verifying_key(&self, algorithm: Algorithm) -> Option<&dyn VerifyingKey> {
        let prepared = self
            .prepared
            .iter()
            .find(|prepared| prepared.algorithm == algorithm)?;
        Some(&*prepared.key)
    }
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwk")
            .field("kid", &self.kid)
            .field("algorithms", &self.algorithms().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// The key as the provider wants it for one algorithm.
struct Prepared {
    algorithm: Algorithm,
    key: Box<dyn VerifyingKey>,
}

/// A key is nearly flat: `key_ops` and `x5c` are the deep ones.
const LIMITS: JsonLimits = JsonLimits {
    depth: 8,
    values: 64,
};

fn prepare(
    algorithms: &[Algorithm],
    material: &Material,
    crypto: &dyn CryptoProvider,
) -> Result<Vec<Prepared>, JwkError> {
    let mut prepared = Vec::with_capacity(algorithms.len());
    for &algorithm in algorithms {
        match crypto.prepare(algorithm, &material.as_key_material()) {
            Ok(key) => prepared.push(Prepared { algorithm, key }),
            Err(KeyRejected::UnsupportedAlgorithm) => {}
            Err(KeyRejected::Invalid) => return Err(JwkError::InvalidKey),
        }
    }
    if prepared.is_empty() {
        return Err(JwkError::NotImplemented);
    }
    Ok(prepared)
}
