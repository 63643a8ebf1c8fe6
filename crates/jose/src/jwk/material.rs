//! The key itself: type, curve and numbers (RFC 7518 section 6, RFC 8037 section 2).

use super::{JwkError, rsa, usage};
use crate::{Algorithm, Curve, JsonObject, KeyMaterial, base64url};

/// The key types that can verify signatures (RFC 7517 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyType {
    Rsa,
    Ec,
    Okp,
    Oct,
}

impl KeyType {
    pub(super) fn of(jwk: &JsonObject) -> Result<Self, JwkError> {
        match usage::required_text(jwk, "kty")? {
            "RSA" => Ok(Self::Rsa),
            "EC" => Ok(Self::Ec),
            "OKP" => Ok(Self::Okp),
            "oct" => Ok(Self::Oct),
            _ => Err(JwkError::UnsupportedKeyType),
        }
    }

    pub(super) const fn is_symmetric(self) -> bool {
        matches!(self, Self::Oct)
    }

    /// A published private key is known to everyone, so it proves nothing.
    pub(super) fn refuse_private_members(self, jwk: &JsonObject) -> Result<(), JwkError> {
        if self.is_symmetric() {
            return Ok(());
        }
        let private = PRIVATE_MEMBERS
            .into_iter()
            .find(|member| jwk.contains_key(*member));
        private.map_or(Ok(()), |member| Err(JwkError::PrivateKey { member }))
    }
}

/// The members of private keys (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1, RFC 8037 section 2).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The numbers of a key, checked as far as that needs no cryptography.
pub(super) enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    Ec {
        curve: Curve,
        x: Vec<u8>,
        y: Vec<u8>,
    },
    Ed25519([u8; 32]),
    Symmetric(Vec<u8>),
}

impl Material {
    pub(super) fn read(key_type: KeyType, jwk: &JsonObject) -> Result<Self, JwkError> {
        match key_type {
            KeyType::Rsa => {
                let (modulus, exponent) = (number(jwk, "n")?, number(jwk, "e")?);
                rsa::check(&modulus, &exponent)?;
                Ok(Self::Rsa { modulus, exponent })
            }
            KeyType::Ec => {
                let curve = match usage::required_text(jwk, "crv")? {
                    "P-256" => Curve::P256,
                    "P-384" => Curve::P384,
                    "P-521" => Curve::P521,
                    "secp256k1" => Curve::Secp256k1,
                    _ => return Err(JwkError::UnsupportedCurve),
                };
                let (x, y) = (coordinate(jwk, "x", curve)?, coordinate(jwk, "y", curve)?);
                Ok(Self::Ec { curve, x, y })
            }
            KeyType::Okp => match usage::required_text(jwk, "crv")? {
                "Ed25519" => {
                    let point = <[u8; 32]>::try_from(octets(jwk, "x")?).map_err(|_| {
                        JwkError::CoordinateLength {
                            member: "x",
                            expected: 32,
                        }
                    })?;
                    check_ed25519(&point)?;
                    Ok(Self::Ed25519(point))
                }
                _ => Err(JwkError::UnsupportedCurve),
            },
            KeyType::Oct => {
                let secret = octets(jwk, "k")?;
                if secret.len() > MAX_SECRET_BYTES {
                    return Err(JwkError::SecretTooLong);
                }
                Ok(Self::Symmetric(secret))
            }
        }
    }

    /// The algorithms that the key may verify: `bound` alone where the key names one, else all
    /// that fit.
    pub(super) fn algorithms(&self, bound: Option<Algorithm>) -> Result<Vec<Algorithm>, JwkError> {
        let of_its_type = |algorithm: &Algorithm| self.fits_type(*algorithm);
        if bound.is_some_and(|bound| !self.fits_type(bound)) {
            return Err(JwkError::AlgorithmMismatch);
        }
        let candidates = match bound {
            Some(bound) => vec![bound],
            None => Algorithm::ALL.into_iter().filter(of_its_type).collect(),
        };
        let Self::Symmetric(secret) = self else {
            return Ok(candidates);
        };
        let strong: Vec<_> = candidates
            .into_iter()
            .filter(|algorithm| {
                algorithm
                    .signature_len()
                    .is_some_and(|len| secret.len() >= len)
            })
            .collect();
        if strong.is_empty() {
            Err(JwkError::SecretTooShort)
        } else {
            Ok(strong)
        }
    }

    pub(super) fn as_key_material(&self) -> KeyMaterial<'_> {
        match self {
            Self::Rsa { modulus, exponent } => KeyMaterial::Rsa { modulus, exponent },
            Self::Ec { curve, x, y } => KeyMaterial::Ec {
                curve: *curve,
                x,
                y,
            },
            Self::Ed25519(public_key) => KeyMaterial::Ed25519 { public_key },
            Self::Symmetric(secret) => KeyMaterial::Symmetric { secret },
        }
    }

    /// The required members in lexicographic order without white space (RFC 7638 section 3.2,
    /// RFC 8037 section 2 for OKP).
    pub(super) fn canonical_json(&self) -> String {
        use base64url::encode;
        match self {
            Self::Rsa { modulus, exponent } => {
                let (e, n) = (encode(exponent), encode(modulus));
                format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)
            }
            Self::Ec { curve, x, y } => {
                let (crv, x, y) = (curve_name(*curve), encode(x), encode(y));
                format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::Ed25519(point) => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(point))
            }
            Self::Symmetric(secret) => format!(r#"{{"k":"{}","kty":"oct"}}"#, encode(secret)),
        }
    }

    fn fits_type(&self, algorithm: Algorithm) -> bool {
        use Algorithm as A;
        match self {
            Self::Rsa { .. } => {
                matches!(
                    algorithm,
                    A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512
                )
            }
            Self::Ec {
                curve: Curve::P256, ..
            } => algorithm == A::Es256,
            Self::Ec {
                curve: Curve::P384, ..
            } => algorithm == A::Es384,
            Self::Ec {
                curve: Curve::P521, ..
            } => algorithm == A::Es512,
            Self::Ec {
                curve: Curve::Secp256k1,
                ..
            } => algorithm == A::Es256K,
            Self::Ed25519(_) => matches!(algorithm, A::EdDsa | A::Ed25519),
            Self::Symmetric(_) => algorithm.is_symmetric(),
        }
    }
}

/// The longest secret that is taken; longer ones are hashed to less by HMAC anyway.
const MAX_SECRET_BYTES: usize = 1024;

fn octets(jwk: &JsonObject, member: &'static str) -> Result<Vec<u8>, JwkError> {
    let text = usage::required_text(jwk, member)?;
    base64url::decode(text).map_err(|_| JwkError::Base64 { member })
}

/// An unsigned number in its fewest octets (`Base64urlUInt` in RFC 7518 section 2).
fn number(jwk: &JsonObject, member: &'static str) -> Result<Vec<u8>, JwkError> {
    let octets = octets(jwk, member)?;
    match octets.first() {
        None | Some(0) => Err(JwkError::LeadingZero { member }),
        Some(_) => Ok(octets),
    }
}

/// A coordinate at the full length of its field (RFC 7518 section 6.2.1.2).
fn coordinate(jwk: &JsonObject, member: &'static str, curve: Curve) -> Result<Vec<u8>, JwkError> {
    let octets = octets(jwk, member)?;
    let expected = curve.coordinate_len();
    if octets.len() == expected {
        Ok(octets)
    } else {
        Err(JwkError::CoordinateLength { member, expected })
    }
}

const fn curve_name(curve: Curve) -> &'static str {
    match curve {
        Curve::P256 => "P-256",
        Curve::P384 => "P-384",
        Curve::P521 => "P-521",
        Curve::Secp256k1 => "secp256k1",
    }
}

/// Refuses points of small order, under which one signature can fit many messages, and encodings
/// that are not reduced (RFC 8032 section 5.1.3).
fn check_ed25519(point: &[u8; 32]) -> Result<(), JwkError> {
    let mut y = *point;
    y[31] &= 0x7f;
    y.reverse();
    if y >= FIELD_PRIME || SMALL_ORDER.contains(&y) {
        return Err(JwkError::InvalidKey);
    }
    Ok(())
}

/// 2^255 - 19, big-endian.
const FIELD_PRIME: [u8; 32] = {
    let mut prime = [0xff; 32];
    prime[0] = 0x7f;
    prime[31] = 0xed;
    prime
};

/// The reduced y coordinates of the points whose order divides 8, big-endian: order 4, order 1,
/// order 2 and twice order 8.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[31] = 1;
        one
    },
    {
        let mut minus_one = FIELD_PRIME;
        minus_one[31] -= 1;
        minus_one
    },
    [
        0x05, 0xfc, 0x53, 0x6d, 0x88, 0x02, 0x38, 0xb1, 0x39, 0x33, 0xc6, 0xd3, 0x05, 0xac, 0xdf,
        0xd5, 0xf0, 0x98, 0xef, 0xf2, 0x89, 0xf4, 0xc3, 0x45, 0xb0, 0x27, 0xb2, 0xc2, 0x8f, 0x95,
        0xe8, 0x26,
    ],
    [
        0x7a, 0x03, 0xac, 0x92, 0x77, 0xfd, 0xc7, 0x4e, 0xc6, 0xcc, 0x39, 0x2c, 0xfa, 0x53, 0x20,
        0x2a, 0x0f, 0x67, 0x10, 0x0d, 0x76, 0x0b, 0x3c, 0xba, 0x4f, 0xd8, 0x4d, 0x3d, 0x70, 0x6a,
        0x17, 0xc7,
    ],
];
