//! A bounded row of records, each with a number that is one higher than that of the one before. Its lock is held for
//! moments only: nothing is searched, written or freed under it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::record::DecisionRecord;

/// Most records that are read at once.
const PAGE: usize = 1000;

/// The row. Full, it drops its oldest record for each new one.
pub(super) struct Ring {
    bound: usize,
    row: Mutex<Row>,
}

#[derive(Default)]
struct Row {
    records: VecDeque<Arc<DecisionRecord>>,
    /// The number of the first record that is there, or of the next one to come.
    first: u64,
}

/// What became of a push.
pub(super) struct Pushed {
    /// The record that had to go. It is freed by whoever drops this, outside the lock.
    pub(super) dropped: Option<Arc<DecisionRecord>>,
    /// How many records are there now.
    pub(super) waiting: usize,
}

/// Records with their numbers.
pub(super) type Numbered = Vec<(u64, Arc<DecisionRecord>)>;

impl Ring {
    /// For at most so many records, at least one.
    pub(super) fn new(bound: usize) -> Self {
        Self {
            bound: bound.max(1),
            row: Mutex::default(),
        }
    }

    pub(super) fn push(&self, record: Arc<DecisionRecord>) -> Pushed {
        let mut row = self.row();
        let dropped = if row.records.len() >= self.bound {
            row.pop()
        } else {
            None
        };
        row.records.push_back(record);
        Pushed {
            dropped,
            waiting: row.records.len(),
        }
    }

    /// Takes the oldest away.
    pub(super) fn take(&self, most: usize) -> Vec<Arc<DecisionRecord>> {
        let mut row = self.row();
        let most = most.min(row.records.len());
        (0..most).map_while(|_| row.pop()).collect()
    }

    /// How many records are there.
    pub(super) fn len(&self) -> usize {
        self.row().records.len()
    }

    /// The number that the next record gets.
    pub(super) fn next(&self) -> u64 {
        self.row().next()
    }

    /// The next records from that number on, the oldest first, and how many of them are gone.
    pub(super) fn from(&self, number: u64) -> (Numbered, u64) {
        let row = self.row();
        let from = number.max(row.first);
        (row.from(from), from.saturating_sub(number))
    }

    /// The records before that number, the newest first.
    pub(super) fn before(&self, number: u64) -> Numbered {
        let row = self.row();
        let end = number.min(row.next());
        let from = end.saturating_sub(PAGE as u64).max(row.first);
        let mut found = row.from(from);
        found.retain(|(one, _)| *one < end);
        drop(row);
        found.reverse();
        found
    }

    /// Drops what was made before that time (milliseconds since 1970), a page at a time.
    pub(super) fn forget_before(&self, time: i64) {
        loop {
            let mut row = self.row();
            let mut gone = Vec::new();
            while gone.len() < PAGE && row.records.front().is_some_and(|one| one.time < time) {
                gone.extend(row.pop());
            }
            drop(row);
            if gone.is_empty() {
                return;
            }
        }
    }

    fn row(&self) -> MutexGuard<'_, Row> {
        // INVARIANT: nothing that holds the lock can leave the row half changed.
        self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    fn pop(&mut self) -> Option<Arc<DecisionRecord>> {
        let record = self.records.pop_front()?;
        self.first += 1;
        Some(record)
    }

    fn next(&self) -> u64 {
        self.first.saturating_add(self.records.len() as u64)
    }

    /// At most a page from that number on, which is there or the next.
    fn from(&self, number: u64) -> Numbered {
        let skipped = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let start = skipped.min(self.records.len());
        let records = self.records.range(start..).take(PAGE);
        (number..).zip(records.map(Arc::clone)).collect()
    }
}
