//! Accepts connections, bounds what each may take, and drains them when the service stops.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// How long requests under way may take to finish once the service stops.
pub const DRAIN_TIME: Duration = Duration::from_secs(10);
/// How long a client may take to send the head of a request, and how long a connection may lie idle
/// before it: longer than the 60 seconds after which load balancers and gateways give theirs up, so
/// that they never send a request into a connection that is being closed.
const HEAD_TIME: Duration = Duration::from_secs(75);
/// Most connections at once, below the 1,024 file descriptors that a process may have by default.
/// Above it, new ones wait in the queue of the system.
const MAX_CONNECTIONS: usize = 900;
/// Largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Most header fields of a request.
const MAX_HEAD_FIELDS: usize = 100;
/// How long to wait when the system cannot give another socket.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves HTTP/1.1 on a listener until `stop` is done, then finishes what is under way.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut stop = std::pin::pin!(stop);
    loop {
        // INVARIANT: the semaphore is never closed, so there is always a permit to wait for.
        let accept = async {
            let permit = Arc::clone(&free).acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            accepted = accept => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                pause(&error).await;
                continue;
            }
        };
        // A decision is one small write; waiting to fill a packet would only delay it.
        let _ = stream.set_nodelay(true);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEAD_FIELDS);
        let connection = http.serve_connection(
            TokioIo::new(stream),
            TowerToHyperService::new(router.clone()),
        );
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIME, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            seconds = DRAIN_TIME.as_secs(),
            "some requests did not finish in time and were cut off"
        );
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
