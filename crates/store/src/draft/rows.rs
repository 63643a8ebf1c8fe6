//! Drafts as rows of a table: the statements that read and write them, and what a body may be.

use std::collections::HashSet;

use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::{
    Draft, DraftKind, MAX_BODY_BYTES, MAX_BODY_DEPTH, MAX_DRAFTS, MAX_DRAFTS_BYTES, NewDraft,
};
use crate::error::{StoreError, taken};
use crate::store::{page, placeholders};
use crate::values::{Id, UnixMillis};

/// Rows in one INSERT. SQLite takes at most 32,766 parameters.
pub(crate) const ROWS_AT_ONCE: usize = 500;
const COLUMNS: usize = 9;

/// Every draft, by position.
pub(crate) async fn read_all(connection: &mut AnyConnection) -> Result<Vec<Draft>, StoreError> {
    let mut drafts = Vec::new();
    let mut size = 0;
    let mut after = 0_i64;
    loop {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM drafts WHERE position > $1 ORDER BY position LIMIT $2"
        ))
        .bind(after)
        .bind(page(u32::MAX))
        .fetch_all(&mut *connection)
        .await?;
        if rows.is_empty() {
            return Ok(drafts);
        }
        for row in &rows {
            size += row.try_get::<String, _>("body")?.len();
            check_total(size)?;
            let draft = read(row)?;
            after = draft.position;
            drafts.push(draft);
        }
    }
}

/// Checks a whole import and returns the bodies as JSON.
pub(super) fn check_all(new: &[NewDraft]) -> Result<Vec<String>, StoreError> {
    if new.len() > MAX_DRAFTS as usize {
        return Err(StoreError::TooMany {
            what: "drafts",
            limit: MAX_DRAFTS,
        });
    }
    let mut bodies = Vec::with_capacity(new.len());
    let mut before = HashSet::with_capacity(new.len());
    let mut size = 0;
    for draft in new {
        let parent_is_missing = |parent| !before.contains(parent);
        if draft.parent.as_ref().is_some_and(parent_is_missing) {
            return Err(StoreError::NotFound {
                what: "parent before its child",
            });
        }
        before.insert(&draft.id);
        let body = json(&draft.body)?;
        size += body.len();
        check_total(size)?;
        bodies.push(body);
    }
    Ok(bodies)
}

fn check_total(actual: usize) -> Result<(), StoreError> {
    if actual > MAX_DRAFTS_BYTES {
        let what = "all drafts together";
        return Err(StoreError::TooLarge {
            what,
            limit: MAX_DRAFTS_BYTES,
            actual,
        });
    }
    Ok(())
}

/// The body as text, within its bounds: what is deeper could not be read back.
pub(crate) fn json(body: &Value) -> Result<String, StoreError> {
    if !is_shallow(body, MAX_BODY_DEPTH) {
        return Err(StoreError::Refused(
            "the body of a draft may have at most 64 arrays and objects inside one another; make it flatter",
        ));
    }
    let text = body.to_string();
    if text.len() > MAX_BODY_BYTES {
        let what = "the body of a draft";
        return Err(StoreError::TooLarge {
            what,
            limit: MAX_BODY_BYTES,
            actual: text.len(),
        });
    }
    Ok(text)
}

fn is_shallow(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if depth == 0 => false,
        Value::Array(items) => items.iter().all(|item| is_shallow(item, depth - 1)),
        Value::Object(members) => members.values().all(|item| is_shallow(item, depth - 1)),
        _ => true,
    }
}

/// Deletes a draft with all that is under it.
pub(crate) async fn remove(connection: &mut AnyConnection, id: &Id) -> Result<(), StoreError> {
    sqlx::query(
        "WITH RECURSIVE doomed (id) AS (SELECT id FROM drafts WHERE id = $1 \
         UNION SELECT drafts.id FROM drafts JOIN doomed ON drafts.parent = doomed.id) \
         DELETE FROM drafts WHERE id IN (SELECT id FROM doomed)",
    )
    .bind(id.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

/// How many drafts there are, in all and of a kind.
pub(super) async fn count(
    connection: &mut AnyConnection,
    kind: DraftKind,
) -> Result<(i64, i64), StoreError> {
    let counts =
        sqlx::query_as("SELECT COUNT(*), COUNT(CASE WHEN kind = $1 THEN 1 END) FROM drafts")
            .bind(kind.as_str())
            .fetch_one(connection)
            .await?;
    Ok(counts)
}

pub(super) async fn version(
    connection: &mut AnyConnection,
    id: &Id,
) -> Result<Option<i64>, StoreError> {
    let version = sqlx::query_scalar("SELECT version FROM drafts WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(version)
}

pub(crate) async fn expect(
    connection: &mut AnyConnection,
    id: &Id,
    expected: i64,
) -> Result<(), StoreError> {
    match version(connection, id).await? {
        None => Err(StoreError::NotFound { what: "draft" }),
        Some(current) if current != expected => Err(StoreError::Conflict { current }),
        Some(_) => Ok(()),
    }
}

pub(crate) async fn insert(
    connection: &mut AnyConnection,
    rows: &[(&Draft, String)],
) -> Result<(), StoreError> {
    let statement = format!(
        "INSERT INTO drafts ({}) VALUES {}",
        columns!(),
        placeholders(rows.len(), COLUMNS)
    );
    let mut query = sqlx::query(AssertSqlSafe(statement)).persistent(false);
    for (draft, body) in rows {
        query = query
            .bind(draft.id.as_str())
            .bind(draft.kind.as_str())
            .bind(draft.parent.as_ref().map_or("", Id::as_str))
            .bind(draft.name.as_str())
            .bind(body.as_str())
            .bind(draft.version)
            .bind(draft.position)
            .bind(draft.created_at.0)
            .bind(draft.updated_at.0);
    }
    query
        .execute(connection)
        .await
        .map_err(taken("draft of that id or name"))?;
    Ok(())
}

pub(crate) fn read(row: &AnyRow) -> Result<Draft, StoreError> {
    let corrupt = || StoreError::Corrupt { what: "draft" };
    let kind: String = row.try_get("kind")?;
    let parent: String = row.try_get("parent")?;
    let body: String = row.try_get("body")?;
    Ok(Draft {
        id: row
            .try_get::<String, _>("id")?
            .try_into()
            .map_err(|_| corrupt())?,
        kind: DraftKind::from_name(&kind).ok_or_else(corrupt)?,
        parent: match parent.as_str() {
            "" => None,
            _ => Some(parent.try_into().map_err(|_| corrupt())?),
        },
        name: row
            .try_get::<String, _>("name")?
            .try_into()
            .map_err(|_| corrupt())?,
        body: serde_json::from_str(&body).map_err(|_| corrupt())?,
        version: row.try_get("version")?,
        position: row.try_get("position")?,
        created_at: UnixMillis(row.try_get("created_at")?),
        updated_at: UnixMillis(row.try_get("updated_at")?),
    })
}
