//! What a decision asks of whoever runs it: the decision service, a Lambda function, a host of
//! WebAssembly, a test. Every answer comes at once, from memory; what is not there yet makes the
//! decision stop and say so ([`Progress`](crate::Progress)).

use std::fmt;
use std::sync::Arc;

use portcullis_jose::{CryptoProvider, JsonObject, Jwks};

use crate::credential::TokenHash;
use crate::issuer::IssuerUrl;

/// Where the keys of an issuer are looked up.
pub trait KeySource {
    /// The keys of that issuer, or `None` where there are none yet.
    fn keys(&self, issuer: &IssuerUrl) -> Option<Arc<Jwks>>;
}

/// Everything that a decision asks for. What has a default is optional, and the default refuses.
pub trait Host: KeySource {
    /// Digests and the verification of signatures.
    fn crypto(&self) -> &dyn CryptoProvider;

    /// A token that was verified before and has not expired at that time (seconds since 1970).
    fn verified_token(&self, token: &TokenHash, now: u64) -> Option<Arc<VerifiedToken>> {
        let _ = (token, now);
        None
    }

    /// Takes note of a token whose signature holds; it is worth nothing from `expires` on (seconds
    /// since 1970).
    fn keep_verified_token(&self, token: TokenHash, verified: Arc<VerifiedToken>, expires: u64) {
        let _ = (token, verified, expires);
    }

    /// Takes note of the claims that a decision is made on: of a token that is genuine, before its claims
    /// are checked.
    fn note_claims(&self, claims: &JsonObject) {
        let _ = claims;
    }

    /// What that issuer answered about an opaque token, or `None` where it has to be asked.
    fn introspection(&self, issuer: &IssuerUrl, token: &TokenHash) -> Option<Arc<Introspection>> {
        let _ = (issuer, token);
        None
    }

    /// Takes note of a DPoP proof, which must not be accepted again before `until` (seconds since
    /// 1970; RFC 9449 section 11.1).
    fn note_proof(&self, proof: ProofId, until: u64, now: u64) -> ProofUse {
        let _ = (proof, until, now);
        ProofUse::NoRoom
    }

    /// Where DPoP proofs must carry a nonce: which ones are good (RFC 9449 section 9).
    fn nonces(&self) -> Option<&dyn Nonces> {
        None
    }
}

/// The nonces that DPoP proofs have to carry (RFC 9449 section 9).
pub trait Nonces: fmt::Debug + Send + Sync {
    /// Whether that nonce was given out not long before that time.
    fn accepts(&self, nonce: &str, now: u64) -> bool;

    /// The nonce to use from that time on.
    fn current(&self, now: u64) -> String;
}

/// What identifies a DPoP proof: the digest of its key's thumbprint and its `jti`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProofId([u8; 32]);

impl ProofId {
    /// The proof of that digest.
    #[must_use]
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ProofId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofId(..)")
    }
}

/// Whether a proof was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofUse {
    /// It was not, and never will be accepted again.
    First,
    /// It was.
    Repeated,
    /// Nobody can tell any more: the store is full of proofs that could still be replayed.
    NoRoom,
}

/// The claims of a JWT whose signature held, and the keys that showed it: with other keys it would
/// have to be verified anew. Nothing else is remembered: whether the claims fit, who may send the
/// token and how old the authentication is, is asked every time.
pub struct VerifiedToken {
    pub(crate) claims: JsonObject,
    pub(crate) typ: Option<String>,
    pub(crate) keys: Arc<Jwks>,
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifiedToken(..)")
    }
}

/// What an issuer says about an opaque token (RFC 7662 section 2.2).
#[derive(Clone, PartialEq)]
pub enum Introspection {
    /// The token is not valid.
    Inactive,
    /// The token is valid, and this is what it stands for.
    Active(JsonObject),
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inactive => "Inactive",
            Self::Active(_) => "Active(..)",
        })
    }
}
