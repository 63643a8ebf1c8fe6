//! The header of a JWS (RFC 7515 section 4), with typed members and without extensions.

use serde_json::Value;

use super::JwsError;
use crate::json::{JsonLimits, parse_object};
use crate::{Algorithm, JsonObject};

/// A header that has been checked.
///
/// Invariant: `kid`, `typ` and `cty` are strings where present, `crit` and `b64` are absent.
pub(super) struct Header {
    pub(super) alg: Algorithm,
    pub(super) members: JsonObject,
}

impl Header {
    pub(super) fn from_json(text: &[u8]) -> Result<Self, JwsError> {
        let members = parse_object(text, LIMITS).map_err(JwsError::HeaderJson)?;
        // `b64` comes first: a header that uses it has to list it in `crit` as well.
        if members.contains_key("b64") {
            return Err(JwsError::UnencodedPayload);
        }
        if members.contains_key("crit") {
            return Err(JwsError::CriticalExtension);
        }
        for member in ["kid", "typ", "cty"] {
            if members.get(member).is_some_and(|value| !value.is_string()) {
                return Err(JwsError::MemberType { member });
            }
        }
        let alg = match members.get("alg") {
            Some(Value::String(name)) => name.parse()?,
            Some(_) => return Err(JwsError::MemberType { member: "alg" }),
            None => return Err(JwsError::MissingAlgorithm),
        };
        Ok(Self { alg, members })
    }

    pub(super) fn text(&self, member: &str) -> Option<&str> {
        self.members.get(member).and_then(Value::as_str)
    }
}

/// A header is nearly flat: `x5c` and the `jwk` of a DPoP proof are the deep ones.
const LIMITS: JsonLimits = JsonLimits {
    depth: 8,
    values: 64,
};
