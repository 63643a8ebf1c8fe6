//! The HTTP client of native builds: HTTP/1.1 over TLS, connections kept open between calls.
//!
//! The certificate authorities are compiled in, because reading the system's costs milliseconds at every cold start of
//! a function.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::connection::{Answered, RememberingConnector};
use super::{Http, HttpError, HttpRequest, HttpResponse, SendFuture};

/// How long an idle connection is kept. Load balancers close theirs after a minute or more.
const IDLE_TIME: Duration = Duration::from_secs(50);
/// Most idle connections to one host.
const MAX_IDLE: usize = 64;
/// Most dead connections that one request skips: what a burst may have left behind in the pool.
const MAX_DEAD: usize = 8;

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
                .map_err(|error| network(&error))?;
            Answered::note(response.extensions());
            let (head, body) = response.into_parts();
            let body = Limited::new(body, max_bytes)
                .collect()
                .await
                .map_err(|error| {
                    if error.is::<LengthLimitError>() {
                        HttpError::TooLarge { max_bytes }
                    } else {
                        network(&*error)
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
            match self.client.request(request.0.clone().map(Full::new)).await {
                Err(error) if Answered::before(error.connect_info()) => {}
                outcome => return outcome,
            }
        }
        self.client.request(request.0.map(Full::new)).await
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}

impl Http for HttpClient {
    fn send(&self, request: HttpRequest, timeout: Duration, max_bytes: usize) -> SendFuture<'_> {
        Box::pin(Self::send(self, request, timeout, max_bytes))
    }
}

/// An error with all its causes: the first alone says no more than "client error".
fn network(error: &(dyn std::error::Error + 'static)) -> HttpError {
    let mut cause = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let text = inner.to_string();
        if !cause.ends_with(&text) {
            cause = format!("{cause}: {text}");
        }
        source = inner.source();
    }
    HttpError::Network { cause }
}
