//! A row of records, bounded in number and in memory, each with a number that is one higher than that of the one before. Its lock is held for
//! moments only: nothing is searched, written or freed under it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::record::DecisionRecord;

/// Most records that are read at once.
const PAGE: usize = 1000;

/// The row. Full, it drops its oldest records for a new one.
pub(super) struct Ring {
    bound: usize,
    /// In bytes, as [`DecisionRecord::footprint`] estimates them.
    budget: usize,
    row: Mutex<Row>,
}

#[derive(Default)]
struct Row {
    /// Each with its footprint.
    records: VecDeque<(Arc<DecisionRecord>, usize)>,
    /// The sum of the footprints.
    bytes: usize,
    /// The number of the first record that is there, or of the next one to come.
    first: u64,
    /// How many were taken, and neither settled nor put back.
    in_hand: usize,
}

/// What became of a push.
pub(super) struct Pushed {
    /// The records that had to go. They are freed by whoever drops this, outside the lock.
    pub(super) dropped: Vec<Arc<DecisionRecord>>,
    /// How many of them had to go for their memory, not for their number.
    pub(super) crowded_out: usize,
    /// How many records are there now.
    pub(super) waiting: usize,
    /// How many bytes they take.
    pub(super) bytes: usize,
}

/// Records with their numbers.
pub(super) type Numbered = Vec<(u64, Arc<DecisionRecord>)>;

impl Ring {
    /// For at most so many records of together so many bytes, at least one.
    pub(super) fn new(bound: usize, budget: usize) -> Self {
        Self {
            bound: bound.max(1),
            budget,
            row: Mutex::default(),
        }
    }

    pub(super) fn push(&self, record: Arc<DecisionRecord>) -> Pushed {
        let footprint = record.footprint();
        let (mut dropped, mut crowded_out) = (Vec::new(), 0);
        let mut row = self.row();
        if row.records.len() >= self.bound {
            dropped.extend(row.pop());
        }
        while row.bytes.saturating_add(footprint) > self.budget {
            let Some(record) = row.pop() else { break };
            dropped.push(record);
            crowded_out += 1;
        }
        row.bytes = row.bytes.saturating_add(footprint);
        row.records.push_back((record, footprint));
        Pushed {
            dropped,
            crowded_out,
            waiting: row.records.len(),
            bytes: row.bytes,
        }
    }

    /// Takes the oldest in hand: at most so many, of together at most so many bytes unless the first alone is larger.
    pub(super) fn take(&self, most: usize, bytes: usize) -> Vec<Arc<DecisionRecord>> {
        let mut row = self.row();
        let mut taken = Vec::new();
        let mut sum = 0_usize;
        while let Some((_, footprint)) = row.records.front() {
            sum = sum.saturating_add(*footprint);
            if taken.len() >= most || (sum > bytes && !taken.is_empty()) {
                break;
            }
            taken.extend(row.pop());
        }
        row.in_hand += taken.len();
        taken
    }

    /// Lets go of so many of those in hand.
    pub(super) fn settle(&self, count: usize) {
        let mut row = self.row();
        row.in_hand = row.in_hand.saturating_sub(count);
    }

    /// Puts what is in hand back to the front. Returns those for which there is no room any more: the oldest of all.
    /// Numbers are for records of which none is taken; here they may change.
    pub(super) fn put_back(&self, records: Vec<Arc<DecisionRecord>>) -> Vec<Arc<DecisionRecord>> {
        let mut left: Vec<_> = records
            .into_iter()
            .map(|record| {
                let footprint = record.footprint();
                (record, footprint)
            })
            .collect();
        let mut row = self.row();
        row.in_hand = row.in_hand.saturating_sub(left.len());
        while let Some((_, footprint)) = left.last() {
            let bytes = row.bytes.saturating_add(*footprint);
            let is_full = row.records.len() >= self.bound || bytes > self.budget;
            if is_full && !row.records.is_empty() {
                break;
            }
            row.bytes = bytes;
            row.first = row.first.saturating_sub(1);
            if let Some(one) = left.pop() {
                row.records.push_front(one);
            }
        }
        drop(row);
        left.into_iter().map(|(record, _)| record).collect()
    }

    /// How many records are there or in hand.
    pub(super) fn len(&self) -> usize {
        let row = self.row();
        row.records.len() + row.in_hand
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
            while gone.len() < PAGE && row.records.front().is_some_and(|(one, _)| one.time < time) {
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
        let (record, footprint) = self.records.pop_front()?;
        self.bytes = self.bytes.saturating_sub(footprint);
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
        (number..)
            .zip(records.map(|(record, _)| Arc::clone(record)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{large, record};
    use super::*;

    #[test]
    fn memory_is_bounded_as_well_as_number() {
        let ring = Ring::new(3, 500_000);
        for (number, dropped, crowded_out) in [(0, 0, 0), (1, 0, 0), (2, 1, 1), (3, 1, 1)] {
            let pushed = ring.push(Arc::new(large(number)));
            assert_eq!(
                (pushed.dropped.len(), pushed.crowded_out),
                (dropped, crowded_out)
            );
            assert!((200_000..=500_000).contains(&pushed.bytes));
        }
        assert_eq!((ring.len(), ring.next()), (2, 4));
        for number in 4..7 {
            ring.push(Arc::new(record(number, "S")));
        }
        // Large ones are gone: their bytes as well.
        assert_eq!((ring.len(), ring.take(9, usize::MAX).len()), (3, 3));
        assert_eq!(ring.row().bytes, 0);
        ring.settle(3);
        assert_eq!(ring.len(), 0);
        // One that is too large by itself is kept alone.
        let ring = Ring::new(3, 100_000);
        for number in 0..2 {
            ring.push(Arc::new(large(number)));
        }
        assert_eq!(ring.len(), 1);
    }

    #[test]
    fn what_is_put_back_is_the_oldest_again_as_far_as_there_is_room() {
        let times = |records: &[Arc<DecisionRecord>]| -> Vec<_> {
            records.iter().map(|record| record.time).collect()
        };
        let ring = Ring::new(4, 500_000);
        for number in 0..3 {
            ring.push(Arc::new(record(number, "S")));
        }
        let mut taken = ring.take(3, usize::MAX);
        taken.remove(0);
        ring.settle(1);
        assert_eq!(ring.len(), 2);
        for number in 3..6 {
            assert_eq!(ring.push(Arc::new(record(number, "S"))).dropped.len(), 0);
        }
        assert_eq!(ring.len(), 5);
        assert_eq!(times(&ring.put_back(taken)), [1]);
        assert_eq!(ring.len(), 4);
        let taken = ring.take(4, usize::MAX);
        assert_eq!(times(&taken), [2, 3, 4, 5]);
        // Memory is room as well.
        for number in 6..8 {
            ring.push(Arc::new(large(number)));
        }
        let bytes = ring.row().bytes;
        assert_eq!(times(&ring.put_back(taken)), [2, 3]);
        assert!(ring.row().bytes > bytes);
        let taken = ring.take(4, usize::MAX);
        assert_eq!(times(&taken), [4, 5, 6, 7]);
        assert_eq!(ring.row().bytes, 0);
        ring.push(Arc::new(large(8)));
        ring.push(Arc::new(large(9)));
        let taken: Vec<_> = taken.into_iter().skip(2).collect();
        assert_eq!(times(&ring.put_back(taken)), [6, 7]);
    }

    #[test]
    fn so_many_bytes_are_taken_at_once() {
        let ring = Ring::new(10, usize::MAX);
        for number in 0..5 {
            ring.push(Arc::new(large(number)));
        }
        let taken: Vec<_> = (0..4).map(|_| ring.take(500, 500_000).len()).collect();
        assert_eq!(taken, [2, 2, 1, 0]);
        ring.push(Arc::new(large(5)));
        assert_eq!(ring.take(500, 1).len(), 1);
    }
}
