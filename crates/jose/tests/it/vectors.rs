//! The outside vectors, read from where they live: beside the project, never in it.

use serde_json::Value;

/// The JSON file at `path` below the folder of vectors.
#[expect(
    clippy::disallowed_methods,
    reason = "the vectors are files, and this is the one reader"
)]
pub(crate) fn read(path: &str) -> Value {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/vectors");
    let text = std::fs::read_to_string(format!("{root}/{path}"))
        .unwrap_or_else(|error| panic!("the vectors must be at {root}: {path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

/// `jwk` as its owner would publish it: without the private members.
pub(crate) fn published(jwk: &Value) -> Value {
    let mut jwk = jwk.clone();
    if jwk["kty"] != "oct" {
        jwk.as_object_mut().unwrap().retain(|member, _| {
            !["d", "p", "q", "dp", "dq", "qi", "oth"].contains(&member.as_str())
        });
    }
    jwk
}

/// The text at `pointer` (RFC 6901).
pub(crate) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer}"))
}
