//! A response body that is written while it is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

/// How many parts wait for a client that reads more slowly than they come.
const PARTS: usize = 16;

/// Where the parts go. Sending waits while the client does not read; dropping it ends the body.
pub(super) type Parts = mpsc::Sender<io::Result<Bytes>>;

/// A body and where its parts go. An error in place of a part cuts the answer off, so that no client takes it for
/// whole.
pub(super) fn body() -> (Parts, Body) {
    let (sender, receiver) = mpsc::channel(PARTS);
    (sender, Body::new(Sent(receiver)))
}

struct Sent(mpsc::Receiver<io::Result<Bytes>>);

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let part = self.0.poll_recv(context);
        part.map(|part| part.map(|part| part.map(Frame::data)))
    }
}
