//! The path of a request, percent-decoded once for matching (RFC 3986 section 2.1), and the
//! paths that are refused because two readers could understand them differently.
//!
//! A path decides which operation guards a request. If the enforcement point and the backend can
//! read a path in two ways, a client chooses which rule applies to it; such a path is never
//! matched at all.

use percent_encoding::percent_decode_str;

/// A percent-decoded path that has one reading only. It starts with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedPath(String);

impl DecodedPath {
    /// Decodes the path of a URL (without query).
    ///
    /// An empty path is `/` (RFC 3986 section 6.2.3). See [`AmbiguousPath`] for what is refused.
    pub fn parse(raw: &str) -> Result<Self, AmbiguousPath> {
        if raw.is_empty() {
            return Ok(Self("/".to_owned()));
        }
        if !raw.starts_with('/') {
            return Err(AmbiguousPath::NotAbsolute);
        }
        check_escapes(raw.as_bytes())?;
        let decoded = percent_decode_str(raw)
            .decode_utf8()
            .map_err(|_| AmbiguousPath::NotUtf8)?;
        if decoded.chars().any(char::is_control) {
            return Err(AmbiguousPath::Control);
        }
        if decoded.contains('\\') {
            return Err(AmbiguousPath::Backslash);
        }
        if decoded.contains(';') {
            return Err(AmbiguousPath::Semicolon);
        }
        if decoded.contains("//") {
            return Err(AmbiguousPath::EmptySegment);
        }
        if decoded
            .split('/')
            .any(|segment| segment == "." || segment == "..")
        {
            return Err(AmbiguousPath::DotSegment);
        }
        Ok(Self(decoded.into_owned()))
    }

    /// The decoded path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is left below a base path, starting with `/`, or `None` where the path lies outside it.
    ///
    /// The base is compared segment by segment: `/v1` covers `/v1` and `/v1/x`, not `/v10`. The
    /// base itself leaves `/`.
    #[must_use]
    pub fn below(&self, base: &str) -> Option<&str> {
        match self.0.strip_prefix(base)? {
            "" => Some("/"),
            rest if rest.starts_with('/') => Some(rest),
            _ => None,
        }
    }
}

/// Every `%` starts a two-digit escape, and no escape hides what a reader could act on.
fn check_escapes(raw: &[u8]) -> Result<(), AmbiguousPath> {
    let mut rest = raw;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let (high, low) = match rest.get(at + 1..at + 3) {
            Some([high, low]) => (hex(*high), hex(*low)),
            _ => (None, None),
        };
        let (Some(high), Some(low)) = (high, low) else {
            return Err(AmbiguousPath::BadEscape);
        };
        match high * 16 + low {
            b'/' => return Err(AmbiguousPath::EscapedSlash),
            b'%' => return Err(AmbiguousPath::EscapedPercent),
            byte if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) => {
                return Err(AmbiguousPath::NeedlessEscape);
            }
            _ => {}
        }
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    Ok(())
}

/// The value of a hexadecimal digit.
pub(crate) fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// Why a path has more than one reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmbiguousPath {
    /// The path does not start with `/`.
    #[error("the path does not start with \"/\"")]
    NotAbsolute,
    /// A `%` that two hexadecimal digits do not follow.
    #[error("the path holds a \"%\" without two hexadecimal digits behind it")]
    BadEscape,
    /// `%2F`: one reader sees a separator, another a character of the segment.
    #[error("the path holds an escaped slash (%2F)")]
    EscapedSlash,
    /// `%25`: a reader that decodes twice sees another path.
    #[error("the path holds an escaped percent sign (%25), which a second decoding would change")]
    EscapedPercent,
    /// A letter, digit, dot, hyphen or underscore that is escaped without need (RFC 3986 section
    /// 2.3): a reader that compares before decoding sees another path.
    #[error(
        "the path escapes a letter, digit, dot, hyphen or underscore, which never needs it (RFC 3986 section 2.3)"
    )]
    NeedlessEscape,
    /// The decoded bytes are not UTF-8.
    #[error("the decoded path is not UTF-8")]
    NotUtf8,
    /// A control character, also escaped.
    #[error("the path holds a control character")]
    Control,
    /// A backslash, which some servers read as a slash.
    #[error("the path holds a backslash")]
    Backslash,
    /// A semicolon, which some servers take for the start of parameters and cut off, also escaped.
    #[error("the path holds a semicolon, which some servers cut off with what follows it")]
    Semicolon,
    /// `//`: some servers fold it into one slash.
    #[error("the path holds an empty segment (\"//\")")]
    EmptySegment,
    /// `.` or `..`: a reader that resolves them sees another path (RFC 3986 section 5.2.4).
    #[error("the path holds a \".\" or \"..\" segment")]
    DotSegment,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_once() {
        for (raw, decoded) in [
            ("", "/"),
            ("/", "/"),
            ("/planets", "/planets"),
            ("/planets/", "/planets/"),
            ("/J%C3%BCrgen%20B", "/Jürgen B"),
            ("/a%2Cb%7Ec", "/a,b~c"),
            ("/v1/x:verb", "/v1/x:verb"),
            ("/..a/.b./...", "/..a/.b./..."),
        ] {
            assert_eq!(DecodedPath::parse(raw).unwrap().as_str(), decoded, "{raw}");
        }
    }

    #[test]
    fn refuses_two_readings() {
        use AmbiguousPath::*;
        for (raw, why) in [
            ("planets", NotAbsolute),
            ("*", NotAbsolute),
            ("/a%", BadEscape),
            ("/a%4", BadEscape),
            ("/a%zz", BadEscape),
            ("/a%2fb", EscapedSlash),
            ("/a%2Fb", EscapedSlash),
            ("/a%252fb", EscapedPercent),
            ("/%70lanets", NeedlessEscape),
            ("/%6Doons", NeedlessEscape),
            ("/%2e%2e/moons", NeedlessEscape),
            ("/%2E./moons", NeedlessEscape),
            ("/a%ff", NotUtf8),
            ("/a%c0%af", NotUtf8),
            ("/a%00", Control),
            ("/a%0d%0ab", Control),
            ("/a%5cb", Backslash),
            ("/a\\b", Backslash),
            ("//planets", EmptySegment),
            ("/a//b", EmptySegment),
            ("/a/../b", DotSegment),
            ("/a/./b", DotSegment),
            ("/a/..", DotSegment),
            ("/a/..;x=1/b", Semicolon),
            ("/items/admin;x=1", Semicolon),
            ("/items/admin%3bx", Semicolon),
            ("/files/;/admin", Semicolon),
        ] {
            assert_eq!(DecodedPath::parse(raw), Err(why), "{raw}");
        }
    }

    #[test]
    fn a_base_covers_whole_segments() {
        let path = |raw| DecodedPath::parse(raw).unwrap();
        assert_eq!(path("/v1/planets").below("/v1"), Some("/planets"));
        assert_eq!(path("/v1").below("/v1"), Some("/"));
        assert_eq!(path("/v1/").below("/v1"), Some("/"));
        assert_eq!(path("/v10").below("/v1"), None);
        assert_eq!(path("/planets").below(""), Some("/planets"));
        assert_eq!(path("/V1/planets").below("/v1"), None);
    }
}
