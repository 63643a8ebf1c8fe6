//! Back-pressure: a bound on calls under way, refused quickly above it, never for health checks.

use std::sync::atomic::Ordering;

use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::running::{Answer, Gate, Running, Setup, call, good, until};

async fn start(gate: &std::sync::Arc<Gate>, max_requests: u16) -> Running {
    let setup = Setup {
        max_requests,
        ..Setup::default()
    };
    Running::start(gate.clone(), setup).await
}

#[tokio::test]
async fn calls_above_the_bound_are_refused_before_their_body_is_read() {
    let gate = Gate::closed();
    let service = start(&gate, 2).await;
    let mut under_way = Vec::new();
    for _ in 0..2 {
        let mut stream = service.connect().await;
        stream.write_all(&call(&good())).await.unwrap();
        under_way.push(stream);
    }
    until("both are being decided", || {
        gate.entered.load(Ordering::SeqCst) == 2
    })
    .await;
    // Nothing of this body is ever sent.
    let head = b"POST /sideband/request HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n";
    let answer = service.ask(head).await;
    assert_eq!(
        (answer.status, answer.code()),
        (429, json!("REQUEST_LIMITED"))
    );
    assert!(
        answer.head.contains("retry-after: 1\r\n"),
        "{}",
        answer.head
    );
    let other = service
        .ask(b"GET /none HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    assert_eq!(other.status, 429);
    for path in ["/health/live", "/health/ready", "/metrics"] {
        assert_eq!(service.get(path).await.status, 200, "{path}");
    }
    assert_eq!(service.value("portcullis_calls_limited_total"), Some(2.0));
    assert_eq!(service.value("portcullis_calls_open"), Some(2.0));
    gate.let_go(3);
    for mut stream in under_way {
        assert_eq!(Answer::next(&mut stream).await.status, 200);
    }
    let mut stream = service.connect().await;
    stream.write_all(&call(&good())).await.unwrap();
    assert_eq!(Answer::next(&mut stream).await.status, 200);
}

#[tokio::test]
async fn a_call_waits_for_room_for_a_moment() {
    let gate = Gate::closed();
    let service = start(&gate, 1).await;
    let mut first = service.connect().await;
    first.write_all(&call(&good())).await.unwrap();
    until("it is being decided", || {
        gate.entered.load(Ordering::SeqCst) == 1
    })
    .await;
    // Time stands still while the second call waits, so that it cannot be refused.
    tokio::time::pause();
    let mut second = service.connect().await;
    second.write_all(&call(&good())).await.unwrap();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(gate.entered.load(Ordering::SeqCst), 1);
    gate.let_go(2);
    assert_eq!(Answer::next(&mut first).await.status, 200);
    assert_eq!(Answer::next(&mut second).await.status, 200);
}

#[tokio::test]
async fn a_client_that_goes_away_makes_room() {
    let gate = Gate::closed();
    let service = start(&gate, 1).await;
    let mut first = service.connect().await;
    first.write_all(&call(&good())).await.unwrap();
    until("it is being decided", || {
        gate.entered.load(Ordering::SeqCst) == 1
    })
    .await;
    drop(first);
    service.until("portcullis_calls_open", 0.0).await;
    let none = "portcullis_calls_total{endpoint=\"/sideband/request\",status=\"none\"}";
    assert_eq!(service.value(none), Some(1.0));
    gate.let_go(1);
    let mut second = service.connect().await;
    second.write_all(&call(&good())).await.unwrap();
    assert_eq!(Answer::next(&mut second).await.status, 200);
}
