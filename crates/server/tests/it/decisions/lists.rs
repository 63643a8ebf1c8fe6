//! How kept decisions are found and exported, by whom, and how many are kept.

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use portcullis_server::DecisionSettings;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Fixture, START, database, settings, written};

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
        service.clock.set(START + 24 * 3600 + 2);
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
