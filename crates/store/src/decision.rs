//! Recent decisions: written in batches, found by what they are about, deleted by number and by age.
//!
//! A decision is never changed, and its id is its key: a batch that is written once more, because nobody knows whether
//! the first attempt went through, adds nothing.

use std::fmt;

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use crate::error::StoreError;
use crate::store::{Counter, Store, next_many, placeholders};
use crate::values::{Id, UnixMillis};

/// The most decisions of one batch.
pub const MAX_DECISION_BATCH: usize = 500;
/// The most decisions of one page: 1000, and one more that tells whether there is another page.
pub const MAX_DECISION_PAGE: u32 = 1001;
/// The most octets of a record, and of any text that it is looked up by.
pub const MAX_DECISION_BYTES: usize = 256 * 1024;

/// How many decisions one statement writes. Every connection keeps each statement prepared, so there are few of them: one for
/// every size of a batch would take tens of megabytes.
const PIECES: [usize; 5] = [MAX_DECISION_BATCH, 100, 20, 4, 1];
/// How many rows one statement deletes, so that it ends within the time that an operation may take.
const DELETED_AT_ONCE: i64 = 5000;

macro_rules! columns {
    () => {
        "id, position, decided_at, outcome, reason, service, operation, gateway, record"
    };
}

const ONE: &str = concat!("SELECT ", columns!(), " FROM decisions WHERE id = $1");
/// An empty text stands for any.
const NEWEST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM decisions WHERE (decided_at, id) < ($1, $2) AND decided_at >= $3 AND decided_at < $4 \
     AND ($5 = '' OR outcome = $5) AND ($6 = '' OR reason = $6) AND ($7 = '' OR service = $7) \
     AND ($8 = '' OR operation = $8) AND ($9 = '' OR gateway = $9) \
     ORDER BY decided_at DESC, id DESC LIMIT $10"
);
const AFTER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM decisions WHERE position > $1 ORDER BY position LIMIT $2"
);

/// A decision to keep. `Debug` leaves out the record: it may hold claims.
#[derive(Clone, PartialEq, Eq)]
pub struct NewDecision {
    /// Its id.
    pub id: Id,
    /// When it was made.
    pub decided_at: UnixMillis,
    /// What it is looked up by.
    pub about: DecisionAbout,
    /// All of it as JSON, at most [`MAX_DECISION_BYTES`].
    pub record: String,
}

/// What a decision is looked up by; an empty text where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DecisionAbout {
    /// `permit` or `deny`.
    pub outcome: String,
    /// The reason code.
    pub reason: String,
    /// The API service.
    pub service: String,
    /// The operation.
    pub operation: String,
    /// The gateway.
    pub gateway: String,
}

/// A decision that was kept. `Debug` leaves out the record: it may hold claims.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredDecision {
    /// The decision.
    pub decision: NewDecision,
    /// Higher than that of everything that was written before.
    pub position: i64,
}

/// Which decisions are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionFilter {
    /// Only those that are about this; an empty text stands for any.
    pub about: DecisionAbout,
    /// Only those made then or later.
    pub since: UnixMillis,
    /// Only those made earlier than that.
    pub until: UnixMillis,
}

impl Default for DecisionFilter {
    /// All of them.
    fn default() -> Self {
        Self {
            about: DecisionAbout::default(),
            since: UnixMillis(i64::MIN),
            until: UnixMillis(i64::MAX),
        }
    }
}

impl Store {
    /// Writes decisions, all or none, and returns how many were not there yet. Those that were use up positions, too.
    ///
    /// Fails with [`StoreError::TooMany`] above [`MAX_DECISION_BATCH`], and as [`StoreError::is_fault_of_content`] says
    /// where one of them cannot be stored.
    pub async fn record_decisions(&self, batch: &[NewDecision]) -> Result<u64, StoreError> {
        check(batch)?;
        let Some(count) = i64::try_from(batch.len()).ok().filter(|count| *count > 0) else {
            return Ok(0);
        };
        self.within(async {
            let mut transaction = self.begin().await?;
            let last = next_many(&mut transaction, Counter::Decision, count).await?;
            let mut positions = last - count + 1..;
            let mut written = 0;
            for piece in pieces(batch) {
                // Placeholders only, and as many of them as there are values.
                let mut insert = sqlx::query(AssertSqlSafe(format!(
                    "INSERT INTO decisions ({}) VALUES {} ON CONFLICT (id) DO NOTHING",
                    columns!(),
                    placeholders(piece.len(), 9)
                )));
                for (one, position) in piece.iter().zip(positions.by_ref()) {
                    insert = insert
                        .bind(one.id.as_str())
                        .bind(position)
                        .bind(one.decided_at.0)
                        .bind(one.about.outcome.as_str())
                        .bind(one.about.reason.as_str())
                        .bind(one.about.service.as_str())
                        .bind(one.about.operation.as_str())
                        .bind(one.about.gateway.as_str())
                        .bind(one.record.as_str());
                }
                written += insert.execute(&mut *transaction).await?.rows_affected();
            }
            transaction.commit().await?;
            Ok(written)
        })
        .await
    }

    /// The decision of that id.
    pub async fn decision(&self, id: &Id) -> Result<Option<StoredDecision>, StoreError> {
        self.within(async {
            let row = sqlx::query(ONE)
                .bind(id.as_str())
                .fetch_optional(self.pool())
                .await?;
            row.map(|row| read(&row)).transpose()
        })
        .await
    }

    /// A page of decisions, the newest first. `before` is time and id of the last one of the page before; `limit` is
    /// brought between 1 and [`MAX_DECISION_PAGE`].
    pub async fn decisions(
        &self,
        filter: &DecisionFilter,
        before: Option<(UnixMillis, &str)>,
        limit: u32,
    ) -> Result<Vec<StoredDecision>, StoreError> {
        let (time, id) = before.unwrap_or((UnixMillis(i64::MAX), ""));
        let about = &filter.about;
        self.within(async {
            let rows = sqlx::query(NEWEST)
                .bind(time.0)
                .bind(id)
                .bind(filter.since.0)
                .bind(filter.until.0)
                .bind(about.outcome.as_str())
                .bind(about.reason.as_str())
                .bind(about.service.as_str())
                .bind(about.operation.as_str())
                .bind(about.gateway.as_str())
                .bind(page(limit))
                .fetch_all(self.pool())
                .await?;
            rows.iter().map(read).collect()
        })
        .await
    }

    /// What was written after that position, in that order. Whoever goes on from the last one of them misses nothing.
    /// `limit` as above.
    pub async fn decisions_after(
        &self,
        position: i64,
        limit: u32,
    ) -> Result<Vec<StoredDecision>, StoreError> {
        self.within(async {
            let rows = sqlx::query(AFTER)
                .bind(position)
                .bind(page(limit))
                .fetch_all(self.pool())
                .await?;
            rows.iter().map(read).collect()
        })
        .await
    }

    /// The highest position that was ever taken, 0 before the first.
    pub async fn last_decision_position(&self) -> Result<i64, StoreError> {
        self.within(async {
            let position = sqlx::query_scalar("SELECT value FROM counters WHERE name = 'decision'")
                .fetch_one(self.pool())
                .await?;
            Ok(position)
        })
        .await
    }

    /// The lowest position that is there.
    pub async fn first_decision_position(&self) -> Result<Option<i64>, StoreError> {
        self.within(async {
            let position = sqlx::query_scalar("SELECT MIN(position) FROM decisions")
                .fetch_one(self.pool())
                .await?;
            Ok(position)
        })
        .await
    }

    /// Deletes what was made before `oldest`, and what was written before the last `kept`; returns how many that were.
    /// After it there are at most `kept`. A failure may leave some of them deleted.
    pub async fn prune_decisions(&self, kept: u32, oldest: UnixMillis) -> Result<u64, StoreError> {
        let by_age = "DELETE FROM decisions WHERE id IN \
                      (SELECT id FROM decisions WHERE decided_at < $1 ORDER BY decided_at LIMIT $2)";
        let by_number = "DELETE FROM decisions WHERE id IN \
                         (SELECT id FROM decisions WHERE position <= $1 ORDER BY position LIMIT $2)";
        let mut deleted = self.delete_decisions(by_age, oldest.0).await?;
        if let Some(position) = self.last_decision_beyond(kept).await? {
            deleted += self.delete_decisions(by_number, position).await?;
        }
        Ok(deleted)
    }

    /// The highest position that has `kept` rows above it. Rows are counted, in the index of positions, because a batch
    /// that is written once more uses up positions and adds no rows.
    async fn last_decision_beyond(&self, kept: u32) -> Result<Option<i64>, StoreError> {
        self.within(async {
            let position = sqlx::query_scalar(
                "SELECT position FROM decisions ORDER BY position DESC LIMIT 1 OFFSET $1",
            )
            .bind(i64::from(kept))
            .fetch_optional(self.pool())
            .await?;
            Ok(position)
        })
        .await
    }

    /// Runs a statement that deletes so many up to that bound, until there are none.
    async fn delete_decisions(
        &self,
        statement: &'static str,
        bound: i64,
    ) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let gone = self
                .within(async {
                    let mut transaction = self.begin().await?;
                    let done = sqlx::query(statement)
                        .bind(bound)
                        .bind(DELETED_AT_ONCE)
                        .execute(&mut *transaction)
                        .await?;
                    transaction.commit().await?;
                    Ok(done.rows_affected())
                })
                .await?;
            if gone == 0 {
                return Ok(deleted);
            }
            deleted += gone;
        }
    }
}

impl DecisionFilter {
    /// Whether a decision is wanted.
    #[must_use]
    pub fn matches(&self, decided_at: UnixMillis, about: &DecisionAbout) -> bool {
        let fits = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        let wanted = &self.about;
        (self.since..self.until).contains(&decided_at)
            && fits(&wanted.outcome, &about.outcome)
            && fits(&wanted.reason, &about.reason)
            && fits(&wanted.service, &about.service)
            && fits(&wanted.operation, &about.operation)
            && fits(&wanted.gateway, &about.gateway)
    }
}

impl fmt::Debug for NewDecision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NewDecision")
            .field("id", &self.id)
            .field("decided_at", &self.decided_at)
            .field("about", &self.about)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for StoredDecision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StoredDecision")
            .field("decision", &self.decision)
            .field("position", &self.position)
            .finish()
    }
}

fn page(limit: u32) -> i64 {
    limit.clamp(1, MAX_DECISION_PAGE).into()
}

/// The batch in pieces of the sizes that statements have, in order.
fn pieces(batch: &[NewDecision]) -> impl Iterator<Item = &[NewDecision]> {
    let mut left = batch;
    std::iter::from_fn(move || {
        let size = PIECES.into_iter().find(|size| *size <= left.len())?;
        let (piece, rest) = left.split_at_checked(size)?;
        left = rest;
        Some(piece)
    })
}

fn check(batch: &[NewDecision]) -> Result<(), StoreError> {
    if batch.len() > MAX_DECISION_BATCH {
        let (what, limit) = ("decisions in a batch", 500);
        return Err(StoreError::TooMany { what, limit });
    }
    for one in batch {
        let about = &one.about;
        let texts = [
            &one.record,
            &about.outcome,
            &about.reason,
            &about.service,
            &about.operation,
            &about.gateway,
        ];
        for text in texts {
            if text.len() > MAX_DECISION_BYTES {
                let (what, limit) = ("the record of a decision", MAX_DECISION_BYTES);
                let actual = text.len();
                return Err(StoreError::TooLarge {
                    what,
                    limit,
                    actual,
                });
            }
            if text.contains('\0') {
                return Err(StoreError::Refused(
                    "a decision holds a NUL character, which PostgreSQL cannot store; remove it",
                ));
            }
        }
    }
    Ok(())
}

fn read(row: &AnyRow) -> Result<StoredDecision, StoreError> {
    let id: String = row.try_get("id")?;
    Ok(StoredDecision {
        decision: NewDecision {
            id: id
                .try_into()
                .map_err(|_| StoreError::Corrupt { what: "decision" })?,
            decided_at: UnixMillis(row.try_get("decided_at")?),
            about: DecisionAbout {
                outcome: row.try_get("outcome")?,
                reason: row.try_get("reason")?,
                service: row.try_get("service")?,
                operation: row.try_get("operation")?,
                gateway: row.try_get("gateway")?,
            },
            record: row.try_get("record")?,
        },
        position: row.try_get("position")?,
    })
}
