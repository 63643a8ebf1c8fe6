//! Tokens whose signature was verified before, so that a client that comes again does not pay for it
//! again. Known by their SHA-256 digest; what is kept is their claims.
//!
//! A cache belongs to one policy set, and an entry to the keys that verified it: with either
//! replaced, the token is verified anew. What a token is worth is asked every time.

use std::fmt;
use std::sync::Arc;

use portcullis_engine::{TokenHash, VerifiedToken};
use quick_cache::sync::Cache;

/// Most tokens that are kept; the ones that are asked for least go first. At the edge there is less memory.
pub const MAX_VERIFIED_TOKENS: usize = if cfg!(target_family = "wasm") {
    250
} else {
    1000
};

/// A bounded cache of verified tokens.
pub struct VerifiedTokens(Cache<TokenHash, Entry>);

#[derive(Clone)]
struct Entry {
    token: Arc<VerifiedToken>,
    expires: u64,
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self(Cache::new(MAX_VERIFIED_TOKENS))
    }
}

impl VerifiedTokens {
    /// The token of that hash, if it has not expired at that time (seconds since 1970).
    #[must_use]
    pub fn find(&self, hash: &TokenHash, now: u64) -> Option<Arc<VerifiedToken>> {
        let entry = self.0.get(hash)?;
        if now < entry.expires {
            return Some(entry.token);
        }
        self.0.remove(hash);
        None
    }

    /// Keeps a token until it expires or others take its place.
    pub fn keep(&self, hash: TokenHash, token: Arc<VerifiedToken>, expires: u64) {
        self.0.insert(hash, Entry { token, expires });
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedTokens({})", self.len())
    }
}
