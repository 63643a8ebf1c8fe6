//! HTTP as decision points use it: what is sent, what comes back, and who carries it.
//!
//! Whoever carries it follows no redirect, speaks plain `http` to loopback only, reads no more of an answer than
//! the caller allows and gives up when the caller's time is over.

#[cfg(not(target_family = "wasm"))]
mod client;
#[cfg(not(target_family = "wasm"))]
mod connection;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use portcullis_model::{InvalidUrl, RequestUrl, Scheme};

#[cfg(not(target_family = "wasm"))]
pub use self::client::{HttpClient, InvalidRoots, TlsRoots};
use crate::keys::{Fetch, FetchError, FetchFuture, FormPost, PostAnswer, PostFuture};

/// How long getting a document may take.
const FETCH_TIME: Duration = Duration::from_secs(3);

/// An answer on its way.
pub type SendFuture<'a> =
    Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

/// Sends requests: natively [`HttpClient`], in WebAssembly the host.
pub trait Http: Fetch {
    /// Sends a request and reads the answer whole, within `timeout` and up to `max_bytes` of body. The request may be
    /// sent twice where a connection broke off while it lay idle, so it must be one that is safe to repeat.
    fn send(&self, request: HttpRequest, timeout: Duration, max_bytes: usize) -> SendFuture<'_>;
}

impl<T: Http> Fetch for T {
    fn get<'a>(&'a self, url: &'a str, max_bytes: usize) -> FetchFuture<'a> {
        Box::pin(async move {
            let failed = |cause: String| FetchError {
                url: url.to_owned(),
                cause,
            };
            let request = HttpRequest::get(url)
                .and_then(|request| request.header("accept", "application/json"))
                .map_err(|error| failed(error.to_string()))?;
            let response = self
                .send(request, FETCH_TIME, max_bytes)
                .await
                .map_err(|error| failed(error.to_string()))?;
            match response.status {
                200 => Ok(response.body),
                status => Err(failed(format!("expected status 200, got {status}"))),
            }
        })
    }

    fn post<'a>(&'a self, post: FormPost<'a>) -> PostFuture<'a> {
        Box::pin(async move {
            let failed = |cause: String| FetchError {
                url: post.url.to_owned(),
                cause,
            };
            let mut request = HttpRequest::post(post.url, post.form.into())
                .and_then(|request| request.header("accept", post.accept))
                .and_then(|request| {
                    request.header("content-type", "application/x-www-form-urlencoded")
                })
                .map_err(|error| failed(error.to_string()))?;
            if let Some(authorization) = &post.authorization {
                request = request
                    .header("authorization", authorization)
                    .map_err(|error| failed(error.to_string()))?;
            }
            let response = self
                .send(request, FETCH_TIME, post.max_bytes)
                .await
                .map_err(|error| failed(error.to_string()))?;
            let content_type = response.headers.get("content-type");
            Ok(PostAnswer {
                status: response.status,
                content_type: content_type
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default()
                    .to_owned(),
                body: response.body,
            })
        })
    }
}

/// A request that may be sent.
#[derive(Clone)]
pub struct HttpRequest(Request<Bytes>);

impl HttpRequest {
    /// `GET` of an `https` URL, or an `http` URL on loopback.
    pub fn get(url: &str) -> Result<Self, InvalidRequest> {
        Self::new(Method::GET, url, Bytes::new(), Plain::OnLoopback)
    }

    /// `GET` without anything that others may not read, of an `https` or `http` URL on any host: for the APIs that
    /// Lambda has inside of an instance.
    pub fn get_in_the_open(url: &str) -> Result<Self, InvalidRequest> {
        Self::new(Method::GET, url, Bytes::new(), Plain::Anywhere)
    }

    /// `POST` of a body to such a URL.
    pub fn post(url: &str, body: Bytes) -> Result<Self, InvalidRequest> {
        Self::new(Method::POST, url, body, Plain::OnLoopback)
    }

    /// `POST` of a body that may be read by others, such as one for a collector of telemetry, to an
    /// `https` or `http` URL on any host.
    pub fn post_in_the_open(url: &str, body: Bytes) -> Result<Self, InvalidRequest> {
        Self::new(Method::POST, url, body, Plain::Anywhere)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, InvalidRequest> {
        let name: HeaderName = name.parse().map_err(|_| InvalidRequest::Header)?;
        // Text beyond ASCII is another one for each reader.
        if !value.is_ascii() {
            return Err(InvalidRequest::Header);
        }
        let mut value: HeaderValue = value.parse().map_err(|_| InvalidRequest::Header)?;
        // Whoever shows it with Debug sees nothing of it.
        value.set_sensitive(true);
        self.0.headers_mut().append(name, value);
        Ok(self)
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        self.0.method().as_str()
    }

    /// The absolute URL. It may hold a secret.
    #[must_use]
    pub fn url(&self) -> String {
        self.0.uri().to_string()
    }

    /// Names and values of the header fields that were added. Some hold secrets.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        // INVARIANT: each was made of ASCII.
        self.0
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.0.body()
    }

    /// How long the body is, in bytes.
    pub(crate) fn body_len(&self) -> usize {
        self.0.body().len()
    }

    fn new(method: Method, url: &str, body: Bytes, plain: Plain) -> Result<Self, InvalidRequest> {
        let parsed = RequestUrl::parse(url)?;
        let unprotected = parsed.scheme() == Scheme::Http && !is_loopback(parsed.host());
        if unprotected && plain == Plain::OnLoopback {
            return Err(InvalidRequest::NotHttps);
        }
        let uri: Uri = url.parse().map_err(|_| InvalidUrl::Syntax)?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        Ok(Self(request))
    }
}

/// Where a request may go without TLS.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plain {
    OnLoopback,
    Anywhere,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "HttpRequest({} {})",
            self.0.method(),
            self.0.uri().authority().map_or("", |host| host.as_str())
        )
    }
}

/// Whether a host name or address is this machine's own.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// Why a request cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// Not an absolute URL.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    /// `http` to a host that is not loopback.
    #[error("expected an https URL; http is used on localhost, 127.0.0.1 and [::1] only")]
    NotHttps,
    /// A header that cannot be sent.
    #[error("a header name or value holds a character that cannot be sent (RFC 9110 section 5.5)")]
    Header,
}

/// An answer.
#[derive(Clone)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "HttpResponse({}, [{} bytes])",
            self.status,
            self.body.len()
        )
    }
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The time was over.
    #[error("no answer within {} ms", .timeout.as_millis())]
    Timeout {
        /// The time.
        timeout: Duration,
    },
    /// No connection, or it broke off.
    #[error("{cause}")]
    Network {
        /// What the operating system, TLS or HTTP reported.
        cause: String,
    },
    /// The body went on beyond what the caller allowed.
    #[error("the answer is larger than {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
}
