//! The signature primitives of Node.js, for WebAssembly: the host provides a module `host.js` with the functions below,
//! which call `node:crypto`.
//!
//! A key is imported by Node.js once and known here by a number, until it is dropped.

use serde_json::json;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::Algorithm;
use crate::base64url::encode;
use crate::crypto::{
    CryptoProvider, Curve, KeyMaterial, KeyRejected, SignatureMismatch, VerifyingKey,
};

#[wasm_bindgen(raw_module = "./host.js")]
extern "C" {
    /// Imports a public key in JWK for one algorithm; 0 where it is none.
    #[wasm_bindgen(js_name = importKey)]
    fn import_key(algorithm: &str, jwk: &str) -> u32;

    #[wasm_bindgen(js_name = verifySignature)]
    fn verify_signature(key: u32, message: &[u8], signature: &[u8]) -> bool;

    #[wasm_bindgen(js_name = dropKey)]
    fn drop_key(key: u32);

    fn sha256(message: &[u8]) -> Vec<u8>;

    #[wasm_bindgen(js_name = hmacSha256)]
    fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8>;
}

/// The provider that verifies every [`Algorithm`] of a public key through Node.js.
#[derive(Debug, Clone, Copy, Default)]
pub struct NodeCrypto;

impl CryptoProvider for NodeCrypto {
    fn prepare(
        &self,
        algorithm: Algorithm,
        key: &KeyMaterial<'_>,
    ) -> Result<Box<dyn VerifyingKey>, KeyRejected> {
        let jwk = match *key {
            KeyMaterial::Rsa { modulus, exponent } if is_rsa(algorithm) => {
                json!({ "kty": "RSA", "n": encode(modulus), "e": encode(exponent) })
            }
            KeyMaterial::Ec { curve, x, y } => {
                let crv = match (algorithm, curve) {
                    (Algorithm::Es256, Curve::P256) => "P-256",
                    (Algorithm::Es384, Curve::P384) => "P-384",
                    (Algorithm::Es512, Curve::P521) => "P-521",
                    (Algorithm::Es256K, Curve::Secp256k1) => "secp256k1",
                    _ => return Err(KeyRejected::UnsupportedAlgorithm),
                };
                json!({ "kty": "EC", "crv": crv, "x": encode(x), "y": encode(y) })
            }
            KeyMaterial::Ed25519 { public_key }
                if matches!(algorithm, Algorithm::EdDsa | Algorithm::Ed25519) =>
            {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(public_key) })
            }
            _ => return Err(KeyRejected::UnsupportedAlgorithm),
        };
        match import_key(algorithm.as_str(), &jwk.to_string()) {
            0 => Err(KeyRejected::Invalid),
            handle => Ok(Box::new(NodeKey(handle))),
        }
    }

    fn sha256(&self, message: &[u8]) -> [u8; 32] {
        digest(sha256(message))
    }

    fn hmac_sha256(&self, key: &[u8], message: &[u8]) -> [u8; 32] {
        digest(hmac_sha256(key, message))
    }
}

/// INVARIANT: a SHA-256 digest has 32 bytes. Were the host's another, no two texts must seem to be the same.
fn digest(bytes: Vec<u8>) -> [u8; 32] {
    let Ok(digest) = bytes.try_into() else {
        unreachable!("the host's SHA-256 digest does not have 32 bytes");
    };
    digest
}

const fn is_rsa(algorithm: Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512
    )
}

/// A key of Node.js.
struct NodeKey(u32);

impl VerifyingKey for NodeKey {
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureMismatch> {
        if verify_signature(self.0, message, signature) {
            Ok(())
        } else {
            Err(SignatureMismatch)
        }
    }
}

impl Drop for NodeKey {
    fn drop(&mut self) {
        drop_key(self.0);
    }
}
