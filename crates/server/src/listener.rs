//! Accepts connections, bounds what each may take, and drains them when the service stops.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::impatient::Impatient;
use crate::metrics::{Failure, Metrics};
use crate::stopping::Stopping;
use crate::tls::TlsIdentity;

/// How long requests under way may take to finish once the service stops.
pub const DRAIN_TIME: Duration = Duration::from_secs(10);
/// How long a client may take to send the head of a request, and how long a connection may lie idle
/// before it: longer than the 60 seconds after which load balancers and gateways give theirs up, so
/// that they never send a request into a connection that is being closed.
const HEAD_TIME: Duration = Duration::from_secs(75);
/// How long a TLS handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long a client may take to read an answer.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Most connections at once, below the 1,024 file descriptors that a process may have by default.
/// Above it, new ones wait in the queue of the system.
const MAX_CONNECTIONS: usize = 900;
/// Largest head of a request, in bytes; one that has arrived whole may be up to twice as large.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Most header fields of a request.
const MAX_HEAD_FIELDS: usize = 100;
/// How long to wait when the system cannot give another socket.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How much time and room the clients of a listener have.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a TLS handshake may take.
    pub handshake_time: Duration,
    /// How long the head of a request may take, with the idle time before it.
    pub head_time: Duration,
    /// How long a client may take to read an answer.
    pub answer_time: Duration,
    /// How long requests under way may take to finish once the service stops.
    pub drain_time: Duration,
    /// Most connections at once; more wait in the queue of the system.
    pub max_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_time: HANDSHAKE_TIME,
            head_time: HEAD_TIME,
            answer_time: ANSWER_TIME,
            drain_time: DRAIN_TIME,
            max_connections: MAX_CONNECTIONS,
        }
    }
}

/// How a listener serves.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The certificate; `None` speaks plain HTTP.
    pub tls: Option<Arc<TlsIdentity>>,
    /// Where connections are counted.
    pub metrics: Metrics,
    /// Tells when to stop.
    pub stopping: Stopping,
    /// What clients may take.
    pub limits: Limits,
}

/// Serves HTTP/1.1 on a listener until the service closes, then finishes what is under way.
pub async fn serve(listener: TcpListener, router: Router, serving: Serving) {
    let graceful = GracefulShutdown::new();
    let free = Arc::new(Semaphore::new(serving.limits.max_connections));
    let (limits, stopping) = (serving.limits, serving.stopping.clone());
    let mut closing = pin!(stopping.closing());
    loop {
        // INVARIANT: the semaphore is never closed, so there is always a permit to wait for.
        let accept = async {
            let permit = Arc::clone(&free).acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            accepted = accept => accepted,
            () = &mut closing => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                pause(&error).await;
                continue;
            }
        };
        let open = serving.metrics.connection_opened();
        let (router, watcher, serving) = (router.clone(), graceful.watcher(), serving.clone());
        tokio::spawn(async move {
            converse(stream, router, watcher, &serving).await;
            drop((open, permit));
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = stopping.ended() => {}
        () = tokio::time::sleep(limits.drain_time) => tracing::warn!(
            seconds = limits.drain_time.as_secs(),
            "some requests did not finish in time and were cut off"
        ),
    }
}

/// All that happens on one connection.
async fn converse(stream: TcpStream, router: Router, watcher: Watcher, serving: &Serving) {
    // A decision is one small write; waiting to fill a packet would only delay it.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &serving.tls else {
        return answer(stream, router, watcher, serving).await;
    };
    let handshake = tls.acceptor().accept(stream);
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(serving.limits.handshake_time, handshake) => outcome,
        // Nothing was asked yet, so nothing is cut off.
        () = serving.stopping.closing() => return,
    };
    let outcome = outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match outcome {
        Ok(stream) => answer(stream, router, watcher, serving).await,
        Err(error) => {
            serving.metrics.connection_failed(Failure::Handshake);
            tracing::debug!(%error, "a TLS handshake failed");
        }
    }
}

async fn answer<S>(stream: S, router: Router, watcher: Watcher, serving: &Serving)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(serving.limits.head_time)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEAD_FIELDS);
    let stream = TokioIo::new(Impatient::new(stream, serving.limits.answer_time));
    let connection = http.serve_connection(stream, TowerToHyperService::new(router));
    if let Err(error) = watcher.watch(connection).await {
        serving.metrics.connection_failed(Failure::Http);
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A connection that went away is nobody's problem; a lack of sockets passes only with time.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    let gone = [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionRefused,
    ];
    if !gone.contains(&error.kind()) {
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
