//! A genuine token in the wrong place: at another service, from another tenant, with the keys of
//! another issuer. And issuers that claim each other's names and keys.

use std::time::Duration;

use portcullis_engine::SourceFile;
use portcullis_model::ReasonCode;
use portcullis_pdp::keys::{COOL_DOWN, MAX_AGE};
use serde_json::json;

use crate::attack::{
    AUDIENCE, FETCH, GENUINE, KID, MALLORY, PLANETS, Stage, issuer, key_set, own_url, service,
    summary, with,
};
use crate::fake_web::metadata;
use crate::service::{Service, ok};

const MOONS: &str = "https://moons.example.com";

/// A server with one key.
fn issuer_of(key: serde_json::Value) -> Service {
    issuer(move |_| ok(&key_set(std::slice::from_ref(&key))))
}

#[tokio::test]
async fn cross_service_replay() {
    // Service A and service B trust the same issuer and are each an audience of their own.
    let issuer = issuer_of(GENUINE.jwk(KID));
    let sources = vec![
        service("Planets", AUDIENCE, &issuer.url(), AUDIENCE),
        service("Moons", MOONS, &issuer.url(), MOONS),
    ];
    let stage = Stage::with(issuer, sources).await;
    stage.control().await;
    let at_moons = format!("{MOONS}/planets");
    let mut table = Vec::new();
    for audience in [
        json!(AUDIENCE),
        json!(MOONS),
        json!([AUDIENCE, MOONS]),
        json!(["https://other.example", MOONS]),
        json!(format!("{AUDIENCE} {MOONS}")),
        json!(format!("{MOONS}/")),
        json!(format!("{MOONS}/planets")),
        json!("https://MOONS.example.com"),
        json!("https://*.example.com"),
        json!("*"),
        json!(""),
    ] {
        let token = GENUINE.sign(
            &stage.header(),
            &with(&stage.claims(), "aud", audience.clone()),
        );
        let [at_a, at_b] = [
            stage.decide(PLANETS, Some(&token)).await,
            stage.decide(&at_moons, Some(&token)).await,
        ];
        table.push(format!(
            "{audience}: {}, {}",
            summary(&at_a),
            summary(&at_b)
        ));
    }
    insta::assert_snapshot!(table.join("\n"), @r#"
    "https://api.example.com": permit, 401 wrong_audience
    "https://moons.example.com": 401 wrong_audience, permit
    ["https://api.example.com","https://moons.example.com"]: permit, permit
    ["https://other.example","https://moons.example.com"]: 401 wrong_audience, permit
    "https://api.example.com https://moons.example.com": 401 wrong_audience, 401 wrong_audience
    "https://moons.example.com/": 401 wrong_audience, 401 wrong_audience
    "https://moons.example.com/planets": 401 wrong_audience, 401 wrong_audience
    "https://MOONS.example.com": 401 wrong_audience, 401 wrong_audience
    "https://*.example.com": 401 wrong_audience, 401 wrong_audience
    "*": 401 wrong_audience, 401 wrong_audience
    "": 401 wrong_audience, 401 wrong_audience
    "#);
    // Neither does the operation of one service speak for the other.
    let header = stage.header();
    let token = GENUINE.sign(&header, &stage.plain_claims());
    let decision = stage.decide(&format!("{MOONS}/admin"), Some(&token)).await;
    assert_eq!(summary(&decision), "401 wrong_audience");
    stage.finish().await;
}

/// Two tenants whose issuers each have a key `k1`, and a service for each.
async fn two_tenants() -> (Stage, Service) {
    let (one, other) = (issuer_of(GENUINE.jwk(KID)), issuer_of(MALLORY.jwk(KID)));
    let sources = vec![
        service("Planets", AUDIENCE, &one.url(), AUDIENCE),
        service("Moons", MOONS, &other.url(), MOONS),
    ];
    (Stage::with(one, sources).await, other)
}

#[tokio::test]
async fn cross_tenant_replay() {
    let (stage, other) = two_tenants().await;
    stage.control().await;
    let theirs = with(
        &with(&stage.claims(), "iss", other.url()),
        "aud",
        json!([MOONS, AUDIENCE]),
    );
    let genuine_there = MALLORY.sign(&stage.header(), &theirs);
    let at_moons = format!("{MOONS}/planets");
    let decision = stage.decide(&at_moons, Some(&genuine_there)).await;
    assert_eq!(
        summary(&decision),
        "permit",
        "the control of the other tenant"
    );
    let asked = other.seen().len();
    // A genuine token of the other tenant, whose issuer this service does not know.
    stage
        .attack(&genuine_there, ReasonCode::UnknownIssuer)
        .await;
    // Its key under this tenant's name: the same `kid` names another key here.
    let forged = MALLORY.sign(&stage.header(), &stage.claims());
    stage.attack(&forged, ReasonCode::InvalidSignature).await;
    // This tenant's key under the other's name.
    let forged = GENUINE.sign(&stage.header(), &theirs);
    stage.attack(&forged, ReasonCode::UnknownIssuer).await;
    assert_eq!(other.seen().len(), asked, "no token here is its business");
    let decision = stage.decide(&at_moons, Some(&forged)).await;
    assert_eq!(summary(&decision), "401 invalid_signature");
    stage.finish().await;
}

#[tokio::test]
async fn cross_tenant_replay_in_one_service() {
    // A service that takes tokens of both, as a gateway for several tenants does.
    let (one, other) = (issuer_of(GENUINE.jwk(KID)), issuer_of(MALLORY.jwk(KID)));
    let SourceFile { path, text } = service("Planets", AUDIENCE, &one.url(), AUDIENCE);
    let second = format!(
        "tokens: [{{ issuer: '{}', audiences: ['{AUDIENCE}'] }}, ",
        other.url()
    );
    let text = text.replacen("tokens: [", &second, 1);
    let stage = Stage::with(one, vec![SourceFile { path, text }]).await;
    stage.control().await;
    let theirs = with(&stage.claims(), "iss", other.url());
    let genuine = MALLORY.sign(&stage.header(), &theirs);
    assert_eq!(stage.outcome(&genuine).await, "permit", "the other control");
    let forged = MALLORY.sign(&stage.header(), &stage.claims());
    stage.attack(&forged, ReasonCode::InvalidSignature).await;
    let asked = other.seen().len();
    let forged = GENUINE.sign(&stage.header(), &theirs);
    assert_eq!(stage.outcome(&forged).await, "401 invalid_signature");
    assert!(other.seen().len() - asked <= FETCH);
    stage.finish().await;
}

#[tokio::test]
async fn tenants_on_one_host_are_told_apart_by_path() {
    let host = Service::start(|_, seen| {
        let own = own_url(seen);
        let line = seen.head.lines().next().unwrap();
        let tenant = if line.contains("/a/") { "a" } else { "b" };
        if line.contains("/jwks ") {
            let key = if tenant == "a" { &GENUINE } else { &MALLORY };
            return ok(&key_set(&[key.jwk(KID)]));
        }
        let own = format!("{own}/{tenant}");
        ok(&metadata(&own, &format!("{own}/jwks")))
    });
    let (a, b) = (format!("{}/a", host.url()), format!("{}/b", host.url()));
    let sources = vec![
        service("Planets", AUDIENCE, &a, AUDIENCE),
        service("Moons", MOONS, &b, MOONS),
    ];
    let stage = Stage::with(host, sources).await;
    let claims = with(&stage.claims(), "iss", a.clone());
    let genuine = GENUINE.sign(&stage.header(), &claims);
    assert_eq!(stage.outcome(&genuine).await, "permit", "the control");
    let theirs = with(&claims, "iss", b.clone());
    let genuine_there = with(&theirs, "aud", MOONS);
    let genuine_there = MALLORY.sign(&stage.header(), &genuine_there);
    let there = stage
        .decide(&format!("{MOONS}/planets"), Some(&genuine_there))
        .await;
    assert_eq!(summary(&there), "permit", "the control of the other tenant");
    let forged = MALLORY.sign(&stage.header(), &claims);
    stage.attack(&forged, ReasonCode::InvalidSignature).await;
    for iss in [
        b.clone(),
        format!("{a}/"),
        format!("{b}/../a"),
        format!("{a}/../a"),
        format!("{a}?"),
        format!("{a}#"),
        a.to_uppercase(),
        a.replace("127.0.0.1", "localhost"),
        a.replace("http:", "https:"),
    ] {
        for key in [&MALLORY, &GENUINE] {
            let forged = key.sign(&stage.header(), &with(&claims, "iss", iss.clone()));
            stage.attack(&forged, ReasonCode::UnknownIssuer).await;
        }
    }
    assert_eq!(stage.outcome(&genuine).await, "permit", "the control");
    stage.canary_is_quiet().await;
}

#[tokio::test]
async fn key_resolution_poisoning() {
    // The other tenant's issuer is the attacker's: it publishes its key under every name, and says
    // that it is the first tenant's.
    let one = issuer_of(GENUINE.jwk(KID));
    let impersonated = one.url();
    let rogue = Service::start(move |_, seen| {
        if seen.head.starts_with("GET /jwks ") {
            let mut keys = vec![MALLORY.jwk(KID), MALLORY.jwk("k2")];
            for key in &mut keys {
                key["iss"] = impersonated.clone().into();
            }
            return ok(&key_set(&keys));
        }
        let own = own_url(seen);
        let mut document = json!({ "issuer": own, "jwks_uri": format!("{own}/jwks") });
        document["issuers"] = json!([impersonated]);
        document["aliases"] = json!([impersonated]);
        ok(&document.to_string())
    });
    let sources = vec![
        service("Planets", AUDIENCE, &one.url(), AUDIENCE),
        service("Moons", MOONS, &rogue.url(), MOONS),
    ];
    let stage = Stage::with(one, sources).await;
    stage.control().await;
    let theirs = with(&with(&stage.claims(), "iss", rogue.url()), "aud", MOONS);
    for round in 0..3 {
        // Its keys are fetched anew between the attacks, and are good for its own tokens.
        let genuine_there = MALLORY.sign(&stage.header(), &theirs);
        let there = stage
            .decide(&format!("{MOONS}/planets"), Some(&genuine_there))
            .await;
        assert_eq!(summary(&there), "permit", "round {round}");
        for (kid, reason) in [
            (KID, ReasonCode::InvalidSignature),
            ("k2", ReasonCode::UnknownKey),
        ] {
            let header = with(&stage.header(), "kid", kid);
            let forged = MALLORY.sign(&header, &stage.claims());
            stage.attack(&forged, reason).await;
        }
        stage.control().await;
        stage.clock.advance(MAX_AGE + Duration::from_secs(1));
        stage.control().await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn an_issuer_that_says_it_is_another_is_not_believed() {
    let one = issuer_of(GENUINE.jwk(KID));
    let impersonated = one.url();
    let rogue = Service::start(move |_, seen| {
        if seen.head.starts_with("GET /jwks ") {
            return ok(&key_set(&[MALLORY.jwk(KID)]));
        }
        ok(&metadata(&impersonated, &format!("{}/jwks", own_url(seen))))
    });
    let sources = vec![
        service("Planets", AUDIENCE, &one.url(), AUDIENCE),
        service("Moons", MOONS, &rogue.url(), MOONS),
    ];
    let stage = Stage::with(one, sources).await;
    stage.control().await;
    for iss in [rogue.url(), stage.issuer.url()] {
        let claims = with(
            &with(&stage.claims(), "iss", iss),
            "aud",
            json!([AUDIENCE, MOONS]),
        );
        let forged = MALLORY.sign(&stage.header(), &claims);
        let there = stage
            .try_decide(&format!("{MOONS}/planets"), Some(&forged))
            .await;
        assert!(!there.is_ok_and(|decision| decision.is_permit()));
        let here = stage.outcome(&forged).await;
        assert!(here.starts_with("401 "), "{here}");
    }
    let asked_for_keys = |seen: &crate::service::Seen| seen.head.starts_with("GET /jwks ");
    assert!(!rogue.seen().iter().any(asked_for_keys));
    stage.finish().await;
}

#[tokio::test]
async fn an_issuer_that_points_to_the_keys_of_another_gains_nothing() {
    // Its tokens would have to be signed with a key that it does not have.
    let one = issuer_of(GENUINE.jwk(KID));
    let borrowed = format!("{}/jwks", one.url());
    let rogue = Service::start(move |_, seen| ok(&metadata(&own_url(seen), &borrowed)));
    let sources = vec![
        service("Planets", AUDIENCE, &one.url(), AUDIENCE),
        service("Moons", MOONS, &rogue.url(), MOONS),
    ];
    let stage = Stage::with(one, sources).await;
    stage.control().await;
    // What the victim's issuer signs stays the victim's, wherever its keys are used.
    let replayed = stage.token();
    let there = stage
        .decide(&format!("{MOONS}/planets"), Some(&replayed))
        .await;
    assert_eq!(summary(&there), "401 unknown_issuer");
    let claims = with(&with(&stage.claims(), "iss", rogue.url()), "aud", MOONS);
    let forged = MALLORY.sign(&stage.header(), &claims);
    let there = stage
        .decide(&format!("{MOONS}/planets"), Some(&forged))
        .await;
    assert_eq!(summary(&there), "401 invalid_signature");
    stage.clock.advance(COOL_DOWN);
    stage.finish().await;
}
