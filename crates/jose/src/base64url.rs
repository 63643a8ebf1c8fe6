//! Canonical base64url without padding (RFC 7515 section 2, RFC 4648 section 5).
//!
//! One value has one encoding: whitespace, padding, other alphabets and non-zero trailing bits are
//! refused, so that two different tokens never carry the same content.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const CANONICAL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// The text is not canonical base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotCanonical;

/// Replaces what `buffer` holds with what `text` encodes.
pub(crate) fn decode_into(text: &str, buffer: &mut Vec<u8>) -> Result<(), NotCanonical> {
    buffer.clear();
    CANONICAL.decode_vec(text, buffer).map_err(|_| NotCanonical)
}

/// What `text` encodes.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, NotCanonical> {
    CANONICAL.decode(text).map_err(|_| NotCanonical)
}

/// The one encoding of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    CANONICAL.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_encoding() {
        assert_eq!(decode("Zm8"), Ok(b"fo".to_vec()));
        assert_eq!(encode(b"fo"), "Zm8");
        for other in [
            "Zm8=", "Zm9", "Zm8 ", " Zm8", "Zm8\n", "Zm+/", "Z", "Zm8==", "Zm8.", "Zm8é",
        ] {
            assert_eq!(decode(other), Err(NotCanonical), "{other:?}");
        }
    }
}
