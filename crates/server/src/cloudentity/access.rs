//! Who calls the system endpoints: a gateway with an access token of the system issuer.

use std::sync::Arc;

use axum::extract::RawPathParams;
use axum::http::{HeaderMap, header};
use portcullis_jose::Jwk;
use portcullis_store::{CloudentityGateway, Standing};

use super::Plane;
use super::client::registered_keys;
use super::issuer::grant;
use super::known::Made;
use super::refusal::Refusal;
use crate::app::AppState;

/// Longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 4096;

/// A gateway that may do what it asks for.
pub(super) struct Caller {
    pub(super) plane: Plane,
    pub(super) gateway: CloudentityGateway,
    /// The tenant that its token is of.
    pub(super) tenant: String,
}

impl Caller {
    /// Lets a gateway in whose token has the scope. A tenant in the path is the one of the token.
    pub(super) async fn with(
        state: &AppState,
        path: &RawPathParams,
        headers: &HeaderMap,
        scope: &str,
    ) -> Result<Self, Refusal> {
        let plane = Plane::of(state)?;
        let token = bearer(headers)?;
        let refused = || Refusal::invalid_token(true);
        let issuer = &plane.management.control_plane.issuer;
        let claims = issuer.verify(plane.store(), plane.now, token).await?;
        let claims = claims.ok_or_else(refused)?;
        let granted = grant(&claims, plane.now).ok_or_else(refused)?;
        let tenant = plane.tenant_of(&granted.issuer).ok_or_else(refused)?;
        let mut named = path.iter().filter(|(name, _)| *name == "tid");
        if named.any(|(_, asked)| asked != tenant) {
            return Err(refused());
        }
        let tenant = tenant.to_owned();
        let gateway = plane.store().cloudentity_gateway(&granted.gateway).await?;
        let gateway = gateway.ok_or_else(refused)?;
        if !is_good(&plane, &gateway, &granted.credential).await? {
            return Err(refused());
        }
        if !granted.scopes.iter().any(|one| one == scope) {
            return Err(Refusal::insufficient_scope(scope));
        }
        Ok(Self {
            plane,
            gateway,
            tenant,
        })
    }
}

impl Caller {
    /// Its configuration as it is now.
    pub(super) async fn configuration(&self) -> Result<Arc<Made>, Refusal> {
        let known = &self.plane.management.control_plane.known;
        known
            .configuration(&self.plane, &self.gateway, &self.tenant)
            .await
    }
}

/// The one token of a request (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut presented = headers.get_all(header::AUTHORIZATION).iter();
    match (presented.next(), presented.next()) {
        (None, _) => Err(Refusal::invalid_token(false)),
        (Some(one), None) => match one.to_str().ok().and_then(|text| text.split_once(' ')) {
            Some((scheme, token))
                if scheme.eq_ignore_ascii_case("Bearer") && token.len() <= MAX_TOKEN_BYTES =>
            {
                Ok(token.trim_start_matches(' '))
            }
            _ => Err(Refusal::invalid_token(true)),
        },
        _ => Err(Refusal::invalid_token(true)),
    }
}

/// Whether what the gateway authenticated with would still do: a token does not outlive it.
async fn is_good(
    plane: &Plane,
    gateway: &CloudentityGateway,
    credential: &str,
) -> Result<bool, Refusal> {
    if let Some(thumbprint) = credential.strip_prefix("jwk:") {
        let is_it = |key: &Jwk| key.thumbprint().matches(thumbprint);
        return Ok(registered_keys(gateway).is_some_and(|keys| keys.keys().iter().any(is_it)));
    }
    let all = plane.store().credentials_of(&gateway.gateway.id).await?;
    let found = all.iter().find(|one| one.id.as_str() == credential);
    Ok(found.is_some_and(|one| one.standing(plane.now) == Standing::Live))
}
