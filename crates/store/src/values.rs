//! Values that are checked once, at the border: ids, names, digests and times.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The most octets of an [`Id`].
const MAX_ID: usize = 128;
/// The most octets of a [`Name`].
const MAX_NAME: usize = 256;

/// Why a text is no id, name or digest. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// Not an [`Id`].
    #[error(
        "an id is 1 to 128 ASCII letters, digits, hyphens, underscores, dots or colons; give one of that form"
    )]
    Id,
    /// Not a [`Name`].
    #[error("a name is 1 to 256 octets of UTF-8 without control characters; give one of that form")]
    Name,
    /// Not a [`Sha256`].
    #[error("a SHA-256 digest is 64 lower-case hexadecimal digits; give one of that form")]
    Sha256,
}

/// What a thing is addressed by: 1 to 128 ASCII letters, digits, `-`, `_`, `.` or `:`. The caller makes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Id(String);

/// What people call a thing: 1 to 256 octets of UTF-8 without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

/// A SHA-256 digest as 64 lower-case hexadecimal digits. `Debug` shows the first 8 only, because it may be the
/// digest of a secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Sha256(String);

/// Milliseconds since 1970-01-01 UTC. The caller reads the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

macro_rules! text {
    ($type:ident, $error:expr, $is_valid:expr) => {
        impl $type {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidValue;

            fn try_from(text: String) -> Result<Self, InvalidValue> {
                let is_valid: fn(&str) -> bool = $is_valid;
                if is_valid(&text) {
                    Ok(Self(text))
                } else {
                    Err($error)
                }
            }
        }

        impl FromStr for $type {
            type Err = InvalidValue;

            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                Self::try_from(text.to_owned())
            }
        }
    };
}

text!(Id, InvalidValue::Id, |text| {
    (1..=MAX_ID).contains(&text.len())
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"-_.:".contains(&octet))
});

text!(Name, InvalidValue::Name, |text| {
    (1..=MAX_NAME).contains(&text.len()) && !text.chars().any(char::is_control)
});

text!(Sha256, InvalidValue::Sha256, |text| {
    text.len() == 64
        && text
            .bytes()
            .all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
});

impl Sha256 {
    /// The digest itself.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let digit = |octet: u8| match octet {
            b'0'..=b'9' => octet - b'0',
            _ => octet.wrapping_sub(b'a').wrapping_add(10),
        };
        for (byte, pair) in bytes.iter_mut().zip(self.0.as_bytes().chunks_exact(2)) {
            *byte = pair
                .iter()
                .fold(0, |byte, octet| (byte << 4) | digit(*octet));
        }
        bytes
    }
}

impl From<[u8; 32]> for Sha256 {
    fn from(bytes: [u8; 32]) -> Self {
        let mut text = String::with_capacity(64);
        for byte in bytes {
            text.extend(
                [byte >> 4, byte & 15]
                    .map(|half| char::from_digit(half.into(), 16))
                    .into_iter()
                    .flatten(),
            );
        }
        Self(text)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sha256({}...)", self.0.get(..8).unwrap_or(""))
    }
}
