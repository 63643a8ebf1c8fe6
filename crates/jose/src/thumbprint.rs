//! JWK thumbprints with SHA-256 (RFC 7638), as `cnf.jkt` carries them (RFC 9449 section 6.1).

use std::fmt;

use crate::base64url;

/// The SHA-256 thumbprint of a JWK (RFC 7638 section 3). [`Display`](fmt::Display) writes it in
/// base64url, the form that tokens carry.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    pub(crate) const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest itself.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `text` is this thumbprint in base64url (RFC 7638 section 3.1), exactly.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        base64url::decode(text).is_ok_and(|digest| digest == self.0)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    /// The thumbprint of a symmetric key tells something about the key, so it is not printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Thumbprint(..)")
    }
}
