//! Access tokens as an authorization server would send them (RFC 9068), signed with a fresh key of
//! each algorithm, and the one JWK Set that all these keys are in.

use anyhow::{Context, Result};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portcullis_test_support::issuer::Issuer;
use serde_json::{Value, json};

/// Who signs.
pub(crate) const ISSUER: &str = "https://idp.example.com/oauth2/default";
/// For whom.
pub(crate) const AUDIENCE: &str = "https://api.example.com";

/// How many tokens there are of each algorithm: no reader sees the same one twice in a row.
const TOKENS: usize = 16;

/// The tokens of all algorithms and the keys for them.
pub(crate) struct Tokens {
    pub(crate) algorithms: Vec<Signed>,
    /// The JWK Set with the keys of all algorithms.
    pub(crate) jwks: Value,
}

/// The tokens of one algorithm.
pub(crate) struct Signed {
    /// Its name in the header. `EdDSA` and not `Ed25519`, which the peers do not know.
    pub(crate) algorithm: &'static str,
    pub(crate) tokens: Vec<String>,
    pub(crate) jwk: Value,
    /// The key as aws-lc-rs wants it for the fastest check.
    pub(crate) bare_key: ParsedPublicKey,
}

impl Tokens {
    /// Makes keys and signs tokens that are valid at `now` (seconds since 1970).
    pub(crate) fn new(now: u64) -> Result<Self> {
        let algorithms = vec![rs256(now)?, es256(now)?, eddsa(now)?];
        let keys: Vec<_> = algorithms.iter().map(|signed| signed.jwk.clone()).collect();
        Ok(Self {
            algorithms,
            jwks: json!({ "keys": keys }),
        })
    }
}

/// So many different RS256 tokens of an issuer that is served. Signing is slow, so two threads do it.
pub(crate) fn many(issuer: &Issuer, scope: &str, number: usize, now: u64) -> Vec<String> {
    let some = |from: usize, to: usize| -> Vec<String> {
        let claims = |number: usize| json!({ "scope": scope, "jti": number.to_string() });
        (from..to)
            .map(|number| issuer.token_with(AUDIENCE, &claims(number), now))
            .collect()
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| some(0, number / 2));
        let second = some(number / 2, number);
        let mut all = first.join().unwrap_or_default();
        all.extend(second);
        all
    })
}

impl Signed {
    /// The length of a token in bytes.
    pub(crate) fn token_len(&self) -> usize {
        self.tokens.first().map_or(0, String::len)
    }

    /// What is signed, and the signature, of each token.
    pub(crate) fn messages(&self) -> Result<Vec<(&[u8], Vec<u8>)>> {
        let split = |token: &'_ String| -> Option<(usize, Vec<u8>)> {
            let at = token.rfind('.')?;
            let signature = BASE64_URL_SAFE_NO_PAD.decode(token.get(at + 1..)?).ok()?;
            Some((at, signature))
        };
        self.tokens
            .iter()
            .map(|token| {
                let (at, signature) = split(token).context("not a token")?;
                Ok((
                    token.get(..at).context("not a token")?.as_bytes(),
                    signature,
                ))
            })
            .collect()
    }
}

fn rs256(now: u64) -> Result<Signed> {
    let key = RsaKeyPair::generate(KeySize::Rsa2048)?;
    // PKCS #1 (RFC 8017 appendix A.1.1): for 2048 bits, nine octets of DER stand before the
    // modulus, and the exponent of a generated key is 65537.
    let der = key.public_key().as_ref();
    let modulus = der
        .get(9..9 + key.public_modulus_len())
        .context("no modulus")?;
    let components = RsaPublicKeyComponents {
        n: modulus,
        e: &[1, 0, 1],
    };
    let tokens = sign("RS256", now, |message| {
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message,
            &mut signature,
        )?;
        Ok(signature)
    })?;
    Ok(Signed {
        algorithm: "RS256",
        tokens,
        jwk: json!({
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid("RS256"),
            "n": BASE64_URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB",
        }),
        bare_key: components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)?,
    })
}

fn es256(now: u64) -> Result<Signed> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    let point = key.public_key().as_ref();
    let (x, y) = point.get(1..).context("no point")?.split_at(32);
    let tokens = sign("ES256", now, |message| {
        Ok(key.sign(&SystemRandom::new(), message)?.as_ref().to_vec())
    })?;
    Ok(Signed {
        algorithm: "ES256",
        tokens,
        jwk: json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid("ES256"),
            "x": BASE64_URL_SAFE_NO_PAD.encode(x), "y": BASE64_URL_SAFE_NO_PAD.encode(y),
        }),
        bare_key: ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)?,
    })
}

fn eddsa(now: u64) -> Result<Signed> {
    let key = Ed25519KeyPair::generate()?;
    let point = key.public_key().as_ref();
    Ok(Signed {
        algorithm: "EdDSA",
        tokens: sign("EdDSA", now, |message| {
            Ok(key.sign(message).as_ref().to_vec())
        })?,
        jwk: json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid("EdDSA"),
            "x": BASE64_URL_SAFE_NO_PAD.encode(point),
        }),
        bare_key: ParsedPublicKey::new(&ED25519, point)?,
    })
}

/// As long as a thumbprint, the usual name of a key.
fn kid(algorithm: &str) -> String {
    format!("{algorithm}-NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkx")
}

fn sign(
    algorithm: &str,
    now: u64,
    signature: impl Fn(&[u8]) -> Result<Vec<u8>>,
) -> Result<Vec<String>> {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({ "alg": algorithm, "typ": "at+jwt", "kid": kid(algorithm) });
    let token = |number: usize| {
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": format!("00u{number:04}jkt8hSDnuw0h7"),
            "client_id": "0oa1gjh63g214q0Iq0h8", "jti": format!("AT.{number:04}kZnF3nJ0p2XyRk7hT0qFVbqMvYyO1cVb9x8eWgk"),
            "iat": now, "auth_time": now - 60, "exp": now + 3600,
            "scope": "planets.read planets.write moons.read",
        });
        let input = format!("{}.{}", part(&header), part(&claims));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature(input.as_bytes())?);
        Ok(format!("{input}.{signature}"))
    };
    (0..TOKENS).map(token).collect()
}
