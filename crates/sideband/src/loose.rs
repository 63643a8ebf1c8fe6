//! What the JSON of others needs: numbers that are sent as strings.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};

/// Reads a TCP port, which is never 0, from a JSON number or a string of digits.
pub(crate) fn port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    match u16_or_digits(deserializer)? {
        0 => Err(D::Error::custom("expected a port from 1 to 65535, got 0")),
        port => Ok(port),
    }
}

/// Reads an integer of at most 16 bits from a JSON number or a string of digits.
pub(crate) fn u16_or_digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    struct Loose;

    impl Visitor<'_> for Loose {
        type Value = u16;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number from 0 to 65535, or a string with one")
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<u16, E> {
            number
                .try_into()
                .map_err(|_| E::custom("expected a number from 0 to 65535"))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<u16, E> {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = if digits { text.parse().ok() } else { None };
            number.ok_or_else(|| E::custom("expected a string with a number from 0 to 65535"))
        }
    }

    deserializer.deserialize_any(Loose)
}
