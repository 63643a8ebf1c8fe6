//! Where an AuthZEN service is asked: below its URL, or where its metadata says (AuthZEN Authorization
//! API 1.0, "PDP Metadata").

use std::fmt;
use std::time::Duration;

use portcullis_model::{RequestUrl, Scheme};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::answer::{MAX_ANSWER_BYTES, bad, json_object};
use crate::clock::timeout;
use crate::decision_point::Unavailable;
use crate::http::{HttpRequest, HttpResponse, InvalidRequest};
use crate::remote::{Call, RemoteService, USER_AGENT};

/// Where evaluations are, where no metadata says otherwise.
const EVALUATION_PATH: &str = "/access/v1/evaluation";
/// Where metadata is, between the host and the path of the identifier.
const WELL_KNOWN: &str = "/.well-known/authzen-configuration";

/// The identifier of an AuthZEN service: its base URL, `https` or on loopback `http`, without a query.
#[derive(Clone, PartialEq, Eq)]
pub struct PdpUrl {
    identifier: String,
    origin: EndpointOrigin,
    evaluation_url: String,
    metadata_url: String,
}

impl PdpUrl {
    /// Parses an identifier, with or without a slash at its end; not the URL of the call itself.
    pub fn parse(url: &str) -> Result<Self, InvalidPdpUrl> {
        let parsed = RequestUrl::parse(url).map_err(InvalidRequest::from)?;
        if parsed.query().is_some() || url.contains('?') {
            return Err(InvalidPdpUrl::Query);
        }
        let path = parsed.path().trim_end_matches('/');
        if ["/access/v1", "/access/v1/evaluation", WELL_KNOWN]
            .iter()
            .any(|call| path.ends_with(call))
        {
            return Err(InvalidPdpUrl::WholeUrl);
        }
        let base = url.trim_end_matches('/');
        let evaluation_url = format!("{base}{EVALUATION_PATH}");
        HttpRequest::get(&evaluation_url)?;
        let authority = base.strip_suffix(path).unwrap_or(base);
        Ok(Self {
            identifier: url.to_owned(),
            origin: EndpointOrigin::of(&parsed),
            evaluation_url,
            metadata_url: format!("{authority}{WELL_KNOWN}{path}"),
        })
    }

    /// The identifier, as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.identifier
    }
}

impl fmt::Debug for PdpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PdpUrl({})", self.identifier)
    }
}

/// Why the URL of a service was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPdpUrl {
    /// Not a URL that may be asked.
    #[error("an https URL, or an http URL on loopback ({0})")]
    Url(#[from] InvalidRequest),
    /// A query.
    #[error("a URL without a query, as the identifier of an AuthZEN service has none")]
    Query,
    /// The URL of the call.
    #[error("the base URL of the service, without /access/v1/evaluation at its end")]
    WholeUrl,
    /// More than an origin.
    #[error("a scheme and a host, such as https://pdp.example.com")]
    NotAnOrigin,
}

/// Scheme, host and port of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointOrigin {
    scheme: Scheme,
    host: String,
    port: u16,
}

impl EndpointOrigin {
    /// Parses an origin that an endpoint may have beside that of its service: `https`, or `http` on
    /// loopback, without path and query.
    pub fn parse(origin: &str) -> Result<Self, InvalidPdpUrl> {
        HttpRequest::get(origin)?;
        let parsed = RequestUrl::parse(origin).map_err(InvalidRequest::from)?;
        if parsed.path() != "/" || parsed.query().is_some() {
            return Err(InvalidPdpUrl::NotAnOrigin);
        }
        Ok(Self::of(&parsed))
    }

    fn of(url: &RequestUrl) -> Self {
        Self {
            scheme: url.scheme(),
            host: url.host().to_owned(),
            port: url.port(),
        }
    }
}

/// Where evaluations of a service are asked for.
#[derive(Debug)]
pub(super) struct Endpoint {
    url: PdpUrl,
    discovery: Option<Discovery>,
}

#[derive(Debug)]
struct Discovery {
    /// The origins that an endpoint may have beside that of the service.
    origins: Vec<EndpointOrigin>,
    found: OnceCell<String>,
}

impl Endpoint {
    /// At the default path.
    pub(super) const fn at_default_path(url: PdpUrl) -> Self {
        Self {
            url,
            discovery: None,
        }
    }

    /// Where the metadata says, on the origin of the service or one of those.
    pub(super) fn discovered(url: PdpUrl, origins: Vec<EndpointOrigin>) -> Self {
        let discovery = Some(Discovery {
            origins,
            found: OnceCell::new(),
        });
        Self { url, discovery }
    }

    /// The URL. Fetches the metadata where that is called for and was not done yet, without any
    /// credential; what cannot be used is not kept, so that it is fetched again the next time.
    pub(super) async fn url(
        &self,
        service: &RemoteService,
        budget: Duration,
    ) -> Result<&str, Unavailable> {
        let Some(discovery) = &self.discovery else {
            return Ok(&self.url.evaluation_url);
        };
        let fetch = async {
            let request = HttpRequest::get(&self.url.metadata_url)
                .and_then(|request| request.header("accept", "application/json"))
                .and_then(|request| request.header("user-agent", USER_AGENT))
                .map_err(|error| bad(&error.to_string()))?;
            let call = Call {
                request: &request,
                budget,
                max_bytes: MAX_ANSWER_BYTES,
                refusal: no_metadata,
            };
            self.read(&service.ask(call).await?, &discovery.origins)
        };
        // Whoever waits for another's fetch waits no longer than for its own.
        let found = discovery.found.get_or_try_init(|| fetch);
        timeout(service.clock(), budget, found)
            .await
            .unwrap_or(Err(Unavailable::Timeout { budget }))
            .map(String::as_str)
    }

    /// The evaluation endpoint of a metadata document that is this service's.
    fn read(
        &self,
        response: &HttpResponse,
        origins: &[EndpointOrigin],
    ) -> Result<String, Unavailable> {
        let document = json_object(response)?;
        let member = |name: &str| document.get(name).and_then(Value::as_str);
        if member("policy_decision_point") != Some(self.url.as_str()) {
            return Err(bad(
                "its metadata is not that of AUTHZEN_PDP_URL: expected policy_decision_point to be the same URL, character by character",
            ));
        }
        let endpoint = member("access_evaluation_endpoint")
            .ok_or_else(|| bad("its metadata names no access_evaluation_endpoint"))?;
        HttpRequest::get(endpoint).map_err(|error| {
            bad(&format!(
                "its metadata names an access_evaluation_endpoint that cannot be asked ({error})"
            ))
        })?;
        let origin = RequestUrl::parse(endpoint)
            .map(|url| EndpointOrigin::of(&url))
            .map_err(|error| bad(&error.to_string()))?;
        if origin != self.url.origin && !origins.contains(&origin) {
            return Err(bad(
                "its metadata names an access_evaluation_endpoint on another origin than AUTHZEN_PDP_URL, and AUTHZEN_ENDPOINT_ORIGINS does not list it",
            ));
        }
        Ok(endpoint.to_owned())
    }
}

fn no_metadata(response: &HttpResponse) -> Unavailable {
    let hint = match response.status {
        300..=399 => "redirects are not followed: check AUTHZEN_PDP_URL",
        404 => {
            "there is no AuthZEN metadata: set AUTHZEN_DISCOVERY to false, or check AUTHZEN_PDP_URL"
        }
        500.. => "look at the log of the decision point",
        _ => "AuthZEN metadata could not be fetched: check AUTHZEN_PDP_URL",
    };
    Unavailable::Status {
        status: response.status,
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_segment_stands_between_host_and_path() {
        for (url, evaluation, metadata) in [
            (
                "https://pdp.example.com",
                "https://pdp.example.com/access/v1/evaluation",
                "https://pdp.example.com/.well-known/authzen-configuration",
            ),
            (
                "https://pdp.example.com/",
                "https://pdp.example.com/access/v1/evaluation",
                "https://pdp.example.com/.well-known/authzen-configuration",
            ),
            (
                "https://pdp.example.com:8443/a/tenant1/",
                "https://pdp.example.com:8443/a/tenant1/access/v1/evaluation",
                "https://pdp.example.com:8443/.well-known/authzen-configuration/a/tenant1",
            ),
            (
                "http://127.0.0.1:3592",
                "http://127.0.0.1:3592/access/v1/evaluation",
                "http://127.0.0.1:3592/.well-known/authzen-configuration",
            ),
        ] {
            let parsed = PdpUrl::parse(url).unwrap();
            assert_eq!(parsed.as_str(), url);
            assert_eq!(parsed.evaluation_url, evaluation);
            assert_eq!(parsed.metadata_url, metadata);
        }
    }

    #[test]
    fn what_is_no_identifier_is_refused() {
        for (url, why) in [
            ("https://pdp.example.com?x=1", InvalidPdpUrl::Query),
            ("https://pdp.example.com/a?", InvalidPdpUrl::Query),
            (
                "https://pdp.example.com/access/v1/evaluation",
                InvalidPdpUrl::WholeUrl,
            ),
            (
                "https://pdp.example.com/.well-known/authzen-configuration",
                InvalidPdpUrl::WholeUrl,
            ),
            (
                "http://pdp.example.com",
                InvalidPdpUrl::Url(InvalidRequest::NotHttps),
            ),
        ] {
            assert_eq!(PdpUrl::parse(url), Err(why), "{url}");
        }
        assert!(PdpUrl::parse("https://user:pass@pdp.example.com").is_err());
        assert!(PdpUrl::parse("pdp.example.com").is_err());
        assert!(PdpUrl::parse("https://pdp.example.com#x").is_err());
    }

    #[test]
    fn an_origin_is_no_more_than_that() {
        let origin = |text: &str| EndpointOrigin::parse(text);
        assert_eq!(
            origin("https://a.example"),
            origin("https://A.example:443/")
        );
        assert_ne!(origin("https://a.example"), origin("https://a.example:444"));
        for wrong in [
            "https://a.example/x",
            "https://a.example?x",
            "http://a.example",
            "a.example",
        ] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }
}
