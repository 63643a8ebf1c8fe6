//! Forms and queries (`application/x-www-form-urlencoded`, RFC 6749 appendix B), written and read.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What a form leaves as it is (WHATWG URL, `application/x-www-form-urlencoded`).
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'*');

/// A text, escaped.
#[must_use]
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}

/// The fields of a form, of which none is there twice (RFC 6749 section 3.2).
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form; `None` for one that is none, or that says something twice.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let mut fields: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if fields.iter().any(|(other, _)| *other == name) {
                return None;
            }
            fields.push((name, value));
        }
        Some(Self(fields))
    }

    /// The value of a field; an empty one is as good as none (RFC 6749 section 3.2).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(other, _)| other == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

/// One name or value, read; `None` where that is no UTF-8.
#[must_use]
pub fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_form_says_once() {
        let form = Form::parse(b"a=1+2&b=%C3%A9&c&&d=").unwrap();
        assert_eq!(form.get("a"), Some("1 2"));
        assert_eq!(form.get("b"), Some("\u{e9}"));
        assert_eq!(
            (form.get("c"), form.get("d"), form.get("e")),
            (None, None, None)
        );
        for body in [&b"a=1&a=2"[..], b"a=1&%61=1", b"a=%ff", b"\xff"] {
            assert!(Form::parse(body).is_none(), "{body:?}");
        }
    }
}
