//! Recent decisions: what is kept of them, found and exported, in memory and in a database.
#![expect(
    clippy::indexing_slicing,
    reason = "test support: a surprise ends the test"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use portcullis_engine::Question;
use portcullis_model::{
    ApiRequest, Attribute, Check, CheckOutcome, Decision, Deny, Level, Reason, ReasonCode, Trace,
};
use portcullis_pdp::clock::{Clock, Moment, Sleep, SystemClock};
use portcullis_pdp::{DecisionFuture, DecisionPoint};
use portcullis_server::{
    Administration, AppState, DecisionSettings, DecisionWriter, Decisions, Metrics, Operations,
    Readiness, RecordedHeaders, StateKey, StopSignal, Stopper, router,
};
use portcullis_store::{Options, Store};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt;

const ADMIN: &str = "an-administrator-token-of-32-bytes-or-more";
const START: u64 = 1_700_000_000;

/// A clock that a test moves.
#[derive(Debug)]
pub(crate) struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn unix_now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Moment {
        SystemClock.monotonic()
    }

    fn sleep(&self, time: Duration) -> Sleep {
        SystemClock.sleep(time)
    }
}

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
        let clock = Arc::new(HandClock(AtomicU64::new(START)));
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
        self.clock.0.fetch_add(time.as_secs(), Ordering::SeqCst);
    }

    /// Makes so many decisions, a second each.
    pub(crate) async fn decide_many(&self, paths: &[&str]) {
        for path in paths {
            self.decide(path).await;
            self.clock.0.fetch_add(1, Ordering::SeqCst);
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

#[tokio::test]
async fn pages_and_filters_are_the_same_in_memory_and_in_a_database() {
    let (_directory, store) = database().await;
    for store in [None, Some(store)] {
        let kind = if store.is_some() {
            "database"
        } else {
            "memory"
        };
        let service = Fixture::new(settings(), store);
        let writer = service.decisions.start();
        service
            .decide_many(&["a/1", "a/deny", "b/2", "b/deny", "a/3"])
            .await;
        written(writer).await;
        for (query, expected) in [
            ("", &["a/3", "b/deny", "b/2", "a/deny", "a/1"][..]),
            ("limit=1", &["a/3", "b/deny", "b/2", "a/deny", "a/1"]),
            ("limit=2", &["a/3", "b/deny", "b/2", "a/deny", "a/1"]),
            ("limit=5", &["a/3", "b/deny", "b/2", "a/deny", "a/1"]),
            ("outcome=deny&limit=1", &["b/deny", "a/deny"]),
            ("reason=insufficient_scope", &["b/deny", "a/deny"]),
            ("operation=a&outcome=permit", &["a/3", "a/1"]),
            ("service=My+service&operation=b", &["b/deny", "b/2"]),
            ("service=My", &[]),
            ("gateway=kong", &[]),
            (
                "since=2023-11-14T22:13:22Z&until=2023-11-14T22:13:24Z",
                &["b/deny", "b/2"],
            ),
            ("since=2023-11-14T23:13:24%2B01:00", &["a/3"]),
        ] {
            assert_eq!(service.paths(query).await, expected, "{kind}: {query}");
        }
        // The last page has no next one, also where it is full.
        let (_, page) = service.get("decisions?limit=5").await;
        assert_eq!(page["_links"].get("next"), None, "{kind}");
    }
}

#[tokio::test]
async fn a_record_says_how_the_decision_came_about() {
    let (_directory, store) = database().await;
    for store in [None, Some(store)] {
        let service = Fixture::new(settings(), store);
        let writer = service.decisions.start();
        let id = service.decide("a/deny").await;
        written(writer).await;
        let (status, mut record) = service.get(&format!("decisions/{id}")).await;
        assert!(record["elapsed_us"].is_u64());
        record["elapsed_us"] = json!(0);
        assert_eq!(status, 200);
        assert_eq!(
            record,
            json!({
                "id": id, "time": "2023-11-14T22:13:20.000Z", "phase": "request", "protocol": "sideband",
                "gateway": null, "method": "GET", "path": "/a/deny", "outcome": "deny",
                "reason": "insufficient_scope", "status": 403, "service": "My service", "operation": "a",
                "elapsed_us": 0, "revision": "7 sha256:ab",
                "trace": {
                    "checks": [{
                        "name": "scopes", "level": "operation", "passed": false, "detail": "expected a scope",
                        "attributes": { "scope": "a text" },
                    }],
                    "nearest_miss": null,
                },
            })
        );
        for unknown in ["x", "a%20b", "..%2F", &"x".repeat(300)] {
            let (status, _) = service.get(&format!("decisions/{unknown}")).await;
            assert_eq!(status, 404, "{unknown}");
        }
    }
}

#[tokio::test]
async fn every_way_to_ask_is_recorded() {
    let service = Fixture::in_memory();
    let ask = async |path: &str, body: Value| {
        let request = Request::post(path).header("content-type", "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        let answer = service.routes.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    };
    let question = json!({
        "subject": { "type": "user", "id": "claim-value", "properties": { "email": "claim-value" } },
        "action": { "name": "PUT" }, "resource": { "type": "route", "id": "/b/{id}" },
    });
    ask("/access/v1/evaluation", question).await;
    ask(
        "/sideband/response",
        json!({
            "method": "GET", "url": "https://api.example.com/c?q=1", "http_version": "1.1",
            "response_code": "200", "response_status": "OK", "headers": [],
        }),
    )
    .await;
    let (_, page) = service.get("decisions").await;
    let found = page["_embedded"]["decisions"].as_array().unwrap().iter();
    let found: Vec<_> = found
        .map(|one| ["protocol", "phase", "method", "path"].map(|name| one[name].as_str().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            ["sideband", "response", "GET", "/c"],
            ["authzen", "request", "PUT", "/b/{id}"]
        ]
    );
    assert!(!page.to_string().contains("claim-value"), "{page}");
}

#[tokio::test]
async fn nothing_of_a_request_is_kept_but_method_and_path() {
    let service = Fixture::in_memory();
    service.decide("a").await;
    let (_, page) = service.get("decisions").await;
    let text = page.to_string();
    for value in [
        "claim-value",
        "token-value",
        "header-value",
        "query-value",
        "192.0.2.7",
    ] {
        assert!(!text.contains(value), "{value}: {text}");
    }
    assert_eq!(page["_embedded"]["decisions"][0].get("input"), None);
}

#[tokio::test]
async fn a_token_in_the_path_is_replaced() {
    let service = Fixture::in_memory();
    service.decide("a/token-value/b").await;
    service.decide("a/token%2Dv%61lue").await;
    assert_eq!(service.paths("").await, ["a/redacted", "a/redacted/b"]);
}

#[tokio::test]
async fn where_it_is_asked_for_the_input_is_kept_without_the_token() {
    let headers = RecordedHeaders::new(["x-app"]).unwrap();
    let service = Fixture::new(
        DecisionSettings {
            inputs: Some(headers),
            ..settings()
        },
        None,
    );
    service.decide("a").await;
    let (_, page) = service.get("decisions").await;
    assert_eq!(
        page["_embedded"]["decisions"][0]["input"],
        json!({
            "now": START,
            "request": {
                "method": "GET", "url": "https://api.example.com/a?q=query-value",
                "headers": { "x-app": ["header-value"] }, "source_ip": "192.0.2.7",
            },
            "token": { "sub": "claim-value" },
        })
    );
    assert!(!page.to_string().contains("token-value"));
}

#[tokio::test]
async fn wrong_parameters_are_named_and_strangers_kept_out() {
    let service = Fixture::in_memory();
    service.decide("a").await;
    for (path, named) in [
        ("decisions?colour=red", "colour:"),
        ("decisions?outcome=x", "outcome:"),
        ("decisions?limit=0", "limit:"),
        ("decisions?since=now", "since:"),
        ("decisions?cursor=x", "cursor:"),
        ("decisions.jsonl?limit=1", "limit:"),
        ("decisions.jsonl?until=x", "until:"),
        ("decisions/stream?since=2023-11-14T22:13:22Z", "since:"),
        ("decisions/some-id?x=1", "no parameters"),
    ] {
        let (status, error) = service.get(path).await;
        assert_eq!(
            (status, &error["code"]),
            (400, &json!("INVALID_REQUEST")),
            "{path}"
        );
        assert!(
            error["message"].as_str().unwrap().contains(named),
            "{path}: {error}"
        );
    }
    for path in [
        "decisions",
        "decisions/x",
        "decisions.jsonl",
        "decisions/stream",
    ] {
        for authorization in [None, Some("Bearer wrong"), Some("Basic eA==")] {
            let mut request = Request::get(format!("/v1/environments/any/{path}"));
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            let request = request.body(Body::empty()).unwrap();
            let answer = service.routes.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), 401, "{path} {authorization:?}");
        }
    }
}

#[tokio::test]
async fn number_and_age_are_bounded() {
    let (_directory, store) = database().await;
    for store in [None, Some(store)] {
        let service = Fixture::new(
            DecisionSettings {
                kept: 3,
                ..settings()
            },
            store.clone(),
        );
        let writer = service.decisions.start();
        service.decide_many(&["a", "b", "c", "d"]).await;
        written(writer).await;
        if store.is_none() {
            assert_eq!(service.paths("").await, ["d", "c", "b"]);
        }
        // Two of them are older than a day now, and not shown whether they are deleted already or not.
        service
            .clock
            .0
            .store(START + 24 * 3600 + 2, Ordering::SeqCst);
        assert_eq!(service.paths("").await, ["d", "c"]);
    }
    let off = Fixture::new(
        DecisionSettings {
            kept: 0,
            ..settings()
        },
        None,
    );
    off.decide("a").await;
    for path in [
        "decisions",
        "decisions/x",
        "decisions.jsonl",
        "decisions/stream",
    ] {
        let (status, error) = off.get(path).await;
        assert_eq!(status, 404);
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("--decisions-kept"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_export_has_a_line_for_each() {
    let (_directory, store) = database().await;
    for store in [None, Some(store)] {
        let service = Fixture::new(settings(), store);
        let writer = service.decisions.start();
        for number in 0..450 {
            service.decide(&format!("{}/{number}", number % 2)).await;
        }
        written(writer).await;
        let answer = service.open("decisions.jsonl?operation=1", &[]).await;
        assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.ends_with('\n'));
        let mut ids: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["id"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(ids.len(), 225);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 225);
    }
}
