//! The token endpoint of the system issuer, and what its tokens open.
#![expect(clippy::too_many_lines, reason = "one story, told in its order")]

mod grants;
mod use_of_tokens;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use portcullis_jose::base64url_encode;
use serde_json::{Value, json};

use crate::cloudentity::{PUBLIC_URL, TOKEN};

const GRANT: &str = "grant_type=client_credentials";
const NOW: i64 = 1_700_000_000;

fn basic(client: &str, secret: &str) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{client}:{secret}"))
    )
}

/// A key that a gateway signs with.
struct Key(EcdsaKeyPair);

impl Key {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap())
    }

    fn public(&self) -> Value {
        let (_, point) = self.0.public_key().as_ref().split_at(1);
        let (x, y) = point.split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "kid": "k1", "x": base64url_encode(x), "y": base64url_encode(y) })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| base64url_encode(value.to_string().as_bytes());
        let input = format!("{}.{}", part(header), part(claims));
        let signature = self.0.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", base64url_encode(signature.as_ref()))
    }
}

fn header() -> Value {
    json!({ "alg": "ES256", "kid": "k1" })
}

fn assertion(client: &str, jti: &str) -> Value {
    json!({ "iss": client, "sub": client, "aud": format!("{PUBLIC_URL}{TOKEN}"), "exp": NOW + 60, "jti": jti })
}

fn with_assertion(assertion: &str) -> String {
    format!(
        "{GRANT}&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={assertion}"
    )
}
