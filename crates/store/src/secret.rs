//! What credentials of gateways and tokens of administrators have in common: whether they are good, and when they
//! were last used.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::AssertSqlSafe;

use crate::error::StoreError;
use crate::store::{Counter, Store, next, placeholders};
use crate::values::{Id, UnixMillis};

/// The most entries of one batch of uses.
pub const MAX_USES: usize = 10_000;

/// Rows in one statement.
const ROWS_AT_ONCE: usize = 1000;

/// Whether a secret is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is good.
    Live,
    /// Its time is over.
    Expired,
    /// Somebody has taken it back; this also stands where its time is over as well.
    Revoked,
}

impl Standing {
    /// At `now`; a secret is no longer good in the millisecond in which it expires.
    pub(crate) fn at(
        now: UnixMillis,
        expires_at: Option<UnixMillis>,
        revoked_at: Option<UnixMillis>,
    ) -> Self {
        if revoked_at.is_some() {
            Self::Revoked
        } else if expires_at.is_some_and(|at| at <= now) {
            Self::Expired
        } else {
            Self::Live
        }
    }
}

/// Moves `last_used_at` forward in a table, in one transaction. Unknown ids are passed over.
pub(crate) async fn touch(
    store: &Store,
    table: &'static str,
    counter: Counter,
    uses: &[(Id, UnixMillis)],
) -> Result<(), StoreError> {
    if uses.len() > MAX_USES {
        return Err(StoreError::Refused(
            "at most 10000 uses can be stored at once; give them in several batches",
        ));
    }
    let mut latest: BTreeMap<&Id, UnixMillis> = BTreeMap::new();
    for (id, at) in uses {
        let entry = latest.entry(id).or_insert(*at);
        *entry = (*entry).max(*at);
    }
    let rows: Vec<_> = latest.into_iter().collect();
    if rows.is_empty() {
        return Ok(());
    }
    store
        .within(async {
            let mut transaction = store.begin().await?;
            // One batch after the other: two that lock rows in different orders would block each other.
            next(&mut transaction, counter).await?;
            for chunk in rows.chunks(ROWS_AT_ONCE) {
                let statement = format!(
                    "WITH used (id, at) AS (VALUES {}) UPDATE {table} SET last_used_at = used.at FROM used \
                     WHERE {table}.id = used.id AND ({table}.last_used_at IS NULL OR {table}.last_used_at < used.at)",
                    placeholders(chunk.len(), 2)
                );
                let mut query = sqlx::query(AssertSqlSafe(statement)).persistent(false);
                for (id, at) in chunk {
                    query = query.bind(id.as_str()).bind(at.0);
                }
                query.execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(())
        })
        .await
}

/// Sets `revoked_at` once; a later revocation changes nothing.
pub(crate) async fn revoke(
    store: &Store,
    statement: &'static str,
    what: &'static str,
    counter: Counter,
    id: &Id,
    now: UnixMillis,
) -> Result<(), StoreError> {
    store
        .within(async {
            let mut transaction = store.begin().await?;
            next(&mut transaction, counter).await?;
            let updated = sqlx::query(statement)
                .bind(id.as_str())
                .bind(now.0)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            if updated.rows_affected() == 0 {
                return Err(StoreError::NotFound { what });
            }
            Ok(())
        })
        .await
}
