//! The endpoints that administer the Cloudentity protocol: gateways, bindings, APIs, policies and their tests.
#![expect(clippy::too_many_lines, reason = "one story, told in its order")]

mod access;
mod bindings;
mod policies;

use serde_json::{Value, json};

const GROUP: &str = "arn:a1%2Fdev";

fn deny(name: &str) -> Value {
    json!({ "policy_name": name, "type": "api", "language": "cloudentity", "validators": [{ "name": "false" }] })
}

fn mfa() -> Value {
    json!({ "policy_name": "MFA \"User\"", "type": "api", "language": "cloudentity", "validators": [
        { "name": "identity-context", "conf": { "fields": [{ "field": "amr", "comparator": "contains_all", "value": ["pwd", "mfa"] }] } }] })
}
