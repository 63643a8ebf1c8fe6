//! All futures, and who polls them.

use std::cell::RefCell;

use futures_executor::LocalPool;
use futures_util::task::LocalSpawnExt as _;
use portcullis_pdp::task::{Started, take_started};

thread_local! {
    static NEW: RefCell<Vec<Started>> = const { RefCell::new(Vec::new()) };
    static POOL: RefCell<LocalPool> = RefCell::new(LocalPool::new());
}

/// Takes a future, to be polled by [`run`].
pub(super) fn start(future: impl Future<Output = ()> + 'static) {
    NEW.with_borrow_mut(|new| new.push(Box::pin(future)));
}

/// Polls all futures until each of them waits for the host: also those that were started meanwhile, which nobody else
/// would poll before the host comes back.
pub(super) fn run() {
    POOL.with_borrow_mut(|pool| {
        loop {
            pool.run_until_stalled();
            let mut new = NEW.take();
            new.extend(take_started());
            if new.is_empty() {
                break;
            }
            let spawner = pool.spawner();
            for future in new {
                // INVARIANT: the pool lives as long as the thread.
                let _ = spawner.spawn_local(future);
            }
        }
    });
}
