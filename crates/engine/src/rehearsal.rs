//! Decisions on claims that nobody has signed: for tests of policies, and for nothing else.

use std::sync::Arc;

use portcullis_jose::{CryptoProvider, JsonObject, Jwks};

use crate::credential::TokenHash;
use crate::host::{Host, Introspection, KeySource, ProofId, ProofUse, VerifiedToken};
use crate::issuer::IssuerUrl;

/// A host that takes the claims it was given for those of a genuine token.
///
/// The request carries [`Rehearsal::TOKEN`] as its access token; any other token is not known. The claims
/// are checked as those of a real token are, and no proof of a sender is ever new.
pub struct Rehearsal<'a> {
    crypto: &'a dyn CryptoProvider,
    token: TokenHash,
    verified: Arc<VerifiedToken>,
    /// What the issuer says about the token, where it is an opaque one.
    introspection: Option<Arc<Introspection>>,
    keys: Arc<Jwks>,
}

impl<'a> Rehearsal<'a> {
    /// What stands for the token in `Authorization: Bearer`.
    pub const TOKEN: &'static str = "the-token-of-a-policy-test";

    /// A host for a token with those claims and that `typ` header.
    #[must_use]
    pub fn new(claims: JsonObject, typ: Option<String>, crypto: &'a dyn CryptoProvider) -> Self {
        let keys = Arc::<Jwks>::default();
        Self {
            crypto,
            token: TokenHash::of(Self::TOKEN, crypto),
            verified: Arc::new(VerifiedToken {
                claims,
                typ,
                keys: Arc::clone(&keys),
            }),
            introspection: None,
            keys,
        }
    }

    /// A host for an opaque token about which its issuer says that.
    #[must_use]
    pub fn introspected(claims: JsonObject, crypto: &'a dyn CryptoProvider) -> Self {
        Self {
            introspection: Some(Arc::new(Introspection::Active(claims))),
            ..Self::new(JsonObject::new(), None, crypto)
        }
    }
}

impl KeySource for Rehearsal<'_> {
    fn keys(&self, _issuer: &IssuerUrl) -> Option<Arc<Jwks>> {
        Some(Arc::clone(&self.keys))
    }
}

impl Host for Rehearsal<'_> {
    fn crypto(&self) -> &dyn CryptoProvider {
        self.crypto
    }

    fn verified_token(&self, token: &TokenHash, _now: u64) -> Option<Arc<VerifiedToken>> {
        let is_known = *token == self.token && self.introspection.is_none();
        is_known.then(|| Arc::clone(&self.verified))
    }

    fn introspection(&self, _issuer: &IssuerUrl, token: &TokenHash) -> Option<Arc<Introspection>> {
        let known = self.introspection.as_ref();
        let known = known.filter(|_| *token == self.token).map(Arc::clone);
        Some(known.unwrap_or_else(|| Arc::new(Introspection::Inactive)))
    }

    fn note_proof(&self, _proof: ProofId, _until: u64, _now: u64) -> ProofUse {
        ProofUse::Repeated
    }
}
