//! The decision point that verifies the token and asks an AuthZEN service: what it asks, whom it does
//! not ask, and every answer that must not become a permit.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use portcullis_engine::{
    IssuerUrl, PolicySet, Profile, TokenIssuer, any_valid_token, compile_scope_table,
};
use portcullis_model::{ApiRequest, Decision, Method, Outcome, ReasonCode, RequestUrl, Reuse};
use portcullis_pdp::authzen::{
    AuthzenClient, AuthzenDecisionPoint, AuthzenOptions, AuthzenSettings, EndpointOrigin,
    MAX_ANSWER_BYTES, PdpUrl, SubjectClaims,
};
use portcullis_pdp::clock::Clock;
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::sideband::GatewayCredential;
use portcullis_pdp::{DECISION_ID, DecisionPoint, Unavailable};
use portcullis_test_support::issuer::Issuer;
use serde_json::{Value, json};

use crate::fake_clock::{FakeClock, START};
use crate::service::{Act, Seen, Service, ok, response};
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

#[tokio::test]
async fn asks_about_identity_method_and_route_and_shows_nothing_else() {
    let scene = Scene::answering(r#"{"decision":true}"#);
    let mut request = scene.request("/moons/titan");
    request.method = Method::parse("PUT").unwrap();
    let decision = scene.decide(&request).await.unwrap();
    assert!(decision.is_permit());
    assert_eq!(decision.reason.code, ReasonCode::PermittedByDecisionPoint);
    assert_eq!(decision.principal.as_deref(), Some("carl"));
    assert_eq!(decision.reuse, Reuse::ThisRequest);
    let seen = &scene.service.seen()[0];
    assert!(
        seen.head.starts_with("POST /access/v1/evaluation HTTP/1.1"),
        "{}",
        seen.head
    );
    assert_eq!(
        sent(&scene, 0),
        json!({
            "subject": { "type": "identity", "id": "carl" },
            "action": { "name": "PUT" },
            "resource": { "type": "route", "id": "/moons/{moon}" },
            "context": { "host": "api.example.com", "path": "/moons/titan", "ip": "192.0.2.7" },
        })
    );
    assert_eq!(header(seen, "content-type"), Some("application/json"));
    assert_eq!(header(seen, "authorization"), Some(CREDENTIAL));
    let id = header(seen, "x-request-id").unwrap();
    assert_eq!(decision.context[DECISION_ID], id);
    assert_eq!(id.len(), 32);
    let token = scene.token();
    let parts: Vec<&str> = token.split('.').collect();
    for hidden in [parts[1], parts[2], "query-s3cret"] {
        assert!(!seen.head.contains(hidden) && !seen.body.contains(hidden));
    }
    scene.planets().await.unwrap();
    let next = header(&scene.service.seen()[1], "x-request-id")
        .unwrap()
        .to_owned();
    assert_ne!(next, id, "each decision has its own name");
}

#[tokio::test]
async fn only_listed_claims_are_told() {
    let setup = Setup {
        claims: "client_id, groups nowhere",
        ..Setup::default()
    };
    let scene = Scene::new(&setup, |_, _| ok(r#"{"decision":true}"#));
    let more = json!({ "scope": "silver", "groups": ["astronomers"], "email": "carl@example.com" });
    let token = scene.issuer.token_with("api", &more, START);
    scene
        .decide(&request("/planets", Some(&token)))
        .await
        .unwrap();
    assert_eq!(
        sent(&scene, 0)["subject"],
        json!({
            "type": "identity", "id": "carl",
            "properties": { "client_id": "app", "groups": ["astronomers"] },
        })
    );
    assert!(SubjectClaims::parse(&"a ".repeat(33)).is_err());
    assert!(SubjectClaims::parse("gr\u{fc}n").is_err());
}

#[tokio::test]
async fn without_a_table_the_path_is_the_route() {
    let setup = Setup {
        routes: None,
        ..Setup::default()
    };
    let scene = Scene::new(&setup, |_, _| ok(r#"{"decision":true}"#));
    let decision = scene.decide(&scene.request("/any/where")).await;
    assert!(permits(&decision));
    assert_eq!(
        sent(&scene, 0)["resource"],
        json!({ "type": "route", "id": "/any/where" })
    );
    let nobody = scene.decide(&request("/any/where", None)).await.unwrap();
    assert_eq!(nobody.status(), Some(401));
    assert_eq!(scene.service.seen().len(), 1);
}

#[tokio::test]
async fn nobody_is_asked_about_what_is_decided_here() {
    let scene = Scene::answering(r#"{"decision":true}"#);
    let stranger = Issuer::start();
    for (path, token, code, status) in [
        ("/planets", None, ReasonCode::MissingToken, 401),
        (
            "/planets",
            Some("opaque".into()),
            ReasonCode::MalformedToken,
            401,
        ),
        (
            "/planets",
            Some(stranger.token("api", "silver", START)),
            ReasonCode::UnknownIssuer,
            401,
        ),
        (
            "/planets",
            Some(scene.issuer.token("other", "silver", START)),
            ReasonCode::WrongAudience,
            401,
        ),
        (
            "/planets",
            Some(scene.issuer.token("api", "silver", START - 7200)),
            ReasonCode::TokenExpired,
            401,
        ),
        (
            "/planets",
            Some(scene.issuer.token("api", "bronze", START)),
            ReasonCode::InsufficientScope,
            403,
        ),
        (
            "/nowhere",
            Some(scene.token()),
            ReasonCode::NoOperation,
            403,
        ),
        (
            "/moons/..",
            Some(scene.token()),
            ReasonCode::AmbiguousPath,
            400,
        ),
    ] {
        let decision = scene.decide(&request(path, token.as_deref())).await;
        let decision = decision.unwrap();
        assert_eq!(
            (decision.reason.code, decision.status()),
            (code, Some(status))
        );
    }
    for token in [None, Some(scene.token())] {
        let public = scene.decide(&request("/health", token.as_deref())).await;
        let public = public.unwrap();
        assert!(public.is_permit());
        assert_eq!(public.reason.code, ReasonCode::Public);
    }
    assert!(scene.service.seen().is_empty());
}

#[tokio::test]
async fn a_deny_is_a_deny() {
    let reasons = r#"{"decision":false,"context":{"reason_user":{"403":"no"},"reason":"s3cret"}}"#;
    for body in [r#"{"decision":false}"#, reasons] {
        let decision = Scene::answering(body).planets().await.unwrap();
        assert_eq!(decision.status(), Some(403));
        assert_eq!(decision.reason.code, ReasonCode::DeniedByDecisionPoint);
        assert_eq!(decision.principal.as_deref(), Some("carl"));
        assert!(!format!("{decision:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn what_is_understood_and_permits_is_a_permit() {
    for body in [
        r#"{"decision":true}"#,
        r#" {"decision" : true , "context": {}} "#,
        r#"{"context":{"reason":"x"},"decision":true,"evaluations":[{"decision":false}]}"#,
        r#"{"decision":true,"context":null}"#,
        r#"{"decision":true,"context":{"obligations":[]}}"#,
        r#"{"decision":true,"context":{"obligations":null}}"#,
        r#"{"\u0064ecision":true}"#,
    ] {
        assert!(permits(&Scene::answering(body).planets().await), "{body}");
    }
    for content_type in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/json;x=y",
    ] {
        let head = format!("content-type: {content_type}\r\n");
        let scene = Scene::new(&Setup::default(), move |_, _| {
            Act::Answer(response(200, &head, r#"{"decision":true}"#))
        });
        assert!(permits(&scene.planets().await), "{content_type}");
    }
}

#[tokio::test]
async fn no_other_text_is_an_answer() {
    let deep = format!(
        r#"{{"decision":true,"context":{{"x":{}{}}}}}"#,
        "[".repeat(64),
        "]".repeat(64)
    );
    let many = format!(
        r#"{{"decision":true,"context":{{"x":[{}0]}}}}"#,
        "0,".repeat(5000)
    );
    for body in [
        "",
        " ",
        "{}",
        "null",
        "true",
        "\"true\"",
        "[]",
        "[true]",
        r#"[{"decision":true}]"#,
        r#"[["decision",true]]"#,
        r#"{"decision":"true"}"#,
        r#"{"decision":1}"#,
        r#"{"decision":null}"#,
        r#"{"decision":[true]}"#,
        r#"{"decision":{"decision":true}}"#,
        r#"{"Decision":true}"#,
        r#"{"decision ":true}"#,
        r#"{"allow":true}"#,
        r#"{"evaluations":[{"decision":true}]}"#,
        r#"{"context":{"decision":true}}"#,
        r#"{"decision":true,"decision":true}"#,
        r#"{"decision":false,"decision":true}"#,
        r#"{"decision":true,"decision":false}"#,
        r#"{"decision":false,"\u0064ecision":true}"#,
        r#"{"decision":true,"context":{"a":1,"a":1}}"#,
        r#"{"decision":true,"context":{"obligations":[],"obligations":[]}}"#,
        r#"{"decision":true,"context":[]}"#,
        r#"{"decision":true,"context":"x"}"#,
        r#"{"decision":true,"context":false}"#,
        r#"{"decision":true"#,
        r#"{"decision":t"#,
        r#"{"decision":true}}"#,
        r#"{"decision":true}{"decision":false}"#,
        r#"{"decision":true,}"#,
        r"{'decision':true}",
        r#"{"decision":True}"#,
        "\u{feff}{\"decision\":true}",
        r#"{"decision":true,"context":{"x":"\ud800"}}"#,
        "<html>true</html>",
        &deep,
        &many,
    ] {
        let outcome = Scene::answering(body).planets().await;
        assert!(
            matches!(outcome, Err(Unavailable::BadAnswer { .. })),
            "{body}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_permit_of_another_kind_is_no_answer() {
    let permit = r#"{"decision":true}"#;
    for head in [
        "",
        "content-type: text/html\r\n",
        "content-type: text/plain\r\n",
        "content-type: application/problem+json\r\n",
        "content-type: application/jsonx\r\n",
        "content-type: application/json, text/html\r\n",
        "content-type: application/json\r\ncontent-type: text/html\r\n",
        "content-type: \r\n",
        "content-type: application/json\r\nx-request-id: another\r\n",
    ] {
        let scene = Scene::new(&Setup::default(), move |_, _| {
            Act::Answer(response(200, head, permit))
        });
        let outcome = scene.planets().await;
        assert!(
            matches!(outcome, Err(Unavailable::BadAnswer { .. })),
            "{head}: {outcome:?}"
        );
    }
    let echoing = Scene::new(&Setup::default(), move |_, seen| {
        let id = header(seen, "x-request-id").unwrap();
        let head = format!("{JSON}x-request-id: {id}\r\n");
        Act::Answer(response(200, &head, permit))
    });
    assert!(permits(&echoing.planets().await));
    for size in [MAX_ANSWER_BYTES + 1, 10 * MAX_ANSWER_BYTES] {
        let huge = format!("{permit}{}", " ".repeat(size - permit.len()));
        let outcome = Scene::answering(&huge).planets().await;
        assert!(
            matches!(outcome, Err(Unavailable::BadAnswer { .. })),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn no_other_status_is_an_answer() {
    for status in [
        201, 202, 203, 204, 205, 206, 226, 300, 304, 400, 401, 403, 404, 405, 409, 413, 415, 500,
        501, 503, 599,
    ] {
        let scene = Scene::new(&Setup::default(), move |_, _| {
            // A body after 204 or 304 would be the next answer, so that the connection ends.
            Act::AnswerAndClose(response(status, JSON, r#"{"decision":true}"#))
        });
        let outcome = scene.planets().await;
        let is_status = matches!(
            outcome,
            Err(Unavailable::Status { status: got, .. }) if got == status
        );
        assert!(is_status, "{status}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let elsewhere = Service::start(|_, _| ok(r#"{"decision":true}"#));
    for status in [301, 302, 303, 307, 308] {
        let head = format!(
            "{JSON}location: {}/access/v1/evaluation\r\n",
            elsewhere.url()
        );
        let scene = Scene::new(&Setup::default(), move |_, _| {
            Act::Answer(response(status, &head, r#"{"decision":true}"#))
        });
        assert!(scene.planets().await.is_err(), "{status}");
    }
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let whole = response(200, JSON, r#"{"decision":true}"#);
    let cut: Vec<Vec<u8>> = [0, 10, whole.len() - 17, whole.len() - 1]
        .iter()
        .map(|length| whole[..*length].to_vec())
        .collect();
    for beginning in cut {
        let shown = String::from_utf8_lossy(&beginning).into_owned();
        let scene = Scene::new(&Setup::default(), move |_, _| {
            Act::AnswerAndClose(beginning.clone())
        });
        let outcome = scene.planets().await;
        assert!(
            matches!(outcome, Err(Unavailable::Network { .. })),
            "{shown}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn silence_ends_with_the_budget() {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n";
    let slow: [fn() -> Act; 2] = [
        || Act::Hang,
        || Act::Drip("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{".into()),
    ];
    let dripping = move || Act::Drip(format!("{head}{{\"decision\":true}}").into());
    for act in slow {
        let setup = Setup {
            timeout: Duration::from_millis(300),
            ..Setup::default()
        };
        let scene = Scene::new(&setup, move |_, _| act());
        // The keys are fetched first, so that the time is the service's.
        scene.point.hydrate().await;
        let outcome = scene.planets().await;
        assert!(
            matches!(outcome, Err(Unavailable::Timeout { .. })),
            "{outcome:?}"
        );
    }
    let setup = Setup {
        timeout: Duration::from_millis(300),
        ..Setup::default()
    };
    let scene = Scene::new(&setup, move |_, _| dripping());
    scene.point.hydrate().await;
    assert!(scene.planets().await.is_err());
}

#[tokio::test]
async fn a_5xx_is_tried_again_and_a_4xx_is_not() {
    let setup = Setup {
        max_retries: 2,
        ..Setup::default()
    };
    let scene = Scene::new(&setup, |index, _| match index {
        0 => Act::Answer(response(503, "", "")),
        1 => Act::Close,
        _ => ok(r#"{"decision":true}"#),
    });
    assert!(permits(&scene.planets().await));
    let seen = scene.service.seen();
    assert_eq!(seen.len(), 3);
    let ids: Vec<_> = seen
        .iter()
        .map(|seen| header(seen, "x-request-id"))
        .collect();
    assert!(
        ids[0].is_some() && ids.iter().all(|id| *id == ids[0]),
        "{ids:?}"
    );
    let setup = Setup {
        max_retries: 2,
        ..Setup::default()
    };
    let scene = Scene::new(&setup, |_, _| Act::Answer(response(403, "", "")));
    scene.planets().await.unwrap_err();
    assert_eq!(scene.service.seen().len(), 1);
}

#[tokio::test]
async fn a_429_is_heeded() {
    let scene = Scene::new(&Setup::default(), |index, _| match index {
        0 => Act::Answer(response(429, "retry-after: 7\r\n", "")),
        _ => ok(r#"{"decision":true}"#),
    });
    for _ in 0..3 {
        let error = scene.planets().await.unwrap_err();
        let retry_after = Duration::from_secs(7);
        assert_eq!(error, Unavailable::Throttled { retry_after });
    }
    assert_eq!(scene.service.seen().len(), 1);
    scene.clock.advance(Duration::from_secs(7));
    assert!(permits(&scene.planets().await));
}

fn step_up(acr: &Value) -> Value {
    json!({ "id": "1", "type": "step-up", "properties": { "acr_value": acr } })
}

#[tokio::test]
async fn an_obligation_that_cannot_be_met_makes_a_permit_a_deny() {
    let notification =
        json!({ "id": "2", "type": "notification", "properties": { "to": "x", "body": "s3cret" } });
    for obligations in [
        json!([notification]),
        json!([{}]),
        json!([null]),
        json!(["step-up"]),
        json!([[]]),
        json!({}),
        json!("none"),
        json!(false),
        json!(0),
        json!([{ "id": "1", "type": "session_termination", "properties": { "subject": "carl" } }]),
        json!([{ "id": "1", "type": "step-up" }]),
        json!([{ "id": "1", "type": "step-up", "properties": {} }]),
        json!([{ "type": "step-up", "properties": { "acr_value": "mfa" } }]),
        json!([{ "id": 1, "type": "step-up", "properties": { "acr_value": "mfa" } }]),
        json!([{ "id": "1", "type": "Step-Up", "properties": { "acr_value": "mfa" } }]),
        json!([step_up(&json!(""))]),
        json!([step_up(&json!(7))]),
        json!([step_up(&json!("a b"))]),
        json!([step_up(&json!("a\", realm=\"evil"))]),
        json!([step_up(&json!("a\"b"))]),
        json!([step_up(&json!("a\\b"))]),
        json!([step_up(&json!("a\r\nx: y"))]),
        json!([step_up(&json!("\u{fc}"))]),
        json!([step_up(&json!("x".repeat(257)))]),
        json!([step_up(&json!("mfa")), notification]),
        json!(
            (0..9)
                .map(|n| step_up(&json!(n.to_string())))
                .collect::<Vec<_>>()
        ),
    ] {
        let body = json!({ "decision": true, "context": { "obligations": obligations } });
        let decision = Scene::answering(&body.to_string()).planets().await.unwrap();
        assert_eq!(decision.status(), Some(403), "{body}");
        assert_eq!(decision.reason.code, ReasonCode::DeniedByDecisionPoint);
        assert!(!format!("{decision:?}").contains("s3cret"));
    }
}

fn challenges(decision: &Decision) -> Vec<String> {
    match &decision.outcome {
        Outcome::Deny(deny) => deny.www_authenticate().collect(),
        Outcome::Permit(_) => Vec::new(),
    }
}

#[tokio::test]
async fn a_step_up_is_a_challenge() {
    for (decision, obligations, acr_values) in [
        (false, json!([step_up(&json!("mfa"))]), "mfa"),
        (true, json!([step_up(&json!("mfa"))]), "mfa"),
        (
            false,
            json!([
                step_up(&json!("mfa")),
                step_up(&json!("urn:x:hwk")),
                step_up(&json!("mfa"))
            ]),
            "mfa urn:x:hwk",
        ),
        (false, json!([{}, step_up(&json!("mfa"))]), "mfa"),
    ] {
        let body = json!({ "decision": decision, "context": { "obligations": obligations } });
        let decision = Scene::answering(&body.to_string()).planets().await.unwrap();
        assert_eq!(decision.status(), Some(401), "{body}");
        assert_eq!(
            decision.reason.code,
            ReasonCode::InsufficientUserAuthentication
        );
        assert_eq!(
            challenges(&decision),
            [format!(
                "Bearer realm=\"api\", error=\"insufficient_user_authentication\", \
                 error_description=\"the decision point asks for a stronger authentication\", \
                 acr_values=\"{acr_values}\""
            )]
        );
    }
    for obligations in [json!([{}]), json!(7), json!([step_up(&json!("a b"))])] {
        let body = json!({ "decision": false, "context": { "obligations": obligations } });
        let decision = Scene::answering(&body.to_string()).planets().await.unwrap();
        assert_eq!(decision.status(), Some(403), "{body}");
    }
}

#[tokio::test]
async fn a_token_without_a_subject_asks_nobody() {
    let scene = Scene::answering(r#"{"decision":true}"#);
    let http = Arc::new(HttpClient::new(&TlsRoots::public()).unwrap());
    let url = IssuerUrl::parse(scene.issuer.url()).unwrap();
    let generic = Profile::named("generic").unwrap();
    let trusted = vec![TokenIssuer::new(url, vec!["api".into()], generic)];
    let settings = AuthzenSettings {
        pdp_url: PdpUrl::parse(&scene.service.url()).unwrap(),
        discovery: false,
        endpoint_origins: Vec::new(),
        credential_header: "Authorization".into(),
        max_retries: 0,
        debug: false,
    };
    let clock: Arc<dyn Clock> = scene.clock.clone();
    let client = AuthzenClient::new(settings, http.clone(), Arc::clone(&clock)).unwrap();
    let options = AuthzenOptions {
        timeout: Duration::from_secs(30),
        ..AuthzenOptions::default()
    };
    let point = AuthzenDecisionPoint::new(
        any_valid_token(trusted, true),
        Box::new((Arc::new(client), None)),
        http,
        clock,
        options,
    );
    let claims =
        json!({ "iss": scene.issuer.url(), "aud": "api", "iat": START, "exp": START + 60 });
    let token = scene.issuer.sign("JWT", &claims);
    let asked = DecisionPoint::decide(&point, &request("/planets", Some(&token))).await;
    let decision = asked.unwrap();
    assert_eq!(
        (decision.status(), decision.reason.code),
        (Some(401), ReasonCode::InvalidClaim)
    );
    assert!(scene.service.seen().is_empty());
    // Without a credential, none is sent.
    let with_subject = DecisionPoint::decide(&point, &scene.request("/planets")).await;
    assert!(permits(&with_subject));
    assert_eq!(header(&scene.service.seen()[0], "authorization"), None);
}

/// A service with metadata: `document` gets its own URL.
fn with_metadata(
    setup: &Setup,
    document: impl Fn(&str, usize) -> Value + Send + Sync + 'static,
) -> Scene {
    Scene::new(setup, move |index, seen| {
        if seen.head.starts_with("GET ") {
            let own = format!("http://{}", header(seen, "host").unwrap());
            ok(&document(&own, index).to_string())
        } else {
            ok(r#"{"decision":true}"#)
        }
    })
}

/// Metadata, made with the URL of the service.
type Document = Box<dyn Fn(&str) -> Value + Send + Sync>;

fn discovering(origins: &[String]) -> Setup {
    Setup {
        discovery: Some(origins.to_vec()),
        path: "/tenant1",
        ..Setup::default()
    }
}

#[tokio::test]
async fn metadata_says_where_to_ask() {
    let scene = with_metadata(&discovering(&[]), |own, _| {
        json!({
            "policy_decision_point": format!("{own}/tenant1"),
            "access_evaluation_endpoint": format!("{own}/somewhere/else?tenant=1"),
            "capabilities": [], "unknown": { "x": 1 },
        })
    });
    for _ in 0..2 {
        assert!(permits(&scene.planets().await));
    }
    let lines: Vec<String> = scene
        .service
        .seen()
        .iter()
        .map(|seen| seen.head.lines().next().unwrap().to_owned())
        .collect();
    assert_eq!(
        lines,
        [
            "GET /.well-known/authzen-configuration/tenant1 HTTP/1.1",
            "POST /somewhere/else?tenant=1 HTTP/1.1",
            "POST /somewhere/else?tenant=1 HTTP/1.1",
        ]
    );
    let seen = scene.service.seen();
    assert_eq!(
        header(&seen[0], "authorization"),
        None,
        "metadata is public"
    );
    assert_eq!(header(&seen[1], "authorization"), Some(CREDENTIAL));
}

#[tokio::test]
async fn metadata_of_another_service_is_not_used() {
    let elsewhere = Service::start(|_, _| ok(r#"{"decision":true}"#));
    let elsewhere_url = elsewhere.url();
    let foreign = elsewhere_url.clone();
    let cases: Vec<Document> = vec![
        Box::new(|_| json!({})),
        Box::new(|_| json!([])),
        Box::new(|own| json!({ "policy_decision_point": format!("{own}/tenant1") })),
        Box::new(|own| json!({ "access_evaluation_endpoint": format!("{own}/x") })),
        Box::new(
            |own| json!({ "policy_decision_point": own, "access_evaluation_endpoint": format!("{own}/x") }),
        ),
        Box::new(
            |own| json!({ "policy_decision_point": format!("{own}/tenant1/"), "access_evaluation_endpoint": format!("{own}/x") }),
        ),
        Box::new(
            |own| json!({ "policy_decision_point": format!("{own}/tenant2"), "access_evaluation_endpoint": format!("{own}/x") }),
        ),
        Box::new(
            move |own| json!({ "policy_decision_point": format!("{own}/tenant1"), "access_evaluation_endpoint": format!("{foreign}/x") }),
        ),
        Box::new(
            |own| json!({ "policy_decision_point": format!("{own}/tenant1"), "access_evaluation_endpoint": "http://pdp.example.com/x" }),
        ),
        Box::new(
            |own| json!({ "policy_decision_point": format!("{own}/tenant1"), "access_evaluation_endpoint": "/access/v1/evaluation" }),
        ),
        Box::new(
            |own| json!({ "policy_decision_point": format!("{own}/tenant1"), "access_evaluation_endpoint": [format!("{own}/x")] }),
        ),
        Box::new(|own| {
            let own = own.replace("http://", "http://user@");
            json!({ "policy_decision_point": format!("{own}/tenant1"), "access_evaluation_endpoint": format!("{own}/x") })
        }),
    ];
    for (number, case) in cases.into_iter().enumerate() {
        let scene = with_metadata(&discovering(&[]), move |own, _| case(own));
        let outcome = scene.planets().await;
        assert!(
            matches!(outcome, Err(Unavailable::BadAnswer { .. })),
            "{number}: {outcome:?}"
        );
        let seen = scene.service.seen();
        assert!(
            seen.iter().all(|seen| seen.head.starts_with("GET ")),
            "{number}"
        );
    }
    assert!(elsewhere.seen().is_empty());

    // The same endpoint is asked where it is listed.
    let endpoint = format!("{elsewhere_url}/x");
    let scene = with_metadata(
        &discovering(&[elsewhere_url]),
        move |own, _| json!({ "policy_decision_point": format!("{own}/tenant1"), "access_evaluation_endpoint": endpoint }),
    );
    assert!(permits(&scene.planets().await));
    assert_eq!(elsewhere.seen().len(), 1);
}

#[tokio::test]
async fn metadata_that_could_not_be_used_is_fetched_again() {
    let scene = Scene::new(&discovering(&[]), |index, seen| {
        let own = format!("http://{}", header(seen, "host").unwrap());
        let good = json!({
            "policy_decision_point": format!("{own}/tenant1"),
            "access_evaluation_endpoint": format!("{own}/x"),
        });
        match index {
            0 => Act::Answer(response(404, "", "")),
            1 => Act::Answer(response(200, "content-type: text/html\r\n", "<html>")),
            2 => ok(&good
                .to_string()
                .replace("\"policy", "\"access_evaluation_endpoint\":\"\",\"policy")),
            3 => ok(&good.to_string()),
            _ => ok(r#"{"decision":true}"#),
        }
    });
    for _ in 0..3 {
        assert!(scene.planets().await.is_err());
    }
    assert!(permits(&scene.planets().await));
    assert_eq!(scene.service.seen().len(), 5);
}

#[tokio::test]
async fn a_stranger_header_is_refused_at_the_start() {
    let settings = AuthzenSettings {
        pdp_url: PdpUrl::parse("https://pdp.example.com").unwrap(),
        discovery: false,
        endpoint_origins: Vec::new(),
        credential_header: "not a header".into(),
        max_retries: 0,
        debug: false,
    };
    let http = Arc::new(HttpClient::new(&TlsRoots::public()).unwrap());
    assert!(AuthzenClient::new(settings, http, Arc::new(FakeClock::new())).is_err());
    assert!(GatewayCredential::header_value("Bearer a b").is_ok());
    for wrong in [
        "",
        " a",
        "a ",
        "a\r\nb",
        "a\tb",
        "\u{fc}",
        &"x".repeat(8193),
    ] {
        assert!(GatewayCredential::header_value(wrong).is_err(), "{wrong:?}");
    }
}
