//! The credentials of gateways: who may ask for decisions.
//!
//! Several are valid at once, so that a gateway can be moved from one to the next. Only their SHA-256
//! digests are kept and looked up: how long that takes tells nothing about a credential.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use portcullis_store::UnixMillis;

use crate::secret::sha256;
use crate::stored_credentials::StoredCredentials;

/// Most credentials that are valid at once.
const MAX_CREDENTIALS: usize = 1000;
/// Longest credential, in bytes. A credential of PingOne is a signed JWT of one to two kilobytes.
const MAX_CREDENTIAL_BYTES: usize = 8 * 1024;

/// Shortest credential that is taken for one that cannot be guessed, in bytes: 96 bits in base64.
pub const MIN_UNGUESSABLE_BYTES: usize = 16;

/// A set of gateway credentials: those that the service was started with, and those of its database.
pub struct GatewayCredentials {
    given: HashSet<[u8; 32]>,
    /// How many of them are so short that they can be guessed.
    short: usize,
    stored: Option<Arc<StoredCredentials>>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Caller {
    /// The name of the gateway, where its credential is one of the database.
    pub(crate) gateway: Option<Arc<str>>,
}

impl GatewayCredentials {
    /// Reads credentials that are separated by commas or line breaks; white space around them and
    /// lines that start with `#` are left out.
    pub fn parse(list: &str) -> Result<Self, InvalidCredentials> {
        let lines = list
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        let each = lines
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .filter(|one| !one.is_empty());
        let mut given = HashSet::new();
        let mut short = 0;
        for (index, credential) in each.enumerate() {
            // A header value with other characters could never be sent (RFC 9110 section 5.5).
            if credential.len() > MAX_CREDENTIAL_BYTES
                || !credential.bytes().all(|byte| byte.is_ascii_graphic())
            {
                return Err(InvalidCredentials::Unsendable {
                    position: index + 1,
                });
            }
            let is_new = given.insert(sha256(credential.as_bytes()).to_bytes());
            if is_new && credential.len() < MIN_UNGUESSABLE_BYTES {
                short += 1;
            }
        }
        match given.len() {
            0 => Err(InvalidCredentials::None),
            1..=MAX_CREDENTIALS => Ok(Self {
                given,
                short,
                stored: None,
            }),
            _ => Err(InvalidCredentials::TooMany),
        }
    }

    /// Those of a database alone, or with `given` beside them.
    #[must_use]
    pub fn stored(given: Option<Self>, stored: Arc<StoredCredentials>) -> Self {
        let (given, short) = given
            .map(|list| (list.given, list.short))
            .unwrap_or_default();
        Self {
            given,
            short,
            stored: Some(stored),
        }
    }

    /// How many of the given ones are shorter than [`MIN_UNGUESSABLE_BYTES`]. Those of a database are all random.
    #[must_use]
    pub const fn short(&self) -> usize {
        self.short
    }

    /// Who asks with a credential at that time; `None` where it is none of these.
    pub(crate) fn accept(&self, presented: &[u8], now: UnixMillis) -> Option<Caller> {
        let digest = sha256(presented).to_bytes();
        if self.given.contains(&digest) {
            return Some(Caller::default());
        }
        let gateway = self.stored.as_ref()?.accept(&digest, now)?;
        Some(Caller {
            gateway: Some(gateway),
        })
    }
}

impl fmt::Debug for GatewayCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GatewayCredentials([{}])", self.given.len())
    }
}

/// Why a list of credentials was refused. No message holds a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredentials {
    /// The list is empty.
    #[error(
        "the list of gateway credentials is empty; expected credentials separated by commas or line breaks"
    )]
    None,
    /// More than anyone has.
    #[error("more than {MAX_CREDENTIALS} gateway credentials")]
    TooMany,
    /// A credential that no HTTP header can carry.
    #[error(
        "gateway credential {position} cannot be sent in a header: expected at most {MAX_CREDENTIAL_BYTES} visible ASCII characters"
    )]
    Unsendable {
        /// Which one, from 1.
        position: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_each_of_several() {
        let credentials =
            GatewayCredentials::parse("# old and new\n first-credential,second\n\nthird\n")
                .unwrap();
        for good in ["first-credential", "second", "third"] {
            let caller = credentials.accept(good.as_bytes(), UnixMillis(0));
            assert_eq!(caller, Some(Caller::default()), "{good}");
        }
        for wrong in [
            "",
            "first",
            "first-credential ",
            "Second",
            "# old and new",
            "second,third",
        ] {
            let caller = credentials.accept(wrong.as_bytes(), UnixMillis(0));
            assert_eq!(caller, None, "{wrong}");
        }
        assert_eq!(format!("{credentials:?}"), "GatewayCredentials([3])");
    }

    #[test]
    fn short_ones_are_counted() {
        let list = "fifteen-bytes-a\nsixteen-bytes-ab\nx,x";
        let credentials = GatewayCredentials::parse(list).unwrap();
        assert_eq!(credentials.short(), 2);
        let stored = Arc::new(StoredCredentials::default());
        let both = GatewayCredentials::stored(Some(credentials), Arc::clone(&stored));
        assert_eq!(both.short(), 2);
        assert_eq!(GatewayCredentials::stored(None, stored).short(), 0);
    }

    #[test]
    fn refuses_lists_that_protect_nothing() {
        assert_eq!(
            GatewayCredentials::parse(" ,\n# x\n").unwrap_err(),
            InvalidCredentials::None
        );
        assert_eq!(
            GatewayCredentials::parse("a,b c").unwrap_err(),
            InvalidCredentials::Unsendable { position: 2 }
        );
    }
}
