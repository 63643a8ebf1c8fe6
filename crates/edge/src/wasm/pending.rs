//! What is waited for: each by a number, until the host comes back with an outcome or nobody waits any more.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use tokio::sync::oneshot;

/// Everything of one kind that is waited for.
pub(super) struct Pending<T> {
    last: Cell<u32>,
    waiting: RefCell<HashMap<u32, oneshot::Sender<T>>>,
}

impl<T> Pending<T> {
    pub(super) fn new() -> Self {
        Self {
            last: Cell::new(0),
            waiting: RefCell::default(),
        }
    }

    /// A new number, and what its outcome comes through.
    pub(super) fn begin(&self) -> (u32, oneshot::Receiver<T>) {
        let mut waiting = self.waiting.borrow_mut();
        let mut number = self.last.get().wrapping_add(1);
        while waiting.contains_key(&number) {
            number = number.wrapping_add(1);
        }
        self.last.set(number);
        let (sender, receiver) = oneshot::channel();
        waiting.insert(number, sender);
        (number, receiver)
    }

    /// Ends the wait with that outcome. Nothing happens where nobody waits.
    pub(super) fn resolve(&self, number: u32, outcome: T) {
        if let Some(sender) = self.waiting.borrow_mut().remove(&number) {
            drop(sender.send(outcome));
        }
    }

    /// Ends the wait; whether there was one.
    pub(super) fn forget(&self, number: u32) -> bool {
        self.waiting.borrow_mut().remove(&number).is_some()
    }
}
