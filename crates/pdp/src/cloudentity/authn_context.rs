//! `AWS_INJECT_CONTEXT`: the authentication context for the backend, as Cloudentity's authorizer hands it over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// The key of the authentication context: the JSON in base64 (RFC 4648 section 4).
pub const AUTHN_CONTEXT: &str = "authnCtx";
/// The key that says which members were left out because the whole was too large, separated by spaces.
pub const AUTHN_CONTEXT_REDUCED: &str = "authnCtxReduced";
/// Most bytes of the base64 text. A backend that gets it as a header has 10,240 bytes for all of them.
pub const MAX_AUTHN_CONTEXT_BYTES: usize = 6 * 1024;

/// The members that say who it is and for how long: left out last, the last of them first.
const IMPORTANT: [&str; 12] = [
    "sub", "iss", "exp", "tid", "aid", "scp", "idp", "st", "iat", "amr", "acr", "aud",
];

/// Puts the authentication context of these claims into the context of a decision.
///
/// Where it is too large, members are left out until it fits: first those that are not in the list above, the largest
/// first, then the list from its end.
pub(super) fn inject(context: &mut Map<String, Value>, claims: &Map<String, Value>) {
    let mut kept = claims.clone();
    let mut left_out = Vec::new();
    let mut text = encode(&kept);
    while text.len() > MAX_AUTHN_CONTEXT_BYTES {
        let Some(name) = next_to_leave_out(&kept) else {
            break;
        };
        kept.shift_remove(&name);
        left_out.push(name);
        text = encode(&kept);
    }
    context.insert(AUTHN_CONTEXT.to_owned(), Value::from(text));
    if !left_out.is_empty() {
        let names: Vec<&str> = left_out
            .iter()
            .map(String::as_str)
            .filter(|name| is_plain(name))
            .collect();
        context.insert(
            AUTHN_CONTEXT_REDUCED.to_owned(),
            Value::from(names.join(" ")),
        );
        tracing::warn!(
            left_out = left_out.len(),
            "the authentication context is too large and was reduced"
        );
    }
}

/// Names that are claims of somebody's making may be anything; only those of usual form are told.
fn is_plain(name: &str) -> bool {
    name.len() <= 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte))
}

fn next_to_leave_out(claims: &Map<String, Value>) -> Option<String> {
    let others = claims
        .iter()
        .filter(|(name, _)| !IMPORTANT.contains(&name.as_str()));
    let largest = others.max_by_key(|(_, value)| value.to_string().len());
    match largest {
        Some((name, _)) => Some(name.clone()),
        None => IMPORTANT
            .iter()
            .rev()
            .find(|name| claims.contains_key(**name))
            .map(|name| (*name).to_owned()),
    }
}

fn encode(claims: &Map<String, Value>) -> String {
    STANDARD.encode(Value::Object(claims.clone()).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn injected(claims: &Value) -> (Value, Option<String>) {
        let mut context = Map::new();
        inject(&mut context, claims.as_object().unwrap());
        let text = context.get(AUTHN_CONTEXT).and_then(Value::as_str).unwrap();
        assert!(text.len() <= MAX_AUTHN_CONTEXT_BYTES);
        let decoded = serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap();
        let reduced = context.get(AUTHN_CONTEXT_REDUCED).and_then(Value::as_str);
        (decoded, reduced.map(str::to_owned))
    }

    #[test]
    fn what_fits_is_told_whole() {
        // The sample of Cloudentity's howto.
        let claims = json!({
            "acr": "1", "aid": "default", "amr": ["pwd"], "aud": ["a", "b"], "exp": 1_606_392_950, "iat": 1_606_389_349,
            "idp": "default", "iss": "https://acp.example.com/t/default", "jti": "e670f421", "nbf": 1_606_389_349,
            "scp": ["amazon_api_scope"], "st": "public", "sub": "user", "tid": "t",
        });
        assert_eq!(injected(&claims), (claims.clone(), None));
    }

    #[test]
    fn what_does_not_fit_is_reduced_in_order() {
        let claims = json!({
            "sub": "user", "iss": "i", "photo": "x".repeat(8000), "groups": ["g".repeat(3000)], "note": "short",
        });
        let (decoded, reduced) = injected(&claims);
        assert_eq!(reduced.as_deref(), Some("photo"));
        assert_eq!(decoded["groups"], claims["groups"]);
        let claims =
            json!({ "sub": "user", "aud": "a".repeat(9000), "amr": ["pwd"], "note": "short" });
        let (decoded, reduced) = injected(&claims);
        assert_eq!(
            (decoded, reduced.as_deref()),
            (json!({ "sub": "user", "amr": ["pwd"] }), Some("note aud"))
        );
        // Even where the subject alone is too large, nothing too large is told.
        let (decoded, _) = injected(&json!({ "sub": "s".repeat(9000) }));
        assert_eq!(decoded, json!({}));
    }
}
