//! The access token of a request, from its `Authorization` header (RFC 6750 section 2.1).
//!
//! The two other ways of RFC 6750, form body and query parameter, are not read: the first never
//! reaches an authorizer and RFC 9700 section 4.3.2 forbids the second.

use portcullis_model::{ApiRequest, ReasonCode};

/// The bearer token, or `None` where the request carries no `Authorization` at all.
///
/// The request has been screened, so that there is at most one header.
pub(crate) fn token(request: &ApiRequest) -> Result<Option<&str>, ReasonCode> {
    let Ok(authorization) = request.authorization() else {
        return Err(ReasonCode::AmbiguousAuthorization);
    };
    let Some(authorization) = authorization else {
        return Ok(None);
    };
    let (scheme, token) = authorization
        .split_once(' ')
        .ok_or(ReasonCode::UnsupportedAuthorization)?;
    let token = token.trim_start_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || !is_b64token(token) {
        return Err(ReasonCode::UnsupportedAuthorization);
    }
    Ok(Some(token))
}

/// Whether these are characters of `b64token` (RFC 6750 section 2.1). All are looked at, so that
/// the compiler can look at many at once.
fn is_b64token(token: &str) -> bool {
    token.bytes().fold(true, |so_far, byte| {
        so_far
            & (byte.is_ascii_alphanumeric()
                | matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'='))
    })
}
