//! The issuer of access tokens, an exact string that is also a URL (RFC 8414 section 2).

use std::fmt;
use std::sync::Arc;

use portcullis_model::{InvalidUrl, RequestUrl, Scheme};

/// An issuer identifier: an `https` URL without query or fragment; `http` only on a loopback host.
///
/// Two issuers are the same only if they are the same string (RFC 9068 section 4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IssuerUrl(Arc<str>);

impl IssuerUrl {
    /// Parses an issuer identifier.
    pub fn parse(issuer: &str) -> Result<Self, InvalidIssuer> {
        let url = RequestUrl::parse(issuer)?;
        if url.query().is_some() {
            return Err(InvalidIssuer::Query);
        }
        let loopback = matches!(url.host(), "localhost" | "127.0.0.1" | "[::1]");
        if url.scheme() == Scheme::Http && !loopback {
            return Err(InvalidIssuer::NotHttps);
        }
        Ok(Self(issuer.into()))
    }

    /// The issuer as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why an issuer identifier was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIssuer {
    /// Not an absolute URL.
    #[error("an issuer is an https URL: {0}")]
    Url(#[from] InvalidUrl),
    /// A query.
    #[error("an issuer has no query (RFC 8414 section 2)")]
    Query,
    /// `http` on a host that is not loopback.
    #[error("an issuer is an https URL; http is accepted on localhost, 127.0.0.1 and [::1] only")]
    NotHttps,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_https_or_loopback() {
        for good in [
            "https://idp.example.com/oauth2/default",
            "http://127.0.0.1:9000",
            "http://localhost/x/",
        ] {
            assert_eq!(IssuerUrl::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(
            IssuerUrl::parse("http://idp.example.com"),
            Err(InvalidIssuer::NotHttps)
        );
        assert_eq!(
            IssuerUrl::parse("http://127.0.0.1.evil.example"),
            Err(InvalidIssuer::NotHttps)
        );
        assert_eq!(
            IssuerUrl::parse("https://idp.example.com/?x"),
            Err(InvalidIssuer::Query)
        );
        assert!(IssuerUrl::parse("idp").is_err());
    }
}
