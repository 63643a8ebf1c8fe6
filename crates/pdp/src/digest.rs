//! What files are known by: a digest over their paths and contents.

use std::fmt::Write as _;

use portcullis_jose::CryptoProvider as _;

use crate::crypto::Crypto;

/// The SHA-256 digest, in hexadecimal, of parts with the length of each before it, so that no two lists
/// of parts have one digest.
pub(crate) fn hexadecimal<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part.as_bytes());
    }
    let mut text = String::new();
    for byte in Crypto.sha256(&all) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
