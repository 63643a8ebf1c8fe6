//! Secrets that the decision service hands out: shown once, kept as SHA-256 only.
//!
//! 256 random bits cannot be guessed, so that a plain digest keeps them as well as a slow one would.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use portcullis_jose::base64url_encode;
use portcullis_store::Sha256;

/// What a secret is for. The beginning of its text says so, for people and for scanners of leaked secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// A token of an administrator.
    AdminToken,
    /// A credential of a gateway.
    GatewayCredential,
}

impl SecretKind {
    /// What the text begins with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::AdminToken => "portcullis_admin_",
            Self::GatewayCredential => "portcullis_gateway_",
        }
    }

    /// Whether a text has the form of such a secret: its prefix and 43 characters of base64url, which 256 bits are.
    pub(crate) fn has_form(self, text: &[u8]) -> bool {
        let random = text.strip_prefix(self.prefix().as_bytes());
        random.is_some_and(|random| {
            random.len() == 43
                && random
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
        })
    }
}

/// A new secret: its prefix and 256 random bits in base64url. `Debug` shows nothing of it.
pub struct Secret(String);

impl Secret {
    /// A new one; `None` where the system gives no random bytes.
    #[must_use]
    pub fn random(kind: SecretKind) -> Option<Self> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).ok()?;
        Some(Self(format!(
            "{}{}",
            kind.prefix(),
            base64url_encode(&bytes)
        )))
    }

    /// The text, for the one who asked for it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    #[must_use]
    pub fn sha256(&self) -> Sha256 {
        sha256(self.0.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// The SHA-256 digest of what was presented.
pub(crate) fn sha256(presented: &[u8]) -> Sha256 {
    let mut bytes = [0; 32];
    // Both have 32 bytes.
    for (to, from) in bytes.iter_mut().zip(digest(&SHA256, presented).as_ref()) {
        *to = *from;
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_it_is_for_and_is_never_the_same() {
        let one = Secret::random(SecretKind::AdminToken).unwrap();
        let other = Secret::random(SecretKind::AdminToken).unwrap();
        assert!(one.expose().starts_with("portcullis_admin_"));
        assert_eq!(one.expose().len(), "portcullis_admin_".len() + 43);
        assert_ne!(one.expose(), other.expose());
        assert_eq!(format!("{one:?}"), "Secret([redacted])");
        let is_token = |text: &str| SecretKind::AdminToken.has_form(text.as_bytes());
        assert!(is_token(one.expose()) && is_token(other.expose()));
        assert!(!SecretKind::GatewayCredential.has_form(one.expose().as_bytes()));
        let random = "x".repeat(43);
        assert!(is_token(&format!("portcullis_admin_{random}")));
        for wrong in [
            "portcullis_admin_".to_owned(),
            format!("portcullis_admin_{random}x"),
            format!("portcullis_admin_{}", &random[1..]),
            format!("portcullis_admin_{}=", &random[1..]),
            random.clone(),
        ] {
            assert!(!is_token(&wrong), "{wrong}");
        }
        // FIPS 180-4, the digest of "abc".
        assert_eq!(
            sha256(b"abc").as_str(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
