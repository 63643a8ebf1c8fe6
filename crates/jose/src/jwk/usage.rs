//! What a key says it is for: `use`, `key_ops` and `alg` (RFC 7517 sections 4.2 to 4.4).

use serde_json::Value;

use super::JwkError;
use crate::{Algorithm, JsonObject};

/// A member that must be a string where it is present.
pub(super) fn text<'j>(
    jwk: &'j JsonObject,
    member: &'static str,
) -> Result<Option<&'j str>, JwkError> {
    match jwk.get(member) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JwkError::MemberType {
            member,
            expected: "a string",
        }),
    }
}

/// A member that must be there and a string.
pub(super) fn required_text<'j>(
    jwk: &'j JsonObject,
    member: &'static str,
) -> Result<&'j str, JwkError> {
    text(jwk, member)?.ok_or(JwkError::MissingMember { member })
}

/// `use` must be `sig` where it is present (RFC 7517 section 4.2).
pub(super) fn check_use(jwk: &JsonObject) -> Result<(), JwkError> {
    match text(jwk, "use")? {
        None | Some("sig") => Ok(()),
        Some(_) => Err(JwkError::NotForSignatures),
    }
}

/// `key_ops` must hold `verify` where it is present, nothing twice, and beside it at most `sign`
/// (RFC 7517 section 4.3).
pub(super) fn check_key_ops(jwk: &JsonObject) -> Result<(), JwkError> {
    const EXPECTED: JwkError = JwkError::MemberType {
        member: "key_ops",
        expected: "an array of strings",
    };
    let operations = match jwk.get("key_ops") {
        None => return Ok(()),
        Some(Value::Array(operations)) => operations,
        Some(_) => return Err(EXPECTED),
    };
    if !operations.iter().all(Value::is_string) {
        return Err(EXPECTED);
    }
    for (place, operation) in operations.iter().enumerate() {
        if operations
            .iter()
            .skip(place + 1)
            .any(|other| other == operation)
        {
            return Err(JwkError::DuplicateOperation);
        }
    }
    if !operations.iter().any(|operation| operation == "verify") {
        return Err(JwkError::NotForVerification);
    }
    if operations
        .iter()
        .any(|operation| operation != "verify" && operation != "sign")
    {
        return Err(JwkError::UnrelatedOperations);
    }
    Ok(())
}

/// The algorithm that the key is bound to, if any (RFC 7517 section 4.4).
pub(super) fn algorithm(jwk: &JsonObject) -> Result<Option<Algorithm>, JwkError> {
    text(jwk, "alg")?
        .map(|name| name.parse().map_err(JwkError::Algorithm))
        .transpose()
}
