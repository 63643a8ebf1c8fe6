//! Work that goes on when nobody waits for it any more.

use tokio::sync::oneshot;

/// Starts a future, and gives its outcome to whoever waits. An error means that it was broken off.
pub(crate) fn spawn<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> oneshot::Receiver<T> {
    let (sender, receiver) = oneshot::channel();
    // Nobody may be waiting.
    start(async move { drop(sender.send(future.await)) });
    receiver
}

/// Does what takes the processor long, on another thread where there are threads. An error means that it was broken off.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn work<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}

/// Does what takes the processor long, at once: there are no threads.
#[cfg(target_family = "wasm")]
pub(crate) fn work<T>(
    work: impl FnOnce() -> T,
) -> std::future::Ready<Result<T, std::convert::Infallible>> {
    std::future::ready(Ok(work()))
}

#[cfg(not(target_family = "wasm"))]
fn start(future: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(future));
}

#[cfg(target_family = "wasm")]
use hosted::start;
#[cfg(target_family = "wasm")]
pub use hosted::{Started, take_started};

/// WebAssembly has no runtime that futures could be given to, so whoever polls all others takes them.
#[cfg(target_family = "wasm")]
mod hosted {
    use std::cell::RefCell;
    use std::pin::Pin;

    /// A future that was started and is polled by nobody yet.
    pub type Started = Pin<Box<dyn Future<Output = ()>>>;

    thread_local! {
        static STARTED: RefCell<Vec<Started>> = const { RefCell::new(Vec::new()) };
    }

    /// The futures that were started since it was called last.
    #[must_use]
    pub fn take_started() -> Vec<Started> {
        STARTED.take()
    }

    pub(super) fn start(future: impl Future<Output = ()> + 'static) {
        STARTED.with_borrow_mut(|started| started.push(Box::pin(future)));
    }
}
