//! The decision point that verifies the token and asks an AuthZEN service: what it asks, whom it does
//! not ask, and every answer that must not become a permit.

mod answer;
mod context;
mod metadata;
mod patience;
mod question;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use portcullis_engine::{
    IssuerUrl, PolicySet, Profile, TokenIssuer, any_valid_token, compile_scope_table,
};
use portcullis_model::{ApiRequest, Decision, RequestUrl};
use portcullis_pdp::authzen::{
    AuthzenClient, AuthzenDecisionPoint, AuthzenOptions, AuthzenSettings, EndpointOrigin, PdpUrl,
    SubjectClaims,
};
use portcullis_pdp::clock::Clock;
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::sideband::GatewayCredential;
use portcullis_pdp::{DecisionPoint, Unavailable};
use portcullis_test_support::issuer::Issuer;
use serde_json::Value;

use crate::fake_clock::{FakeClock, START};
use crate::service::{Act, Seen, Service, ok};
use crate::support::api_request;

const CREDENTIAL: &str = "Bearer pdp-s3cret";
const ROUTES: &str = "GET /planets = silver; * /moons/{moon}; GET /health = public";
const JSON: &str = "content-type: application/json\r\n";

/// Made once: a key takes its time.
static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::start);

/// A decision point that asks a service which answers as a script says.
struct Scene {
    issuer: Issuer,
    service: Service,
    point: AuthzenDecisionPoint,
    clock: Arc<FakeClock>,
}

/// What differs from scene to scene.
struct Setup {
    routes: Option<&'static str>,
    claims: &'static str,
    max_retries: u32,
    timeout: Duration,
    discovery: Option<Vec<String>>,
    path: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            routes: Some(ROUTES),
            claims: "",
            max_retries: 0,
            // Long enough for a slow machine; no test waits for it.
            timeout: Duration::from_secs(30),
            discovery: None,
            path: "",
        }
    }
}

impl Scene {
    fn new(setup: &Setup, script: impl Fn(usize, &Seen) -> Act + Send + Sync + 'static) -> Self {
        let service = Service::start(script);
        let issuer = ISSUER.clone();
        let clock = Arc::new(FakeClock::new());
        let http = Arc::new(HttpClient::new(&TlsRoots::public()).unwrap());
        let settings = AuthzenSettings {
            pdp_url: PdpUrl::parse(&format!("{}{}", service.url(), setup.path)).unwrap(),
            discovery: setup.discovery.is_some(),
            endpoint_origins: setup
                .discovery
                .iter()
                .flatten()
                .map(|origin| EndpointOrigin::parse(origin).unwrap())
                .collect(),
            credential_header: "Authorization".into(),
            max_retries: setup.max_retries,
            debug: true,
        };
        let clock_of_client: Arc<dyn Clock> = clock.clone();
        let client = AuthzenClient::new(settings, http.clone(), clock_of_client).unwrap();
        let credential = GatewayCredential::header_value(CREDENTIAL).unwrap();
        let options = AuthzenOptions {
            subject_claims: SubjectClaims::parse(setup.claims).unwrap(),
            timeout: setup.timeout,
            ..AuthzenOptions::default()
        };
        let asks = Box::new((Arc::new(client), Some(credential)));
        let policy = policy(&issuer, setup.routes);
        let point = AuthzenDecisionPoint::new(policy, asks, http, clock.clone(), options);
        Self {
            issuer,
            service,
            point,
            clock,
        }
    }

    fn answering(body: &str) -> Self {
        let body = body.to_owned();
        Self::new(&Setup::default(), move |_, _| ok(&body))
    }

    fn token(&self) -> String {
        self.issuer.token("api", "silver", START)
    }

    /// A request of carl, who has the scope silver.
    fn request(&self, path: &str) -> ApiRequest {
        request(path, Some(&self.token()))
    }

    async fn decide(&self, request: &ApiRequest) -> Result<Decision, Unavailable> {
        let point: &dyn DecisionPoint = &self.point;
        point.decide(request).await
    }

    async fn planets(&self) -> Result<Decision, Unavailable> {
        self.decide(&self.request("/planets")).await
    }
}

fn policy(issuer: &Issuer, routes: Option<&str>) -> PolicySet {
    let url = IssuerUrl::parse(issuer.url()).unwrap();
    let trusted = vec![TokenIssuer::new(
        url,
        vec!["api".into()],
        Profile::default(),
    )];
    match routes {
        Some(routes) => compile_scope_table(routes, trusted, true).unwrap(),
        None => any_valid_token(trusted, true),
    }
}

fn request(path: &str, token: Option<&str>) -> ApiRequest {
    let mut request = api_request();
    request.headers = portcullis_model::HeaderMap::new();
    if let Some(token) = token {
        let value = format!("Bearer {token}");
        request.headers.append("Authorization", &value).unwrap();
    }
    request.url =
        RequestUrl::parse(&format!("https://api.example.com{path}?key=query-s3cret")).unwrap();
    request.source.ip = Some("192.0.2.7".parse().unwrap());
    request
}

fn header<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    seen.head.lines().find_map(|line| {
        let (own, value) = line.split_once(": ")?;
        own.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn sent(scene: &Scene, index: usize) -> Value {
    serde_json::from_str(&scene.service.seen()[index].body).unwrap()
}

fn permits(outcome: &Result<Decision, Unavailable>) -> bool {
    outcome.as_ref().is_ok_and(Decision::is_permit)
}
