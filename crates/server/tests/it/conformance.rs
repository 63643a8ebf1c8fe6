//! The cases that the sideband test harness of `PingAuthorize` has (reference/pingone.md section 1.6), with the
//! real engine behind the routes: both legs, as the simulated adapter, Kong's plugin and `PingGateway`'s filter
//! send them.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use portcullis_engine::{SourceFile, compile};
use portcullis_pdp::clock::SystemClock;
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::local::LocalDecisionPoint;
use portcullis_server::{AppState, Decisions, Readiness, StateKey, router};
use serde_json::{Value, json};
use tower::ServiceExt;

const SERVICE: &str = r"
name: Demo
base_urls: [http://api.ping.demo:3036]
operations:
  - { name: header, paths: [/header], public: true, statements: [{ code: set-headers, phase: response, payload: { X-Powered-By: null } }] }
  - name: query
    methods: [GET]
    paths: [/cars]
    public: true
    statements: [{ code: modify-query, payload: { operator: null, compare: co } }]
  - name: banned
    paths: [/devices]
    public: true
    response_policy: banned.yaml
    statements: [{ code: denied-reason, phase: response, payload: { status: 403, message: banned } }]
  - { name: body, methods: [PUT], paths: [/body], public: true, statements: [{ code: exclude-attributes, payload: [audit] }] }
  - name: paid
    paths: [/paid]
    public: true
    response_policy: banned.yaml
    statements: [{ code: denied-reason, phase: response, payload: { status: 402, message: pay } }]
  - { name: plain, paths: [/plain], public: true }
";
const BANNED: &str = "
validators:
  - name: attributes
    conf: { fields: [{ field: request.headers.X-Device, comparator: not_equals, value: banned }] }
  - name: attributes
    conf: { fields: [{ field: response.status, comparator: less, value: 300 }] }
";

fn state() -> AppState {
    let file = |path: &str, text: &str| SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let files = [
        file("services/s.yaml", SERVICE),
        file("policies/banned.yaml", BANNED),
    ];
    let policy = compile(&files, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let http = Arc::new(HttpClient::new(&TlsRoots::public()).unwrap());
    AppState {
        decision_point: Arc::new(LocalDecisionPoint::new(policy, http, Arc::new(SystemClock))),
        credentials: None,
        administration: Arc::default(),
        decisions: Decisions::off(),
        management: None,
        state_key: Arc::new(StateKey::random().unwrap()),
        public_url: None,
        readiness: Readiness::default(),
        clock: Arc::new(SystemClock),
    }
}

async fn post(state: &AppState, path: &str, body: &Value) -> (u16, Value) {
    let request = Request::post(path).body(Body::from(body.to_string()));
    let response = router(state.clone())
        .oneshot(request.unwrap())
        .await
        .unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn request(method: &str, path: &str, body: Option<&str>) -> Value {
    let mut sent = json!({
        "source_ip": "192.168.97.1", "source_port": "56782", "method": method, "http_version": "1.1",
        "url": format!("http://api.ping.demo:3036{path}"),
        "headers": [{ "Accept": "*/*" }, { "x-device": "phone" }],
    });
    if let Some(body) = body {
        let members = sent.as_object_mut().unwrap();
        members.insert("body".to_owned(), json!(body));
    }
    sent
}

fn response(sent: &Value, status: &Value, more: &Value) -> Value {
    let mut answered = json!({
        "method": sent["method"], "url": sent["url"], "http_version": "1.1",
        "response_code": status, "response_status": "OK",
        "headers": [{ "X-Powered-By": "PHP" }, { "Content-Type": "application/json" }], "body": "{\"a\":1}",
    });
    let more = more.as_object().unwrap().clone();
    answered.as_object_mut().unwrap().extend(more);
    answered
}

#[tokio::test]
async fn the_way_of_a_response_with_state() {
    let state = state();
    let sent = request("GET", "/header", None);
    let (status, permit) = post(&state, "/sideband/request", &sent).await;
    assert_eq!((status, permit.get("response")), (200, None));
    let token = permit["state"].as_str().unwrap();
    assert!(!token.contains("api.ping.demo"));
    let answered = response(&sent, &json!(200), &json!({ "state": token }));
    let (status, reply) = post(&state, "/sideband/response", &answered).await;
    assert_eq!(status, 200);
    assert_eq!(
        reply,
        json!({
            "method": "GET", "url": "http://api.ping.demo:3036/header", "http_version": "1.1",
            "response_code": "200", "response_status": "OK",
            "headers": [{ "Content-Type": "application/json" }], "body": "{\"a\":1}",
        })
    );
}

#[tokio::test]
async fn a_query_is_rewritten() {
    let (_, permit) = post(
        &state(),
        "/sideband/request",
        &request("GET", "/cars?name=sedan&operator=contains", None),
    )
    .await;
    assert_eq!(
        permit["url"],
        "http://api.ping.demo:3036/cars?name=sedan&compare=co"
    );
    assert_eq!(
        permit.get("state"),
        None,
        "nothing is to be done with the response"
    );
}

#[tokio::test]
async fn a_body_is_rewritten() {
    let sent = request("PUT", "/body", Some(r#"{"name":"x","audit":{"by":"y"}}"#));
    let (_, permit) = post(&state(), "/sideband/request", &sent).await;
    assert_eq!(permit["body"], r#"{"name":"x"}"#);
}

#[tokio::test]
async fn a_response_is_denied_by_what_the_request_was() {
    let state = state();
    let mut sent = request("GET", "/devices", None);
    sent["headers"] = json!([{ "X-Device": "banned" }]);
    let (_, permit) = post(&state, "/sideband/request", &sent).await;
    for more in [
        json!({ "state": permit["state"] }),
        json!({ "request": sent }),
    ] {
        let (status, reply) = post(
            &state,
            "/sideband/response",
            &response(&sent, &json!(200), &more),
        )
        .await;
        assert_eq!((status, &reply["response_code"]), (200, &json!("403")));
        let body: Value = serde_json::from_str(reply["body"].as_str().unwrap()).unwrap();
        assert_eq!(body, json!({ "status": 403, "message": "banned" }));
        let headers = reply["headers"].to_string();
        assert!(!headers.contains("PHP"), "{headers}");
    }
}

#[tokio::test]
async fn a_response_is_denied_with_a_status_of_its_own() {
    let state = state();
    let sent = request("GET", "/paid", None);
    let (_, permit) = post(&state, "/sideband/request", &sent).await;
    let answered = response(&sent, &json!("500"), &json!({ "state": permit["state"] }));
    let (_, reply) = post(&state, "/sideband/response", &answered).await;
    assert_eq!(
        (&reply["response_code"], &reply["response_status"]),
        (&json!("402"), &json!("Payment Required"))
    );
}

#[tokio::test]
async fn a_response_that_nobody_asks_about_goes_through_as_it_is() {
    let state = state();
    let sent = request("GET", "/plain", None);
    let answered = response(&sent, &json!(304), &json!({}));
    for path in [
        "/sideband/response",
        "/v1/environments/e1/sideband/response",
    ] {
        let (status, reply) = post(&state, path, &answered).await;
        assert_eq!(
            (status, &reply["response_code"], &reply["headers"]),
            (200, &json!("304"), &answered["headers"])
        );
    }
}

#[tokio::test]
async fn states_that_are_not_ours_are_refused() {
    let state = state();
    let sent = request("GET", "/header", None);
    let (_, permit) = post(&state, "/sideband/request", &sent).await;
    let sealed = permit["state"].as_str().unwrap();
    let cut = &sealed[..sealed.len() - 2];
    for wrong in [
        json!(cut),
        json!("e30"),
        json!({ "request": {} }),
        json!(""),
        json!(7),
    ] {
        let answered = response(&sent, &json!(200), &json!({ "state": wrong }));
        let (status, error) = post(&state, "/sideband/response", &answered).await;
        assert_eq!(
            (status, &error["code"]),
            (400, &json!("INVALID_REQUEST")),
            "{wrong}"
        );
    }
    // Without a state nothing is known, and something is to be done.
    let (status, reply) = post(
        &state,
        "/sideband/response",
        &response(&sent, &json!(200), &json!({})),
    )
    .await;
    assert_eq!((status, &reply["response_code"]), (200, &json!("403")));
    for wrong in [json!(99), json!("abc"), json!(null)] {
        let (status, _) = post(
            &state,
            "/sideband/response",
            &response(&sent, &wrong, &json!({})),
        )
        .await;
        assert_eq!(status, 400, "{wrong}");
    }
}
