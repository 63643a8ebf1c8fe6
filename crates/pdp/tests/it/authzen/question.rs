//! What an AuthZEN service is asked, and what is decided without asking it.

use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::{IssuerUrl, Profile, TokenIssuer, any_valid_token};
use portcullis_model::{DECISION_ID, Method, ReasonCode, Reuse};
use portcullis_pdp::DecisionPoint;
use portcullis_pdp::authzen::{
    AuthzenClient, AuthzenDecisionPoint, AuthzenOptions, AuthzenSettings, PdpUrl, SubjectClaims,
};
use portcullis_pdp::clock::Clock;
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::sideband::GatewayCredential;
use portcullis_test_support::issuer::Issuer;
use serde_json::json;

use super::{CREDENTIAL, Scene, Setup, header, permits, request, sent};
use crate::fake_clock::{FakeClock, START};
use crate::service::ok;

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
