//! How gateways authenticate at the token endpoint: with a secret in the header or in the form (RFC 6749 section
//! 2.3.1), or with an assertion that they have signed (RFC 7523).

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use portcullis_jose::{AwsLc, CompactJws, Jwks, SymmetricKeys};
use portcullis_pdp::form::{Form, decode};
use portcullis_store::{CloudentityGateway, Id, Standing, UnixMillis};
use serde_json::Value;

use super::Plane;
use super::token::TokenError;
use crate::secret::{SecretKind, sha256};

/// RFC 7523 section 2.2.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How far in the future an assertion may expire, and how old it may be, in seconds.
const MAX_ASSERTION_AGE: i64 = 600;
/// How far the clock of a client may differ, in seconds.
const LEEWAY: i64 = 30;
/// Longest `jti`, in bytes.
const MAX_JTI_BYTES: usize = 256;
/// Longest secret that is looked at, in bytes.
const MAX_SECRET_BYTES: usize = 256;

/// A gateway that has authenticated, and what with.
pub(super) struct Client {
    pub(super) gateway: CloudentityGateway,
    /// The id of a credential, or `jwk:` and the thumbprint of a key.
    pub(super) credential: String,
}

/// The keys that a gateway may sign with; none where none are registered or usable.
pub(super) fn registered_keys(gateway: &CloudentityGateway) -> Option<Jwks> {
    let keys = gateway.settings.jwks.as_ref()?;
    Jwks::from_json(keys.as_bytes(), SymmetricKeys::Refuse, &AwsLc).ok()
}

/// Finds out who asks. One way at a time (RFC 6749 section 2.3).
pub(super) async fn authenticate(
    plane: &Plane,
    issuer: &str,
    headers: &HeaderMap,
    form: &Form,
) -> Result<Client, TokenError> {
    let basic = basic(headers)?;
    let secret = form.get("client_secret");
    let assertion = form.get("client_assertion");
    let kind = form.get("client_assertion_type");
    let named = form.get("client_id");
    match (basic, secret, assertion.or(kind)) {
        (Some((client, secret)), None, None) => {
            if named.is_some_and(|named| named != client) {
                return Err(TokenError::InvalidRequest(
                    "client_id is another one in the header",
                ));
            }
            with_secret(plane, &client, &secret).await
        }
        (None, Some(secret), None) => {
            with_secret(plane, named.ok_or(TokenError::InvalidClient)?, secret).await
        }
        (None, None, Some(_)) => {
            if kind != Some(ASSERTION) {
                return Err(TokenError::InvalidRequest(
                    "client_assertion_type is urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ));
            }
            let assertion = assertion.ok_or(TokenError::InvalidClient)?;
            with_assertion(plane, issuer, named, assertion).await
        }
        (None, None, None) => Err(TokenError::InvalidClient),
        _ => Err(TokenError::InvalidRequest(
            "a client authenticates in one way at a time",
        )),
    }
}

/// What the header says (RFC 7617), where it is there.
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, TokenError> {
    let mut presented = headers.get_all(header::AUTHORIZATION).iter();
    let one = match (presented.next(), presented.next()) {
        (None, _) => return Ok(None),
        (Some(one), None) => one,
        _ => {
            return Err(TokenError::InvalidRequest(
                "there is more than one Authorization header",
            ));
        }
    };
    let read = || {
        let (scheme, text) = one.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("Basic") {
            return None;
        }
        let decoded = BASE64_STANDARD.decode(text.trim()).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (client, secret) = decoded.split_once(':')?;
        Some((decode(client)?, decode(secret)?))
    };
    read().map(Some).ok_or(TokenError::InvalidClient)
}

async fn with_secret(plane: &Plane, client: &str, secret: &str) -> Result<Client, TokenError> {
    let refused = || TokenError::InvalidClient;
    // The database is not asked about what can be no secret of ours.
    let is_ours = secret.starts_with(SecretKind::GatewayCredential.prefix());
    if !is_ours || secret.len() > MAX_SECRET_BYTES {
        return Err(refused());
    }
    let found = plane
        .store()
        .find_credential(&sha256(secret.as_bytes()))
        .await?;
    let credential = found.ok_or_else(refused)?.credential;
    let is_theirs = credential.gateway_id.as_str() == client;
    if !is_theirs || credential.standing(plane.now) != Standing::Live {
        return Err(refused());
    }
    // A gateway of another protocol has no business here.
    let gateway = plane
        .store()
        .cloudentity_gateway(&credential.gateway_id)
        .await?;
    let uses = [(credential.id.clone(), plane.now)];
    if let Err(error) = plane.store().touch_credentials(&uses).await {
        tracing::warn!(%error, "when a gateway credential was last used could not be stored");
    }
    Ok(Client {
        gateway: gateway.ok_or_else(refused)?,
        credential: credential.id.as_str().to_owned(),
    })
}

/// RFC 7523 section 3.
async fn with_assertion(
    plane: &Plane,
    issuer: &str,
    named: Option<&str>,
    assertion: &str,
) -> Result<Client, TokenError> {
    let refused = || TokenError::InvalidClient;
    let jws = CompactJws::parse(assertion).map_err(|_| refused())?;
    let claims = jws.payload();
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let client = text("sub").ok_or_else(refused)?;
    if text("iss") != Some(client) || named.is_some_and(|named| named != client) {
        return Err(refused());
    }
    let id: Id = client.parse().map_err(|_| refused())?;
    let gateway = plane.store().cloudentity_gateway(&id).await?;
    let gateway = gateway.ok_or_else(refused)?;
    let keys = registered_keys(&gateway).ok_or_else(refused)?;
    let verified = jws.verify_with(&keys).map_err(|_| refused())?;
    // A token that this client was given for something else is no assertion.
    if jws
        .typ()
        .is_some_and(|typ| !matches!(typ, "JWT" | "jwt" | "client-authentication+jwt"))
    {
        return Err(refused());
    }
    let endpoint = format!("{issuer}/oauth2/token");
    let is_ours = |audience: &str| audience == issuer || audience == endpoint;
    let for_us = match claims.get("aud") {
        Some(Value::String(audience)) => is_ours(audience),
        // One that is also for others could be used by them.
        Some(Value::Array(audiences)) => {
            !audiences.is_empty()
                && audiences
                    .iter()
                    .all(|one| one.as_str().is_some_and(is_ours))
        }
        _ => false,
    };
    let seconds = plane.now.0.div_euclid(1000);
    let number = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(refused),
    };
    let expires = number("exp")?.ok_or_else(refused)?;
    let is_timely = expires > seconds.saturating_sub(LEEWAY)
        && expires <= seconds.saturating_add(MAX_ASSERTION_AGE + LEEWAY)
        && number("nbf")?.is_none_or(|from| from <= seconds.saturating_add(LEEWAY))
        && number("iat")?.is_none_or(|made| {
            made <= seconds.saturating_add(LEEWAY)
                && made >= seconds.saturating_sub(MAX_ASSERTION_AGE + LEEWAY)
        });
    let jti = text("jti").filter(|jti| (1..=MAX_JTI_BYTES).contains(&jti.len()));
    let jti = jti.ok_or_else(refused)?;
    if !for_us || !is_timely {
        return Err(refused());
    }
    let digest = sha256(format!("{client}\n{jti}").as_bytes());
    let until = UnixMillis(expires.saturating_add(LEEWAY + 1).saturating_mul(1000));
    let is_first = plane
        .store()
        .note_assertion(&digest, until, plane.now)
        .await?;
    if !is_first {
        return Err(refused());
    }
    let credential = format!("jwk:{}", verified.key().thumbprint());
    Ok(Client {
        gateway,
        credential,
    })
}
