//! What one client may take of the service, on a real connection: whoever takes more gets an error or
//! is cut off, and others are still answered.

use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use portcullis_server::{Limits, MAX_BODY_BYTES};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::running::{Answer, Gate, Running, Setup, call, good};

async fn start() -> Running {
    Running::start(Gate::open(), Setup::default()).await
}

fn with_fields(count: usize) -> Vec<u8> {
    let mut head = "GET /health/live HTTP/1.1\r\n".to_owned();
    for index in 0..count {
        write!(head, "x-{index}: y\r\n").unwrap();
    }
    (head + "connection: close\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn the_head_of_a_request_is_bounded() {
    let service = start().await;
    assert_eq!(service.ask(&with_fields(99)).await.status, 200);
    assert_eq!(service.ask(&with_fields(100)).await.status, 431);
    let long = |length| {
        let value = "y".repeat(length);
        format!("GET /health/live HTTP/1.1\r\nx: {value}\r\nconnection: close\r\n\r\n").into_bytes()
    };
    assert_eq!(service.ask(&long(60 * 1024)).await.status, 200);
    // Of heads that are larger than what is read, the answer may be lost when the connection closes.
    let target = format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(1024 * 1024)).into_bytes();
    for head in [long(300 * 1024), with_fields(100_000), target] {
        let status = service.ask(&head).await.status;
        assert!(matches!(status, 0 | 431 | 414), "{status}");
        assert_eq!(service.get("/health/live").await.status, 200);
    }
    let counted = service.value("portcullis_connections_failed_total{cause=\"http\"}");
    assert_eq!(counted, Some(4.0));
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let service = start().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\n\r\n",
        b"POST /sideband/request HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /sideband/request HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n{}",
    ] {
        let mut stream = service.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let status = Answer::last(&mut stream).await.status;
        assert!(matches!(status, 0 | 400 | 505), "{status}");
    }
    assert_eq!(service.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn the_body_of_a_call_is_bounded() {
    let gate = Gate::open();
    let service = Running::start(gate.clone(), Setup::default()).await;
    let sent = |length: usize| {
        let mut sent: serde_json::Value = serde_json::from_str(&good()).unwrap();
        sent["body"] = json!("");
        let empty = sent.to_string().len();
        sent["body"] = json!("x".repeat(length - empty));
        sent.to_string()
    };
    let mut stream = service.connect().await;
    stream
        .write_all(&call(&sent(MAX_BODY_BYTES)))
        .await
        .unwrap();
    assert_eq!(Answer::next(&mut stream).await.status, 200);
    // One byte more: with its length, of which nothing is sent, and in chunks.
    let length = MAX_BODY_BYTES + 1;
    let mut stream = service.connect().await;
    let head =
        format!("POST /sideband/request HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = Answer::last(&mut stream).await;
    assert_eq!(
        (answer.status, answer.code()),
        (413, json!("REQUEST_TOO_LARGE"))
    );
    let mut stream = service.connect().await;
    let head = "POST /sideband/request HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("{head}{length:x}\r\n{}\r\n", sent(length));
    stream.write_all(chunk.as_bytes()).await.unwrap();
    let answer = Answer::last(&mut stream).await;
    assert_eq!(
        (answer.status, answer.code()),
        (413, json!("REQUEST_TOO_LARGE"))
    );
    assert_eq!(gate.entered.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn deep_nesting_and_many_fields_are_no_trouble() {
    let gate = Gate::open();
    let service = Running::start(gate.clone(), Setup::default()).await;
    let deep = "[".repeat(500_000);
    let deep_member = good().replace("\"url\"", &format!("\"x\":{deep},\"url\""));
    let objects = "{\"a\":".repeat(200_000);
    for body in [deep, deep_member, objects] {
        let mut stream = service.connect().await;
        stream.write_all(&call(&body)).await.unwrap();
        let answer = Answer::next(&mut stream).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, json!("INVALID_REQUEST"))
        );
    }
    assert_eq!(gate.entered.load(Ordering::SeqCst), 0);
    // As many header fields in a sideband call as fit into a body: an answer, and soon.
    let fields = vec![json!({ "a": "" }); 95_000];
    let mut many: serde_json::Value = serde_json::from_str(&good()).unwrap();
    many["headers"] = json!(fields);
    let mut stream = service.connect().await;
    stream.write_all(&call(&many.to_string())).await.unwrap();
    let status = Answer::next(&mut stream).await.status;
    assert!(matches!(status, 200 | 400), "{status}");
    assert_eq!(service.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let service = start().await;
    let mut stream = service.connect().await;
    let head = b"POST /sideband/request HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head).await.unwrap();
    service.until("portcullis_calls_open", 1.0).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    let answer = Answer::last(&mut stream).await;
    assert_eq!(
        (answer.status, answer.code()),
        (408, json!("REQUEST_TIMEOUT"))
    );
}

#[tokio::test]
async fn a_head_that_does_not_arrive_is_given_up() {
    let limits = Limits {
        head_time: Duration::from_millis(100),
        ..Limits::default()
    };
    let setup = Setup {
        limits,
        ..Setup::default()
    };
    let service = Running::start(Gate::open(), setup).await;
    for sent in [&b""[..], b"POST /sideband/request HTTP/1.1\r\nhost: a"] {
        let mut stream = service.connect().await;
        stream.write_all(sent).await.unwrap();
        Answer::last(&mut stream).await;
    }
    service.until("portcullis_connections_open", 0.0).await;
}

/// An answer time that nobody waits long for.
const IMPATIENT: Duration = Duration::from_millis(300);
/// More than a socket takes while nobody reads from it.
const LARGE: usize = 64 * 1024 * 1024;

async fn start_large(answer_time: Duration) -> Running {
    let routes = Router::new().route("/large", get(|| async { vec![b'x'; LARGE] }));
    let limits = Limits {
        answer_time,
        ..Limits::default()
    };
    Running::start_router(
        routes,
        Setup {
            limits,
            ..Setup::default()
        },
    )
    .await
}

const ASK_LARGE: &[u8] = b"GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let service = start_large(IMPATIENT).await;
    let mut stream = service.connect().await;
    stream.write_all(ASK_LARGE).await.unwrap();
    service
        .until("portcullis_connections_failed_total{cause=\"http\"}", 1.0)
        .await;
    service.until("portcullis_connections_open", 0.0).await;
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    assert!(read.len() < LARGE, "it got all of it");
    // Who reads gets all of it, in the usual time.
    let service = start_large(Limits::default().answer_time).await;
    let answer = service.ask(ASK_LARGE).await;
    assert_eq!((answer.status, answer.body.len()), (200, LARGE));
}

#[tokio::test]
async fn reading_a_byte_now_and_then_gains_no_time() {
    let service = start_large(IMPATIENT).await;
    let mut stream = service.connect().await;
    stream.write_all(ASK_LARGE).await.unwrap();
    let dribble = async {
        let mut some = [0; 4096];
        while stream.read(&mut some).await.is_ok_and(|read| read > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let failed = "portcullis_connections_failed_total{cause=\"http\"}";
    tokio::select! {
        () = dribble => {}
        () = service.until(failed, 1.0) => {}
    }
    service.until(failed, 1.0).await;
}

#[tokio::test]
async fn connections_above_the_limit_wait_for_their_turn() {
    let limits = Limits {
        max_connections: 1,
        ..Limits::default()
    };
    let setup = Setup {
        limits,
        ..Setup::default()
    };
    let service = Running::start(Gate::open(), setup).await;
    let mut first = service.connect().await;
    let live = b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n";
    first.write_all(live).await.unwrap();
    assert_eq!(Answer::next(&mut first).await.status, 200);
    let mut second = service.connect().await;
    second.write_all(live).await.unwrap();
    first.write_all(live).await.unwrap();
    assert_eq!(Answer::next(&mut first).await.status, 200);
    assert_eq!(service.value("portcullis_connections_total"), Some(1.0));
    drop(first);
    assert_eq!(Answer::next(&mut second).await.status, 200);
}
