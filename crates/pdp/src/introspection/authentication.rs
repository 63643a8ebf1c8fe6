//! How a client authenticates at the introspection endpoint (RFC 7662 section 2.1): with a secret in a
//! header or in the form (RFC 6749 section 2.3.1), or with an assertion that it signs (RFC 7523).

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use portcullis_engine::{ClientAuthenticationMethod, IssuerUrl};

use super::client_key::ClientKey;
use crate::form::encode;

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
    /// This build cannot sign.
    #[error("expected a client secret: private_key_jwt is not available at the edge")]
    NoSigning,
}
