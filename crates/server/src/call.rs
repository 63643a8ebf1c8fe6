//! What calls have in common, whatever they are for: a body within its bounds, its kind, and a bearer token.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::error::ApiError;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// A body of at most `limit` bytes.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Vec<u8>, ApiError> {
    let collected = tokio::time::timeout(BODY_TIME, Limited::new(body, limit).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes().into()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::too_large(limit)),
        Ok(Err(_)) => Err(ApiError::invalid_request("The body broke off")),
        Err(_) => Err(ApiError::too_slow()),
    }
}

/// Whether the body is said to be of that kind; its parameters are not looked at.
pub(crate) fn is_kind(headers: &HeaderMap, kind: &str) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|sent| sent.trim().eq_ignore_ascii_case(kind))
}

/// What a call has in `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authorization<'a> {
    /// Nothing.
    Absent,
    /// One token under the scheme Bearer (RFC 6750 section 2.1).
    Bearer(&'a [u8]),
    /// Another scheme, or more than one.
    Other,
}

impl<'a> Authorization<'a> {
    /// Of these header fields.
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut presented = headers.get_all(header::AUTHORIZATION).iter();
        match (presented.next(), presented.next()) {
            (None, _) => Self::Absent,
            (Some(one), None) => match one.as_bytes().split_at_checked(7) {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"Bearer ") => {
                    Self::Bearer(token)
                }
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bearer_token_is_one() {
        for (sent, expected) in [
            (&[][..], Authorization::Absent),
            (&["Bearer a"], Authorization::Bearer(b"a")),
            (&["bEARER a b"], Authorization::Bearer(b"a b")),
            (&["Bearer"], Authorization::Other),
            (&["Basic abc"], Authorization::Other),
            (&["Bearer a", "Bearer a"], Authorization::Other),
        ] {
            let mut headers = HeaderMap::new();
            for value in sent {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(Authorization::of(&headers), expected, "{sent:?}");
        }
    }
}
