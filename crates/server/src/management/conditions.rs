//! Conditional requests (RFC 9110 section 13): a version of a draft as its entity tag.

use axum::http::{HeaderMap, HeaderName, header};

use crate::error::ApiError;

/// The entity tag of a version.
pub(crate) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// Whether the client has this version already (`If-None-Match`).
pub(crate) fn is_known(headers: &HeaderMap, version: i64) -> Result<bool, ApiError> {
    Ok(tags(headers, &header::IF_NONE_MATCH)?.is_some_and(|tags| tags.matches(version)))
}

/// Whether the client may change this version (`If-Match`); a client that says nothing may change any.
pub(crate) fn check(headers: &HeaderMap, version: i64) -> Result<(), ApiError> {
    match tags(headers, &header::IF_MATCH)? {
        Some(tags) if !tags.matches(version) => Err(ApiError::changed()),
        _ => Ok(()),
    }
}

enum Tags {
    Any,
    These(Vec<String>),
}

impl Tags {
    fn matches(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::These(list) => list.contains(&etag(version)),
        }
    }
}

/// The tags of a header, which may be there several times. A weak tag is compared as a strong one: what differs
/// here differs in more than form.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, ApiError> {
    let mut list = Vec::new();
    let mut is_there = false;
    for value in headers.get_all(name) {
        is_there = true;
        let refuse = || ApiError::invalid_request(format!("{name} is a list of entity tags, or *"));
        for tag in value.to_str().map_err(|_| refuse())?.split(',') {
            let tag = tag.trim();
            if tag == "*" {
                return Ok(Some(Tags::Any));
            }
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            if tag.len() < 2 || !tag.starts_with('"') || !tag.ends_with('"') {
                return Err(refuse());
            }
            list.push(tag.to_owned());
        }
    }
    Ok(is_there.then_some(Tags::These(list)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_matches() {
        for (sent, matches) in [
            ("\"7\"", Some(true)),
            ("W/\"7\"", Some(true)),
            ("\"6\", \"7\"", Some(true)),
            ("*", Some(true)),
            ("\"6\"", Some(false)),
            ("\"\"", Some(false)),
            ("7", None),
            ("\"", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, sent.parse().unwrap());
            headers.insert(header::IF_NONE_MATCH, sent.parse().unwrap());
            assert_eq!(is_known(&headers, 7).ok(), matches, "{sent}");
            assert_eq!(check(&headers, 7).is_ok(), matches == Some(true), "{sent}");
        }
        assert!(check(&HeaderMap::new(), 7).is_ok());
        assert!(!is_known(&HeaderMap::new(), 7).unwrap());
    }
}
