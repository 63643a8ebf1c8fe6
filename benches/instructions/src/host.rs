//! What a decision reaches out to, as it is after the first decision: keys that were fetched, tokens that were verified.

use std::sync::Arc;

use portcullis_engine::{Host, IssuerUrl, KeySource, TokenHash, VerifiedToken};
use portcullis_jose::{AwsLc, CryptoProvider, Jwks};
use portcullis_pdp::verified_tokens::VerifiedTokens;

/// The keys of the one issuer, and what remembers verified tokens where anything does.
pub(crate) struct Kept {
    keys: Arc<Jwks>,
    tokens: Option<VerifiedTokens>,
}

impl Kept {
    /// Every token is verified anew.
    pub(crate) fn forgetful(keys: Arc<Jwks>) -> Self {
        Self { keys, tokens: None }
    }

    /// A token is verified once.
    pub(crate) fn remembering(keys: Arc<Jwks>) -> Self {
        let tokens = Some(VerifiedTokens::default());
        Self { keys, tokens }
    }
}

impl KeySource for Kept {
    fn keys(&self, _: &IssuerUrl) -> Option<Arc<Jwks>> {
        Some(Arc::clone(&self.keys))
    }
}

impl Host for Kept {
    fn crypto(&self) -> &dyn CryptoProvider {
        &AwsLc
    }

    fn verified_token(&self, token: &TokenHash, now: u64) -> Option<Arc<VerifiedToken>> {
        self.tokens.as_ref()?.find(token, now)
    }

    fn keep_verified_token(&self, token: TokenHash, verified: Arc<VerifiedToken>, expires: u64) {
        if let Some(tokens) = &self.tokens {
            tokens.keep(token, verified, expires);
        }
    }
}
