//! Asking an issuer about opaque tokens: what is sent, which answers count, how long they are kept.

mod exchange;
mod memory;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_engine::{SourceFile, compile};
use portcullis_pdp::keys::{Fetch, FetchError, FetchFuture, FormPost, PostAnswer, PostFuture};
use portcullis_pdp::local::{LocalDecisionPoint, LocalSettings, Secrets};
use portcullis_pdp::{DecisionPoint, Unavailable};
use serde_json::{Value, json};

use crate::fake_clock::FakeClock;
use crate::support::with_token;

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

fn json_answer(body: &Value) -> Answer {
    (200, "application/json; charset=utf-8", body.to_string())
}

fn active() -> Answer {
    json_answer(&json!({ "active": true, "aud": AUDIENCE }))
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
