//! The signature primitives of aws-lc-rs, for every native build.

use aws_lc_rs::signature::{
    self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};
use aws_lc_rs::{digest, hmac};

use crate::Algorithm;
use crate::crypto::{
    CryptoProvider, Curve, KeyMaterial, KeyRejected, SignatureMismatch, VerifyingKey,
};

/// The provider that natively verifies every [`Algorithm`].
#[derive(Debug, Clone, Copy, Default)]
pub struct AwsLc;

impl CryptoProvider for AwsLc {
    fn prepare(
        &self,
        algorithm: Algorithm,
        key: &KeyMaterial<'_>,
    ) -> Result<Box<dyn VerifyingKey>, KeyRejected> {
        match *key {
            KeyMaterial::Rsa { modulus, exponent } => {
                let parameters = rsa_parameters(algorithm)?;
                let components = RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                public_key(components.to_parsed_public_key(parameters))
            }
            KeyMaterial::Ec { curve, x, y } => {
                let mut point = Vec::with_capacity(1 + x.len() + y.len());
                point.push(UNCOMPRESSED_POINT);
                point.extend_from_slice(x);
                point.extend_from_slice(y);
                public_key(ParsedPublicKey::new(ec_algorithm(algorithm, curve)?, point))
            }
            KeyMaterial::Ed25519 { public_key: point } => match algorithm {
                Algorithm::EdDsa | Algorithm::Ed25519 => {
                    public_key(ParsedPublicKey::new(&signature::ED25519, point))
                }
                _ => Err(KeyRejected::UnsupportedAlgorithm),
            },
            KeyMaterial::Symmetric { secret } => {
                let key = hmac::Key::new(hmac_algorithm(algorithm)?, secret);
                Ok(Box::new(Secret(key)))
            }
        }
    }

    fn sha256(&self, message: &[u8]) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, message).as_ref());
        bytes
    }

    fn hmac_sha256(&self, key: &[u8], message: &[u8]) -> [u8; 32] {
        let mut bytes = [0; 32];
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        bytes.copy_from_slice(hmac::sign(&key, message).as_ref());
        bytes
    }
}

/// The first byte of a point that has both coordinates (SEC 1 section 2.3.3).
const UNCOMPRESSED_POINT: u8 = 4;

/// A public key for one algorithm.
struct PublicKey(ParsedPublicKey);

impl VerifyingKey for PublicKey {
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureMismatch> {
        self.0
            .verify_sig(message, signature)
            .map_err(|_| SignatureMismatch)
    }
}

/// The secret of a message authentication code; compared in constant time.
struct Secret(hmac::Key);

impl VerifyingKey for Secret {
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureMismatch> {
        hmac::verify(&self.0, message, signature).map_err(|_| SignatureMismatch)
    }
}

fn public_key<E>(parsed: Result<ParsedPublicKey, E>) -> Result<Box<dyn VerifyingKey>, KeyRejected> {
    match parsed {
        Ok(key) => Ok(Box::new(PublicKey(key))),
        Err(_) => Err(KeyRejected::Invalid),
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Result<&'static RsaParameters, KeyRejected> {
    Ok(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return Err(KeyRejected::UnsupportedAlgorithm),
    })
}

fn ec_algorithm(
    algorithm: Algorithm,
    curve: Curve,
) -> Result<&'static dyn VerificationAlgorithm, KeyRejected> {
    Ok(match (algorithm, curve) {
        (Algorithm::Es256, Curve::P256) => &signature::ECDSA_P256_SHA256_FIXED,
        (Algorithm::Es384, Curve::P384) => &signature::ECDSA_P384_SHA384_FIXED,
        (Algorithm::Es512, Curve::P521) => &signature::ECDSA_P521_SHA512_FIXED,
        (Algorithm::Es256K, Curve::Secp256k1) => &signature::ECDSA_P256K1_SHA256_FIXED,
        _ => return Err(KeyRejected::UnsupportedAlgorithm),
    })
}

fn hmac_algorithm(algorithm: Algorithm) -> Result<hmac::Algorithm, KeyRejected> {
    Ok(match algorithm {
        Algorithm::Hs256 => hmac::HMAC_SHA256,
        Algorithm::Hs384 => hmac::HMAC_SHA384,
        Algorithm::Hs512 => hmac::HMAC_SHA512,
        _ => return Err(KeyRejected::UnsupportedAlgorithm),
    })
}
