//! Recent decisions: what is kept of them, found, exported and streamed, in memory and in a database.
#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "test support: a surprise ends the test"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use portcullis_engine::Question;
use portcullis_model::{
    ApiRequest, Attribute, Check, CheckOutcome, Decision, Deny, Level, Reason, ReasonCode, Trace,
};
use portcullis_pdp::clock::{Clock, SystemClock};
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
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn unix_now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Instant {
        SystemClock.monotonic()
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

struct Fixture {
    routes: Router,
    clock: Arc<HandClock>,
    decisions: Decisions,
    signals: mpsc::Sender<StopSignal>,
    /// Tells when the service stops.
    operations: Operations,
}

fn settings() -> DecisionSettings {
    DecisionSettings {
        kept: 10_000,
        retention: Duration::from_hours(24),
        inputs: None,
    }
}

impl Fixture {
    fn new(settings: DecisionSettings, store: Option<Store>) -> Self {
        let clock = Arc::new(HandClock(AtomicU64::new(START)));
        let metrics = Metrics::new(Arc::clone(&clock) as _);
        let stopper = Stopper::new(Readiness::default(), Duration::from_hours(1));
        let stopping = stopper.stopping();
        let (signals, receiver) = mpsc::channel(2);
        tokio::spawn(stopper.run(receiver));
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        let decisions = Decisions::new(settings, store, shared, metrics.clone(), stopping.clone());
        let administration = Administration::default().with_token(ADMIN).unwrap();
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

    fn in_memory() -> Self {
        Self::new(settings(), None)
    }

    /// Asks for a decision and returns its id.
    async fn decide(&self, path: &str) -> String {
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

    /// Makes so many decisions, a second each.
    async fn decide_many(&self, paths: &[&str]) {
        for path in paths {
            self.decide(path).await;
            self.clock.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn open(&self, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let url = format!("/v1/environments/any/{path}");
        let mut request = Request::get(url).header("authorization", format!("Bearer {ADMIN}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        self.routes.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.open(path, &[]).await;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// The paths of all pages.
    async fn paths(&self, query: &str) -> Vec<String> {
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
async fn database() -> (tempfile::TempDir, Store) {
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

/// The events of a stream.
struct Events(Body);

impl Events {
    /// The next part that is not a comment: its fields.
    async fn next(&mut self) -> Option<Vec<(String, String)>> {
        loop {
            let frame = tokio::time::timeout(Duration::from_secs(30), self.0.frame()).await;
            let frame = frame
                .expect("an event comes, or the end")
                .transpose()
                .unwrap()?;
            let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
            let event = text.strip_suffix("\n\n").unwrap();
            if !event.starts_with(':') {
                let fields = event.lines().map(|line| line.split_once(": ").unwrap());
                return Some(
                    fields
                        .map(|(name, value)| (name.into(), value.into()))
                        .collect(),
                );
            }
        }
    }

    /// The path of the next decision, and its id.
    async fn decision(&mut self) -> (String, String) {
        let fields = self.next().await.unwrap();
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["id", "event", "data"]);
        assert_eq!(fields[1].1, "decision");
        let record: Value = serde_json::from_str(&fields[2].1).unwrap();
        assert_eq!(record["id"], fields[0].1.as_str());
        (
            record["path"].as_str().unwrap()[1..].to_owned(),
            fields[0].1.clone(),
        )
    }
}

impl Fixture {
    async fn stream(&self, query: &str, last: Option<&str>) -> Events {
        let headers: Vec<_> = last.map(|id| ("last-event-id", id)).into_iter().collect();
        let answer = self
            .open(&format!("decisions/stream{query}"), &headers)
            .await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Events(answer.into_body())
    }
}

#[tokio::test]
async fn a_stream_shows_what_comes_and_goes_on_where_it_ended() {
    let (_directory, store) = database().await;
    for store in [None, Some(store)] {
        let service = Fixture::new(settings(), store);
        let _writer = service.decisions.start();
        if service.paths("").await.is_empty() {
            service.decide("before").await;
        }
        let mut all = service.stream("", None).await;
        let mut denied = service.stream("?outcome=deny", None).await;
        service.decide_many(&["a/1", "a/deny", "a/2"]).await;
        let mut found = all.decision().await;
        if found.0 == "before" {
            // It was written to the database after the stream had begun.
            found = all.decision().await;
        }
        assert_eq!(found.0, "a/1");
        assert_eq!(denied.decision().await.0, "a/deny");
        let (path, id) = all.decision().await;
        assert_eq!(path, "a/deny");
        drop(all);
        let mut resumed = service.stream("", Some(&id)).await;
        assert_eq!(resumed.decision().await.0, "a/2");
        let mut unknown = service.stream("", Some("gone")).await;
        let event = unknown.next().await.unwrap();
        assert_eq!(event[0], ("event".into(), "missed".into()));
        assert_eq!(event[1], ("data".into(), "{\"missed\":null}".into()));
        service.decide("a/3").await;
        assert_eq!(unknown.decision().await.0, "a/3");
        assert_eq!(resumed.decision().await.0, "a/3");
    }
}

#[tokio::test(start_paused = true)]
#[expect(
    clippy::disallowed_methods,
    reason = "time that does not pass by itself"
)]
async fn a_stream_in_which_nothing_happens_shows_that_it_is_alive() {
    let service = Fixture::in_memory();
    let mut stream = service.stream("", None).await.0;
    let mut next = async || {
        let frame = stream.frame().await.unwrap().unwrap().into_data().unwrap();
        String::from_utf8(frame.to_vec()).unwrap()
    };
    assert_eq!(next().await, ": decisions follow\n\n");
    let begun = tokio::time::Instant::now();
    for beats in 1..=3 {
        assert_eq!(next().await, ":\n\n");
        let passed = begun.elapsed().as_secs();
        assert!((15 * beats..=16 * beats).contains(&passed), "{passed}");
    }
}

#[tokio::test]
async fn a_reader_that_falls_behind_is_told_how_many_it_missed_and_let_go() {
    let service = Fixture::new(
        DecisionSettings {
            kept: 5,
            ..settings()
        },
        None,
    );
    let mut slow = service.stream("", None).await;
    // Nothing waits here, so the stream does not get to read before there are too many.
    for number in 0..20 {
        service.decide(&number.to_string()).await;
    }
    let mut seen = 0;
    let missed = loop {
        let event = slow.next().await.unwrap();
        if event[0].1 == "missed" {
            let data: Value = serde_json::from_str(&event[1].1).unwrap();
            break data["missed"].as_u64().unwrap();
        }
        seen += 1;
    };
    assert_eq!((missed, slow.next().await), (15 - seen, None));
}

#[tokio::test]
async fn streams_are_bounded_take_no_place_of_a_decision_and_end_with_the_service() {
    let mut service = Fixture::in_memory();
    service.routes = service.operations.clone().surround(service.routes.clone());
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(service.stream("", None).await);
    }
    for path in ["decisions/stream", "decisions.jsonl"] {
        let (status, error) = service.get(path).await;
        assert_eq!((status, &error["code"]), (429, &json!("REQUEST_LIMITED")));
    }
    // There is one place for calls, which no stream holds.
    service.decide("a").await;
    assert_eq!(streams[3].decision().await.0, "a");
    // A place is free once its client is gone.
    streams.pop();
    let freed = async {
        while service.open("decisions.jsonl", &[]).await.status() == 429 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), freed)
        .await
        .unwrap();

    service.signals.send(StopSignal::Terminate).await.unwrap();
    for mut stream in streams {
        while let Some(event) = stream.next().await {
            assert_eq!(event[1].1, "decision");
        }
    }
}
