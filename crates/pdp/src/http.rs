//! The HTTP client of this floor: HTTP/1.1 over TLS, connections kept open between calls.
//!
//! It follows no redirect, speaks plain `http` to loopback only, reads no more of an answer than
//! the caller allows and gives up when the caller's time is over. The certificate authorities are
//! compiled in, because reading the system's costs milliseconds at every cold start of a function.

mod connection;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use portcullis_model::{InvalidUrl, RequestUrl, Scheme};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use self::connection::{Answered, RememberingConnector};
use crate::keys::{Fetch, FetchError, FetchFuture, FormPost, PostAnswer, PostFuture};

/// How long an idle connection is kept. Load balancers close theirs after a minute or more.
const IDLE_TIME: Duration = Duration::from_secs(50);
/// Most idle connections to one host.
const MAX_IDLE: usize = 64;
/// Most dead connections that one request skips: what a burst may have left behind in the pool.
const MAX_DEAD: usize = 8;
/// How long getting a document may take.
const FETCH_TIME: Duration = Duration::from_secs(3);

/// The certificate authorities that are trusted.
#[derive(Clone)]
pub struct TlsRoots(RootCertStore);

impl TlsRoots {
    /// Mozilla's list, as it was when the binary was built.
    #[must_use]
    pub fn public() -> Self {
        Self(RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        })
    }

    /// Mozilla's list and those of a PEM text (RFC 7468), at least one.
    pub fn with_pem(pem: &[u8]) -> Result<Self, InvalidRoots> {
        let Self(mut store) = Self::public();
        let before = store.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| InvalidRoots::Pem)?;
            store
                .add(certificate)
                .map_err(|_| InvalidRoots::Certificate)?;
        }
        if store.len() == before {
            Err(InvalidRoots::Empty)
        } else {
            Ok(Self(store))
        }
    }
}

impl fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsRoots([{}])", self.0.len())
    }
}

/// Why certificate authorities were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoots {
    /// Not PEM.
    #[error("the text is not PEM: expected -----BEGIN CERTIFICATE----- blocks (RFC 7468)")]
    Pem,
    /// PEM without a certificate.
    #[error(
        "the text holds no certificate: expected at least one -----BEGIN CERTIFICATE----- block"
    )]
    Empty,
    /// A certificate that cannot be a certificate authority's.
    #[error(
        "a certificate is not one that can be trusted as an authority's (X.509 version 3, DER)"
    )]
    Certificate,
}

/// A client that shares its connections among all its users.
pub struct HttpClient {
    client: Client<RememberingConnector, Full<Bytes>>,
}

impl HttpClient {
    /// A client that trusts those authorities. Opens no connection.
    pub fn new(roots: &TlsRoots) -> Result<Self, HttpError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| HttpError::Network {
                cause: error.to_string(),
            })?
            .with_root_certificates(roots.0.clone())
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(MAX_IDLE)
            .pool_timer(TokioTimer::new())
            .build(RememberingConnector::new(connector));
        Ok(Self { client })
    }

    /// Sends a request and reads the answer whole, within `timeout` and up to `max_bytes` of body.
    ///
    /// A connection that the server closed while it lay idle is replaced without an error. The
    /// request may have been written to it before that showed, as happens to a function that was
    /// frozen in between, and is then sent again: it must be one that is safe to repeat.
    pub async fn send(
        &self,
        request: HttpRequest,
        timeout: Duration,
        max_bytes: usize,
    ) -> Result<HttpResponse, HttpError> {
        let exchange = async {
            let response = self
                .respond(request)
                .await
                .map_err(|error| HttpError::network(&error))?;
            Answered::note(response.extensions());
            let (head, body) = response.into_parts();
            let body = Limited::new(body, max_bytes)
                .collect()
                .await
                .map_err(|error| {
                    if error.is::<LengthLimitError>() {
                        HttpError::TooLarge { max_bytes }
                    } else {
                        HttpError::network(&*error)
                    }
                })?;
            Ok(HttpResponse {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.to_bytes(),
            })
        };
        tokio::time::timeout(timeout, exchange)
            .await
            .unwrap_or(Err(HttpError::Timeout { timeout }))
    }

    /// The first response to the request on a connection that is alive. A dead one leaves the pool
    /// when it fails.
    async fn respond(
        &self,
        request: HttpRequest,
    ) -> Result<http::Response<Incoming>, legacy::Error> {
        for _ in 0..MAX_DEAD {
            match self.client.request(request.0.clone()).await {
                Err(error) if Answered::before(error.connect_info()) => {}
                outcome => return outcome,
            }
        }
        self.client.request(request.0).await
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}

impl Fetch for HttpClient {
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
pub struct HttpRequest(Request<Full<Bytes>>);

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
        let mut value: HeaderValue = value.parse().map_err(|_| InvalidRequest::Header)?;
        // Whoever shows it with Debug sees nothing of it.
        value.set_sensitive(true);
        self.0.headers_mut().append(name, value);
        Ok(self)
    }

    /// How long the body is, in bytes.
    pub(crate) fn body_len(&self) -> usize {
        let length = self.0.body().size_hint().exact().unwrap_or(0);
        usize::try_from(length).unwrap_or(usize::MAX)
    }

    fn new(method: Method, url: &str, body: Bytes, plain: Plain) -> Result<Self, InvalidRequest> {
        let parsed = RequestUrl::parse(url)?;
        let unprotected = parsed.scheme() == Scheme::Http && !is_loopback(parsed.host());
        if unprotected && plain == Plain::OnLoopback {
            return Err(InvalidRequest::NotHttps);
        }
        let uri: Uri = url.parse().map_err(|_| InvalidUrl::Syntax)?;
        let mut request = Request::new(Full::new(body));
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

impl HttpError {
    /// An error with all its causes: the first alone says no more than "client error".
    fn network(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            let text = inner.to_string();
            if !cause.ends_with(&text) {
                cause = format!("{cause}: {text}");
            }
            source = inner.source();
        }
        Self::Network { cause }
    }
}
