//! The playbook of `jwt_tool` (its `scanModePlaybook`), end to end, each attack by its name there,
//! and the CVEs that it knows; what goes through all members and claims is in `jwt_tool_members`.
//! Everything is tried on a decision point that permits the genuine
//! token before and after.

mod key;
mod signature;

use portcullis_model::ReasonCode;
use portcullis_pdp::keys::COOL_DOWN;
use serde_json::json;

use crate::attack::{
    FETCH, GENUINE, KID, MALLORY, Stage, hmac_tokens, key_set, pem, tampered, unsigned, with,
    without,
};
use crate::fake_clock::START;

#[tokio::test]
async fn timestamp_tamper() {
    let stage = Stage::new().await;
    stage.control().await;
    let (header, claims) = (stage.header(), stage.claims());
    let expired = GENUINE.sign(&header, &with(&claims, "exp", START - 60));
    stage.attack(&expired, ReasonCode::TokenExpired).await;
    // Later by hand.
    for exp in [json!(START + 3600), json!(4_102_444_800_u64), json!(1e300)] {
        let forged = tampered(&expired, &with(&claims, "exp", exp));
        stage.attack(&forged, ReasonCode::InvalidSignature).await;
    }
    let forged = tampered(&expired, &without(&claims, "exp"));
    stage.attack(&forged, ReasonCode::InvalidSignature).await;
    // From an issuer with strange ideas of time.
    let far = START + 86400;
    for (claim, value, reason) in [
        ("exp", json!(0), ReasonCode::TokenExpired),
        ("exp", json!(START - 5), ReasonCode::TokenExpired),
        ("exp", json!(-1), ReasonCode::InvalidClaim),
        ("exp", json!(-1e300), ReasonCode::InvalidClaim),
        ("exp", json!(far.to_string()), ReasonCode::InvalidClaim),
        ("exp", json!([far]), ReasonCode::InvalidClaim),
        ("exp", json!("never"), ReasonCode::InvalidClaim),
        ("nbf", json!(far), ReasonCode::TokenNotYetValid),
        ("nbf", json!(far.to_string()), ReasonCode::InvalidClaim),
        ("nbf", json!(1e300), ReasonCode::TokenNotYetValid),
        ("iat", json!(far), ReasonCode::TokenNotYetValid),
        ("iat", json!(-1), ReasonCode::InvalidClaim),
    ] {
        let genuine = GENUINE.sign(&header, &with(&claims, claim, value));
        stage.attack(&genuine, reason).await;
    }
    for claim in ["exp", "iat"] {
        let genuine = GENUINE.sign(&header, &without(&claims, claim));
        stage.attack(&genuine, ReasonCode::InvalidClaim).await;
    }
    // A number that no reader can hold.
    let text = claims.to_string();
    for number in ["1e400", "-1e400", "NaN", "Infinity", "0x7fffffff", "01"] {
        let huge = text.replacen(&(START + 86400).to_string(), number, 1);
        let genuine = GENUINE.sign_text(&header.to_string(), &huge);
        stage.attack(&genuine, ReasonCode::MalformedToken).await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn cve_2015_2951_alg_none() {
    let stage = Stage::new().await;
    stage.control().await;
    let forged = unsigned(&json!({ "typ": "JWT", "alg": "none" }), &stage.claims());
    stage.attack(&forged, ReasonCode::MalformedToken).await;
    stage.finish().await;
}

#[tokio::test]
async fn cve_2016_10555_rs_hs_confusion() {
    let stage = Stage::publishing(key_set(&[GENUINE.unbound_jwk(KID)])).await;
    stage.control().await;
    let secret = pem("PUBLIC KEY", &GENUINE.spki());
    let header = json!({ "typ": "JWT", "alg": "HS256" });
    for forged in hmac_tokens(&header, &stage.claims(), secret.as_bytes()) {
        stage.attack(&forged, ReasonCode::UnknownKey).await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn cve_2018_0114_embedded_jwk() {
    let stage = Stage::publishing(key_set(&[GENUINE.unbound_jwk(KID)])).await;
    stage.control().await;
    let header = json!({ "typ": "JWT", "alg": "RS256", "jwk": MALLORY.unbound_jwk("jwt_tool") });
    let forged = MALLORY.sign(&header, &stage.claims());
    stage.attack(&forged, ReasonCode::InvalidSignature).await;
    stage.finish().await;
}

#[tokio::test]
async fn cve_2019_20933_and_2020_28637_blank_password() {
    let stage = Stage::new().await;
    stage.control().await;
    let header = json!({ "typ": "JWT", "alg": "HS256" });
    for forged in hmac_tokens(&header, &stage.claims(), b"") {
        stage.attack(&forged, ReasonCode::UnknownKey).await;
    }
    // Where the issuer's own secret is blank, it has none.
    let blank = json!({ "kty": "oct", "kid": KID, "k": "" });
    *stage.published.lock().unwrap() = key_set(&[blank]);
    for forged in hmac_tokens(&stage.header(), &stage.claims(), b"") {
        stage.attack(&forged, ReasonCode::UnknownKey).await;
    }
    *stage.published.lock().unwrap() = key_set(&[GENUINE.jwk(KID)]);
    stage.clock.advance(COOL_DOWN);
    stage.finish().await;
}

#[tokio::test]
async fn cve_2020_28042_null_signature() {
    let stage = Stage::new().await;
    stage.control().await;
    let token = stage.token();
    let (input, _) = token.rsplit_once('.').unwrap();
    stage
        .attack(&format!("{input}."), ReasonCode::MalformedToken)
        .await;
    stage.finish().await;
}

#[tokio::test]
async fn a_flood_of_attacks_costs_the_issuer_one_fetch_a_cool_down() {
    let stage = Stage::new().await;
    stage.control().await;
    let asked = stage.issuer.seen().len();
    assert_eq!(asked, FETCH, "hydrated");
    for number in 0..300 {
        let header = with(&stage.header(), "kid", format!("made-up-{number}"));
        let forged = MALLORY.sign(&header, &stage.claims());
        assert_eq!(stage.outcome(&forged).await, "401 unknown_key");
        assert_eq!(stage.outcome(&stage.token()).await, "permit");
        stage.clock.advance(COOL_DOWN / 10);
    }
    let asked = stage.issuer.seen().len() - asked;
    assert!((29 * FETCH..=30 * FETCH).contains(&asked), "{asked}");
    stage.finish().await;
}
