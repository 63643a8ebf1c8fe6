//! Tokens that bring a key of their own, say where it is, or reach for one through `kid`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use portcullis_model::ReasonCode;
use portcullis_pdp::keys::COOL_DOWN;
use serde_json::json;

use crate::attack::{
    GENUINE, KID, MALLORY, Stage, canary_urls, encode, hmac_tokens, key_set, with, without,
};

#[tokio::test]
async fn embedded_jwk() {
    let stage = Stage::new().await;
    stage.control().await;
    for (kid, reason) in [
        (Some(KID), ReasonCode::InvalidSignature),
        (Some("mallory"), ReasonCode::UnknownKey),
        (None, ReasonCode::InvalidSignature),
    ] {
        let named = kid.map_or_else(
            || without(&stage.header(), "kid"),
            |kid| with(&stage.header(), "kid", kid),
        );
        let jwk = MALLORY.jwk(kid.unwrap_or("mallory"));
        for (member, value) in [
            ("jwk", jwk.clone()),
            ("jwk", jwk.to_string().into()),
            ("jwk", json!([jwk])),
            ("jwks", json!({ "keys": [jwk] })),
            ("keys", json!([jwk])),
            ("jku", jwk.clone()),
        ] {
            let forged = MALLORY.sign(&with(&named, member, value), &stage.claims());
            stage.attack(&forged, reason).await;
        }
        let in_claims = with(&stage.claims(), "sub_jwk", jwk);
        stage
            .attack(&MALLORY.sign(&named, &in_claims), reason)
            .await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn jku_spoof() {
    let stage = Stage::new().await;
    stage.control().await;
    for url in canary_urls(&stage) {
        for (kid, reason) in [
            (KID, ReasonCode::InvalidSignature),
            ("mallory", ReasonCode::UnknownKey),
        ] {
            let header = with(&with(&stage.header(), "jku", url.clone()), "kid", kid);
            let forged = MALLORY.sign(&header, &stage.claims());
            stage.attack(&forged, reason).await;
        }
    }
    // In a genuine token it is as meaningless.
    let header = with(&stage.header(), "jku", stage.canary.url());
    let genuine = GENUINE.sign(&header, &stage.claims());
    assert_eq!(stage.outcome(&genuine).await, "permit");
    stage.finish().await;
}

/// Tokens that would get through if `kid` chose a file, a row or a command: made with the
/// attacker's key, with the genuine key under another name, and with what such a secret would be.
async fn kid_attack(kids: &[&str], secrets: &[&[u8]]) {
    let stage = Stage::new().await;
    stage.control().await;
    for kid in kids {
        let header = with(&stage.header(), "kid", *kid);
        let mut forged = vec![
            MALLORY.sign(&header, &stage.claims()),
            GENUINE.sign(&header, &stage.claims()),
        ];
        for secret in secrets {
            forged.extend(hmac_tokens(&header, &stage.claims(), secret));
        }
        for forged in forged {
            stage.attack(&forged, ReasonCode::UnknownKey).await;
        }
    }
    stage.finish().await;
}

#[tokio::test]
async fn kid_blank() {
    kid_attack(&["", " ", "\t", "\0"], &[b"", b"\0"]).await;
}

#[tokio::test]
async fn kid_dev_null_traversal() {
    let kids = [
        "../../dev/null",
        "../../../../../../../../dev/null",
        "..%2f..%2f..%2fdev%2fnull",
        "....//....//dev/null",
        "..\\..\\dev\\null",
        "k1/../../dev/null",
    ];
    kid_attack(&kids, &[b"", b"\0"]).await;
}

#[tokio::test]
async fn kid_dev_null() {
    kid_attack(
        &["/dev/null", "file:///dev/null", "/dev/null\0k1"],
        &[b"", b"\0"],
    )
    .await;
}

#[tokio::test]
async fn kid_invalid_path() {
    kid_attack(
        &["/invalid_path", "C:\\invalid_path", "k1\0", "k1 "],
        &[b""],
    )
    .await;
}

#[tokio::test]
async fn kid_remote_command() {
    let kids = [
        "|sleep 10",
        "k1|sleep 10",
        "; sleep 10",
        "$(sleep 10)",
        "`sleep 10`",
        "k1\nsleep 10",
    ];
    kid_attack(&kids, &[b""]).await;
}

#[tokio::test]
async fn kid_sql_injection() {
    let kids = [
        "x' UNION SELECT '1';--",
        "x\" UNION SELECT \"1\";--",
        "k1' OR '1'='1",
        "k1'--",
        "1 OR 1=1",
        "'; DROP TABLE keys;--",
        "%",
        "k_",
        "*",
        "{\"$gt\":\"\"}",
    ];
    kid_attack(&kids, &[b"1", b""]).await;
}

#[tokio::test]
async fn kid_as_url() {
    let stage = Stage::new().await;
    stage.control().await;
    for url in canary_urls(&stage) {
        for key in [&MALLORY, &GENUINE] {
            let header = with(&stage.header(), "kid", url.clone());
            let forged = key.sign(&header, &stage.claims());
            stage.attack(&forged, ReasonCode::UnknownKey).await;
        }
    }
    stage.finish().await;
}

#[tokio::test]
async fn x5u() {
    let stage = Stage::new().await;
    stage.control().await;
    for url in canary_urls(&stage) {
        let header = with(&stage.header(), "x5u", url);
        let forged = MALLORY.sign(&header, &stage.claims());
        stage.attack(&forged, ReasonCode::InvalidSignature).await;
        let genuine = GENUINE.sign(&header, &stage.claims());
        assert_eq!(stage.outcome(&genuine).await, "permit");
    }
    stage.finish().await;
}

#[tokio::test]
async fn x5c() {
    let stage = Stage::new().await;
    stage.control().await;
    // A certificate of the attacker's key in the issuer's name, which asks for more at the canary.
    let key = rcgen::KeyPair::try_from(MALLORY.to_pkcs8()).unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.crl_distribution_points = vec![rcgen::CrlDistributionPoint {
        uris: vec![stage.canary.url()],
    }];
    let certificate = params.self_signed(&key).unwrap();
    let der = BASE64_STANDARD.encode(certificate.der());
    for value in [
        json!([der]),
        json!([der, der]),
        json!(der),
        json!(certificate.pem()),
        json!([certificate.pem()]),
        json!([]),
        json!([stage.canary.url()]),
    ] {
        let header = with(&stage.header(), "x5c", value);
        let forged = MALLORY.sign(&header, &stage.claims());
        stage.attack(&forged, ReasonCode::InvalidSignature).await;
        let thumbprint = with(&header, "x5t", encode([7; 20]));
        let forged = MALLORY.sign(&thumbprint, &stage.claims());
        stage.attack(&forged, ReasonCode::InvalidSignature).await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn common_weak_hmac_secrets() {
    let stage = Stage::new().await;
    stage.control().await;
    for secret in [
        "secret",
        "Secret",
        "SECRET",
        "password",
        "passw0rd",
        "123456",
        "12345678",
        "1234567890",
        "qwerty",
        "admin",
        "root",
        "test",
        "changeme",
        "changeit",
        "default",
        "key",
        "private",
        "jwt",
        "token",
        "jwtsecret",
        "jwt_secret",
        "secretkey",
        "secret_key",
        "mysecret",
        "secret1",
        "your-256-bit-secret",
        "your-384-bit-secret",
        "your-512-bit-secret",
        "a-string-secret-at-least-256-bits-long",
        "shhhhh",
        "hunter2",
        "keyboard cat",
        "AllYourBase",
        "gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr9C",
        "null",
        "undefined",
        "k1",
        "portcullis",
        "solar-system",
    ] {
        for forged in hmac_tokens(&stage.header(), &stage.claims(), secret.as_bytes()) {
            stage.attack(&forged, ReasonCode::UnknownKey).await;
        }
    }
    stage.finish().await;
}

#[tokio::test]
async fn an_issuer_that_publishes_a_weak_secret_gives_nobody_access() {
    for secret in ["secret", "0123456789abcdef0123456789abcdef"] {
        let oct = json!({ "kty": "oct", "kid": "weak", "alg": "HS256", "k": encode(secret) });
        let stage = Stage::publishing(key_set(&[oct])).await;
        let header = with(&stage.header(), "kid", "weak");
        for forged in hmac_tokens(&header, &stage.claims(), secret.as_bytes()) {
            stage.attack(&forged, ReasonCode::UnknownKey).await;
        }
        *stage.published.lock().unwrap() = key_set(&[GENUINE.jwk(KID)]);
        stage.clock.advance(COOL_DOWN);
        stage.finish().await;
    }
}
