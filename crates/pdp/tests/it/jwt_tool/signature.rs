//! Tokens without a signature, with a broken one, or with an algorithm that makes it worthless.

use portcullis_model::ReasonCode;
use portcullis_pdp::keys::COOL_DOWN;
use serde_json::{Value, json};

use crate::attack::{
    GENUINE, KID, PLANETS, Stage, encode, hmac_tokens, key_set, parts, pem, summary, tampered,
    unsigned, with, without,
};
use crate::fake_clock::START;

#[tokio::test]
async fn no_token() {
    let stage = Stage::new().await;
    stage.control().await;
    let decision = stage.decide(PLANETS, None).await;
    assert_eq!(summary(&decision), "401 missing_token");
    // Parts of one are none either.
    let token = stage.token();
    let [header, claims, signature] = parts(&token);
    for rest in [
        header.to_owned(),
        claims.to_owned(),
        format!("{header}."),
        format!("{header}.{claims}"),
        format!(".{claims}.{signature}"),
        format!("{header}..{signature}"),
        "..".to_owned(),
        ".".to_owned(),
        "null".to_owned(),
        "undefined".to_owned(),
    ] {
        stage.attack(&rest, ReasonCode::MalformedToken).await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn broken_signature() {
    let stage = Stage::new().await;
    stage.control().await;
    let token = stage.token();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let invalid = ReasonCode::InvalidSignature;
    for broken in [
        // 340 characters are 255 whole bytes of the 256.
        &signature[..340],
        &signature[2..],
        "AAAA",
        &encode([0; 256]),
        &encode([0xff; 256]),
        &format!("AAAA{signature}"),
        &format!("AAAA{}", &signature[4..]),
    ] {
        stage.attack(&format!("{input}.{broken}"), invalid).await;
    }
    // Text after the signature, and the same signature in another spelling.
    for broken in ["=", "==", "A", ".", "%00"] {
        let broken = stage.outcome(&format!("{token}{broken}")).await;
        assert!(broken.starts_with("401 "), "{broken}");
    }
    // The last character carries two bits that count for nothing and must be zero.
    let (start, last) = token.split_at(token.len() - 1);
    let next = char::from(last.as_bytes()[0] + 1);
    stage
        .attack(&format!("{start}{next}"), ReasonCode::MalformedToken)
        .await;
    stage.finish().await;
}

#[tokio::test]
async fn persistence() {
    // Sent again after attacks, a token is judged as before; neither verdict is remembered.
    let stage = Stage::new().await;
    let token = stage.token();
    let forged = tampered(&token, &with(&stage.claims(), "sub", "admin"));
    for _ in 0..3 {
        assert_eq!(stage.outcome(&token).await, "permit");
        stage.attack(&forged, ReasonCode::InvalidSignature).await;
        assert_eq!(stage.outcome(&token).await, "permit");
        stage
            .attack(
                &unsigned(&stage.header(), &stage.claims()),
                ReasonCode::MalformedToken,
            )
            .await;
    }
    stage.finish().await;
    let stage = Stage::new().await;
    let short = GENUINE.sign(&stage.header(), &with(&stage.claims(), "exp", START + 60));
    assert_eq!(stage.outcome(&short).await, "permit");
    stage.clock.advance(6 * COOL_DOWN);
    assert_eq!(stage.outcome(&short).await, "permit", "within the leeway");
    stage.clock.advance(COOL_DOWN);
    stage.attack(&short, ReasonCode::TokenExpired).await;
    stage.finish().await;
}

#[tokio::test]
async fn blank_hmac_password() {
    let stage = Stage::new().await;
    stage.control().await;
    for header in [
        stage.header(),
        without(&stage.header(), "kid"),
        with(&stage.header(), "kid", ""),
    ] {
        for forged in hmac_tokens(&header, &stage.claims(), b"") {
            stage.attack(&forged, ReasonCode::UnknownKey).await;
        }
    }
    stage.finish().await;
}

#[tokio::test]
async fn null_signature() {
    let stage = Stage::new().await;
    stage.control().await;
    for alg in ["RS256", "PS256", "ES256", "EdDSA", "HS256"] {
        let forged = unsigned(&with(&stage.header(), "alg", alg), &stage.claims());
        stage.attack(&forged, ReasonCode::MalformedToken).await;
        let bare = forged.trim_end_matches('.');
        stage.attack(bare, ReasonCode::MalformedToken).await;
    }
    for bytes in [1, 255, 256, 257] {
        let forged = format!(
            "{}{}",
            unsigned(&stage.header(), &stage.claims()),
            encode(vec![0; bytes])
        );
        stage.attack(&forged, ReasonCode::InvalidSignature).await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn alg_none() {
    let stage = Stage::new().await;
    stage.control().await;
    let token = stage.token();
    let [_, _, signature] = parts(&token);
    // Every spelling in upper and lower case.
    let spellings = (0..16).map(|bits: u8| {
        let letter = |(place, letter): (usize, char)| match bits >> place & 1 {
            0 => letter,
            _ => letter.to_ascii_uppercase(),
        };
        "none".chars().enumerate().map(letter).collect::<String>()
    });
    let disguised = [
        " none",
        "none ",
        "none\0",
        "n\u{f6}ne",
        "nonе",
        "",
        "null",
        "RS256 none",
    ];
    for alg in spellings.chain(disguised.map(str::to_owned)) {
        for header in [
            with(&stage.header(), "alg", alg.clone()),
            json!({ "alg": alg, "typ": "JWT" }),
        ] {
            let forged = unsigned(&header, &stage.claims());
            for forged in [
                forged.clone(),
                forged.trim_end_matches('.').to_owned(),
                format!("{forged}{signature}"),
                format!("{forged}AAAA"),
            ] {
                stage.attack(&forged, ReasonCode::MalformedToken).await;
            }
        }
    }
    stage.finish().await;
}

#[tokio::test]
async fn no_alg_at_all() {
    let stage = Stage::new().await;
    stage.control().await;
    for header in [
        without(&stage.header(), "alg"),
        with(&stage.header(), "alg", Value::Null),
        with(&stage.header(), "alg", json!(["RS256", "none"])),
        with(&stage.header(), "alg", "rs256"),
    ] {
        let genuine = GENUINE.sign(&header, &stage.claims());
        stage.attack(&genuine, ReasonCode::MalformedToken).await;
    }
    // Named twice: whoever reads the first sees another token than who reads the last.
    let claims = stage.claims().to_string();
    for header in [
        r#"{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"RS256","alg":"none","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"RS256","\u0061lg":"RS256","typ":"at+jwt","kid":"k1"}"#,
    ] {
        let genuine = GENUINE.sign_text(header, &claims);
        stage.attack(&genuine, ReasonCode::MalformedToken).await;
    }
    stage.finish().await;
}

/// The published key in every form in which a library may take it for a secret.
fn published_forms(jwk: &Value) -> Vec<Vec<u8>> {
    let (spki, pkcs1, modulus) = (GENUINE.spki(), GENUINE.pkcs1(), GENUINE.modulus());
    let mut forms = vec![
        spki.clone(),
        pkcs1.clone(),
        modulus.clone(),
        encode(&spki).into(),
        encode(&pkcs1).into(),
        encode(&modulus).into(),
        jwk.to_string().into(),
        format!("{jwk:#}").into(),
        key_set(std::slice::from_ref(jwk)).into(),
        KID.into(),
    ];
    for (label, der) in [("PUBLIC KEY", &spki), ("RSA PUBLIC KEY", &pkcs1)] {
        let text = pem(label, der);
        let body = text.lines().filter(|line| !line.starts_with('-'));
        forms.extend([
            body.collect::<String>().into(),
            text.trim_end().into(),
            text.replace('\n', "\r\n").into(),
            text.replace('\n', "").into(),
            text.replace('\n', "\\n").into(),
            text.into(),
        ]);
    }
    forms
}

#[tokio::test]
async fn rs_to_hs_key_confusion() {
    // Whether the key is bound to an algorithm or not.
    for jwk in [GENUINE.jwk(KID), GENUINE.unbound_jwk(KID)] {
        let stage = Stage::publishing(key_set(std::slice::from_ref(&jwk))).await;
        stage.control().await;
        let header = stage.header();
        for secret in published_forms(&jwk) {
            for header in [&header, &without(&header, "kid")] {
                for forged in hmac_tokens(header, &stage.claims(), &secret) {
                    stage.attack(&forged, ReasonCode::UnknownKey).await;
                }
            }
        }
        stage.finish().await;
    }
}

#[tokio::test]
async fn rs_to_other_algorithm_confusion() {
    // A signature under one algorithm is none under another, even of the same key.
    for (jwk, reason) in [
        (GENUINE.jwk(KID), ReasonCode::UnknownKey),
        (GENUINE.unbound_jwk(KID), ReasonCode::InvalidSignature),
    ] {
        let stage = Stage::publishing(key_set(&[jwk])).await;
        stage.control().await;
        for alg in ["RS384", "RS512", "PS256", "PS384", "PS512"] {
            let forged = GENUINE.sign(&with(&stage.header(), "alg", alg), &stage.claims());
            stage.attack(&forged, reason).await;
        }
        for alg in ["ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519"] {
            let forged = GENUINE.sign(&with(&stage.header(), "alg", alg), &stage.claims());
            stage.attack(&forged, ReasonCode::UnknownKey).await;
        }
        stage.finish().await;
    }
}
