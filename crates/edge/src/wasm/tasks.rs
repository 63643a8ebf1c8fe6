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

/// Polls all futures until each of them waits for the host.
pub(super) fn run() {
    POOL.with_borrow_mut(|pool| {
        loop {
            let mut new = NEW.take();
            new.extend(take_started());
            let nothing_new = new.is_empty();
            let spawner = pool.spawner();
            for future in new {
                // INVARIANT: the pool lives as long as the thread.
                let _ = spawner.spawn_local(future);
            }
            pool.run_until_stalled();
            if nothing_new {
                break;
            }
        }
    });
}
