//! An issuer that signs whatever it is told to, for tests.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portcullis_jose::{AwsLc, Jwk, JwkError, Jwks, JwksError, SymmetricKeys};
use serde_json::{Value, json};

pub(crate) const KID: &str = "issuer-2026";
pub(crate) const CLAIMS: &str = r#"{"iss":"https://as.example","sub":"amelie","exp":1800000000}"#;

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The parts that are signed, joined.
pub(crate) fn signing_input(header: &str, payload: &str) -> String {
    format!("{}.{}", base64url(header), base64url(payload))
}

/// A token with any signature at all.
pub(crate) fn token(header: &str, payload: &str, signature: impl AsRef<[u8]>) -> String {
    format!(
        "{}.{}",
        signing_input(header, payload),
        base64url(signature)
    )
}

/// A token with the right HS256 code for `secret`.
pub(crate) fn hs256(header: &str, payload: &str, secret: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    token(
        header,
        payload,
        hmac::sign(&key, signing_input(header, payload).as_bytes()),
    )
}

/// An issuer with one Ed25519 key.
pub(crate) struct Issuer(Ed25519KeyPair);

impl Issuer {
    pub(crate) fn new() -> Self {
        Self::with_seed(7)
    }

    pub(crate) fn with_seed(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    /// Signs exactly these texts.
    pub(crate) fn sign(&self, header: &str, payload: &str) -> String {
        token(
            header,
            payload,
            self.0.sign(signing_input(header, payload).as_bytes()),
        )
    }

    /// Signs the usual claims under `header`.
    pub(crate) fn sign_header(&self, header: &Value) -> String {
        self.sign(&header.to_string(), CLAIMS)
    }

    /// A token that verifies.
    pub(crate) fn token(&self) -> String {
        self.sign_header(&json!({"alg": "EdDSA", "kid": KID, "typ": "at+jwt"}))
    }

    pub(crate) fn jwk(&self) -> Value {
        let x = base64url(self.0.public_key());
        json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": KID, "use": "sig"})
    }

    pub(crate) fn keys(&self) -> Jwks {
        import_set(&json!({"keys": [self.jwk()]})).unwrap()
    }
}

pub(crate) fn import(jwk: &Value) -> Result<Jwk, JwkError> {
    Jwk::from_json(jwk.to_string().as_bytes(), SymmetricKeys::Refuse, &AwsLc)
}

pub(crate) fn import_with_secrets(jwk: &Value) -> Result<Jwk, JwkError> {
    Jwk::from_json(
        jwk.to_string().as_bytes(),
        SymmetricKeys::AllowForTests,
        &AwsLc,
    )
}

pub(crate) fn import_set(jwks: &Value) -> Result<Jwks, JwksError> {
    Jwks::from_json(jwks.to_string().as_bytes(), SymmetricKeys::Refuse, &AwsLc)
}
