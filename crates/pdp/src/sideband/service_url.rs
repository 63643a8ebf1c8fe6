//! The base URL of a sideband service, as `SERVICE_URL` holds it.

use std::fmt;

use portcullis_model::RequestUrl;

use crate::http::{HttpRequest, InvalidRequest};

/// The base URL of a sideband service.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceUrl {
    shown: String,
    request_url: String,
}

impl ServiceUrl {
    /// Parses a base URL, with or without a slash at its end; a query is kept. `https`, or `http` on
    /// loopback; not the URL of the call itself.
    pub fn parse(url: &str) -> Result<Self, InvalidServiceUrl> {
        let parsed = RequestUrl::parse(url).map_err(InvalidRequest::from)?;
        let path = parsed.path().trim_end_matches('/');
        let calls = ["/sideband", "/sideband/request", "/sideband/response"];
        if calls.iter().any(|call| path.ends_with(call)) {
            return Err(InvalidServiceUrl::WholeUrl);
        }
        let beginning = url.split('?').next().unwrap_or(url).trim_end_matches('/');
        let query = parsed
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        let request_url = format!("{beginning}/sideband/request{query}");
        HttpRequest::get(&request_url)?;
        Ok(Self {
            shown: beginning.to_owned(),
            request_url,
        })
    }

    /// Where a request is decided on.
    pub(super) fn request_url(&self) -> &str {
        &self.request_url
    }
}

/// Without its query.
impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceUrl({self})")
    }
}

/// Why a base URL was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServiceUrl {
    /// Not a URL that may be asked.
    #[error("an https URL, or an http URL on loopback ({0})")]
    Url(#[from] InvalidRequest),
    /// The URL of the call.
    #[error("the base URL of the service, without /sideband at its end")]
    WholeUrl,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_url_may_end_in_a_slash_and_have_a_query() {
        let request_url = |url: &str| ServiceUrl::parse(url).unwrap().request_url;
        assert_eq!(
            request_url("https://a.example"),
            "https://a.example/sideband/request"
        );
        assert_eq!(
            request_url("https://a.example/v1/environments/x/"),
            "https://a.example/v1/environments/x/sideband/request"
        );
        assert_eq!(
            request_url("https://a.example/x?tenant=1"),
            "https://a.example/x/sideband/request?tenant=1"
        );
        assert_eq!(
            request_url("http://127.0.0.1:8080"),
            "http://127.0.0.1:8080/sideband/request"
        );
        assert_eq!(
            ServiceUrl::parse("https://a.example/sideband/request"),
            Err(InvalidServiceUrl::WholeUrl)
        );
        assert_eq!(
            ServiceUrl::parse("http://a.example"),
            Err(InvalidServiceUrl::Url(InvalidRequest::NotHttps))
        );
        assert!(ServiceUrl::parse("a.example").is_err());
        assert!(
            !format!(
                "{:?}",
                ServiceUrl::parse("https://a.example/?key=s3cret").unwrap()
            )
            .contains("s3cret")
        );
    }
}
