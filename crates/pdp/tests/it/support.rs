//! A client of a service, and requests for it.

use std::sync::Arc;
use std::time::Duration;

use portcullis_model::{ApiRequest, Decision, HeaderMap, Method, RequestUrl, Source};
use portcullis_pdp::clock::{Clock, SystemClock};
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::sideband::{GatewayCredential, ServiceUrl, SidebandClient, SidebandSettings};
use portcullis_pdp::{DecisionPoint, Unavailable};

/// What nobody but the service may see.
pub(crate) const CREDENTIAL: &str = "gateway-s3cret";

pub(crate) fn settings(service_url: &str) -> SidebandSettings {
    SidebandSettings {
        service_url: ServiceUrl::parse(service_url).unwrap(),
        credential_header: "CLIENT-TOKEN".into(),
        credential: GatewayCredential::parse(CREDENTIAL).unwrap(),
        max_retries: 0,
        // Long enough for a slow machine; no test waits for it.
        timeout: Duration::from_secs(30),
        debug: false,
    }
}

pub(crate) fn client(settings: SidebandSettings) -> SidebandClient {
    client_with(settings, &TlsRoots::public(), Arc::new(SystemClock))
}

pub(crate) fn client_with(
    settings: SidebandSettings,
    roots: &TlsRoots,
    clock: Arc<dyn Clock>,
) -> SidebandClient {
    let http = Arc::new(HttpClient::new(roots).unwrap());
    SidebandClient::new(settings, http, clock).unwrap()
}

pub(crate) fn api_request() -> ApiRequest {
    let mut headers = HeaderMap::new();
    headers
        .append("Authorization", "Bearer token-s3cret")
        .unwrap();
    ApiRequest {
        method: Method::get(),
        url: RequestUrl::parse("https://api.example.com/planets?key=query-s3cret").unwrap(),
        http_version: "1.1".into(),
        headers,
        source: Source::default(),
        client_certificate: None,
        body: None,
        entry: None,
    }
}

/// The same with another token.
pub(crate) fn with_token(token: &str) -> ApiRequest {
    let mut headers = HeaderMap::new();
    headers
        .append("Authorization", &format!("Bearer {token}"))
        .unwrap();
    ApiRequest {
        headers,
        ..api_request()
    }
}

pub(crate) async fn decide(client: &SidebandClient) -> Result<Decision, Unavailable> {
    // Through the trait, as an enforcement point asks.
    let point: &dyn DecisionPoint = client;
    point.decide(&api_request()).await
}
