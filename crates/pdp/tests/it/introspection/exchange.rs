//! What an issuer is asked about an opaque token, and which of its answers count.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use portcullis_jose::{AwsLc, CompactJws, Jwk, SymmetricKeys};
use portcullis_pdp::clock::Clock;
use portcullis_test_support::issuer::Issuer;
use serde_json::{Value, json};

use super::{AUDIENCE, Answer, ISSUER, Scene, TOKEN, active, json_answer};

#[tokio::test]
async fn the_request_is_that_of_the_specification() {
    let scene = Scene::new("", "s%c+r t", &[active()]);
    assert_eq!(scene.decide(TOKEN).await, "permitted");
    let (url, form, authorization, accept) = scene.web.posts.lock().unwrap()[0].clone();
    assert_eq!(url, "https://idp.example.com/introspect");
    assert_eq!(
        form,
        "token=opaque%7Etoken%2B%2F%3D&token_type_hint=access_token"
    );
    let encoded = authorization
        .unwrap()
        .strip_prefix("Basic ")
        .unwrap()
        .to_owned();
    assert_eq!(
        BASE64_STANDARD.decode(encoded).unwrap(),
        b"the%3Aclient:s%25c%2Br%20t"
    );
    assert_eq!(accept, "application/json");

    let more = ", authentication: client_secret_post, endpoint: 'https://idp.example.com/other'";
    let scene = Scene::new(more, "s&t", &[active()]);
    assert_eq!(scene.decide(TOKEN).await, "permitted");
    let (url, form, authorization, _) = scene.web.posts.lock().unwrap()[0].clone();
    assert_eq!(url, "https://idp.example.com/other");
    assert!(
        form.ends_with("&client_id=the%3Aclient&client_secret=s%26t"),
        "{form}"
    );
    assert_eq!(authorization, None);
}

#[tokio::test]
async fn a_client_can_sign_who_it_is() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let point = key.public_key_raw();
    let coordinate = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": coordinate(&point[1..33]), "y": coordinate(&point[33..]) });
    let jwk = Jwk::from_json(jwk.to_string().as_bytes(), SymmetricKeys::Refuse, &AwsLc).unwrap();
    for pem in [
        key.serialize_pem(),
        key.serialize_pem().replace('\n', "\\n"),
    ] {
        let scene = Scene::new(
            ", authentication: private_key_jwt, max_age: 0",
            &pem,
            &[active()],
        );
        for _ in 0..2 {
            assert_eq!(scene.decide(TOKEN).await, "permitted");
        }
        let mut ids = Vec::new();
        for (_, form, authorization, _) in scene.web.posts.lock().unwrap().iter() {
            assert_eq!(*authorization, None);
            assert!(form.contains("client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"));
            let assertion = form.rsplit("client_assertion=").next().unwrap();
            let jws = CompactJws::parse(assertion).unwrap();
            let verified = jws.verify(&jwk).unwrap();
            let claims = verified.payload();
            let now = scene.clock.unix_now();
            assert_eq!(
                (&claims["iss"], &claims["sub"]),
                (&json!("the:client"), &json!("the:client"))
            );
            assert_eq!(claims["aud"], ISSUER);
            assert_eq!(
                (&claims["iat"], &claims["exp"]),
                (&json!(now), &json!(now + 60))
            );
            ids.push(claims["jti"].clone());
        }
        assert_ne!(ids[0], ids[1]);
    }
}

#[tokio::test]
async fn only_a_whole_answer_counts() {
    for (answer, expected) in [
        (active(), "permitted"),
        (json_answer(&json!({ "active": false })), "token_inactive"),
        (
            json_answer(&json!({ "active": false, "aud": AUDIENCE, "scope": "a" })),
            "token_inactive",
        ),
        (json_answer(&json!({ "active": true })), "invalid_claim"),
        (
            json_answer(&json!({ "active": true, "aud": "other" })),
            "wrong_audience",
        ),
        (
            json_answer(&json!({ "active": true, "aud": AUDIENCE, "exp": 1 })),
            "token_expired",
        ),
        (
            json_answer(&json!({})),
            "unavailable: the answer does not say",
        ),
        (
            json_answer(&json!({ "active": "true" })),
            "unavailable: the answer does not say",
        ),
        (
            json_answer(&json!({ "active": 1 })),
            "unavailable: the answer does not say",
        ),
        (
            json_answer(&json!({ "active": null })),
            "unavailable: the answer does not say",
        ),
        (
            json_answer(&json!([{ "active": true }])),
            "unavailable: the answer is not usable",
        ),
        (
            (
                200,
                "application/json",
                "{\"active\":false,\"active\":true}".into(),
            ),
            "unavailable: the answer is not usable",
        ),
        (
            (200, "application/json", String::new()),
            "unavailable: the answer is not usable",
        ),
        (
            (200, "text/html", "{\"active\":true}".into()),
            "unavailable: expected an answer of type",
        ),
        (
            (200, "", "{\"active\":true}".into()),
            "unavailable: expected an answer of type",
        ),
        (
            (204, "", String::new()),
            "unavailable: expected status 200, got 204",
        ),
        (
            (302, "application/json", "{\"active\":true}".into()),
            "unavailable: expected status 200, got 302",
        ),
        (
            (401, "application/json", "{\"active\":true}".into()),
            "unavailable: the endpoint refused our own credentials",
        ),
        (
            (403, "application/json", "{\"active\":true}".into()),
            "unavailable: the endpoint refused our own credentials",
        ),
        (
            (500, "application/json", "{\"active\":true}".into()),
            "unavailable: expected status 200, got 500",
        ),
        (
            (0, "", "no route".into()),
            "unavailable: GET https://idp.example.com/introspect: no route",
        ),
    ] {
        let shown = format!("{answer:?}");
        let scene = Scene::new("", "s3cr3t-77", &[answer]);
        let outcome = scene.decide(TOKEN).await;
        assert!(outcome.starts_with(expected), "{shown}: {outcome}");
        assert!(!outcome.contains("s3cr3t-77") && !outcome.contains(TOKEN));
        // A signed JWT is verified here, and never shown to anyone.
        let before = scene.asked();
        let jwt = "eyJhbGciOiJSUzI1NiJ9.e30.AAAA";
        assert_eq!(scene.decide(jwt).await, "unknown_issuer");
        assert_eq!(scene.asked(), before);
    }
}

#[tokio::test]
async fn signed_answers_count_where_they_are_asked_for() {
    let issuer = Issuer::start();
    let now = crate::fake_clock::START;
    let claims = json!({
        "iss": ISSUER, "aud": "the:client", "iat": now,
        "token_introspection": { "active": true, "aud": AUDIENCE },
    });
    let with = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        changed
    };
    let signed = |typ: &str, claims: &Value| -> Answer {
        (
            200,
            "application/token-introspection+jwt",
            issuer.sign(typ, claims),
        )
    };
    let typ = "token-introspection+jwt";
    for (answer, expected) in [
        (signed(typ, &claims), "permitted"),
        (
            signed(typ, &with("aud", json!(["x", "the:client"]))),
            "permitted",
        ),
        (
            signed(
                typ,
                &with("token_introspection", json!({ "active": false })),
            ),
            "token_inactive",
        ),
        (
            signed(typ, &with("token_introspection", json!({}))),
            "unavailable",
        ),
        (
            signed(typ, &with("token_introspection", json!("x"))),
            "unavailable",
        ),
        (signed("JWT", &claims), "unavailable"),
        (signed("at+jwt", &claims), "unavailable"),
        (
            signed(typ, &with("iss", json!("https://other.example"))),
            "unavailable",
        ),
        (signed(typ, &with("aud", json!("other"))), "unavailable"),
        (signed(typ, &with("iat", json!(now - 61))), "unavailable"),
        (signed(typ, &with("iat", json!(now + 6))), "unavailable"),
        (signed(typ, &with("iat", json!(null))), "unavailable"),
        (
            (
                200,
                "application/token-introspection+jwt",
                Issuer::start().sign(typ, &claims),
            ),
            "unavailable",
        ),
        (
            (
                200,
                "application/token-introspection+jwt",
                "no.jwt.here".into(),
            ),
            "unavailable",
        ),
        (active(), "unavailable: expected a signed answer"),
    ] {
        let shown = format!("{answer:?}");
        let scene = Scene::with_jwks(", signed: true", "secret", &[answer], issuer.jwks());
        let outcome = scene.decide(TOKEN).await;
        assert!(outcome.starts_with(expected), "{shown}: {outcome}");
        assert_eq!(
            scene.web.posts.lock().unwrap()[0].3,
            "application/token-introspection+jwt"
        );
    }
    // Nobody reads a signed answer that was not asked for.
    let scene = Scene::with_jwks("", "secret", &[signed(typ, &claims)], issuer.jwks());
    assert!(scene.decide(TOKEN).await.starts_with("unavailable"));
}
