//! Writes decisions into the database in the background, and deletes what is too old or too much.
//!
//! A batch that may not be written is written once more; that adds nothing (its key is the id). Only what is itself the
//! reason why the database does not take it is dropped. Whatever else fails, decisions wait in a bounded queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_store::{MAX_DECISION_BATCH, NewDecision, Store, StoreError, UnixMillis};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::Shared;
use super::record::DecisionRecord;

/// How long a decision waits at most before it is written.
const INTERVAL: Duration = Duration::from_secs(1);
/// Largest batch, in bytes of its records, unless one record alone is larger.
pub(super) const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// After how many batches something else has its turn.
const BATCHES_IN_A_ROW: usize = 40;
/// How often it is looked for what is too old, in intervals.
const INTERVALS_BETWEEN_CLEANING: u32 = 60;

/// Writes until it is told to finish.
#[derive(Debug)]
pub struct DecisionWriter(Option<(oneshot::Sender<()>, JoinHandle<()>, Arc<Shared>)>);

impl DecisionWriter {
    pub(super) fn start(shared: Option<Arc<Shared>>) -> Self {
        let Some(shared) = shared else {
            return Self(None);
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(run(Arc::clone(&shared), stopped));
        Self(Some((stop, task, shared)))
    }

    /// Writes what is left, for as long as that may take. What is not known to be written then is lost: counted, and
    /// told in the log.
    pub async fn finish(self, patience: Duration) {
        let Some((stop, mut task, shared)) = self.0 else {
            return;
        };
        // The task waits for this; it is gone only where it broke off.
        let _ = stop.send(());
        let ended = if let Ok(ended) = timeout(patience, &mut task).await {
            ended
        } else {
            task.abort();
            task.await
        };
        let Err(error) = ended else { return };
        // Without a database nothing was to be written.
        let waiting = shared.store.as_ref().map_or(0, |_| shared.ring.len());
        shared.metrics.decision_dropped(waiting as u64);
        if error.is_panic() {
            tracing::error!(
                waiting,
                "writing decisions broke off, by a fault of this program; those that waited are lost"
            );
        } else {
            tracing::error!(
                waiting,
                "the database did not take the last decisions in time; they are lost"
            );
        }
    }
}

async fn run(shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let mut queue = Queue {
        shared: &shared,
        records: VecDeque::new(),
        stored: VecDeque::new(),
        failing: false,
    };
    let mut intervals = 0;
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let stopping = tokio::select! {
            _ = ticks.tick() => { intervals += 1; false }
            // While it fails, however many wait, it is tried again once in an interval.
            () = shared.wake.notified(), if !queue.failing => false,
            _ = &mut stopped => true,
        };
        if let Some(store) = &shared.store {
            if stopping {
                while !queue.write(store).await {
                    if queue.failing {
                        sleep(INTERVAL).await;
                    }
                }
                return;
            }
            queue.write(store).await;
        } else if stopping {
            return;
        }
        if intervals >= INTERVALS_BETWEEN_CLEANING {
            intervals = 0;
            clean(&shared).await;
        }
    }
}

/// What is on its way to the database.
struct Queue<'a> {
    shared: &'a Shared,
    /// Taken from the row, and not known to be written.
    records: VecDeque<Arc<DecisionRecord>>,
    /// The same in the same order, as they are stored.
    stored: VecDeque<NewDecision>,
    failing: bool,
}

impl Queue<'_> {
    /// Writes what waits, a number of batches at most; says whether it is all written.
    async fn write(&mut self, store: &Store) -> bool {
        for _ in 0..BATCHES_IN_A_ROW {
            if self.stored.is_empty() {
                self.take();
            }
            self.tell_waiting();
            if self.stored.is_empty() {
                return true;
            }
            if !self.write_batch(store).await {
                self.put_back();
                return false;
            }
        }
        false
    }

    fn take(&mut self) {
        for record in self.shared.ring.take(MAX_DECISION_BATCH, MAX_BATCH_BYTES) {
            match record.to_stored() {
                Ok(stored) => {
                    self.stored.push_back(stored);
                    self.records.push_back(record);
                }
                Err(error) => {
                    self.shared.ring.settle(1);
                    self.drop_one(&error.to_string());
                }
            }
        }
    }

    /// Has what is in hand wait with the others: it is the oldest, and must go first where too many wait. Else a record
    /// that fails for ever would hold up all that come after it.
    fn put_back(&mut self) {
        self.stored.clear();
        let records = std::mem::take(&mut self.records).into();
        let dropped = self.shared.ring.put_back(records);
        self.shared.driven_out(dropped.len());
        self.tell_waiting();
    }

    fn tell_waiting(&self) {
        let waiting = self.shared.ring.len();
        self.shared.metrics.decisions_waiting(waiting);
    }

    /// Writes a batch; says whether all of it went through, or never will.
    async fn write_batch(&mut self, store: &Store) -> bool {
        let mut bytes = 0;
        let count = self
            .stored
            .iter()
            .take_while(|one| {
                bytes += one.record.len();
                bytes <= MAX_BATCH_BYTES
            })
            .count()
            .max(1)
            .min(self.stored.len());
        let stored = self.stored.make_contiguous();
        let batch = stored.get(..count).unwrap_or_default();
        match store.record_decisions(batch).await {
            Ok(_) => {
                self.written(count);
                true
            }
            Err(error @ StoreError::Unavailable(_)) => {
                self.fails(&error);
                false
            }
            Err(_) => self.write_each(store, count).await,
        }
    }

    /// Writes the first of them one by one, and drops those that are themselves the reason why they are not taken. Ends
    /// with the first that fails for another reason.
    async fn write_each(&mut self, store: &Store, count: usize) -> bool {
        for _ in 0..count {
            let Some(one) = self.stored.front() else {
                break;
            };
            match store.record_decisions(std::slice::from_ref(one)).await {
                Ok(_) => self.written(1),
                Err(error) if error.is_fault_of_content() => {
                    self.settle(1);
                    self.drop_one(&error.to_string());
                }
                Err(error) => {
                    self.fails(&error);
                    return false;
                }
            }
        }
        true
    }

    fn written(&mut self, count: usize) {
        self.settle(count);
        self.shared.metrics.decisions_written(count as u64);
        self.shared.overflowing.store(false, Ordering::Relaxed);
        if std::mem::take(&mut self.failing) {
            tracing::info!("decisions are written to the database again");
        }
    }

    fn fails(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "decisions cannot be written to the database; they wait");
        }
    }

    /// The first of those in hand are done with.
    fn settle(&mut self, count: usize) {
        self.stored.drain(..count);
        self.records.drain(..count);
        self.shared.ring.settle(count);
    }

    fn drop_one(&self, error: &str) {
        tracing::error!(error, "a decision cannot be stored and is dropped");
        self.shared.metrics.decision_dropped(1);
    }
}

async fn clean(shared: &Shared) {
    let oldest = shared.oldest();
    let Some(store) = &shared.store else {
        shared.ring.forget_before(oldest);
        return;
    };
    let kept = shared.settings.kept;
    match store.prune_decisions(kept, UnixMillis(oldest)).await {
        Ok(0) => {}
        Ok(count) => tracing::debug!(count, "old decisions were deleted"),
        Err(error) => tracing::warn!(%error, "old decisions could not be deleted"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{kept_in_database, kept_in_file, kept_with, large, record};
    use super::super::{DecisionSettings, MAX_WAITING, MAX_WAITING_BYTES, MIN_KEPT_BYTES};
    use super::*;
    use portcullis_store::DecisionFilter;

    async fn written(store: &Store) -> Vec<i64> {
        let (mut all, mut last) = (Vec::new(), 0);
        loop {
            let page = store.decisions_after(last, 1000).await.unwrap();
            let Some(end) = page.last() else { return all };
            last = end.position;
            all.extend(page.iter().map(|one| one.decision.decided_at.0));
        }
    }

    #[tokio::test]
    async fn the_oldest_are_dropped_where_too_many_wait_and_the_others_are_written_at_the_end() {
        let (decisions, shared, store) = kept_in_database().await;
        let all = i64::try_from(MAX_WAITING).unwrap() + 7;
        for number in 0..all {
            shared.record(record(number, "S"));
        }
        let dropped = "portcullis_decision_records_total{result=\"dropped\"} 7\n";
        let metrics = shared.metrics.text();
        assert!(metrics.contains(dropped), "{metrics}");
        decisions.start().finish(Duration::from_mins(1)).await;
        assert_eq!(written(&store).await, (7..all).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn large_ones_are_dropped_where_they_take_too_much_memory_and_counted() {
        let dropped = |shared: &Shared, count: usize| {
            let line = format!("portcullis_decision_records_total{{result=\"dropped\"}} {count}\n");
            let metrics = shared.metrics.text();
            assert!(metrics.contains(&line), "{metrics}");
        };
        let (decisions, in_database, store) = kept_in_database().await;
        for number in 0..340 {
            in_database.record(large(number));
        }
        let fit = MAX_WAITING_BYTES / large(0).footprint();
        assert!((300..340).contains(&fit));
        dropped(&in_database, 340 - fit);
        decisions.start().finish(Duration::from_mins(1)).await;
        let first = 340 - i64::try_from(fit).unwrap();
        assert_eq!(written(&store).await, (first..340).collect::<Vec<_>>());

        // 100 that may be kept are given 16 MiB, which are fewer of these.
        let settings = DecisionSettings {
            kept: 100,
            retention: Duration::MAX,
            inputs: None,
        };
        let (_, in_memory) = kept_with(settings, None);
        for number in 0..90 {
            in_memory.record(large(number));
        }
        let fit = MIN_KEPT_BYTES / large(0).footprint();
        assert!((70..90).contains(&fit));
        assert_eq!(in_memory.ring.len(), fit);
        dropped(&in_memory, 90 - fit);
    }

    #[tokio::test]
    async fn one_that_the_database_refuses_takes_no_other_with_it() {
        let (decisions, shared, store) = kept_in_database().await;
        for (number, service) in (0..).zip(["a", "b\0", "c"]) {
            shared.record(record(number, service));
        }
        decisions.start().finish(Duration::from_mins(1)).await;
        assert_eq!(written(&store).await, [0, 2]);
        let metrics = shared.metrics.text();
        assert!(metrics.contains("{result=\"dropped\"} 1\n"), "{metrics}");
        assert!(metrics.contains("{result=\"written\"} 2\n"), "{metrics}");
    }

    #[tokio::test]
    async fn a_database_that_does_not_come_back_holds_the_end_up_for_so_long_only() {
        let (decisions, shared, store) = kept_in_database().await;
        store.close().await;
        shared.record(record(1, "S"));
        decisions.start().finish(Duration::from_millis(50)).await;
        let found = store.decisions(&DecisionFilter::default(), None, 1).await;
        assert!(matches!(found, Err(StoreError::Unavailable(_))));
    }

    async fn until(what: &str, is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = timeout(Duration::from_mins(1), waiting).await;
        waited.unwrap_or_else(|_| panic!("{what}"));
    }

    fn counted(shared: &Shared, line: &str) -> bool {
        let metrics = shared.metrics.text();
        metrics.lines().any(|one| one.ends_with(line))
    }

    #[tokio::test]
    async fn what_is_no_fault_of_the_records_has_them_wait() {
        let (decisions, shared, store, mut file) = kept_in_file().await;
        file.run("ALTER TABLE decisions RENAME TO elsewhere").await;
        let writer = decisions.start();
        for number in 0..3 {
            shared.record(record(number, "S"));
        }
        until("it was tried", || counted(&shared, "records_waiting 3")).await;
        sleep(2 * INTERVAL).await;
        assert!(!shared.metrics.text().contains("dropped"));
        file.run("ALTER TABLE elsewhere RENAME TO decisions").await;
        writer.finish(Duration::from_mins(1)).await;
        assert_eq!(written(&store).await, [0, 1, 2]);
    }

    /// Made up: what it takes is an error that is no word on the record itself, and comes with this one only.
    #[tokio::test]
    async fn one_that_fails_for_ever_holds_the_others_up_within_the_bound_only() {
        let (decisions, shared, store, mut file) = kept_in_file().await;
        file.run(
            "CREATE TRIGGER odd BEFORE INSERT ON decisions WHEN NEW.service = 'odd' \
             BEGIN SELECT json('{'); END",
        )
        .await;
        let writer = decisions.start();
        for (number, service) in (0..).zip(["S", "odd", "S"]) {
            shared.record(record(number, service));
        }
        until("the first is written", || {
            counted(&shared, "{result=\"written\"} 1")
        })
        .await;
        until("the others wait", || counted(&shared, "records_waiting 2")).await;
        let end = i64::try_from(MAX_WAITING).unwrap() + 3;
        for number in 3..end {
            shared.record(record(number, "S"));
        }
        writer.finish(Duration::from_mins(1)).await;
        assert!(counted(&shared, "{result=\"dropped\"} 2"));
        let expected: Vec<_> = std::iter::once(0).chain(3..end).collect();
        assert_eq!(written(&store).await, expected);
    }

    #[tokio::test]
    async fn what_is_lost_at_the_end_is_counted() {
        let (decisions, shared, _store, mut file) = kept_in_file().await;
        file.run("BEGIN EXCLUSIVE").await;
        let writer = decisions.start();
        shared.record(record(1, "S"));
        until("one is in hand", || counted(&shared, "records_waiting 1")).await;
        shared.record(record(2, "S"));
        writer.finish(Duration::from_millis(50)).await;
        assert!(counted(&shared, "{result=\"dropped\"} 2"));
    }

    #[tokio::test]
    async fn a_writer_that_broke_off_does_not_end_in_silence() {
        let (_, shared, _store) = kept_in_database().await;
        shared.record(record(1, "S"));
        let (stop, _stopped) = oneshot::channel();
        let task = tokio::spawn(async { panic!("it breaks off") });
        let writer = DecisionWriter(Some((stop, task, Arc::clone(&shared))));
        writer.finish(Duration::from_mins(1)).await;
        assert!(counted(&shared, "{result=\"dropped\"} 1"));
    }
}
