//! A viewer-request event, parsed once into the request that a decision point sees and what the answer
//! needs (CloudFront Developer Guide, "Lambda@Edge event structure").

use std::fmt;
use std::net::IpAddr;

use portcullis_model::{
    ApiRequest, AwsEntry, DecodedPath, HeaderMap, InvalidUrl, Method, RequestUrl, Source,
};

use super::body::{self, ViewerBody};
use super::headers;
use super::options::EdgeOptions;
use crate::error::EventError;
use crate::event::MAX_EVENT_BYTES;
use crate::json::{Json, Object, unexpected};
use crate::request_parts::{method, version_or_default};
use crate::target::{escape_path, is_host_name};

/// One call of a function at the viewer-request event.
#[derive(Clone, PartialEq)]
pub struct ViewerRequest {
    pub(super) request: ApiRequest,
    /// The URL that the viewer asked for, whatever the decision point sees.
    pub(super) viewer_url: RequestUrl,
    pub(super) body: ViewerBody,
    /// `cf.request` as it came.
    pub(super) original: Object,
    request_id: Option<String>,
    distribution_id: Option<String>,
    distribution_domain: Option<String>,
}

impl ViewerRequest {
    /// Parses the payload of a Lambda invocation, at most [`MAX_EVENT_BYTES`] bytes.
    ///
    /// Members that are not documented are tolerated. One that is documented and missing, there twice
    /// or of another type is an error, and so is an event from which the request cannot be told for
    /// sure. Errors of the kinds [`EventError::Host`], [`EventError::Header`] and [`EventError::Url`]
    /// can be brought about by any client.
    pub fn parse(event: &[u8], options: &EdgeOptions) -> Result<Self, EventError> {
        if event.len() > MAX_EVENT_BYTES {
            return Err(EventError::TooLarge { bytes: event.len() });
        }
        let event = Object::parse(event)?;
        let record = record(&event)?.object("Records.cf")?;
        let config = record.object("cf.config")?;
        check_event_type(config)?;
        let request = record.object("cf.request")?;
        if request.repeats_a_name() {
            return Err(EventError::Repeated {
                member: "cf.request.*",
            });
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let body = body::parse(request)?;
        let (decided_on, viewer_url) = api_request(request, &body, options)?;
        Ok(Self {
            request: decided_on,
            viewer_url,
            body,
            original: request.clone(),
            request_id: owned(config.text("cf.config.requestId")?),
            distribution_id: owned(config.text("cf.config.distributionId")?),
            distribution_domain: owned(config.text("cf.config.distributionDomainName")?),
        })
    }

    /// The request as the decision point is to see it.
    ///
    /// The URL is that of the event, character by character. `body` is there only if all of it is, so
    /// that nobody decides on a part. The source port and the HTTP version come from headers
    /// (`CloudFront-Viewer-Address`, `CloudFront-Viewer-Http-Version`) that a client can write where
    /// CloudFront does not: they are for information. A port is taken only from an address with the
    /// same IP as `clientIp`, which CloudFront itself says. There is no client certificate.
    #[must_use]
    pub const fn request(&self) -> &ApiRequest {
        &self.request
    }

    /// What the event tells of the body.
    #[must_use]
    pub const fn body(&self) -> &ViewerBody {
        &self.body
    }

    /// CloudFront's id of the request, `x-edge-request-id` of its access logs.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The id of the distribution.
    #[must_use]
    pub fn distribution_id(&self) -> Option<&str> {
        self.distribution_id.as_deref()
    }

    /// The distribution's own domain name, such as `d111111abcdef8.cloudfront.net`.
    #[must_use]
    pub fn distribution_domain(&self) -> Option<&str> {
        self.distribution_domain.as_deref()
    }
}

impl fmt::Debug for ViewerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewerRequest")
            .field("request_id", &self.request_id)
            .field("distribution_id", &self.distribution_id)
            .field("body", &self.body)
            .field("method", &self.request.method)
            .field("url", &self.request.url)
            .finish_non_exhaustive()
    }
}

fn record(event: &Object) -> Result<&Object, EventError> {
    const MEMBER: &str = "Records";
    const EXPECTED: &str = "a list of one CloudFront record";
    match event.list(MEMBER)? {
        [Json::Object(record)] => Ok(record),
        [other] => Err(unexpected(MEMBER, EXPECTED, other)),
        records => Err(EventError::Member {
            member: MEMBER,
            expected: EXPECTED,
            found: if records.is_empty() {
                "none"
            } else {
                "more than one"
            },
        }),
    }
}

fn check_event_type(config: &Object) -> Result<(), EventError> {
    const MEMBER: &str = "cf.config.eventType";
    let found = match config.text(MEMBER)? {
        Some("viewer-request") => return Ok(()),
        Some("origin-request") => "\"origin-request\"",
        Some("origin-response") => "\"origin-response\"",
        Some("viewer-response") => "\"viewer-response\"",
        Some(_) => "another string",
        None => "nothing",
    };
    Err(EventError::Member {
        member: MEMBER,
        expected: "\"viewer-request\" (attach the function to that event)",
        found,
    })
}

fn api_request(
    request: &Object,
    body: &ViewerBody,
    options: &EdgeOptions,
) -> Result<(ApiRequest, RequestUrl), EventError> {
    let headers = headers::parse(request)?;
    let uri = request.required_text("cf.request.uri")?;
    let ip = client_ip(request)?;
    let method = upper_case_method(request)?;
    let (url, viewer_url) = urls(request, uri, &headers, options)?;
    let request = ApiRequest {
        method,
        url,
        http_version: version_or_default(only(&headers, "cloudfront-viewer-http-version")),
        source: Source {
            ip: Some(ip),
            port: viewer_port(&headers, ip),
        },
        client_certificate: None,
        body: match body {
            ViewerBody::Whole(body) => Some(body.clone()),
            ViewerBody::Absent | ViewerBody::Partial { .. } => None,
        },
        entry: entry(uri, options),
        headers,
    };
    Ok((request, viewer_url))
}

/// Methods are told apart by case (RFC 9110 section 9.1), but not by every backend. CloudFront takes
/// seven, all in upper case.
fn upper_case_method(request: &Object) -> Result<Method, EventError> {
    const MEMBER: &str = "cf.request.method";
    let called = request.required_text(MEMBER)?;
    if called.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(EventError::Member {
            member: MEMBER,
            expected: "a method in upper case, such as \"GET\"",
            found: "one in lower case",
        });
    }
    method(called)
}

fn client_ip(request: &Object) -> Result<IpAddr, EventError> {
    const MEMBER: &str = "cf.request.clientIp";
    let ip = request.required_text(MEMBER)?;
    ip.parse().map_err(|_| EventError::Member {
        member: MEMBER,
        expected: "an IP address",
        found: "another string",
    })
}

/// The URL that is decided on and the one that the viewer asked for, put together without a change.
///
/// CloudFront turns bytes that are not UTF-8 into UTF-8 for the function and forwards what it received
/// ("URI, query string, and headers encoding"). So a character beyond ASCII may be another one for the
/// backend, and is refused; clients that keep to RFC 3986 escape it.
fn urls(
    request: &Object,
    uri: &str,
    headers: &HeaderMap,
    options: &EdgeOptions,
) -> Result<(RequestUrl, RequestUrl), EventError> {
    const QUERY: &str = "cf.request.querystring";
    let host = host(headers)?;
    let query = request.required_text(QUERY)?;
    // A client may ask for `*` or for a whole URL (RFC 9112 section 3.2).
    if !uri.starts_with('/') || uri.contains('?') || !uri.is_ascii() || !query.is_ascii() {
        return Err(InvalidUrl::Syntax.into());
    }
    let at = |origin: &str| {
        let mark = if query.is_empty() { "" } else { "?" };
        let url = RequestUrl::parse(&format!("{origin}{uri}{mark}{query}"))?;
        // What is decided on is what the backend gets.
        if (url.path(), url.query().unwrap_or_default()) == (uri, query) {
            Ok(url)
        } else {
            Err(EventError::from(InvalidUrl::Syntax))
        }
    };
    let viewer = at(&format!("https://{host}"))?;
    match &options.base_url {
        Some(origin) => Ok((at(origin.as_str())?, viewer)),
        None => Ok((viewer.clone(), viewer)),
    }
}

/// The one `Host` header. CloudFront finds the distribution by it, so it is one of the distribution's
/// domain names.
fn host(headers: &HeaderMap) -> Result<&str, EventError> {
    let mut hosts = headers.values("host");
    let found = match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host) => return Ok(host),
        (Some(_), None) => "another value",
        (Some(_), Some(_)) => "more than one",
        (None, _) => "none",
    };
    Err(EventError::Host { found })
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    !name.is_empty() && is_host_name(name) && port.is_none_or(|port| port_number(port).is_some())
}

/// A port without sign or zeros in front.
fn port_number(port: &str) -> Option<u16> {
    if port.starts_with(['+', '0']) {
        return None;
    }
    port.parse().ok()
}

/// The value of a header that is there once.
fn only<'headers>(headers: &'headers HeaderMap, name: &str) -> Option<&'headers str> {
    let mut values = headers.values(name);
    match (values.next(), values.next()) {
        (value, None) => value,
        (_, Some(_)) => None,
    }
}

/// The port in `CloudFront-Viewer-Address`: `192.0.2.1:443`, `2001:db8::1:443`, `[2001:db8::1]:443`.
fn viewer_port(headers: &HeaderMap, client: IpAddr) -> Option<u16> {
    let (ip, port) = only(headers, "cloudfront-viewer-address")?.rsplit_once(':')?;
    let bare = ip
        .strip_prefix('[')
        .and_then(|ip| ip.strip_suffix(']'))
        .unwrap_or(ip);
    (bare.parse() == Ok(client)).then(|| port_number(port))?
}

/// The entry that was set, with the path of the request; none for a path with more than one reading.
fn entry(uri: &str, options: &EdgeOptions) -> Option<AwsEntry> {
    let entry = options.entry.as_ref()?;
    let path = DecodedPath::parse(&escape_path(uri)).ok()?;
    Some(AwsEntry {
        api_id: entry.api_id.clone(),
        stage: entry.stage.clone(),
        path: path.as_str().to_owned(),
    })
}
