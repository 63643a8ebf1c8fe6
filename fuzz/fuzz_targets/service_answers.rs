//! What other services answer: the metadata and keys of an issuer (RFC 8414, RFC 7517), what it says of an opaque
//! token (RFC 7662), a decision over AuthZEN, and what a Cloudentity control plane answers to a gateway: a token, its
//! configuration, what an opaque token is worth, and that it has taken events. Reading never panics, a permit is one
//! for another reader, too, nothing is asked over plain HTTP on another host's word, and what is secret goes to
//! the control plane and nowhere else.
//!
//! An input is answers behind each other with a NUL between them, each a line with status and content type and then
//! the body; the last one is also the answer to everything that is asked after it. The content type is the entity tag, too.
#![no_main]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use portcullis_engine::{IssuerUrl, KeySource, PolicySet, SourceFile, compile};
use portcullis_fuzz::{NOW, check, request};
use portcullis_model::{ApiRequest, AwsEntry};
use portcullis_pdp::DecisionPoint;
use portcullis_pdp::authzen::{
    AuthzenClient, AuthzenSettings, Evaluation, PdpUrl, Question, SubjectClaims,
};
use portcullis_pdp::clock::{Clock, Moment, Sleep};
use portcullis_pdp::cloudentity::{
    CloudentityOptions, CloudentityPoint, ControlPlane, ControlPlaneError, ControlPlaneSettings,
    FetchedConfiguration, SystemIssuer,
};
use portcullis_pdp::http::{Http, HttpError, HttpRequest, HttpResponse, SendFuture};
use portcullis_pdp::keys::KeyStore;
use portcullis_pdp::local::{LocalDecisionPoint, LocalSettings, Secrets};
use portcullis_pdp::sideband::GatewayCredential;
use serde_json::Value;

/// Where the system API of the control plane begins, and its issuer.
const CONTROL_PLANE: &str = "https://acp.example.com/";
const ISSUER: &str = "https://idp.example.com";
const SERVICE: &str = "
name: S
base_urls: [https://api.example.com]
tokens:
  - issuer: https://idp.example.com
    audiences: [api]
    introspection: { client_id: c, authentication: client_secret_basic, secret: INTROSPECTION_SECRET }
operations: [{ name: all, paths: [/**] }]
";

static POLICY: LazyLock<Arc<PolicySet>> = LazyLock::new(|| {
    let service = SourceFile {
        path: "services/s.yaml".to_owned(),
        text: SERVICE.to_owned(),
    };
    Arc::new(compile(&[service], &[]).unwrap())
});

fuzz_target!(|data: &[u8]| {
    let answers: Vec<Answer> = data.split(|byte| *byte == 0).map(Answer::read).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        keys(&answers).await;
        introspection(&answers).await;
        for discovery in [false, true] {
            authzen(&answers, discovery).await;
        }
        control_plane(&answers).await;
        gateway(&answers).await;
    });
});

/// Keys are taken from the document of an issuer that says it is the one.
async fn keys(answers: &[Answer]) {
    let issuer = IssuerUrl::parse(ISSUER).unwrap();
    let web = Web::new(answers);
    let store = KeyStore::new(Arc::clone(&web) as _, Arc::new(Still), vec![issuer.clone()]);
    let outcome = store.refresh(&issuer).await;
    assert_eq!(outcome.is_ok(), store.keys(&issuer).is_some());
    if outcome.is_ok() {
        let metadata = web
            .given()
            .iter()
            .find(|answer| answer.status == 200)
            .unwrap();
        // Numbers without bounds, and what is nested too deep, in members that nobody reads.
        if let Ok(metadata) = serde_json::from_slice::<Value>(&metadata.body) {
            assert_eq!(metadata["issuer"], ISSUER);
        }
    }
    let _ = format!("{outcome:?} {store:?}");
}

/// A token is let through that its issuer calls active, for us and not for ever.
async fn introspection(answers: &[Answer]) {
    let web = Web::new(answers);
    let settings = LocalSettings {
        secrets: Some(Secrets::new(|_| Some("secret".to_owned()))),
        ..LocalSettings::default()
    };
    let point = LocalDecisionPoint::with_settings(
        Arc::clone(&POLICY),
        Arc::clone(&web) as _,
        Arc::new(Still),
        settings,
    );
    let point = point.unwrap();
    let asked = asked("Bearer an-opaque-token");
    let decision = DecisionPoint::decide(&point, &asked).await;
    let _ = format!("{decision:?}");
    if decision.is_ok_and(|decision| decision.is_permit()) {
        let last = web.given().last().unwrap();
        let claims: Value = serde_json::from_slice(&last.body).unwrap();
        assert_eq!(last.status, 200);
        assert_eq!(claims["active"], true);
        let names_us = |audience: &Value| audience == "api";
        let audience = &claims["aud"];
        assert!(names_us(audience) || audience.as_array().unwrap().iter().any(names_us));
        assert!(claims["iss"].is_null() || claims["iss"] == ISSUER);
        assert!(claims["exp"].is_null() || claims["exp"].as_f64().unwrap() + 300.0 > 1.8e9);
    }
}

/// A permit is an answer of 200 that says `"decision": true` and asks for nothing else.
async fn authzen(answers: &[Answer], discovery: bool) {
    let web = Web::new(answers);
    let settings = AuthzenSettings {
        pdp_url: PdpUrl::parse("https://pdp.example.com").unwrap(),
        discovery,
        endpoint_origins: Vec::new(),
        credential_header: "authorization".to_owned(),
        max_retries: 1,
        debug: false,
    };
    let client = AuthzenClient::new(settings, Arc::clone(&web) as _, Arc::new(Still)).unwrap();
    let request = asked("Bearer x");
    let place = POLICY.place(&request).unwrap();
    let question = Question::new(&request, &place, "u1", &SubjectClaims::default());
    let outcome = client
        .evaluate(&question, &None, Duration::from_secs(1))
        .await;
    let _ = format!("{outcome:?}");
    match outcome {
        Ok(Evaluation::Permit) => {
            let last = web.given().last().unwrap();
            let answer: Value = serde_json::from_slice(&last.body).unwrap();
            assert_eq!(last.status, 200);
            assert_eq!(answer["decision"], true);
            let obligations = &answer["context"]["obligations"];
            assert!(obligations.is_null() || obligations.as_array().unwrap().is_empty());
        }
        Ok(Evaluation::StepUp { acr_values }) => {
            assert!(!acr_values.contains(['"', '\\', '\r', '\n']) && !acr_values.is_empty());
        }
        _ => {}
    }
}

fn control_plane_of(web: &Arc<Web>) -> Arc<ControlPlane> {
    let settings = ControlPlaneSettings {
        issuer: SystemIssuer::parse("https://acp.example.com/t/system", false).unwrap(),
        client_id: "c".to_owned(),
        client_secret: GatewayCredential::parse("gateway-secret").unwrap(),
        tenant_id: None,
        server_id: None,
        timeout: Duration::from_secs(1),
    };
    let http = Arc::clone(web) as _;
    Arc::new(ControlPlane::new(settings, http, Arc::new(Still)))
}

/// What it says is taken with its status, and its errors say neither secret nor token.
async fn control_plane(answers: &[Answer]) {
    for etag in [None, Some("\"1\"")] {
        let web = Web::confined(answers);
        let plane = control_plane_of(&web);
        let configuration = plane.configuration(etag).await;
        let status = web.last().map(|answer| answer.status);
        match &configuration {
            Ok(FetchedConfiguration::Unchanged) => {
                assert!(etag.is_some() && status == Some(304));
            }
            Ok(FetchedConfiguration::Changed { .. }) => assert_eq!(status, Some(200)),
            Err(error) => check_message(&error.to_string()),
        }
        let _ = format!("{plane:?}");
    }
    let web = Web::confined(answers);
    let plane = control_plane_of(&web);
    let events = serde_json::from_str("{}").unwrap();
    let groups = serde_json::from_str("{}").unwrap();
    let is_taken = |told: Result<(), ControlPlaneError>| match told {
        Ok(()) => {
            let last = web.last();
            assert!(last.is_some_and(|last| (200..=299).contains(&last.status)));
        }
        Err(error) => check_message(&error.to_string()),
    };
    is_taken(plane.push(&events).await);
    is_taken(plane.tell_groups(&groups).await);
}

fn check_message(message: &str) {
    assert!(!message.contains("gateway-secret") && !message.contains(char::is_control));
}

/// A gateway decides with a configuration that names its issuer, and with nothing else.
async fn gateway(answers: &[Answer]) {
    let web = Web::confined(answers);
    let options = CloudentityOptions {
        reload_interval: Duration::from_mins(1),
        max_age: Duration::from_mins(10),
        inject_context: true,
        ..CloudentityOptions::default()
    };
    let point = CloudentityPoint::new(
        control_plane_of(&web),
        Arc::clone(&web) as _,
        Arc::new(Still),
        "gateway".to_owned(),
        options,
    );
    for credential in ["Bearer an-opaque-token", "Bearer e30.e30."] {
        let decided = point.decide(&through_gateway(credential)).await;
        let _ = format!("{decided:?}");
        if let Ok(decided) = decided {
            check(&decided.decision);
            let is_configuration = |answer: &Answer| {
                let read: Option<Value> = serde_json::from_slice(&answer.body).ok();
                answer.status == 200
                    && read.is_none_or(|read| read["issuer_url"].as_str() != Some(""))
            };
            assert!(web.given().iter().any(is_configuration));
            let context = decided.decision.context.get("authnCtx");
            assert!(context.is_none_or(|context| {
                context.as_str().is_some_and(|text| text.len() <= 6 * 1024)
            }));
        }
        // Once more, with the entity tag that was had.
        point.refresh().await;
    }
}

fn through_gateway(credential: &str) -> ApiRequest {
    let entry = AwsEntry {
        api_id: "abc".to_owned(),
        stage: "prod".to_owned(),
        path: "/planets/7".to_owned(),
    };
    ApiRequest {
        entry: Some(entry),
        ..asked(credential)
    }
}

fn asked(credential: &str) -> ApiRequest {
    let headers = [("Authorization", credential)];
    request("GET", "https://api.example.com/planets/7", &headers).unwrap()
}

/// One answer.
#[derive(Debug, Clone)]
struct Answer {
    status: u16,
    content_type: String,
    body: Bytes,
}

impl Answer {
    fn read(data: &[u8]) -> Self {
        let end = data.iter().position(|byte| *byte == b'\n');
        let (head, body) = end.map_or((data, &[][..]), |end| (&data[..end], &data[end + 1..]));
        let head = String::from_utf8_lossy(head);
        let (status, content_type) = head.split_once(' ').unwrap_or((&*head, ""));
        Self {
            status: status.parse().unwrap_or(200),
            content_type: content_type.to_owned(),
            body: Bytes::copy_from_slice(body),
        }
    }
}

/// Everything that can be asked, with an answer for each question in turn.
#[derive(Debug)]
struct Web {
    answers: Vec<Answer>,
    asked: AtomicUsize,
    /// Whether secrets and tokens are for the control plane only.
    confined: bool,
}

impl Web {
    fn new(answers: &[Answer]) -> Arc<Self> {
        Self::of(answers, false)
    }

    /// One in which whoever asks has secrets of a control plane.
    fn confined(answers: &[Answer]) -> Arc<Self> {
        Self::of(answers, true)
    }

    fn of(answers: &[Answer], confined: bool) -> Arc<Self> {
        Arc::new(Self {
            answers: answers.to_vec(),
            asked: AtomicUsize::new(0),
            confined,
        })
    }

    /// The answer to what was asked last.
    fn last(&self) -> Option<&Answer> {
        let asked = self.asked.load(Ordering::Relaxed);
        self.answers
            .get(asked.checked_sub(1)?)
            .or(self.answers.last())
    }

    /// The answers that were given.
    fn given(&self) -> &[Answer] {
        &self.answers[..self.asked.load(Ordering::Relaxed).min(self.answers.len())]
    }
}

impl Http for Web {
    fn send(&self, request: HttpRequest, _: Duration, max_bytes: usize) -> SendFuture<'_> {
        let url = request.url();
        if self.confined {
            // A configuration may name an issuer on this machine, whose keys are public.
            let mut names = request.headers().map(|(name, _)| name);
            let is_secret = request.method() != "GET" || names.any(|name| name == "authorization");
            assert!(!is_secret || url.starts_with(CONTROL_PLANE), "{url}");
        } else {
            assert!(url.starts_with("https://"), "{url}");
        }
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answers.get(number).or(self.answers.last()).cloned();
        Box::pin(async move {
            let answer = answer.filter(|answer| answer.status >= 100);
            let answer = answer.ok_or_else(|| HttpError::Network {
                cause: "nobody is there".to_owned(),
            })?;
            if answer.body.len() > max_bytes {
                return Err(HttpError::TooLarge { max_bytes });
            }
            let mut headers = HeaderMap::new();
            if let Ok(content_type) = answer.content_type.parse() {
                headers.insert("content-type", content_type);
            }
            if let Ok(tag) = answer.content_type.parse() {
                headers.insert("etag", tag);
            }
            Ok(HttpResponse {
                status: answer.status,
                headers,
                body: answer.body,
            })
        })
    }
}

/// A clock that stands still.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn unix_now(&self) -> u64 {
        NOW
    }

    fn monotonic(&self) -> Moment {
        Moment::after_beginning(Duration::from_secs(1000))
    }

    fn sleep(&self, _: Duration) -> Sleep {
        // Whatever is waited for has come by then: nothing here takes time.
        Box::pin(std::future::ready(()))
    }
}
