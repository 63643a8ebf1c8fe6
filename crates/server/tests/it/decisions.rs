//! Recent decisions: what is kept of them, found and exported, in memory and in a database.
#![expect(
    clippy::indexing_slicing,
    reason = "test support: a surprise ends the test"
)]

mod lists;
mod records;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use portcullis_engine::Question;
use portcullis_model::{
    ApiRequest, Attribute, Check, CheckOutcome, Decision, Deny, Level, Reason, ReasonCode, Trace,
};
use portcullis_pdp::clock::Clock;
use portcullis_pdp::{DecisionFuture, DecisionPoint};
use portcullis_server::{
    Administration, AppState, DecisionSettings, DecisionWriter, Decisions, Metrics, Operations,
    Readiness, StateKey, StopSignal, Stopper, router,
};
use portcullis_store::{Options, Store};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt;

use crate::hand_clock::HandClock;

const ADMIN: &str = "an-administrator-token-of-32-bytes-or-more";
const START: u64 = 1_700_000_000;

/// Denies what has `deny` in its path; the first segment is the operation. Claims are those of a real token.
struct ByPath;

fn decided(path: &str) -> Decision {
    let mut decision = if path.contains("deny") {
        let reason = Reason::new(ReasonCode::InsufficientScope, "no");
        Decision::deny(Deny::status(403), reason)
    } else {
        Decision::permit(Reason::new(ReasonCode::Permitted, "yes"))
    };
    let claim = json!("claim-value");
    decision.context.insert("claim".into(), claim.clone());
    decision.principal = Some("claim-value".into());
    decision.claims = json!({ "sub": "claim-value" }).as_object().cloned();
    decision.trace = Trace {
        service: Some("My service".into()),
        operation: path.split('/').nth(1).map(Into::into),
        revision: Some("7 sha256:ab".into()),
        checks: vec![Check {
            name: "scopes",
            level: Level::Operation,
            outcome: CheckOutcome::of(decision.is_permit()),
            detail: "expected a scope".into(),
            attributes: vec![Attribute::describe("scope", Some(&claim))],
        }],
        nearest_miss: None,
    };
    decision
}

impl DecisionPoint for ByPath {
    fn decide<'a>(&'a self, request: &'a ApiRequest) -> DecisionFuture<'a> {
        Box::pin(async move { Ok(decided(request.url.path())) })
    }

    fn evaluate(&self, question: &Question) -> Decision {
        decided(&question.route)
    }
}

pub(crate) struct Fixture {
    pub(crate) routes: Router,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) decisions: Decisions,
    pub(crate) signals: mpsc::Sender<StopSignal>,
    /// Tells when the service stops.
    pub(crate) operations: Operations,
}

pub(crate) fn settings() -> DecisionSettings {
    DecisionSettings {
        kept: 10_000,
        retention: Duration::from_hours(24),
        inputs: None,
    }
}

impl Fixture {
    pub(crate) fn new(settings: DecisionSettings, store: Option<Store>) -> Self {
        let clock = Arc::new(HandClock::at(START));
        let metrics = Metrics::new(Arc::clone(&clock) as _);
        let stopper = Stopper::new(Readiness::default(), Duration::from_hours(1));
        let stopping = stopper.stopping();
        let (signals, receiver) = mpsc::channel(2);
        tokio::spawn(stopper.run(receiver));
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        let mut administration = Administration::default().with_token(ADMIN).unwrap();
        if let Some(store) = &store {
            administration = administration.with_store(store.clone());
        }
        let decisions = Decisions::new(settings, store, shared, metrics.clone(), stopping.clone());
        let state = AppState {
            decision_point: Arc::new(ByPath),
            credentials: None,
            administration: Arc::new(administration),
            management: None,
            decisions: decisions.clone(),
            state_key: Arc::new(StateKey::random().unwrap()),
            public_url: None,
            readiness: Readiness::default(),
            clock: Arc::clone(&clock) as _,
        };
        Self {
            routes: router(state),
            clock,
            decisions,
            signals,
            operations: Operations {
                metrics,
                max_requests: 1,
                stopping,
                traces: None,
            },
        }
    }

    pub(crate) fn in_memory() -> Self {
        Self::new(settings(), None)
    }

    /// Asks for a decision and returns its id.
    pub(crate) async fn decide(&self, path: &str) -> String {
        let body = json!({
            "source_ip": "192.0.2.7", "source_port": 1, "method": "GET", "http_version": "1.1",
            "url": format!("https://api.example.com/{path}?q=query-value"),
            "headers": [{ "Authorization": "Bearer token-value" }, { "X-App": "header-value" }],
        });
        let request = Request::post("/sideband/request").body(Body::from(body.to_string()));
        let answer = self.routes.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.headers()["correlation-id"]
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// Moves the clock.
    pub(crate) fn wait(&self, time: Duration) {
        self.clock.advance(time.as_secs());
    }

    /// Makes so many decisions, a second each.
    pub(crate) async fn decide_many(&self, paths: &[&str]) {
        for path in paths {
            self.decide(path).await;
            self.clock.advance(1);
        }
    }

    pub(crate) async fn open(&self, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        self.open_as(ADMIN, path, headers).await
    }

    pub(crate) async fn open_as(
        &self,
        token: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Response<Body> {
        let url = format!("/v1/environments/any/{path}");
        let mut request = Request::get(url).header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        self.routes.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.open(path, &[]).await;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// The paths of all pages.
    pub(crate) async fn paths(&self, query: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut next = Some(format!("/v1/environments/any/decisions?{query}"));
        while let Some(href) = next {
            let (status, page) = self
                .get(href.strip_prefix("/v1/environments/any/").unwrap())
                .await;
            assert_eq!(status, 200, "{page}");
            assert_eq!(
                page["_links"]["self"]["href"]
                    .as_str()
                    .unwrap()
                    .split('?')
                    .next(),
                href.split('?').next()
            );
            let decisions = page["_embedded"]["decisions"].as_array().unwrap();
            assert_eq!(page["size"], decisions.len());
            found.extend(
                decisions
                    .iter()
                    .map(|one| one["path"].as_str().unwrap()[1..].to_owned()),
            );
            next = page["_links"]["next"]["href"].as_str().map(str::to_owned);
        }
        found
    }
}

/// A database in a file of its own.
pub(crate) async fn database() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("d.db").display());
    let store = Store::open(&url, &Options::default()).await.unwrap();
    (directory, store)
}

async fn written(writer: DecisionWriter) {
    writer.finish(Duration::from_mins(1)).await;
}
