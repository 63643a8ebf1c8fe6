//! Where decisions are read from: this process, or the database that all replicas share.

use std::sync::Arc;

use portcullis_store::{DecisionFilter, Id, Store, StoreError, UnixMillis};

use super::query::wrong;
use super::record::DecisionRecord;
use super::{Decisions, Shared};
use crate::error::ApiError;

/// Some decisions, the newest first.
pub(super) struct Page {
    /// Each a line of JSON.
    pub(super) lines: Vec<String>,
    /// Where the next page begins; `None` where there is none.
    pub(super) next: Option<String>,
}

/// What comes after a place in the order of arrival.
pub(super) struct Following {
    /// Ids and lines of those that are wanted, the oldest first.
    pub(super) events: Vec<(String, String)>,
    /// Where to go on.
    pub(super) place: Place,
    /// How many were gone already; of a database, at most.
    pub(super) missed: u64,
    /// Whether there may be more at once.
    pub(super) more: bool,
}

/// A place in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the record of that number in memory.
    Memory(u64),
    /// After that position of the database.
    Database(i64),
}

/// Most decisions that are asked of a database at once: a record has up to 256 KiB.
const CHUNK: u32 = 64;
/// Largest page, in bytes of its records, unless one record alone is larger. Ends before the record with which it
/// would be larger.
pub(super) const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;

impl Decisions {
    /// What they are read from. Fails where none are kept.
    pub(super) fn shared(&self) -> Result<&Arc<Shared>, ApiError> {
        self.0.as_ref().ok_or_else(ApiError::not_kept)
    }
}

impl Shared {
    /// A page of what is wanted, from that cursor on.
    pub(super) async fn page(
        &self,
        filter: &DecisionFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page, ApiError> {
        let filter = self.within_retention(filter);
        let bad_cursor = || wrong("cursor", "the one of _links.next");
        let Some(store) = &self.store else {
            let from = match cursor {
                None => u64::MAX,
                Some(text) => text.parse().map_err(|_| bad_cursor())?,
            };
            return Ok(self.page_of_memory(&filter, from, limit).await);
        };
        let before = match cursor {
            None => None,
            Some(text) => {
                let (time, id) = text.split_once('.').ok_or_else(bad_cursor)?;
                let time = time.parse().map_err(|_| bad_cursor())?;
                Some((UnixMillis(time), id))
            }
        };
        self.page_of_database(store, &filter, before, limit).await
    }

    async fn page_of_database(
        &self,
        store: &Store,
        filter: &DecisionFilter,
        before: Option<(UnixMillis, &str)>,
        limit: u32,
    ) -> Result<Page, ApiError> {
        let mut page = Bounded::new(limit);
        let mut last = before.map(|(time, id)| (time, id.to_owned()));
        loop {
            // One more than there is room for, to see whether there is another page.
            let wanted = page.room().saturating_add(1).min(CHUNK);
            let from = last.as_ref().map(|(time, id)| (*time, id.as_str()));
            let found = store.decisions(filter, from, wanted).await;
            let found = found.map_err(|error| away(&error))?;
            let is_end = found.len() < wanted as usize;
            for one in found {
                let one = one.decision;
                if !page.push(one.record) {
                    let next = last.map(|(time, id)| format!("{}.{id}", time.0));
                    return Ok(page.with_next(next));
                }
                last = Some((one.decided_at, one.id.to_string()));
            }
            if is_end {
                return Ok(page.with_next(None));
            }
        }
    }

    async fn page_of_memory(&self, filter: &DecisionFilter, from: u64, limit: u32) -> Page {
        let mut page = Bounded::new(limit);
        let (mut from, mut last) = (from, None);
        loop {
            let records = self.ring.before(from);
            let Some((end, _)) = records.last() else {
                return page.with_next(None);
            };
            from = *end;
            let matching = records
                .into_iter()
                .filter(|(_, record)| wanted(filter, record));
            for (number, record) in matching {
                if page.room() == 0 || !page.push(record.to_json()) {
                    return page.with_next(last.map(|last: u64| last.to_string()));
                }
                last = Some(number);
            }
            // Whoever decides must not wait for whoever searches.
            tokio::task::yield_now().await;
        }
    }

    /// The decision of that id.
    pub(super) async fn one(&self, id: &str) -> Result<Option<String>, ApiError> {
        let oldest = self.oldest();
        let Some(store) = &self.store else {
            let found = self
                .find(id)
                .await
                .filter(|(_, record)| record.time >= oldest);
            return Ok(found.map(|(_, record)| record.to_json()));
        };
        let Ok(id) = Id::try_from(id.to_owned()) else {
            return Ok(None);
        };
        let found = store.decision(&id).await.map_err(|error| away(&error))?;
        Ok(found
            .map(|one| one.decision)
            .filter(|one| one.decided_at.0 >= oldest)
            .map(|one| one.record))
    }

    async fn find(&self, id: &str) -> Option<(u64, Arc<DecisionRecord>)> {
        let mut from = u64::MAX;
        loop {
            let records = self.ring.before(from);
            from = records.last()?.0;
            if let Some(found) = records.into_iter().find(|(_, record)| record.id == id) {
                return Some(found);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Where a stream begins: at the end.
    pub(super) async fn end(&self) -> Result<Place, ApiError> {
        match &self.store {
            None => Ok(Place::Memory(self.ring.next())),
            Some(store) => {
                let last = store.last_decision_position().await;
                last.map(Place::Database).map_err(|error| away(&error))
            }
        }
    }

    /// Where a stream goes on that ended with the decision of that id; `None` where it is gone, or older than the
    /// retention: what came after it may be gone.
    pub(super) async fn place_after(&self, id: &str) -> Result<Option<Place>, ApiError> {
        let oldest = self.oldest();
        let Some(store) = &self.store else {
            let found = self.find(id).await;
            let found = found.filter(|(_, record)| record.time >= oldest);
            return Ok(found.map(|(number, _)| Place::Memory(number.saturating_add(1))));
        };
        let Ok(id) = Id::try_from(id.to_owned()) else {
            return Ok(None);
        };
        let found = store.decision(&id).await.map_err(|error| away(&error))?;
        Ok(found
            .filter(|one| one.decision.decided_at.0 >= oldest)
            .map(|one| Place::Database(one.position)))
    }

    /// What has come since. A failure is not logged: a stream asks again and again.
    pub(super) async fn following(
        &self,
        filter: &DecisionFilter,
        place: Place,
    ) -> Result<Following, ApiError> {
        let filter = &self.within_retention(filter);
        match (place, &self.store) {
            (Place::Database(position), Some(store)) => {
                let found = store.decisions_after(position, CHUNK).await;
                let found = found.map_err(|_| ApiError::storage_unavailable())?;
                let last = found.last().map_or(position, |one| one.position);
                let more = found.len() >= CHUNK as usize;
                let missed = match found.first() {
                    Some(first) if first.position > position.saturating_add(1) => {
                        let oldest = store.first_decision_position().await;
                        let oldest = oldest
                            .map_err(|_| ApiError::storage_unavailable())?
                            .unwrap_or_default();
                        // Nothing from before the gap is there: it was deleted, but for numbers that went unused.
                        let gap = oldest.saturating_sub(position.saturating_add(1));
                        u64::try_from(gap).unwrap_or(0)
                    }
                    _ => 0,
                };
                let matching = found
                    .into_iter()
                    .map(|one| one.decision)
                    .filter(|one| filter.matches(one.decided_at, &one.about));
                Ok(Following {
                    events: matching
                        .map(|one| (one.id.to_string(), one.record))
                        .collect(),
                    place: Place::Database(last),
                    missed,
                    more,
                })
            }
            (Place::Memory(next), _) => {
                let (found, missed) = self.ring.from(next);
                let more = !found.is_empty();
                let (mut place, mut bytes, mut events) = (next, 0, Vec::new());
                for (number, record) in found {
                    if bytes >= MAX_PAGE_BYTES {
                        break;
                    }
                    place = number.saturating_add(1);
                    if wanted(filter, &record) {
                        let line = record.to_json();
                        bytes += line.len();
                        events.push((record.id.clone(), line));
                    }
                }
                Ok(Following {
                    events,
                    place: Place::Memory(place),
                    missed,
                    more,
                })
            }
            // INVARIANT: the place of a stream is one of where decisions are kept, which does not change.
            (Place::Database(_), None) => Err(ApiError::storage_unavailable()),
        }
    }

    fn within_retention(&self, filter: &DecisionFilter) -> DecisionFilter {
        let oldest = UnixMillis(self.oldest());
        DecisionFilter {
            since: filter.since.max(oldest),
            ..filter.clone()
        }
    }
}

/// A page that is filled until it has enough.
struct Bounded {
    lines: Vec<String>,
    bytes: usize,
    limit: usize,
}

impl Bounded {
    fn new(limit: u32) -> Self {
        Self {
            lines: Vec::new(),
            bytes: 0,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        }
    }

    /// How many records still fit by number.
    fn room(&self) -> u32 {
        let room = self.limit.saturating_sub(self.lines.len());
        u32::try_from(room).unwrap_or(u32::MAX)
    }

    /// Takes a record, or says that it does not fit. The first one fits in any case.
    fn push(&mut self, line: String) -> bool {
        let bytes = self.bytes.saturating_add(line.len());
        if self.room() == 0 || (bytes > MAX_PAGE_BYTES && !self.lines.is_empty()) {
            return false;
        }
        self.bytes = bytes;
        self.lines.push(line);
        true
    }

    fn with_next(self, next: Option<String>) -> Page {
        Page {
            lines: self.lines,
            next,
        }
    }
}

fn wanted(filter: &DecisionFilter, record: &DecisionRecord) -> bool {
    let fits = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
    let about = &filter.about;
    (filter.since..filter.until).contains(&record.decided_at())
        && fits(&about.outcome, record.outcome)
        && fits(&about.reason, record.reason.as_str())
        && fits(
            &about.service,
            record.trace.service.as_deref().unwrap_or_default(),
        )
        && fits(
            &about.operation,
            record.trace.operation.as_deref().unwrap_or_default(),
        )
        && fits(
            &about.gateway,
            record.gateway.as_deref().unwrap_or_default(),
        )
}

fn away(error: &StoreError) -> ApiError {
    tracing::warn!(%error, "the database gave no decisions");
    ApiError::storage_unavailable()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{kept, kept_in_database, large};
    use super::*;

    #[tokio::test]
    async fn pages_and_streams_of_large_records_are_bounded_and_go_on() {
        let (decisions, in_database, _store) = kept_in_database().await;
        let (_, in_memory) = kept(None);
        for shared in [&in_database, &in_memory] {
            for number in 0..60 {
                shared.record(large(number));
            }
        }
        decisions
            .start()
            .finish(std::time::Duration::from_mins(1))
            .await;
        let filter = DecisionFilter::default();
        for shared in [&in_database, &in_memory] {
            let mut sizes = Vec::new();
            let mut cursor: Option<String> = None;
            loop {
                let page = shared.page(&filter, cursor.as_deref(), 1000).await.unwrap();
                let bytes: usize = page.lines.iter().map(String::len).sum();
                assert!(bytes <= MAX_PAGE_BYTES, "{bytes}");
                sizes.push(page.lines.len());
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(sizes, [41, 19]);
        }
        let (mut place, mut sizes) = (Place::Memory(0), Vec::new());
        for _ in 0..2 {
            let following = in_memory.following(&filter, place).await.unwrap();
            sizes.push(following.events.len());
            place = following.place;
        }
        assert_eq!(sizes, [42, 18]);
    }
}
