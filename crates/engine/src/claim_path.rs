//! Where a claim is in a token: a member of it, or something inside a member.

use std::fmt;

use serde_json::{Map, Value};

/// Longest path, in bytes.
const MAX_PATH_BYTES: usize = 256;

/// The place of a claim.
///
/// A name stands for the member of that name, whatever characters it has; what begins with `/` is a
/// JSON Pointer (RFC 6901), such as `/realm_access/roles`.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimPath {
    text: String,
    parts: Vec<String>,
}

impl ClaimPath {
    /// Parses a name or a JSON Pointer of at most 256 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidClaimPath> {
        if text.is_empty() || text.len() > MAX_PATH_BYTES || text.chars().any(char::is_control) {
            return Err(InvalidClaimPath::Length);
        }
        let parts = match text.strip_prefix('/') {
            None => vec![text.to_owned()],
            Some(pointer) => pointer.split('/').map(unescape).collect::<Result<_, _>>()?,
        };
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The value at this place.
    #[must_use]
    pub fn find<'claims>(&self, claims: &'claims Map<String, Value>) -> Option<&'claims Value> {
        let (first, rest) = self.parts.split_first()?;
        rest.iter().try_fold(claims.get(first)?, |value, part| {
            value.as_object()?.get(part)
        })
    }
}

impl fmt::Debug for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// RFC 6901 section 3: `~1` stands for a slash, `~0` for a tilde.
fn unescape(part: &str) -> Result<String, InvalidClaimPath> {
    let mut pieces = part.split('~');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_at_checked(1) {
            Some(("0", rest)) => name.extend(["~", rest]),
            Some(("1", rest)) => name.extend(["/", rest]),
            _ => return Err(InvalidClaimPath::Escape),
        }
    }
    Ok(name)
}

/// Why a text is no place of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClaimPath {
    /// Empty, too long, or with control characters.
    #[error("expected the name of a claim or a JSON Pointer of 1 to {MAX_PATH_BYTES} bytes")]
    Length,
    /// A tilde that is none of the two escapes.
    #[error("in a JSON Pointer, ~ is written ~0 and / is written ~1 (RFC 6901 section 3)")]
    Escape,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_members_and_what_is_inside_them() {
        let claims = json!({
            "https://example.com/groups": 1,
            "realm_access": { "roles": 2, "a/b": { "~": 3 } },
            "list": [4],
            "": { "": 5 },
        });
        let claims = claims.as_object().unwrap();
        for (path, expected) in [
            ("https://example.com/groups", Some(1)),
            ("/realm_access/roles", Some(2)),
            ("/realm_access/a~1b/~0", Some(3)),
            ("//", Some(5)),
            ("realm_access.roles", None),
            ("/list/0", None),
            ("/realm_access/roles/x", None),
        ] {
            let found = ClaimPath::parse(path).unwrap().find(claims).cloned();
            assert_eq!(found, expected.map(Value::from), "{path}");
        }
        assert_eq!(ClaimPath::parse(""), Err(InvalidClaimPath::Length));
        assert_eq!(ClaimPath::parse("/a~2"), Err(InvalidClaimPath::Escape));
    }
}
