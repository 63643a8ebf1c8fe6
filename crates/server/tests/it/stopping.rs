//! Stopping in order: not ready first, then no new connections, then nothing under way any more.

use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_server::{Limits, StopSignal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::running::{Answer, Gate, Running, Setup, call, good, until};

const LONG: Duration = Duration::from_hours(1);

fn with_delay(drain_delay: Duration) -> Setup {
    let limits = Limits {
        drain_time: LONG,
        ..Limits::default()
    };
    Setup {
        limits,
        drain_delay,
        ..Setup::default()
    }
}

#[tokio::test]
async fn calls_are_taken_while_readiness_is_down() {
    let service = Running::start(Gate::open(), with_delay(LONG)).await;
    let mut kept = service.connect().await;
    kept.write_all(&call(&good())).await.unwrap();
    let answer = Answer::next(&mut kept).await;
    assert!(answer.status == 200 && !answer.head.contains("connection: close"));
    assert_eq!(service.get("/health/ready").await.status, 200);

    service.signals.send(StopSignal::Terminate).await.unwrap();
    until("readiness goes down", || !service.readiness.get()).await;
    assert_eq!(service.get("/health/ready").await.status, 503);
    assert_eq!(service.get("/health/live").await.status, 200);
    // Keys that arrive now do not make it ready again.
    service.readiness.set(true);
    assert_eq!(service.get("/health/ready").await.status, 503);
    // Both on a new connection and on one that was kept, and the client is told to move.
    let mut new = service.connect().await;
    for stream in [&mut new, &mut kept] {
        stream.write_all(&call(&good())).await.unwrap();
        let answer = Answer::last(stream).await;
        assert_eq!(answer.status, 200);
        assert!(answer.head.contains("connection: close"), "{}", answer.head);
    }
    assert!(!service.served.is_finished());
    // The second signal ends the delay.
    service.signals.send(StopSignal::Terminate).await.unwrap();
    service.served.await.unwrap();
}

#[tokio::test]
async fn what_is_under_way_finishes_once_the_listener_is_closed() {
    let gate = Gate::closed();
    let service = Running::start(gate.clone(), with_delay(Duration::from_millis(1))).await;
    let mut under_way = service.connect().await;
    under_way.write_all(&call(&good())).await.unwrap();
    until("it is being decided", || {
        gate.entered.load(Ordering::SeqCst) == 1
    })
    .await;
    let mut idle = service.connect().await;
    idle.write_all(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(Answer::next(&mut idle).await.status, 200);
    service.signals.send(StopSignal::Terminate).await.unwrap();
    assert_eq!(
        idle.read(&mut [0]).await.unwrap(),
        0,
        "idle connections are closed"
    );
    assert!(TcpStream::connect(service.address).await.is_err());
    assert!(!service.served.is_finished());
    gate.let_go(1);
    assert_eq!(Answer::last(&mut under_way).await.status, 200);
    service.served.await.unwrap();
}

#[tokio::test]
async fn an_interrupt_needs_no_delay() {
    let service = Running::start(Gate::open(), with_delay(LONG)).await;
    service.signals.send(StopSignal::Interrupt).await.unwrap();
    service.served.await.unwrap();
}

#[tokio::test]
async fn the_second_signal_waits_for_nothing() {
    let gate = Gate::closed();
    let service = Running::start(gate.clone(), with_delay(Duration::ZERO)).await;
    let mut under_way = service.connect().await;
    under_way.write_all(&call(&good())).await.unwrap();
    until("it is being decided", || {
        gate.entered.load(Ordering::SeqCst) == 1
    })
    .await;
    service.signals.send(StopSignal::Terminate).await.unwrap();
    until("the listener closes", || {
        std::net::TcpStream::connect(service.address).is_err()
    })
    .await;
    assert!(!service.served.is_finished());
    service.signals.send(StopSignal::Interrupt).await.unwrap();
    service.served.await.unwrap();
}

#[tokio::test]
async fn a_request_that_does_not_finish_is_cut_off() {
    let gate = Gate::closed();
    let limits = Limits {
        drain_time: Duration::from_millis(50),
        ..Limits::default()
    };
    let service = Running::start(
        gate.clone(),
        Setup {
            limits,
            ..Setup::default()
        },
    )
    .await;
    let mut under_way = service.connect().await;
    under_way.write_all(&call(&good())).await.unwrap();
    until("it is being decided", || {
        gate.entered.load(Ordering::SeqCst) == 1
    })
    .await;
    service.signals.send(StopSignal::Terminate).await.unwrap();
    service.served.await.unwrap();
}

#[tokio::test]
async fn without_anyone_to_stop_it_the_service_runs_on() {
    let mut service = Running::start(Gate::open(), with_delay(Duration::ZERO)).await;
    let (nobody, _) = tokio::sync::mpsc::channel(1);
    service.signals = nobody;
    assert_eq!(service.get("/health/ready").await.status, 200);
    assert_eq!(service.get("/health/live").await.status, 200);
    assert!(!service.served.is_finished());
}
