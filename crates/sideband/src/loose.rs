//! What the JSON of others needs: numbers that are sent as strings, and errors that do not repeat
//! what they found.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};

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

/// What is wrong with a JSON text, and where. The parser's own message quotes the value that it did
/// not expect, which may be a token; that part is left out.
pub(crate) fn describe(error: &serde_json::Error) -> String {
    let message = error.to_string();
    for start in ["invalid type: ", "invalid value: "] {
        if let Some(found) = message.strip_prefix(start)
            && let Some((found, expected)) = found.rsplit_once(", expected ")
        {
            let kind = found.split(['"', '`', ' ']).next().unwrap_or_default();
            return format!("got a JSON {kind}, expected {expected}");
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_quotes_nothing() {
        let secret = "Bearer s3cret, expected nothing";
        let json = serde_json::to_string(secret).unwrap();
        let error = serde_json::from_str::<Vec<u8>>(&json).unwrap_err();
        assert!(
            error.to_string().contains("s3cret"),
            "the parser's own message quotes: {error}"
        );
        assert!(!describe(&error).contains("s3cret"), "{}", describe(&error));
    }
}
