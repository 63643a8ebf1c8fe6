//! The key of the system issuer: ES256 (RFC 7518 section 3.4), made when it is first needed and kept in the database,
//! sealed with a key that the database does not have.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use portcullis_jose::{
    AwsLc, CompactJws, JsonObject, Jwk, Jwks, SymmetricKeys, base64url_decode, base64url_encode,
};
use portcullis_store::{Sha256, Store, UnixMillis};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::error::ApiError;
use crate::secret::sha256;
use crate::state::MIN_STATE_KEY_BYTES;

/// What the key is derived for, and what the encryption is bound to.
const PURPOSE: &[u8] = b"portcullis system issuer key 1";
/// The media type of access tokens (RFC 9068 section 2.1).
const ACCESS_TOKEN: &str = "at+jwt";

/// Signs the access tokens of gateways.
pub struct SystemIssuer {
    sealing: Option<Sealing>,
    key: OnceCell<SigningKey>,
}

/// What private keys are sealed with, and what that is known by in the database.
struct Sealing {
    key: RandomizedNonceKey,
    name: Sha256,
}

struct SigningKey {
    pair: EcdsaKeyPair,
    kid: String,
    /// The public key.
    public: Value,
    keys: Jwks,
}

impl SystemIssuer {
    /// An issuer whose key is kept in the database, sealed with a key that is derived from that text, which every
    /// replica must have. `None` where it is shorter than [`MIN_STATE_KEY_BYTES`].
    #[must_use]
    pub fn sealed_with(text: &[u8]) -> Option<Self> {
        if text.len() < MIN_STATE_KEY_BYTES {
            return None;
        }
        let mut derived = [0; 32];
        Salt::new(HKDF_SHA256, &[])
            .extract(text)
            .expand(&[PURPOSE], HKDF_SHA256)
            .ok()?
            .fill(&mut derived)
            .ok()?;
        // The digest of the derived key says nothing about the text.
        let name = sha256(&derived);
        let key = RandomizedNonceKey::new(&AES_256_GCM, &derived).ok()?;
        Some(Self {
            sealing: Some(Sealing { key, name }),
            key: OnceCell::new(),
        })
    }

    /// An issuer whose key only this process has: tokens end with it, and no other replica accepts them.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            sealing: None,
            key: OnceCell::new(),
        }
    }

    /// The public key as a JWK set.
    pub(super) async fn jwks(&self, store: &Store, now: UnixMillis) -> Result<Value, ApiError> {
        Ok(json!({ "keys": [self.key(store, now).await?.public] }))
    }

    /// An access token of those claims.
    pub(super) async fn sign(
        &self,
        store: &Store,
        now: UnixMillis,
        claims: &Value,
    ) -> Result<String, ApiError> {
        let key = self.key(store, now).await?;
        let header = json!({ "alg": "ES256", "typ": ACCESS_TOKEN, "kid": key.kid });
        let part = |value: &Value| base64url_encode(value.to_string().as_bytes());
        let input = format!("{}.{}", part(&header), part(claims));
        let signature = key
            .pair
            .sign(&SystemRandom::new(), input.as_bytes())
            .map_err(|_| ApiError::unavailable())?;
        Ok(format!("{input}.{}", base64url_encode(signature.as_ref())))
    }

    /// The claims of an access token that this issuer has signed, whatever they say; `None` for any other text.
    pub(super) async fn verify(
        &self,
        store: &Store,
        now: UnixMillis,
        token: &str,
    ) -> Result<Option<JsonObject>, ApiError> {
        let Ok(jws) = CompactJws::parse(token) else {
            return Ok(None);
        };
        let key = self.key(store, now).await?;
        let is_ours =
            jws.verify_with(&key.keys).is_ok() && jws.typ().is_some_and(|typ| typ == ACCESS_TOKEN);
        Ok(is_ours.then(|| jws.into_payload()))
    }

    async fn key(&self, store: &Store, now: UnixMillis) -> Result<&SigningKey, ApiError> {
        let make = || async {
            let unusable = || {
                tracing::error!("the key of the system issuer could not be made or read");
                ApiError::unavailable()
            };
            let fresh = EcdsaKeyPair::generate_pkcs8(
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                &SystemRandom::new(),
            )
            .map_err(|_| unusable())?;
            let Some(sealing) = &self.sealing else {
                return SigningKey::read(fresh.as_ref()).ok_or_else(unusable);
            };
            let sealed = sealing.seal(fresh.as_ref()).ok_or_else(unusable)?;
            let stored = store.signing_key(&sealing.name, &sealed, now).await?;
            let opened = sealing.open(&stored).ok_or_else(unusable)?;
            SigningKey::read(&opened).ok_or_else(unusable)
        };
        self.key.get_or_try_init(make).await
    }
}

impl SigningKey {
    fn read(pkcs8: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
        let (x, y) = match pair.public_key().as_ref() {
            // SEC 1 section 2.3.3: both coordinates, not compressed.
            [4, point @ ..] => point.split_at_checked(32)?,
            _ => return None,
        };
        let mut public = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
            "x": base64url_encode(x), "y": base64url_encode(y),
        });
        let read = Jwk::from_json(public.to_string().as_bytes(), SymmetricKeys::Refuse, &AwsLc);
        let kid = read.ok()?.thumbprint().to_string();
        public.as_object_mut()?.insert("kid".to_owned(), json!(kid));
        let set = json!({ "keys": [public] }).to_string();
        let keys = Jwks::from_json(set.as_bytes(), SymmetricKeys::Refuse, &AwsLc).ok()?;
        Some(Self {
            pair,
            kid,
            public,
            keys,
        })
    }
}

impl Sealing {
    fn seal(&self, secret: &[u8]) -> Option<String> {
        let mut bytes = secret.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(PURPOSE), &mut bytes)
            .ok()?;
        let mut message = nonce.as_ref().to_vec();
        message.append(&mut bytes);
        Some(base64url_encode(&message))
    }

    fn open(&self, sealed: &str) -> Option<Vec<u8>> {
        let mut bytes = base64url_decode(sealed)?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(PURPOSE), sealed)
            .ok()?;
        Some(opened.to_vec())
    }
}

impl fmt::Debug for SystemIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemIssuer")
            .field("is_sealed", &self.sealing.is_some())
            .finish_non_exhaustive()
    }
}
