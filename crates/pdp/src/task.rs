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

#[cfg(not(target_family = "wasm"))]
fn start(future: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(future));
}

#[cfg(target_family = "wasm")]
fn start(future: impl Future<Output = ()> + 'static) {
    wasm_bindgen_futures::spawn_local(future);
}
