//! A service that listens for real, with a decision point that can be held still, and a client that
//! writes to the socket what it is told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use portcullis_model::{ApiRequest, Decision, Reason, ReasonCode};
use portcullis_pdp::clock::SystemClock;
use portcullis_pdp::{DecisionFuture, DecisionPoint};
use portcullis_server::{
    AppState, CountedDecisions, Decisions, Limits, Metrics, Operations, Readiness, Serving,
    StopSignal, Stopper, TlsIdentity, Traces, metrics_router, router, serve,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

/// A decision point that permits when it is let go, once for each time.
pub(crate) struct Gate {
    pub(crate) entered: AtomicUsize,
    go: Semaphore,
}

impl Gate {
    pub(crate) fn closed() -> Arc<Self> {
        Arc::new(Self {
            entered: AtomicUsize::new(0),
            go: Semaphore::new(0),
        })
    }

    pub(crate) fn open() -> Arc<Self> {
        let gate = Self::closed();
        gate.let_go(1000);
        gate
    }

    pub(crate) fn let_go(&self, times: usize) {
        self.go.add_permits(times);
    }
}

impl DecisionPoint for Gate {
    fn decide<'a>(&'a self, _request: &'a ApiRequest) -> DecisionFuture<'a> {
        Box::pin(async {
            self.entered.fetch_add(1, Ordering::SeqCst);
            self.go.acquire().await.unwrap().forget();
            Ok(Decision::permit(Reason::new(ReasonCode::Permitted, "yes")))
        })
    }
}

/// How to run a service.
pub(crate) struct Setup {
    pub(crate) tls: Option<Arc<TlsIdentity>>,
    pub(crate) limits: Limits,
    pub(crate) max_requests: u16,
    pub(crate) drain_delay: Duration,
    pub(crate) traces: Option<Traces>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            tls: None,
            limits: Limits::default(),
            max_requests: 64,
            drain_delay: Duration::ZERO,
            traces: None,
        }
    }
}

/// Plain HTTP with the usual limits, for as long as the test runs.
pub(crate) fn serving_plainly() -> Serving {
    Serving {
        tls: None,
        metrics: Metrics::new(Arc::new(SystemClock)),
        stopping: Stopper::new(Readiness::default(), Duration::ZERO).stopping(),
        limits: Limits::default(),
    }
}

/// A service that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    pub(crate) signals: mpsc::Sender<StopSignal>,
    /// Done when the service has stopped.
    pub(crate) served: JoinHandle<()>,
}

impl Running {
    /// The whole service, with that decision point and no credentials.
    pub(crate) async fn start(point: Arc<Gate>, setup: Setup) -> Self {
        let clock = Arc::new(SystemClock);
        let readiness = Readiness::default();
        readiness.set(true);
        let metrics = Metrics::new(clock.clone());
        let counted = CountedDecisions::new(point, clock.clone(), metrics.clone());
        let state = AppState {
            state_key: Arc::new(portcullis_server::StateKey::random().unwrap()),
            public_url: None,
            decision_point: Arc::new(counted),
            credentials: None,
            administration: Arc::default(),
            decisions: Decisions::off(),
            management: None,
            readiness: readiness.clone(),
            clock,
        };
        let routes = router(state).merge(metrics_router(metrics.clone()));
        Self::start_routes(routes, readiness, metrics, setup).await
    }

    /// Routes of the test's own.
    pub(crate) async fn start_router(routes: Router, setup: Setup) -> Self {
        let metrics = Metrics::new(Arc::new(SystemClock));
        Self::start_routes(routes, Readiness::default(), metrics, setup).await
    }

    async fn start_routes(
        routes: Router,
        readiness: Readiness,
        metrics: Metrics,
        setup: Setup,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stopper = Stopper::new(readiness.clone(), setup.drain_delay);
        let operations = Operations {
            metrics: metrics.clone(),
            max_requests: setup.max_requests,
            stopping: stopper.stopping(),
            traces: setup.traces,
        };
        let serving = Serving {
            tls: setup.tls,
            metrics: metrics.clone(),
            stopping: stopper.stopping(),
            limits: setup.limits,
        };
        let (signals, receiver) = mpsc::channel(2);
        tokio::spawn(stopper.run(receiver));
        let served = tokio::spawn(serve(listener, operations.surround(routes), serving));
        Self {
            address,
            metrics,
            readiness,
            signals,
            served,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The answer to one request on a connection of its own.
    pub(crate) async fn ask(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        // The service may answer and close before it has read all.
        let _ = stream.write_all(request).await;
        Answer::last(&mut stream).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes())
            .await
    }

    /// The value of a metric without labels, or with those that are given.
    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        value(&self.metrics, series)
    }

    /// Waits until a metric has that value.
    pub(crate) async fn until(&self, series: &str, wanted: f64) {
        until(series, || {
            self.value(series)
                .is_some_and(|value| (value - wanted).abs() < 0.5)
        })
        .await;
    }
}

pub(crate) fn value(metrics: &Metrics, series: &str) -> Option<f64> {
    let text = metrics.text();
    let mut values = text
        .lines()
        .filter_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
    values.next()
}

/// Waits, up to half a minute, until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}");
}

/// An answer as it came; status 0 where none came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Everything up to the end of the connection, or up to where it broke.
    pub(crate) async fn last(stream: &mut (impl AsyncReadExt + Unpin)) -> Self {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        Self::parse(&bytes)
    }

    /// One answer with a `Content-Length` on a connection that stays open.
    pub(crate) async fn next(stream: &mut (impl AsyncReadExt + Unpin)) -> Self {
        let mut bytes = Vec::new();
        loop {
            let byte = stream.read_u8().await.unwrap();
            bytes.push(byte);
            if bytes.ends_with(b"\r\n\r\n") {
                break;
            }
        }
        let head = Self::parse(&bytes).head;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        bytes.extend(body);
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Self {
            status: head
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok())
                .unwrap_or(0),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn code(&self) -> Value {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body.get("code").cloned().unwrap_or_default()
    }
}

/// A sideband call.
pub(crate) fn call(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST /sideband/request HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// The body of a good sideband call.
pub(crate) fn good() -> String {
    json!({
        "source_ip": "192.0.2.7", "source_port": 56782, "method": "GET", "http_version": "1.1",
        "url": "https://api.example.com/secret-path?x=secret-query", "headers": [{ "Accept": "*/*" }],
    })
    .to_string()
}
