//! How a client authenticates at the introspection endpoint (RFC 7662 section 2.1): with a secret in a
//! header or in the form (RFC 6749 section 2.3.1), or with an assertion that it signs (RFC 7523).

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use portcullis_engine::{ClientAuthenticationMethod, IssuerUrl};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;

use crate::form::encode;

/// How long an assertion may be used, in seconds.
const ASSERTION_SECONDS: u64 = 60;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client with what it authenticates with.
pub(crate) struct Client {
    pub(crate) id: String,
    proof: Proof,
}

enum Proof {
    Basic(String),
    Post(String),
    Key(ClientKey),
}

impl Client {
    /// A client of that method; `secret` is the client secret or the private key in PKCS#8 PEM.
    pub(crate) fn new(
        id: &str,
        method: ClientAuthenticationMethod,
        secret: &str,
    ) -> Result<Self, InvalidClientSecret> {
        let secret = secret.trim();
        if secret.is_empty()
            || secret
                .chars()
                .any(|c| c.is_control() && c != '\n' && c != '\r')
        {
            return Err(InvalidClientSecret::Empty);
        }
        let proof = match method {
            ClientAuthenticationMethod::ClientSecretBasic => Proof::Basic(secret.to_owned()),
            ClientAuthenticationMethod::ClientSecretPost => Proof::Post(secret.to_owned()),
            ClientAuthenticationMethod::PrivateKeyJwt => Proof::Key(ClientKey::from_pem(secret)?),
        };
        Ok(Self {
            id: id.to_owned(),
            proof,
        })
    }

    /// The body of a request about that token, and the value of `Authorization` where there is one.
    pub(crate) fn request(
        &self,
        token: &str,
        issuer: &IssuerUrl,
        now: u64,
    ) -> Option<(String, Option<String>)> {
        let form = format!("token={}&token_type_hint=access_token", encode(token));
        match &self.proof {
            Proof::Basic(secret) => {
                let pair = format!("{}:{}", encode(&self.id), encode(secret));
                let header = format!("Basic {}", BASE64_STANDARD.encode(pair));
                Some((form, Some(header)))
            }
            Proof::Post(secret) => {
                let (id, secret) = (encode(&self.id), encode(secret));
                Some((
                    format!("{form}&client_id={id}&client_secret={secret}"),
                    None,
                ))
            }
            Proof::Key(key) => {
                let assertion = key.assertion(&self.id, issuer, now)?;
                let id = encode(&self.id);
                let kind = encode(ASSERTION_TYPE);
                Some((
                    format!(
                        "{form}&client_id={id}&client_assertion_type={kind}&client_assertion={assertion}"
                    ),
                    None,
                ))
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A private key that signs assertions.
enum ClientKey {
    Rsa(rsa::KeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl ClientKey {
    fn from_pem(pem: &str) -> Result<Self, InvalidClientSecret> {
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
    fn assertion(&self, client: &str, issuer: &IssuerUrl, now: u64) -> Option<String> {
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

/// Why a client cannot authenticate with what it was given. Never shows any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClientSecret {
    /// Nothing, or control characters.
    #[error("expected a client secret")]
    Empty,
    /// Not a private key that can be used.
    #[error(
        "expected a private key in PKCS#8 PEM (-----BEGIN PRIVATE KEY-----): RSA, P-256 or Ed25519"
    )]
    Key,
}
