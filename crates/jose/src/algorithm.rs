//! The signature algorithms of RFC 7518 section 3.1, RFC 8812 (`ES256K`), RFC 8037 (`EdDSA`) and
//! RFC 9864 (`Ed25519`), by their exact names.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A signature algorithm that this crate verifies (RFC 7518 section 3.1).
///
/// `none` has no value here, so no token can carry it past parsing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384 (RFC 7518 section 3.3).
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512 (RFC 7518 section 3.3).
    Rs512,
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes (RFC 7518 section 3.5).
    Ps256,
    /// RSASSA-PSS with SHA-384 and a salt of 48 bytes (RFC 7518 section 3.5).
    Ps384,
    /// RSASSA-PSS with SHA-512 and a salt of 64 bytes (RFC 7518 section 3.5).
    Ps512,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).
    Es256,
    /// ECDSA on P-384 with SHA-384 (RFC 7518 section 3.4).
    Es384,
    /// ECDSA on P-521 with SHA-512 (RFC 7518 section 3.4).
    Es512,
    /// ECDSA on secp256k1 with SHA-256 (RFC 8812 section 3.2).
    Es256K,
    /// `EdDSA` (RFC 8037 section 3.1), here always with Ed25519.
    EdDsa,
    /// Ed25519 under its fully specified name (RFC 9864 section 2.2).
    Ed25519,
    /// HMAC with SHA-256 (RFC 7518 section 3.2); see [`SymmetricKeys`](crate::SymmetricKeys).
    Hs256,
    /// HMAC with SHA-384 (RFC 7518 section 3.2); see [`SymmetricKeys`](crate::SymmetricKeys).
    Hs384,
    /// HMAC with SHA-512 (RFC 7518 section 3.2); see [`SymmetricKeys`](crate::SymmetricKeys).
    Hs512,
}

impl Algorithm {
    /// Every algorithm, in the order of declaration.
    pub const ALL: [Self; 15] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Es256K,
        Self::EdDsa,
        Self::Ed25519,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
    ];

    /// The value of the `alg` member (RFC 7515 section 4.1.1).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Es256K => "ES256K",
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// Whether whoever can verify can also sign (RFC 7518 section 3.2).
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// The exact length of a signature in bytes, where the algorithm alone fixes it: `r || s` for
    /// ECDSA (RFC 7518 section 3.4), the signature of RFC 8032, the output of the hash for HMAC.
    /// An RSA signature is as long as its key's modulus.
    #[must_use]
    pub const fn signature_len(self) -> Option<usize> {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => {
                None
            }
            Self::Hs256 => Some(32),
            Self::Hs384 => Some(48),
            Self::Es256 | Self::Es256K | Self::EdDsa | Self::Ed25519 | Self::Hs512 => Some(64),
            Self::Es384 => Some(96),
            Self::Es512 => Some(132),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = AlgorithmError;

    /// Names are compared exactly, case included (RFC 7515 section 4.1.1).
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if let Some(algorithm) = Self::ALL.into_iter().find(|alg| alg.as_str() == name) {
            return Ok(algorithm);
        }
        Err(if name.eq_ignore_ascii_case("none") {
            AlgorithmError::None
        } else if name == "Ed448" {
            AlgorithmError::Ed448
        } else {
            AlgorithmError::Unknown
        })
    }
}

/// Why the name of an algorithm is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AlgorithmError {
    /// `none`, however it is spelled.
    #[error("the algorithm \"none\" is refused: have the issuer sign its tokens")]
    None,
    /// `Ed448`, which aws-lc-rs does not implement.
    #[error("the algorithm Ed448 is not supported: have the issuer sign with Ed25519 instead")]
    Ed448,
    /// Any other name, including a known one in the wrong case.
    #[error(
        "the algorithm is unknown: have the issuer sign with RS, PS or ES 256 to 512, ES256K, \
         EdDSA or Ed25519, spelled exactly so"
    )]
    Unknown,
}

impl AlgorithmError {
    /// The section of the specification that this refusal enforces.
    #[must_use]
    pub const fn reference(&self) -> &'static str {
        match self {
            Self::None => "RFC 8725 section 3.2",
            Self::Ed448 => "RFC 9864 section 2.2",
            Self::Unknown => "RFC 7515 section 4.1.1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
    }

    #[test]
    fn names_are_case_sensitive_and_none_has_no_value() {
        for name in ["none", "None", "NONE", "nOnE"] {
            assert_eq!(name.parse::<Algorithm>(), Err(AlgorithmError::None));
        }
        for name in [
            "rs256", "Rs256", "eddsa", "EDDSA", "es256k", "ED25519", "", " RS256", "ES521",
        ] {
            assert_eq!(name.parse::<Algorithm>(), Err(AlgorithmError::Unknown));
        }
        assert_eq!("Ed448".parse::<Algorithm>(), Err(AlgorithmError::Ed448));
    }
}
