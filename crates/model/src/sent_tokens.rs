//! The tokens of a request, and where else in it they stand: nothing that is kept or logged holds one.

use std::borrow::Cow;
use std::fmt;

use crate::path::hex;
use crate::request::ApiRequest;

/// What stands in place of a token.
pub const REDACTED: &str = "redacted";
/// Shortest text that is taken for a token where it stands elsewhere in a request, in bytes.
const SHORTEST_TOKEN: usize = 8;

/// What was sent in `Authorization`, without the scheme: every value, and none that is shorter than 8 bytes.
pub struct SentTokens<'a>(Vec<&'a str>);

/// Shows how many there are.
impl fmt::Debug for SentTokens<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SentTokens").field(&self.0.len()).finish()
    }
}

impl<'a> SentTokens<'a> {
    /// Those of that request.
    #[must_use]
    pub fn of(request: &'a ApiRequest) -> Self {
        let tokens = request.headers.values("authorization").map(|value| {
            value
                .split_once([' ', '\t'])
                .map_or(value, |(_, token)| token.trim())
        });
        Self(
            tokens
                .filter(|token| token.len() >= SHORTEST_TOKEN)
                .collect(),
        )
    }

    /// Whether one of them stands in a text, as it is or percent-encoded (RFC 3986 section 2.1).
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        let mut tokens = self.0.iter();
        tokens.any(|token| text.contains(token) || replace_encoded(text, token).is_some())
    }

    /// A text with [`REDACTED`] in place of the tokens.
    #[must_use]
    pub fn redacted<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for token in &self.0 {
            if text.contains(token) {
                text = text.replace(token, REDACTED).into();
            }
            if let Some(replaced) = replace_encoded(&text, token) {
                text = replaced.into();
            }
        }
        text
    }
}

/// The text with other words in place of that token in any percent-encoded spelling; `None` where it has none. Takes
/// time in proportion to the text.
fn replace_encoded(text: &str, token: &str) -> Option<String> {
    // Encoded, nothing is shorter.
    if text.len() < token.len() || !text.contains('%') {
        return None;
    }
    // A character for each byte, so that bytes that are no UTF-8 can be searched as well.
    let decoded: String = units(text).map(|(byte, _)| char::from(byte)).collect();
    let wanted: String = token.bytes().map(char::from).collect();
    let mut starts = decoded.match_indices(&wanted).map(|(at, _)| at).peekable();
    starts.peek()?;
    let (mut out, mut kept_from, mut place, mut at) = (String::new(), 0, 0, 0);
    let mut token_ends = None;
    for (byte, length) in units(text) {
        if token_ends.is_none() && starts.next_if_eq(&at).is_some() {
            out.push_str(text.get(kept_from..place).unwrap_or_default());
            out.push_str(REDACTED);
            token_ends = Some(at + wanted.len());
        }
        at += char::from(byte).len_utf8();
        place += length;
        if token_ends.is_some_and(|end| at >= end) {
            kept_from = place;
            token_ends = None;
        }
    }
    if token_ends.is_none() {
        out.push_str(text.get(kept_from..).unwrap_or_default());
    }
    Some(out)
}

/// The bytes of a text with percent-encoding undone once, each with the length of its spelling.
fn units(text: &str) -> impl Iterator<Item = (u8, usize)> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        if let [b'%', high, low, after @ ..] = rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            rest = after;
            return Some((high << 4 | low, 3));
        }
        let (first, after) = rest.split_first()?;
        rest = after;
        Some((*first, 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_in_every_spelling() {
        let token = "ab+cd/ef==";
        let sent = SentTokens(vec![token]);
        for (text, expected) in [
            ("/a/ab+cd/ef==", "/a/redacted"),
            ("/a/ab%2Bcd%2Fef%3D%3D/b", "/a/redacted/b"),
            ("/a/ab%2bcd%2fef%3d%3D?x=%20", "/a/redacted?x=%20"),
            ("/%61%62%2Bcd/ef==%2Fb", "/redacted%2Fb"),
            ("/ab+cd/ef==ab%2Bcd%2fef==/%zz%", "/redactedredacted/%zz%"),
            ("/%FF%C3ab%2Bcd%2Fef==%FF", "/%FF%C3redacted%FF"),
            ("/ü%2Fab%2Bcd/ef==ü", "/ü%2Fredactedü"),
            ("/ab%252Bcd%2Fef==", "/ab%252Bcd%2Fef=="),
            ("/ab%2Bcd%2Fef=", "/ab%2Bcd%2Fef="),
            ("/moons", "/moons"),
            ("", ""),
        ] {
            assert_eq!(sent.redacted(text), expected, "{text}");
            assert_eq!(sent.are_in(text), expected != text, "{text}");
        }
        // A token that itself looks as if it were encoded.
        let sent = SentTokens(vec!["ab%2Fcd%2Fef"]);
        assert_eq!(sent.redacted("/x/ab%2Fcd%2Fef/%20"), "/x/redacted/%20");
        // Several, and none.
        let sent = SentTokens(vec!["one-token", "two%token"]);
        assert_eq!(
            sent.redacted("/two%25token/one%2Dtoken"),
            "/redacted/redacted"
        );
        assert_eq!(SentTokens(Vec::new()).redacted("/%41"), "/%41");
    }
}
