//! The credentials of gateways: who may ask for decisions.
//!
//! Several are valid at once, so that a gateway can be moved from one to the next. Only their
//! SHA-256 digests are kept, and they are compared in constant time.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};

/// Most credentials that are valid at once.
const MAX_CREDENTIALS: usize = 1000;
/// Longest credential, in bytes. A credential of PingOne is a signed JWT of one to two kilobytes.
const MAX_CREDENTIAL_BYTES: usize = 8 * 1024;

/// A set of gateway credentials.
pub struct GatewayCredentials(Vec<Digest>);

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
        let mut digests = Vec::new();
        for (index, credential) in each.enumerate() {
            // A header value with other characters could never be sent (RFC 9110 section 5.5).
            if credential.len() > MAX_CREDENTIAL_BYTES
                || !credential.bytes().all(|byte| byte.is_ascii_graphic())
            {
                return Err(InvalidCredentials::Unsendable {
                    position: index + 1,
                });
            }
            digests.push(digest(&SHA256, credential.as_bytes()));
        }
        match digests.len() {
            0 => Err(InvalidCredentials::None),
            1..=MAX_CREDENTIALS => Ok(Self(digests)),
            _ => Err(InvalidCredentials::TooMany),
        }
    }

    /// Whether a credential that came with a call is one of these. The time it takes does not
    /// depend on how much of it is right.
    #[must_use]
    pub fn accept(&self, presented: &[u8]) -> bool {
        let presented = digest(&SHA256, presented);
        let equal =
            |known: &Digest| verify_slices_are_equal(known.as_ref(), presented.as_ref()).is_ok();
        self.0
            .iter()
            .fold(false, |found, known| found | equal(known))
    }
}

impl fmt::Debug for GatewayCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GatewayCredentials([{}])", self.0.len())
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
            assert!(credentials.accept(good.as_bytes()), "{good}");
        }
        for wrong in [
            "",
            "first",
            "first-credential ",
            "Second",
            "# old and new",
            "second,third",
        ] {
            assert!(!credentials.accept(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{credentials:?}"), "GatewayCredentials([3])");
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
