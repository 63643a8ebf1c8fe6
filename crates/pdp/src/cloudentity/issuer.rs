//! `ACP_ISSUER_URL`: the system issuer of a tenant, and where its API is.

use std::fmt;

use portcullis_engine::IssuerUrl;

/// The system issuer of a tenant and what follows from it.
#[derive(Clone, PartialEq, Eq)]
pub struct SystemIssuer {
    token_endpoint: String,
    system_api: String,
}

/// Why a URL is none of a system issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIssuerUrl {
    /// Not a URL of an issuer.
    #[error("an https URL without query and fragment (http on loopback addresses only)")]
    Url,
    /// No tenant in it.
    #[error(
        "a URL whose path is TENANT/WORKSPACE, such as https://TENANT.us.authz.cloudentity.io/TENANT/system; of a vanity domain, set ACP_TENANT_ID"
    )]
    NoTenant,
}

impl SystemIssuer {
    /// Reads an issuer URL. The tenant is its last segment but one; with `is_vanity`, the domain names the tenant
    /// and the path does not (`acp-client-go`, `client.go`).
    pub fn parse(url: &str, is_vanity: bool) -> Result<Self, InvalidIssuerUrl> {
        let url = url.trim_end_matches('/');
        IssuerUrl::parse(url).map_err(|_| InvalidIssuerUrl::Url)?;
        let (scheme, rest) = url.split_once("://").ok_or(InvalidIssuerUrl::Url)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut segments = path.rsplit('/');
        let system_api = if is_vanity {
            format!("{scheme}://{authority}/api/system")
        } else {
            let tenant = segments.nth(1).filter(|one| !one.is_empty());
            let tenant = tenant.ok_or(InvalidIssuerUrl::NoTenant)?;
            format!("{scheme}://{authority}/api/system/{tenant}")
        };
        Ok(Self {
            token_endpoint: format!("{url}/oauth2/token"),
            system_api,
        })
    }

    /// Where access tokens are had.
    #[must_use]
    pub fn token_endpoint(&self) -> &str {
        &self.token_endpoint
    }

    /// The URL of a resource of the system API, such as `gateways/configuration`.
    #[must_use]
    pub fn system(&self, resource: &str) -> String {
        format!("{}/{resource}", self.system_api)
    }
}

impl fmt::Debug for SystemIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.system_api)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_is_the_last_segment_but_one() {
        for (url, vanity, expected) in [
            (
                "https://acme.us.authz.cloudentity.io/acme/system",
                false,
                Some("https://acme.us.authz.cloudentity.io/api/system/acme"),
            ),
            (
                "https://acme.us.authz.cloudentity.io/acme/system/",
                false,
                Some("https://acme.us.authz.cloudentity.io/api/system/acme"),
            ),
            (
                "http://127.0.0.1:8080/t/system",
                false,
                Some("http://127.0.0.1:8080/api/system/t"),
            ),
            (
                "https://login.acme.com/system",
                true,
                Some("https://login.acme.com/api/system"),
            ),
            ("https://login.acme.com/system", false, None),
            ("http://acme.com/t/system", false, None),
            ("https://acme.com/t/system?x=1", false, None),
        ] {
            let parsed = SystemIssuer::parse(url, vanity).ok();
            assert_eq!(
                parsed.map(|one| one.system_api).as_deref(),
                expected,
                "{url}"
            );
        }
        let issuer = SystemIssuer::parse("https://a.example/t/system", false).unwrap();
        assert_eq!(
            issuer.token_endpoint(),
            "https://a.example/t/system/oauth2/token"
        );
        assert_eq!(
            issuer.system("gateways/requests"),
            "https://a.example/api/system/t/gateways/requests"
        );
    }
}
