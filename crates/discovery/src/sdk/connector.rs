//! How the SDK sends requests: HTTP/1.1 over the TLS that the rest of Portcullis uses, with Mozilla's certificate
//! authorities. Plain `http` is for where the SDK asks for it: an endpoint on this machine, and the addresses at which
//! containers and instances get their credentials.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer, in bytes. A page of 500 resources with their methods is a few megabytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// The client that all services share.
pub(super) fn client() -> Result<SharedHttpClient, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = TcpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let shared = SharedHttpConnector::new(Connector(client));
    Ok(http_client_fn(move |_, _| shared.clone()))
}

#[derive(Debug)]
struct Connector(Client<HttpsConnector<TcpConnector>, SdkBody>);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        let sent = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let response = sent.await.map_err(failed)?;
            let response =
                response.map(|body| SdkBody::from_body_1_x(Limited::new(body, MAX_ANSWER_BYTES)));
            HttpResponse::try_from(response)
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Failures of the network may go away by themselves, so the SDK tries again.
fn failed(error: Error) -> ConnectorError {
    ConnectorError::io(error.into())
}
