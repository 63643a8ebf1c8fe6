//! What is kept of a decision, and what of a request never is.

use axum::body::Body;
use axum::http::Request;
use portcullis_server::{DecisionSettings, RecordedHeaders};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Fixture, START, database, settings, written};

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
