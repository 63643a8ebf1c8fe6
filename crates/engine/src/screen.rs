//! What is refused before any decision point sees it: requests that two readers could
//! understand differently.

use portcullis_model::{ApiRequest, Challenge, ChallengeError, Decision, Deny, Reason, ReasonCode};

/// Refuses an ambiguous path and an ambiguous `Authorization` header with 400 (RFC 6750 section
/// 3.1, `invalid_request`). `None` lets the request go on to be decided.
#[must_use]
pub fn screen(request: &ApiRequest) -> Option<Decision> {
    if let Err(why) = request.url.decoded_path() {
        return Some(refuse(ReasonCode::AmbiguousPath, why.to_string()));
    }
    match request.authorization() {
        Ok(_) => None,
        Err(why) => Some(refuse(ReasonCode::AmbiguousAuthorization, why.to_string())),
    }
}

pub(crate) fn refuse(code: ReasonCode, message: String) -> Decision {
    let challenge = Challenge {
        error: Some(ChallengeError::InvalidRequest),
        error_description: Some(message.clone()),
        ..Challenge::default()
    };
    Decision::deny(Deny::challenge(400, challenge), Reason::new(code, message))
}
