//! Asking an issuer about opaque tokens: what is sent, which answers count, how long they are kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use portcullis_engine::{SourceFile, compile};
use portcullis_jose::{AwsLc, CompactJws, Jwk, SymmetricKeys};
use portcullis_model::{ApiRequest, HeaderMap};
use portcullis_pdp::clock::Clock;
use portcullis_pdp::keys::{Fetch, FetchError, FetchFuture, FormPost, PostAnswer, PostFuture};
use portcullis_pdp::local::{LocalDecisionPoint, LocalSettings, Secrets};
use portcullis_pdp::{DecisionPoint, Unavailable};
use portcullis_test_support::issuer::Issuer;
use serde_json::{Value, json};

use crate::fake_clock::FakeClock;
use crate::support::api_request;

const ISSUER: &str = "https://idp.example.com";
const AUDIENCE: &str = "https://api.example.com";
const TOKEN: &str = "opaque~token+/=";

/// What an issuer answers: status, content type, body.
type Answer = (u16, &'static str, String);

/// What it was sent: URL, form, `Authorization`, `Accept`.
type Post = (String, String, Option<String>, &'static str);

/// An issuer that answers in turn, and its last answer from then on.
#[derive(Debug)]
struct Web {
    jwks: String,
    answers: Mutex<VecDeque<Answer>>,
    posts: Mutex<Vec<Post>>,
    delay: Duration,
}

impl Fetch for Web {
    fn get<'a>(&'a self, url: &'a str, _: usize) -> FetchFuture<'a> {
        Box::pin(async move {
            if url.ends_with("/jwks") {
                return Ok(self.jwks.clone().into());
            }
            let metadata = json!({
                "issuer": ISSUER, "jwks_uri": format!("{ISSUER}/jwks"),
                "introspection_endpoint": format!("{ISSUER}/introspect"),
            });
            Ok(metadata.to_string().into())
        })
    }

    fn post<'a>(&'a self, post: FormPost<'a>) -> PostFuture<'a> {
        Box::pin(async move {
            tokio::time::sleep(self.delay).await;
            let sent = (
                post.url.to_owned(),
                post.form,
                post.authorization,
                post.accept,
            );
            self.posts.lock().unwrap().push(sent);
            let mut answers = self.answers.lock().unwrap();
            let answer = match answers.len() {
                1 => answers[0].clone(),
                _ => answers.pop_front().unwrap(),
            };
            match answer {
                (0, _, cause) => Err(FetchError {
                    url: post.url.to_owned(),
                    cause,
                }),
                (status, content_type, body) => Ok(PostAnswer {
                    status,
                    content_type: content_type.to_owned(),
                    body: body.into(),
                }),
            }
        })
    }
}

struct Scene {
    web: Arc<Web>,
    clock: Arc<FakeClock>,
    point: LocalDecisionPoint,
}

impl Scene {
    fn new(more: &str, secret: &str, answers: &[Answer]) -> Self {
        Self::with_jwks(more, secret, answers, "{\"keys\":[]}")
    }

    fn with_jwks(more: &str, secret: &str, answers: &[Answer], jwks: &str) -> Self {
        Self::build(more, secret, answers, jwks, Duration::ZERO)
    }

    fn build(more: &str, secret: &str, answers: &[Answer], jwks: &str, delay: Duration) -> Self {
        let clock = Arc::new(FakeClock::new());
        let web = Arc::new(Web {
            jwks: jwks.to_owned(),
            answers: Mutex::new(answers.iter().cloned().collect()),
            posts: Mutex::default(),
            delay,
        });
        let secret = secret.to_owned();
        let settings = LocalSettings {
            secrets: Some(Secrets::new(move |name| {
                (name == "S").then(|| secret.clone())
            })),
            ..LocalSettings::default()
        };
        let point =
            LocalDecisionPoint::with_settings(policy(more), web.clone(), clock.clone(), settings);
        Self {
            web,
            clock,
            point: point.unwrap(),
        }
    }

    async fn decide(&self, token: &str) -> String {
        let point: &dyn DecisionPoint = &self.point;
        match point.decide(&with_token(token)).await {
            Ok(decision) => decision.reason.code.to_string(),
            Err(Unavailable::Introspection { cause, .. }) => format!("unavailable: {cause}"),
            Err(error) => panic!("{error}"),
        }
    }

    fn asked(&self) -> usize {
        self.web.posts.lock().unwrap().len()
    }
}

fn policy(more: &str) -> portcullis_pdp::PolicySet {
    let text = format!(
        "name: S\nbase_urls: [https://api.example.com]\ntokens: [{{ issuer: '{ISSUER}', audiences: ['{AUDIENCE}'], \
         introspection: {{ client_id: 'the:client', secret: S{more} }} }}]\n\
         operations: [{{ name: Planets, paths: [/planets] }}]\n"
    );
    let path = "services/s.yaml".into();
    compile(&[SourceFile { path, text }], &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

fn with_token(token: &str) -> ApiRequest {
    let mut headers = HeaderMap::new();
    headers
        .append("Authorization", &format!("Bearer {token}"))
        .unwrap();
    ApiRequest {
        headers,
        ..api_request()
    }
}

fn json_answer(body: &Value) -> Answer {
    (200, "application/json; charset=utf-8", body.to_string())
}

fn active() -> Answer {
    json_answer(&json!({ "active": true, "aud": AUDIENCE }))
}

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
async fn an_answer_is_kept_as_long_as_it_may_be() {
    let start = crate::fake_clock::START;
    let until = json_answer(&json!({ "active": true, "aud": AUDIENCE, "exp": start + 20 }));
    let inactive = json_answer(&json!({ "active": false }));
    for (more, answer, kept, after) in [
        ("", active(), 29, 30),
        (", max_age: 100", active(), 99, 100),
        // Never beyond its end.
        (", max_age: 100", until, 19, 20),
        (", max_age: 100", inactive.clone(), 4, 5),
        (", max_age: 2", inactive, 1, 2),
    ] {
        let scene = Scene::new(more, "secret", &[answer]);
        let first = scene.decide(TOKEN).await;
        scene.clock.advance(Duration::from_secs(kept));
        assert_eq!(scene.decide(TOKEN).await, first);
        assert_eq!(scene.asked(), 1, "{more}");
        // Another token is another question.
        scene.decide("other").await;
        assert_eq!(scene.asked(), 2, "{more}");
        scene.clock.advance(Duration::from_secs(after - kept));
        scene.decide(TOKEN).await;
        assert_eq!(scene.asked(), 3, "{more}");
    }
    let scene = Scene::new(", max_age: 0", "secret", &[active()]);
    for _ in 0..3 {
        assert_eq!(scene.decide(TOKEN).await, "permitted");
    }
    assert_eq!(scene.asked(), 3);
}

#[tokio::test]
async fn a_failure_is_not_an_answer_and_is_left_alone_for_a_moment() {
    let away = (0, "", "no route".to_owned());
    let scene = Scene::new("", "secret", &[away, (503, "", String::new()), active()]);
    for _ in 0..3 {
        assert!(scene.decide(TOKEN).await.starts_with("unavailable"));
    }
    assert_eq!(scene.asked(), 1);
    scene.clock.advance(Duration::from_secs(1));
    assert!(
        scene
            .decide(TOKEN)
            .await
            .starts_with("unavailable: expected status 200")
    );
    assert_eq!(
        scene.decide(TOKEN).await,
        "unavailable: the last failure was less than 1000 ms ago"
    );
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.decide(TOKEN).await, "permitted");
    assert_eq!(scene.asked(), 3);
}

#[tokio::test]
async fn a_token_is_asked_about_once_and_few_at_a_time() {
    let slow = Duration::from_millis(50);
    let scene = Arc::new(Scene::build(
        "",
        "secret",
        &[active()],
        "{\"keys\":[]}",
        slow,
    ));
    let decide = |token: String| {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move { scene.decide(&token).await })
    };
    let same: Vec<_> = (0..50).map(|_| decide(TOKEN.to_owned())).collect();
    for decision in same {
        assert_eq!(decision.await.unwrap(), "permitted");
    }
    assert_eq!(scene.asked(), 1);
    let different: Vec<_> = (0..40)
        .map(|number| decide(format!("made-up-{number}")))
        .collect();
    let mut refused = 0;
    for decision in different {
        let outcome = decision.await.unwrap();
        refused += usize::from(outcome == "unavailable: more than 32 requests at a time");
    }
    assert_eq!(refused, 8);
    // Whoever hangs up leaves the way free for others.
    let cancelled = decide("cancelled".to_owned());
    tokio::time::sleep(Duration::from_millis(10)).await;
    cancelled.abort();
    assert_eq!(scene.decide("cancelled").await, "permitted");
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

#[tokio::test]
async fn a_secret_that_is_missing_or_none_stops_the_start() {
    for (more, secret, expected) in [
        ("", None, "it is not set"),
        ("", Some(""), "expected a client secret"),
        (
            ", authentication: private_key_jwt",
            Some("s3cret"),
            "expected a private key in PKCS#8 PEM",
        ),
    ] {
        let clock = Arc::new(FakeClock::new());
        let web = Arc::new(Web {
            jwks: String::new(),
            answers: Mutex::default(),
            posts: Mutex::default(),
            delay: Duration::ZERO,
        });
        let settings = LocalSettings {
            secrets: Some(Secrets::new(move |_| secret.map(str::to_owned))),
            ..LocalSettings::default()
        };
        let error =
            LocalDecisionPoint::with_settings(policy(more), web, clock, settings).unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("S, which") && error.contains(expected),
            "{error}"
        );
        assert!(!error.contains("s3cret"));
    }
}

/// What a gateway asks about a token is answered by the issuer, for services that trust it.
#[tokio::test]
async fn a_token_is_looked_at_without_a_request() {
    let answers = [
        active(),
        json_answer(&json!({ "active": false })),
        (0, "", "away".into()),
    ];
    let scene = Scene::new("", "secret", &answers);
    let point: &dyn DecisionPoint = &scene.point;
    let of = |name: &str| [name.to_owned()];
    let claims = point.inspect(&of("S"), "one").await.unwrap().unwrap();
    assert_eq!(claims.get("aud"), Some(&json!(AUDIENCE)));
    assert_eq!(point.inspect(&of("S"), "two").await, Ok(None));
    assert_eq!(scene.asked(), 2);
    assert_eq!(point.inspect(&of("Other"), "one").await, Ok(None));
    assert_eq!(point.inspect(&[], "one").await, Ok(None));
    assert_eq!(
        scene.asked(),
        2,
        "nobody is asked for a service that is not there"
    );
    let both = ["Other".to_owned(), "S".to_owned()];
    assert!(point.inspect(&both, "one").await.unwrap().is_some());
    assert!(matches!(
        point.inspect(&of("S"), "three").await,
        Err(Unavailable::Introspection { .. })
    ));
}
