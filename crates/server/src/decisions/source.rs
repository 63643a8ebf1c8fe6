//! Where decisions are read from: this process, or the database that all replicas share.

use std::sync::Arc;

use portcullis_store::{DecisionFilter, Id, StoreError, UnixMillis};

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

/// Most decisions that a stream takes at once.
const FOLLOWING: u32 = 500;

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
        // One more, to see whether there is another page.
        let found = store
            .decisions(&filter, before, limit.saturating_add(1))
            .await;
        let mut found = found.map_err(|error| away(&error))?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more).map(|one| &one.decision);
        let next = last.map(|last| format!("{}.{}", last.decided_at.0, last.id));
        Ok(Page {
            lines: found.into_iter().map(|one| one.decision.record).collect(),
            next,
        })
    }

    async fn page_of_memory(&self, filter: &DecisionFilter, from: u64, limit: u32) -> Page {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found: Vec<(u64, Arc<DecisionRecord>)> = Vec::new();
        let mut from = from;
        loop {
            let records = self.ring.before(from);
            let Some((last, _)) = records.last() else {
                break;
            };
            from = *last;
            let matching = |record: &DecisionRecord| wanted(filter, record);
            found.extend(records.into_iter().filter(|(_, record)| matching(record)));
            if found.len() > limit {
                break;
            }
            // Whoever decides must not wait for whoever searches.
            tokio::task::yield_now().await;
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more);
        Page {
            next: next.map(|(number, _)| number.to_string()),
            lines: found.iter().map(|(_, record)| record.to_json()).collect(),
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
                let found = store.decisions_after(position, FOLLOWING).await;
                let found = found.map_err(|_| ApiError::storage_unavailable())?;
                let last = found.last().map_or(position, |one| one.position);
                let more = found.len() >= FOLLOWING as usize;
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
                let place = found
                    .last()
                    .map_or(next, |(number, _)| number.saturating_add(1));
                let more = !found.is_empty();
                let matching = found
                    .into_iter()
                    .filter(|(_, record)| wanted(filter, record));
                Ok(Following {
                    events: matching
                        .map(|(_, record)| (record.id.clone(), record.to_json()))
                        .collect(),
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
