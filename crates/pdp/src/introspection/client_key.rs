//! The private key of a client, which signs the assertions that it authenticates with (RFC 7523).

use portcullis_engine::IssuerUrl;

use super::authentication::InvalidClientSecret;

#[cfg(not(target_family = "wasm"))]
pub(super) use signing::ClientKey;

#[cfg(not(target_family = "wasm"))]
mod signing {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
    };
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::pki_types::pem::PemObject;
    use serde_json::json;

    use super::{InvalidClientSecret, IssuerUrl};

    /// How long an assertion may be used, in seconds.
    const ASSERTION_SECONDS: u64 = 60;

    /// A private key that signs assertions.
    pub(in crate::introspection) enum ClientKey {
        Rsa(rsa::KeyPair),
        Ecdsa(EcdsaKeyPair),
        Ed25519(Ed25519KeyPair),
    }

    impl ClientKey {
        /// The key in PKCS#8 PEM (RFC 7468 section 10).
        pub(in crate::introspection) fn from_pem(pem: &str) -> Result<Self, InvalidClientSecret> {
            // A variable of an environment often holds a PEM text with its line ends escaped.
            let pem = pem.replace("\\n", "\n");
            let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
                .map_err(|_| InvalidClientSecret::Key)?;
            let der = key.secret_pkcs8_der();
            if let Ok(key) = rsa::KeyPair::from_pkcs8(der) {
                return Ok(Self::Rsa(key));
            }
            if let Ok(key) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
                return Ok(Self::Ecdsa(key));
            }
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
                .map(Self::Ed25519)
                .map_err(|_| InvalidClientSecret::Key)
        }

        /// An assertion for the issuer (RFC 7523 section 3). Its audience is the issuer identifier, which
        /// no other server shares.
        pub(in crate::introspection) fn assertion(
            &self,
            client: &str,
            issuer: &IssuerUrl,
            now: u64,
        ) -> Option<String> {
            let mut id = [0; 16];
            aws_lc_rs::rand::fill(&mut id).ok()?;
            let algorithm = match self {
                Self::Rsa(_) => "RS256",
                Self::Ecdsa(_) => "ES256",
                Self::Ed25519(_) => "EdDSA",
            };
            let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
            let input = format!(
                "{}.{}",
                part(json!({ "alg": algorithm, "typ": "JWT" })),
                part(json!({
                    "iss": client, "sub": client, "aud": issuer.as_str(), "iat": now,
                    "exp": now.saturating_add(ASSERTION_SECONDS), "jti": BASE64_URL_SAFE_NO_PAD.encode(id),
                }))
            );
            let signature = self.sign(input.as_bytes())?;
            Some(format!(
                "{input}.{}",
                BASE64_URL_SAFE_NO_PAD.encode(signature)
            ))
        }

        fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
            let random = SystemRandom::new();
            match self {
                Self::Rsa(key) => {
                    let mut signature = vec![0; key.public_modulus_len()];
                    key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                        .ok()?;
                    Some(signature)
                }
                Self::Ecdsa(key) => Some(key.sign(&random, message).ok()?.as_ref().to_vec()),
                Self::Ed25519(key) => Some(key.sign(message).as_ref().to_vec()),
            }
        }
    }
}

/// No key: nothing is signed in WebAssembly.
#[cfg(target_family = "wasm")]
pub(super) enum ClientKey {}

#[cfg(target_family = "wasm")]
impl ClientKey {
    pub(super) const fn from_pem(_pem: &str) -> Result<Self, InvalidClientSecret> {
        Err(InvalidClientSecret::NoSigning)
    }

    pub(super) const fn assertion(
        &self,
        _client: &str,
        _issuer: &IssuerUrl,
        _now: u64,
    ) -> Option<String> {
        match *self {}
    }
}
