//! An issuer of access tokens with a real RSA key, served on loopback with its metadata.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::http;

/// An issuer.
#[derive(Debug, Clone)]
pub struct Issuer {
    key: Arc<KeyPair>,
    url: String,
    jwks: String,
}

impl Issuer {
    /// Makes a key and serves the issuer's metadata and JWKS on a free port of 127.0.0.1.
    #[must_use]
    pub fn start() -> Self {
        let key = Arc::new(KeyPair::generate(KeySize::Rsa2048).unwrap());
        // PKCS #1 (RFC 8017 appendix A.1.1): for 2048 bits, nine octets of DER stand before the
        // modulus, and the exponent of a generated key is 65537.
        let der = key.public_key().as_ref();
        let modulus = &der[9..9 + key.public_modulus_len()];
        let jwk = json!({
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k1",
            "n": BASE64_URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB",
        });
        let jwks = json!({ "keys": [jwk] }).to_string();
        let served = jwks.clone();
        let address = http::listen(move |mut connection| {
            let own = format!("http://{}", connection.local_address());
            while let Some(request) = connection.read()? {
                let body = if request.line.ends_with("/jwks") {
                    served.clone()
                } else {
                    json!({ "issuer": own, "jwks_uri": format!("{own}/jwks") }).to_string()
                };
                connection.write(
                    "200 OK",
                    "Content-Type: application/json\r\n",
                    body.as_bytes(),
                )?;
            }
            Ok(())
        });
        Self {
            key,
            url: format!("http://{address}"),
            jwks,
        }
    }

    /// Its keys, as it serves them.
    #[must_use]
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// The issuer identifier.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// An RFC 9068 access token with those scopes that is valid for an hour at `now`.
    #[must_use]
    pub fn token(&self, audience: &str, scope: &str, now: u64) -> String {
        self.token_with(audience, &json!({ "scope": scope }), now)
    }

    /// The same with other claims; a member replaces one of those.
    #[must_use]
    pub fn token_with(&self, audience: &str, more: &Value, now: u64) -> String {
        let mut claims = json!({
            "iss": self.url, "aud": audience, "sub": "carl", "client_id": "app", "jti": "1",
            "iat": now, "exp": now + 3600,
        });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.sign("at+jwt", &claims)
    }

    /// A JWT of that type.
    #[must_use]
    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!(
            "{}.{}",
            part(&json!({ "alg": "RS256", "typ": typ, "kid": "k1" })),
            part(claims)
        );
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        self.key
            .sign(&RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut signature)
            .unwrap();
        format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}
