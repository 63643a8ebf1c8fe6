//! HTTP header fields that keep their order, the case of their names and their repetition,
//! as an enforcement point received them (RFC 9110 section 5).
//!
//! `http::HeaderMap` lower-cases names and groups repetitions; a sideband echo must give both
//! back untouched, so the list is kept as a list and looked up without regard to case.

use std::fmt;

/// Most header fields a request or response may carry.
pub const MAX_HEADERS: usize = 256;
/// Most bytes that all names and values may take together.
pub const MAX_HEADER_BYTES: usize = 64 * 1024;

/// How much of a name an error shows.
const MAX_SHOWN_CHARS: usize = 64;

/// One header field: a name as it was sent and its value.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderField {
    name: String,
    value: String,
}

impl HeaderField {
    /// The name, in the case it was sent in.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value, without leading or trailing white space.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether this field has that name, without regard to case (RFC 9110 section 5.1).
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// Shows the name only: a value may be a credential.
impl fmt::Debug for HeaderField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: [{} bytes]", self.name, self.value.len())
    }
}

/// Header fields in the order they were sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeaderMap {
    fields: Vec<HeaderField>,
    bytes: usize,
}

impl HeaderMap {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field at the end.
    ///
    /// White space around the value is dropped (RFC 9110 section 5.5). Refused are a name that is
    /// not a token, a value with a control character, and whatever goes over [`MAX_HEADERS`] or
    /// [`MAX_HEADER_BYTES`].
    pub fn append(&mut self, name: &str, value: &str) -> Result<(), InvalidHeader> {
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(InvalidHeader::Name);
        }
        let value = value.trim_matches([' ', '\t']);
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(InvalidHeader::Value {
                name: name.chars().take(MAX_SHOWN_CHARS).collect(),
            });
        }
        let bytes = self.bytes + name.len() + value.len();
        if self.fields.len() == MAX_HEADERS {
            return Err(InvalidHeader::TooMany);
        }
        if bytes > MAX_HEADER_BYTES {
            return Err(InvalidHeader::TooLarge);
        }
        self.bytes = bytes;
        self.fields.push(HeaderField {
            name: name.to_owned(),
            value: value.to_owned(),
        });
        Ok(())
    }

    /// Every field, in order.
    #[must_use]
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = &HeaderField> + ExactSizeIterator + Clone {
        self.fields.iter()
    }

    /// The values of every field with that name, in order.
    pub fn values<'map, 'name>(
        &'map self,
        name: &'name str,
    ) -> impl Iterator<Item = &'map str> + Clone + use<'map, 'name> {
        self.fields
            .iter()
            .filter(move |field| field.is(name))
            .map(HeaderField::value)
    }

    /// The first value of that name.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// Whether a field with that name is there.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl fmt::Debug for HeaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.fields).finish()
    }
}

/// Why a header field was refused. The value is never part of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// The name is empty or holds a character that RFC 9110 section 5.6.2 does not allow.
    #[error(
        "a header name must be a token of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 section 5.6.2)"
    )]
    Name,
    /// The value holds a control character.
    #[error("the value of header {name} holds a control character (RFC 9110 section 5.5)")]
    Value {
        /// The header's name.
        name: String,
    },
    /// More than [`MAX_HEADERS`] fields.
    #[error("more than {MAX_HEADERS} header fields")]
    TooMany,
    /// More than [`MAX_HEADER_BYTES`] bytes in all.
    #[error("the header fields take more than {MAX_HEADER_BYTES} bytes")]
    TooLarge,
}

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_case_and_repetition() {
        let mut headers = HeaderMap::new();
        headers.append("X-Multi", "a").unwrap();
        headers.append("accept", " */* ").unwrap();
        headers.append("x-multi", "b").unwrap();
        let seen: Vec<_> = headers.iter().map(|f| (f.name(), f.value())).collect();
        assert_eq!(
            seen,
            [("X-Multi", "a"), ("accept", "*/*"), ("x-multi", "b")]
        );
        assert_eq!(headers.values("X-MULTI").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn refuses_what_could_split_a_header() {
        let mut headers = HeaderMap::new();
        assert_eq!(headers.append("A b", "x"), Err(InvalidHeader::Name));
        assert_eq!(headers.append("", "x"), Err(InvalidHeader::Name));
        for value in ["a\r\nB: c", "a\0", "a\u{7f}", "a\u{85}b"] {
            assert!(
                matches!(headers.append("A", value), Err(InvalidHeader::Value { .. })),
                "{value:?}"
            );
        }
    }

    #[test]
    fn is_bounded() {
        let mut headers = HeaderMap::new();
        assert_eq!(
            headers.append("A", &"x".repeat(MAX_HEADER_BYTES)),
            Err(InvalidHeader::TooLarge)
        );
        for _ in 0..MAX_HEADERS {
            headers.append("A", "x").unwrap();
        }
        assert_eq!(headers.append("A", "x"), Err(InvalidHeader::TooMany));
    }

    #[test]
    fn debug_shows_no_value() {
        let mut headers = HeaderMap::new();
        headers.append("Authorization", "Bearer s3cret").unwrap();
        assert_eq!(format!("{headers:?}"), "[Authorization: [13 bytes]]");
    }
}
