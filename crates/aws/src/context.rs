//! The context of an answer, which API Gateway hands on as `$context.authorizer` (API Gateway
//! Developer Guide, "Output from an API Gateway Lambda authorizer"; "Control access to HTTP APIs
//! with AWS Lambda authorizers").
//!
//! What stands in it, in the order in which the 8 KB of an answer are given out:
//!
//! 1. always: `reason` (the code) and `cache` (`off` if the decision holds for this request only,
//!    so that caching must be off); for a deny also `status`, `message` (without quotes and
//!    backslashes, fit for a JSON template) and `challenge` (the first `WWW-Authenticate` value); for a simple answer, which has no other place for it,
//!    `principalId`;
//! 2. for a permit, `header_{name}` for each edited header: its values joined by `, `, empty if the
//!    header is to be removed;
//! 3. for a permit, the members of the decision's context in their order, under keys of
//!    `[A-Za-z0-9_]`.
//!
//! A member of 2 or 3 that does not fit is left out, and so is one whose key is taken, too long or
//! reserved, or whose value is nested too deep. `context_truncated` says that something is missing.

use std::collections::BTreeMap;

use portcullis_model::{DECISION_ID, Decision, Deny, Outcome, Reuse};
use serde_json::Value;

/// Longest answer, serialized. Documented for WebSocket APIs (API Gateway Developer Guide, "Quotas
/// for configuring and running a WebSocket API"); for the others none is, and the same is kept.
pub const MAX_RESPONSE_BYTES: usize = 8192;
/// Longest key, beside the prefix `header_`.
pub const MAX_CONTEXT_KEY_CHARS: usize = 64;
/// Deepest nesting of a value.
pub const MAX_CONTEXT_DEPTH: usize = 8;
/// Longest `message`; the rest of a longer one is cut off.
pub const MAX_MESSAGE_BYTES: usize = 512;
/// Longest `challenge`; a longer one is left out, since a part of it would be malformed.
pub const MAX_CHALLENGE_BYTES: usize = 1024;

const TRUNCATED: &str = "context_truncated";
/// What the keys of edited headers start with, and so no other.
const HEADER: &str = "header_";
const MAX_ID_BYTES: usize = 64;
/// Keys that no member of a decision's context may take: those above, `principalId`, which API
/// Gateway sets itself, and `claims`, which an HTTP API reserves.
const RESERVED: [&str; 8] = [
    "reason",
    "cache",
    "status",
    "message",
    "challenge",
    "claims",
    "principalId",
    TRUNCATED,
];
/// `,"context_truncated":true` and the comma before the next member.
const TRUNCATED_BYTES: usize = TRUNCATED.len() + 9;

/// The members of a context, sorted by key.
pub type Context = BTreeMap<String, Value>;

/// How a dialect wants values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Strings, numbers and booleans only: REST, HTTP 1.0, WebSocket. Arrays and objects become
    /// JSON in a string, nulls are left out.
    Scalars,
    /// Any JSON: HTTP 2.0.
    Native,
}

/// What always stands in the context of a decision.
pub(crate) fn required(decision: &Decision) -> Context {
    let mut context = Context::new();
    context.insert("reason".into(), decision.reason.code.as_str().into());
    match &decision.reuse {
        Reuse::ThisRequest => context.insert("cache".into(), "off".into()),
        Reuse::SameCredential(_) => context.insert("cache".into(), "credential".into()),
    };
    if let Some(id) = decision.id() {
        context.insert(DECISION_ID.into(), printable(cut(id, MAX_ID_BYTES)).into());
    }
    if let Outcome::Deny(deny) = &decision.outcome {
        let message = cut(&decision.reason.message, MAX_MESSAGE_BYTES);
        context.insert("status".into(), deny.status.into());
        context.insert("message".into(), quotable(message).into());
        add_challenge(&mut context, deny);
    }
    context
}

fn add_challenge(context: &mut Context, deny: &Deny) {
    match deny.www_authenticate().next() {
        Some(challenge) if challenge.len() <= MAX_CHALLENGE_BYTES => {
            context.insert("challenge".into(), printable(&challenge).into());
        }
        Some(_) => {
            context.insert(TRUNCATED.into(), true.into());
        }
        None => {}
    }
}

/// Adds what a permit says beside that, as far as `room` bytes allow: the edited headers, all of
/// them or none, then the members of the decision's context, as many as fit.
pub(crate) fn add_optional(
    context: &mut Context,
    decision: &Decision,
    encoding: Encoding,
    room: usize,
) -> Result<(), HeaderLeftOut> {
    let Outcome::Permit(edits) = &decision.outcome else {
        return Ok(());
    };
    let mut room = room.saturating_sub(TRUNCATED_BYTES);
    let mut add = |key: Option<String>, value: Option<Value>| {
        let (Some(key), Some(value)) = (key, value) else {
            return false;
        };
        // Quotes, colon and comma around a key of plain characters.
        let size = (key.len() + 4).saturating_add(json_len(&value));
        let fits = size <= room && !context.contains_key(&key);
        if fits {
            room -= size;
            context.insert(key, value);
        }
        fits
    };
    for edit in &edits.headers {
        let key = plain_key(&edit.name.to_ascii_lowercase());
        let value = printable(&edit.values.join(", "));
        if !add(key.map(|key| format!("{HEADER}{key}")), Some(value.into())) {
            return Err(HeaderLeftOut);
        }
    }
    let mut complete = true;
    for (name, value) in &decision.context {
        if name == DECISION_ID || (encoding == Encoding::Scalars && value.is_null()) {
            continue;
        }
        let key = plain_key(name).filter(|key| !is_reserved(key));
        complete &= add(key, encode(value, encoding));
    }
    if !complete {
        context.insert(TRUNCATED.into(), true.into());
    }
    Ok(())
}

/// A header that a permit sets or removes has no place in the context. A client can crowd headers
/// out with headers of its own, so letting the request through without one is never right.
#[derive(Debug)]
pub(crate) struct HeaderLeftOut;

fn is_reserved(key: &str) -> bool {
    RESERVED.contains(&key) || key.starts_with(HEADER)
}

/// The key with `_` for every character that a mapping could not name.
fn plain_key(name: &str) -> Option<String> {
    let plain = |character: char| match character {
        character if character.is_ascii_alphanumeric() => character,
        _ => '_',
    };
    let fits = (1..=MAX_CONTEXT_KEY_CHARS).contains(&name.chars().count());
    fits.then(|| name.chars().map(plain).collect())
}

/// The value in the encoding, or nothing if it is nested too deep.
fn encode(value: &Value, encoding: Encoding) -> Option<Value> {
    let value = sanitize(value, MAX_CONTEXT_DEPTH)?;
    match (encoding, &value) {
        (Encoding::Scalars, Value::Array(_) | Value::Object(_)) => Some(value.to_string().into()),
        _ => Some(value),
    }
}

/// The value without control characters: a mapping may copy it into a header.
fn sanitize(value: &Value, depth: usize) -> Option<Value> {
    match value {
        Value::String(text) => Some(printable(text).into()),
        Value::Array(values) => {
            let depth = depth.checked_sub(1)?;
            let values = values.iter().map(|value| sanitize(value, depth));
            values.collect::<Option<Vec<_>>>().map(Value::Array)
        }
        Value::Object(members) => {
            let depth = depth.checked_sub(1)?;
            let members = members
                .iter()
                .map(|(name, value)| Some((printable(name), sanitize(value, depth)?)));
            members.collect::<Option<_>>().map(Value::Object)
        }
        scalar => Some(scalar.clone()),
    }
}

fn printable(text: &str) -> String {
    let space = |character: char| match character {
        control if control.is_control() => ' ',
        other => other,
    };
    text.chars().map(space).collect()
}

/// Fit to stand between quotes in the JSON template of a gateway response, where API Gateway
/// escapes nothing.
fn quotable(text: &str) -> String {
    printable(text).replace(['"', '\\'], "'")
}

fn cut(text: &str, longest: usize) -> &str {
    text.get(..text.floor_char_boundary(longest))
        .unwrap_or(text)
}

/// How long a value is when it is serialized.
pub(crate) fn json_len(value: &impl serde::Serialize) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |json| json.len())
}
