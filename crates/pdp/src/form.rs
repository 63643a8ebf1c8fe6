//! Texts as forms and queries are written (`application/x-www-form-urlencoded`, RFC 6749 appendix B).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a form leaves as it is (WHATWG URL, `application/x-www-form-urlencoded`).
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'*');

/// A text, escaped.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}
