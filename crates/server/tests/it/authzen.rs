//! `AuthZEN` 1.0 with the real engine behind the routes: the cases of the API gateway scenario, every semantic of a
//! batch, and what a certification suite asks of errors and headers.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use portcullis_engine::{SourceFile, compile};
use portcullis_pdp::clock::SystemClock;
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::local::LocalDecisionPoint;
use portcullis_server::{AppState, Decisions, GatewayCredentials, Readiness, StateKey, router};
use serde_json::{Value, json};
use tower::ServiceExt;

const TODOS: &str = "
name: Todos
base_urls: [https://todo.example.com]
tokens: [{ issuer: https://idp.example.com, audiences: [todo], claims: { groups: roles } }]
operations:
  - { name: List, methods: [GET], paths: [/todos] }
  - { name: Read a user, methods: [GET], paths: ['/users/{userId}'] }
  - { name: Create, methods: [POST], paths: [/todos], rules: { groups: { any_of: [admin, editor] } } }
  - { name: Update, methods: [PUT], paths: ['/todos/{todoId}'], rules: { groups: { any_of: [editor] } } }
  - { name: Delete, methods: [DELETE], paths: ['/todos/{todoId}'], rules: { groups: { any_of: [admin] }, authentication: { acr_values: [strong] } } }
  - { name: Tag, methods: [PATCH], paths: [/todos], statements: [{ code: set-headers, payload: { X-User: '{{authnCtx.sub}}' } }] }
";

fn state(public_url: Option<&str>) -> AppState {
    let files = [SourceFile {
        path: "services/todos.yaml".to_owned(),
        text: TODOS.to_owned(),
    }];
    let policy = compile(&files, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let http = Arc::new(HttpClient::new(&TlsRoots::public()).unwrap());
    AppState {
        decision_point: Arc::new(LocalDecisionPoint::new(policy, http, Arc::new(SystemClock))),
        credentials: Some(Arc::new(GatewayCredentials::parse("credential").unwrap())),
        administration: Arc::default(),
        decisions: Decisions::off(),
        management: None,
        state_key: Arc::new(StateKey::random().unwrap()),
        public_url: public_url.map(Into::into),
        readiness: Readiness::default(),
        clock: Arc::new(SystemClock),
    }
}

async fn call(request: Request<Body>, public_url: Option<&str>) -> (u16, HeaderMap, Value) {
    let response = router(state(public_url)).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap();
    (head.status.as_u16(), head.headers, body)
}

async fn post(path: &str, body: &str) -> (u16, Value) {
    let request = Request::post(path)
        .header("authorization", "Bearer credential")
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()));
    let (status, _, body) = call(request.unwrap(), None).await;
    (status, body)
}

fn item(roles: &[&str], method: &str, route: &str) -> Value {
    json!({
        "subject": { "type": "identity", "id": "CiRmZDA2", "properties": { "roles": roles } },
        "action": { "name": method },
        "resource": { "type": "route", "id": route },
    })
}

#[tokio::test]
async fn the_routes_of_the_gateway_scenario_are_decided() {
    let cases: [(&[&str], &str, &str, bool); 9] = [
        (&["viewer"], "GET", "/todos", true),
        (&["viewer"], "GET", "/users/{userId}", true),
        (&["viewer"], "POST", "/todos", false),
        (&["editor"], "POST", "/todos", true),
        (&["editor"], "PUT", "/todos/{todoId}", true),
        (&["editor"], "PUT", "/todos/7", true),
        (&["viewer"], "PUT", "/todos/{todoId}", false),
        (&["editor"], "DELETE", "/todos/{todoId}", false),
        (&["editor"], "GET", "/other", false),
    ];
    for (roles, method, route, permitted) in cases {
        let (status, answer) = post(
            "/access/v1/evaluation",
            &item(roles, method, route).to_string(),
        )
        .await;
        assert_eq!(
            (status, &answer["decision"]),
            (200, &json!(permitted)),
            "{roles:?} {method} {route} {answer}"
        );
        assert!(answer["context"]["id"].is_string());
    }
    // A path with two readings is refused, whatever its route would be.
    let (_, answer) = post(
        "/access/v1/evaluation",
        &item(&["editor"], "PUT", "/todos/../todos/7").to_string(),
    )
    .await;
    assert_eq!(
        (&answer["decision"], &answer["context"]["reason"]),
        (&json!(false), &json!("ambiguous_path"))
    );
}

#[tokio::test]
async fn a_deny_may_oblige_to_step_up_and_a_permit_to_edit() {
    let (_, answer) = post(
        "/access/v1/evaluation",
        &item(&["admin"], "DELETE", "/todos/7").to_string(),
    )
    .await;
    assert_eq!(answer["decision"], false);
    assert_eq!(
        answer["context"]["obligations"],
        json!([{ "id": "step-up", "type": "step-up", "properties": { "acr_value": "strong" } }])
    );
    let (_, answer) = post(
        "/access/v1/evaluation",
        &item(&[], "PATCH", "/todos").to_string(),
    )
    .await;
    assert_eq!(answer["decision"], true);
    assert_eq!(
        answer["context"]["obligations"][0]["properties"]["headers"],
        json!({ "X-User": ["CiRmZDA2"] })
    );
}

#[tokio::test]
async fn batches_follow_their_semantic() {
    let yes = json!({ "action": { "name": "GET" } });
    let no = json!({ "action": { "name": "DELETE" } });
    let batch = |semantic: Option<&str>, items: &[&Value]| {
        let mut batch = item(&["viewer"], "GET", "/todos");
        let members = batch.as_object_mut().unwrap();
        members.remove("action");
        members.insert("evaluations".to_owned(), json!(items));
        if let Some(semantic) = semantic {
            members.insert(
                "options".to_owned(),
                json!({ "evaluations_semantic": semantic, "other": 1 }),
            );
        }
        batch.to_string()
    };
    let decisions = |answer: &Value| -> Vec<bool> {
        let items = answer["evaluations"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["decision"].as_bool().unwrap())
            .collect()
    };
    for (semantic, items, expected) in [
        (None, [&yes, &no, &yes], vec![true, false, true]),
        (
            Some("execute_all"),
            [&no, &no, &yes],
            vec![false, false, true],
        ),
        (
            Some("deny_on_first_deny"),
            [&yes, &no, &yes],
            vec![true, false],
        ),
        (
            Some("permit_on_first_permit"),
            [&no, &yes, &no],
            vec![false, true],
        ),
    ] {
        let (status, answer) = post("/access/v1/evaluations", &batch(semantic, &items)).await;
        assert_eq!(
            (status, decisions(&answer)),
            (200, expected),
            "{semantic:?}"
        );
    }
    let (status, _) = post("/access/v1/evaluations", &batch(Some("other"), &[&yes])).await;
    assert_eq!(status, 400);
    // Without items it is one evaluation; an item without an action anywhere is a fault of the call.
    let (_, answer) = post(
        "/access/v1/evaluations",
        &item(&[], "GET", "/todos").to_string(),
    )
    .await;
    assert_eq!(answer["decision"], true);
    let (status, _) = post("/access/v1/evaluations", &batch(None, &[&json!({})])).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn items_of_a_batch_share_nothing() {
    let mut other = item(&[], "POST", "/todos");
    other["subject"]["properties"] = json!({});
    let batch = json!({ "evaluations": [item(&["admin"], "POST", "/todos"), other] });
    let (_, answer) = post("/access/v1/evaluations", &batch.to_string()).await;
    assert_eq!(answer["evaluations"][0]["decision"], true);
    assert_eq!(
        answer["evaluations"][1]["decision"], false,
        "the same subject id with other properties"
    );
}

#[tokio::test]
async fn actions_are_searched() {
    let mut asked = item(&["editor"], "GET", "/todos");
    asked.as_object_mut().unwrap().remove("action");
    let (status, answer) = post("/access/v1/search/action", &asked.to_string()).await;
    assert_eq!(status, 200);
    assert_eq!(
        answer["results"],
        json!([{ "name": "GET" }, { "name": "PATCH" }, { "name": "POST" }])
    );
    assert_eq!(answer["page"]["next_token"], "");
}

#[tokio::test]
async fn metadata_is_made_from_the_setting_and_never_from_host() {
    let get = |path: &str| {
        Request::get(path)
            .header("host", "evil.example")
            .body(Body::empty())
            .unwrap()
    };
    let well_known = "/.well-known/authzen-configuration";
    let (status, _, _) = call(get(well_known), None).await;
    assert_eq!(status, 404);
    let (status, headers, document) = call(get(well_known), Some("https://pdp.example.com")).await;
    assert_eq!(status, 200);
    assert_eq!(document["policy_decision_point"], "https://pdp.example.com");
    assert_eq!(
        document["access_evaluation_endpoint"],
        "https://pdp.example.com/access/v1/evaluation"
    );
    assert_eq!(headers["cache-control"], "max-age=3600");
    assert!(!document.to_string().contains("evil"));
    let tenant = Some("https://pdp.example.com/tenant1");
    assert_eq!(call(get(well_known), tenant).await.0, 404);
    let (status, _, document) =
        call(get("/.well-known/authzen-configuration/tenant1"), tenant).await;
    assert_eq!(
        (status, &document["policy_decision_point"]),
        (200, &json!("https://pdp.example.com/tenant1"))
    );
}

#[tokio::test]
async fn calls_are_authenticated_and_keep_their_identifier() {
    let body = item(&[], "GET", "/todos").to_string();
    let send = |name: &'static str, value: &'static str| {
        let request = Request::post("/access/v1/evaluation")
            .header("content-type", "application/json; charset=utf-8")
            .header("x-request-id", "bfe9eb29")
            .header(name, value)
            .body(Body::from(body.clone()));
        call(request.unwrap(), None)
    };
    for (name, value, expected) in [
        ("authorization", "Bearer credential", 200),
        ("authorization", "bearer credential", 200),
        ("client-token", "credential", 200),
        ("authorization", "Bearer other", 401),
        ("authorization", "credential", 401),
        ("x-other", "credential", 401),
    ] {
        let (status, headers, _) = send(name, value).await;
        assert_eq!(status, expected, "{name}: {value}");
        if status == 200 {
            assert_eq!(headers["x-request-id"], "bfe9eb29");
        } else {
            assert_eq!(headers["www-authenticate"], "Bearer realm=\"portcullis\"");
        }
    }
}

#[tokio::test]
async fn malformed_calls_are_errors_and_unknown_members_are_not() {
    let good = item(&[], "GET", "/todos");
    let mut more = good.clone();
    more["unknown"] = json!([1]);
    more["subject"]["unknown"] = json!(null);
    more["context"] =
        json!({ "time": "2026-01-01T00:00:00Z", "headers": { "X-A": ["b"] }, "ip": "192.0.2.7" });
    assert_eq!(
        post("/access/v1/evaluation", &more.to_string()).await.0,
        200
    );
    let mut wrong = vec![
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "{}".to_owned(),
        "[".repeat(100_000),
        good.to_string().replace("\"GET\"", "\"G T\""),
        good.to_string().replace("\"GET\"", "7"),
        good.to_string().replace(
            "{\"subject\"",
            "{\"subject\":{\"type\":\"a\",\"id\":\"b\"},\"subject\"",
        ),
    ];
    for member in ["subject", "action", "resource"] {
        for value in [
            None,
            Some(json!(null)),
            Some(json!("text")),
            Some(json!({})),
            Some(json!([])),
        ] {
            let mut changed = good.clone();
            let members = changed.as_object_mut().unwrap();
            match value {
                None => drop(members.remove(member)),
                Some(value) => drop(members.insert(member.to_owned(), value)),
            }
            wrong.push(changed.to_string());
        }
    }
    for body in wrong {
        let shown: String = body.chars().take(120).collect();
        let (status, error) = post("/access/v1/evaluation", &body).await;
        assert_eq!(
            (status, &error["code"]),
            (400, &json!("INVALID_REQUEST")),
            "{shown}"
        );
    }
    let request = Request::post("/access/v1/evaluation")
        .header("authorization", "Bearer credential")
        .header("content-type", "text/plain")
        .body(Body::from(good.to_string()));
    assert_eq!(call(request.unwrap(), None).await.0, 415);
}
