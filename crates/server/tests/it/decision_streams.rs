//! The stream of decisions, as server-sent events.
#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "test support: a surprise ends the test"
)]

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use portcullis_server::{DecisionSettings, Secret, SecretKind, StopSignal};
use portcullis_store::{AdminRole, Id, NewAdminToken, UnixMillis};
use serde_json::{Value, json};

use crate::decisions::{Fixture, database, settings};

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

#[tokio::test]
async fn a_stream_does_not_show_what_is_older_than_the_retention() {
    let (_directory, store) = database().await;
    for store in [None, Some(store)] {
        let service = Fixture::new(settings(), store.clone());
        let writer = service.decisions.start();
        let first = service.decide("a/old").await;
        service.decide("a/old").await;
        if store.is_some() {
            writer.finish(Duration::from_mins(1)).await;
        }
        let mut slow = service.stream("", Some(&first)).await;
        service.wait(Duration::from_hours(25));
        let mut resumed = service.stream("", Some(&first)).await;
        let event = resumed.next().await.unwrap();
        assert_eq!(event[1], ("data".into(), "{\"missed\":null}".into()));
        // In memory nothing waits, so that this stream does not get to read before the time is over.
        let _writer = service.decisions.start();
        service.decide("a/new").await;
        assert_eq!(resumed.decision().await.0, "a/new");
        if store.is_none() {
            assert_eq!(slow.decision().await.0, "a/new");
        }
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
async fn a_stream_ends_when_its_administrator_is_none_any_more() {
    let (_directory, store) = database().await;
    let service = Fixture::new(settings(), Some(store.clone()));
    let _writer = service.decisions.start();
    let mut streams = Vec::new();
    for name in ["expires", "revoked", "stays"] {
        let secret = Secret::random(SecretKind::AdminToken).unwrap();
        let now = UnixMillis(1_700_000_000_000);
        let token = NewAdminToken {
            id: Id::try_from(name.to_owned()).unwrap(),
            name: name.parse().unwrap(),
            role: AdminRole::Viewer,
            sha256: secret.sha256(),
            expires_at: (name == "expires").then_some(UnixMillis(now.0 + 60_000)),
        };
        let token = store.create_admin_token(token, now).await.unwrap();
        let answer = service
            .open_as(secret.expose(), "decisions/stream", &[])
            .await;
        assert_eq!(answer.status(), 200);
        streams.push((name, token.id, Events(answer.into_body())));
    }
    service.wait(Duration::from_secs(61));
    let now = UnixMillis(1_700_000_061_000);
    store.revoke_admin_token(&streams[1].1, now).await.unwrap();
    // The next question is due, without waiting for it.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(16)).await;
    tokio::time::resume();
    service.decide("a/1").await;
    for (name, _, mut events) in streams {
        if name == "stays" {
            assert_eq!(events.decision().await.0, "a/1");
        } else {
            let event = events.next().await.unwrap();
            assert_eq!(event[0], ("event".into(), "refused".into()), "{name}");
            assert_eq!(events.next().await, None, "{name}");
        }
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
    for path in ["decisions/stream", "decisions.jsonl", "decisions"] {
        let (status, error) = service.get(path).await;
        assert_eq!((status, &error["code"]), (429, &json!("REQUEST_LIMITED")));
    }
    // There is one place for calls, which no stream holds.
    service.decide("a").await;
    assert_eq!(streams[3].decision().await.0, "a");
    // A place is free once its client is gone.
    streams.pop();
    let freed = async {
        loop {
            let page = service.open("decisions", &[]).await;
            if page.status() != 429 {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let page = tokio::time::timeout(Duration::from_secs(30), freed)
        .await
        .unwrap();
    // A page that is not sent yet has the place now.
    assert_eq!(page.status(), 200);
    assert_eq!(service.open("decisions", &[]).await.status(), 429);
    drop(page);
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
