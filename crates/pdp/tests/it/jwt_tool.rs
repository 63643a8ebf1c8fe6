//! The playbook of `jwt_tool` (its `scanModePlaybook`), end to end, each attack by its name there,
//! and the CVEs that it knows; what goes through all members and claims is in `jwt_tool_members`.
//! Everything is tried on a decision point that permits the genuine
//! token before and after.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use portcullis_model::ReasonCode;
use portcullis_pdp::keys::COOL_DOWN;
use serde_json::{Value, json};

use crate::attack::{
    FETCH, GENUINE, KID, MALLORY, PLANETS, Stage, canary_urls, encode, hmac_tokens, key_set, parts,
    pem, summary, tampered, unsigned, with, without,
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
