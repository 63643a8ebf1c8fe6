//! What an access token of the system issuer says (RFC 9068), written and read.

use portcullis_jose::JsonObject;
use portcullis_store::{CloudentityGateway, Id, UnixMillis};
use serde_json::{Value, json};
use uuid::Uuid;

/// The scopes of a gateway.
pub(super) const SCOPES: [&str; 4] = [
    READ_CONFIGURATION,
    WRITE_CONFIGURATION,
    PUSH_REQUESTS,
    INTROSPECT,
];
pub(super) const READ_CONFIGURATION: &str = "read_gateway_configuration";
pub(super) const WRITE_CONFIGURATION: &str = "write_gateway_configuration";
pub(super) const PUSH_REQUESTS: &str = "push_gateway_requests";
pub(super) const INTROSPECT: &str = "introspect_tokens";

/// How long a token is good, in seconds.
pub(super) const LIFETIME: i64 = 600;
/// How far the clocks of two replicas may differ, in seconds.
const LEEWAY: i64 = 5;
/// The claim that names what the gateway authenticated with, so that a token ends with it.
const CREDENTIAL: &str = "portcullis_credential";

/// What a token grants.
pub(super) struct Grant {
    pub(super) gateway: Id,
    /// What the gateway authenticated with: the id of a credential, or `jwk:` and the thumbprint of a key.
    pub(super) credential: String,
    pub(super) scopes: Vec<String>,
    pub(super) issuer: String,
}

/// The claims of a new token.
pub(super) fn claims(
    issuer: &str,
    gateway: &CloudentityGateway,
    credential: &str,
    scopes: &[&str],
    now: UnixMillis,
) -> Value {
    let client = gateway.gateway.id.as_str();
    let seconds = now.0.div_euclid(1000);
    json!({
        "iss": issuer, "aud": issuer, "sub": client, "client_id": client,
        "iat": seconds, "exp": seconds + LIFETIME, "jti": Uuid::new_v4().to_string(),
        "scope": scopes.join(" "), CREDENTIAL: credential,
    })
}

/// What those claims grant at that time; `None` where nothing. The issuer is for the caller to compare.
pub(super) fn grant(claims: &JsonObject, now: UnixMillis) -> Option<Grant> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let seconds = now.0.div_euclid(1000);
    let issuer = text("iss")?;
    let is_timely = number("exp")? > seconds && number("iat")? <= seconds + LEEWAY;
    if !is_timely || text("aud")? != issuer || text("sub")? != text("client_id")? {
        return None;
    }
    Some(Grant {
        gateway: text("sub")?.parse().ok()?,
        credential: text(CREDENTIAL)?.to_owned(),
        scopes: text("scope")?.split(' ').map(str::to_owned).collect(),
        issuer: issuer.to_owned(),
    })
}
