//! What the decision service knows of a request, given to the gateway to hand back with the response:
//! encrypted and authenticated, so that it can be neither read nor forged.
//!
//! AES-256-GCM (NIST SP 800-38D) with a random nonce. With random nonces a key may seal 2^32 messages;
//! a key that is made at start lives as long as its process, and one that is set should be replaced once
//! a year.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use portcullis_jose::{base64url_decode, base64url_encode};
use portcullis_model::{ApiRequest, FollowUp};
use portcullis_sideband::SidebandRequest;
use serde_json::{Map, Value, json};

/// Shortest key, in bytes of its text.
pub const MIN_STATE_KEY_BYTES: usize = 32;
/// How long a backend may take to answer, in seconds.
const LIFETIME: u64 = 900;
/// Longest state, in bytes.
const MAX_STATE_BYTES: usize = 256 * 1024;
/// What the encryption is bound to: no other use of the same key can be taken for this one.
const PURPOSE: &[u8] = b"portcullis sideband state 1";
/// Header fields that hold credentials: nothing on the way back needs them.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "dpop", "proxy-authorization"];

/// Seals and opens states.
pub struct StateKey(RandomizedNonceKey);

/// What was sealed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    pub(crate) request: ApiRequest,
    pub(crate) follow_up: FollowUp,
}

impl StateKey {
    /// A key from a text of at least 32 bytes, which every replica must have; `None` for one that is
    /// shorter.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        if text.len() < MIN_STATE_KEY_BYTES {
            return None;
        }
        RandomizedNonceKey::new(&AES_256_GCM, digest(&SHA256, text).as_ref())
            .ok()
            .map(Self)
    }

    /// A key that only this process has; `None` where the system gives no random bytes.
    #[must_use]
    pub fn random() -> Option<Self> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok().map(Self)
    }

    /// Seals what is known of a request at that time (seconds since 1970). `None` where encryption fails,
    /// which leaves the response without what it needs, and so denied.
    pub(crate) fn seal(
        &self,
        request: &ApiRequest,
        follow_up: &FollowUp,
        now: u64,
    ) -> Option<String> {
        let mut sent = SidebandRequest::from_api_request(request);
        // What the body said was decided on; it may be large.
        sent.body = None;
        let mut sent = serde_json::to_value(&sent).ok()?;
        if let Some(headers) = sent.get_mut("headers").and_then(Value::as_array_mut) {
            headers.retain(|field| {
                let name = field.as_object().and_then(|field| field.keys().next());
                !name.is_some_and(|name| {
                    CREDENTIALS.iter().any(|one| name.eq_ignore_ascii_case(one))
                })
            });
        }
        let token = match follow_up {
            FollowUp::Anonymous => Value::Null,
            FollowUp::Token { issuer, claims } => json!({ "issuer": issuer, "claims": claims }),
        };
        let sealed =
            json!({ "until": now.saturating_add(LIFETIME), "request": sent, "token": token });
        let mut bytes = sealed.to_string().into_bytes();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(PURPOSE), &mut bytes)
            .ok()?;
        let mut message = nonce.as_ref().to_vec();
        message.append(&mut bytes);
        Some(base64url_encode(&message))
    }

    /// What was sealed with this key not too long ago; `None` for anything else.
    pub(crate) fn open(&self, state: &str, now: u64) -> Option<Known> {
        if state.len() > MAX_STATE_BYTES {
            return None;
        }
        let mut bytes = base64url_decode(state)?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self
            .0
            .open_in_place(nonce, Aad::from(PURPOSE), sealed)
            .ok()?;
        let mut opened: Map<String, Value> = serde_json::from_slice(opened).ok()?;
        if opened.get("until")?.as_u64()? < now {
            return None;
        }
        let request = opened.get("request")?.to_string();
        let request = SidebandRequest::parse(request.as_bytes()).ok()?;
        let follow_up = match opened.remove("token")? {
            Value::Object(mut token) => FollowUp::Token {
                issuer: token.get("issuer")?.as_str()?.to_owned(),
                claims: match token.remove("claims")? {
                    Value::Object(claims) => claims,
                    _ => return None,
                },
            },
            Value::Null => FollowUp::Anonymous,
            _ => return None,
        };
        Some(Known {
            request: request.to_api_request().ok()?,
            follow_up,
        })
    }
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::{HeaderMap, Method, RequestUrl, Source};
    use proptest::prelude::*;

    fn request() -> ApiRequest {
        let mut headers = HeaderMap::new();
        headers
            .append("Authorization", "Bearer secret-token")
            .unwrap();
        headers.append("X-App", "web").unwrap();
        ApiRequest {
            method: Method::get(),
            url: RequestUrl::parse("https://api.example.com/x?y=1").unwrap(),
            http_version: "1.1".into(),
            headers,
            source: Source {
                ip: None,
                port: Some(7),
            },
            client_certificate: None,
            body: Some("body".into()),
            entry: None,
        }
    }

    fn known() -> FollowUp {
        FollowUp::Token {
            issuer: "https://idp.example.com".into(),
            claims: json!({ "sub": "somebody" }).as_object().unwrap().clone(),
        }
    }

    #[test]
    fn what_was_sealed_comes_back_without_credentials() {
        let key = StateKey::from_text(&[7; 32]).unwrap();
        for follow_up in [known(), FollowUp::Anonymous] {
            let state = key.seal(&request(), &follow_up, 1000).unwrap();
            assert!(!state.contains("somebody"));
            let opened = key.open(&state, 1900).unwrap();
            assert_eq!(opened.follow_up, follow_up);
            assert_eq!(opened.request.url.as_str(), "https://api.example.com/x?y=1");
            assert!(opened.request.headers.contains("x-app"));
            assert!(!opened.request.headers.contains("authorization"));
            assert_eq!(opened.request.body, None);
            assert_eq!(key.open(&state, 1901), None, "too late");
            let other = StateKey::random().unwrap();
            assert_eq!(other.open(&state, 1000), None, "another key");
            assert_ne!(
                key.seal(&request(), &follow_up, 1000).unwrap(),
                state,
                "another nonce"
            );
        }
        assert!(StateKey::from_text(&[7; 31]).is_none());
    }

    proptest! {
        #[test]
        fn nothing_but_what_was_sealed_opens(at in 0_usize..400, bit in 0_u8..8, text in "[A-Za-z0-9_-]{0,80}") {
            let key = StateKey::from_text(&[7; 32]).unwrap();
            let state = key.seal(&request(), &known(), 1000).unwrap();
            let mut bytes = base64url_decode(&state).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(key.open(&base64url_encode(&bytes), 1000), None);
            prop_assert_eq!(key.open(&text, 1000), None);
            prop_assert_eq!(key.open(&state[..at], 1000), None);
        }
    }
}
