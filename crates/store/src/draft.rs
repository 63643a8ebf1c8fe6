//! Drafts: the JSON documents that people edit and that a deployment is made of.

/// The columns by name: with `*` a column that a later release adds would spoil the prepared statements of a
/// process that still runs.
macro_rules! columns {
    () => {
        "id, kind, parent, name, body, version, position, created_at, updated_at"
    };
}

mod rows;

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

pub(crate) use self::rows::{ROWS_AT_ONCE, expect, insert, json, read, read_all, remove};
use self::rows::{check_all, count, version};
use crate::error::{StoreError, taken};
use crate::store::{Counter, Store, next, next_many, page};
use crate::values::{Id, Name, UnixMillis};

/// The most octets of one body as JSON: 1 MiB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The most arrays and objects inside one another in a body.
pub const MAX_BODY_DEPTH: usize = 64;
/// The most drafts of all kinds.
pub const MAX_DRAFTS: u32 = 10_000;
/// The most octets of all bodies together that [`Store::all_drafts`] and [`Store::replace_all_drafts`] take: 64 MiB.
pub const MAX_DRAFTS_BYTES: usize = 64 * 1024 * 1024;

/// What a draft describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DraftKind {
    /// A set of base URLs that is protected as one.
    ApiService,
    /// Methods and paths inside an API service.
    Operation,
    /// A custom check.
    Policy,
    /// An authorization server that somebody else runs.
    #[serde(rename = "external-oauth-server")]
    ExternalOAuthServer,
}

impl DraftKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::ApiService,
        Self::Operation,
        Self::Policy,
        Self::ExternalOAuthServer,
    ];

    /// The name in the database and in JSON, which never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiService => "api-service",
            Self::Operation => "operation",
            Self::Policy => "policy",
            Self::ExternalOAuthServer => "external-oauth-server",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A draft as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Draft {
    /// Unique among all drafts.
    pub id: Id,
    /// What it describes.
    pub kind: DraftKind,
    /// The draft that it is part of.
    pub parent: Option<Id>,
    /// Unique among drafts of its kind and parent.
    pub name: Name,
    /// The document.
    pub body: Value,
    /// Grows with every change. No version is ever used twice, also not after a deletion, so it is good for
    /// `If-Match` (RFC 9110 section 13.1.1).
    pub version: i64,
    /// Where it stands in listings, and the cursor to go on from. Only an import changes it.
    pub position: i64,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When it was last changed.
    pub updated_at: UnixMillis,
}

/// A draft to store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDraft {
    /// Unique among all drafts.
    pub id: Id,
    /// What it describes.
    pub kind: DraftKind,
    /// The draft that it is part of.
    pub parent: Option<Id>,
    /// Unique among drafts of its kind and parent.
    pub name: Name,
    /// At most [`MAX_BODY_BYTES`] as JSON, and [`MAX_BODY_DEPTH`] deep.
    pub body: Value,
}

/// What of a draft can be changed.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftChange {
    /// The name from now on.
    pub name: Name,
    /// The whole document from now on.
    pub body: Value,
}

/// Which drafts of a kind to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within<'a> {
    /// All of them.
    Anywhere,
    /// Those without a parent.
    TopLevel,
    /// Those of this parent.
    Parent(&'a Id),
}

impl Store {
    /// Stores a new draft. `limit` is how many of its kind there may be then; there are never more than
    /// [`MAX_DRAFTS`] in all.
    ///
    /// Fails with [`StoreError::AlreadyExists`] where the id, or the name under this kind and parent, is taken,
    /// with `NotFound` where there is no such parent, with `TooMany` and `TooLarge` on the bounds.
    pub async fn create_draft(
        &self,
        new: NewDraft,
        limit: Option<u32>,
        now: UnixMillis,
    ) -> Result<Draft, StoreError> {
        let body = json(&new.body)?;
        self.within(async {
            let mut transaction = self.begin().await?;
            let number = next(&mut transaction, Counter::Draft).await?;
            let kind_limit = i64::from(limit.unwrap_or(MAX_DRAFTS));
            let (all, of_kind) = count(&mut transaction, new.kind).await?;
            if of_kind >= kind_limit || all >= i64::from(MAX_DRAFTS) {
                let limit = limit.unwrap_or(MAX_DRAFTS).min(MAX_DRAFTS);
                return Err(StoreError::TooMany {
                    what: "drafts of this kind",
                    limit,
                });
            }
            if let Some(parent) = &new.parent {
                version(&mut transaction, parent)
                    .await?
                    .ok_or(StoreError::NotFound {
                        what: "parent draft",
                    })?;
            }
            let draft = Draft {
                id: new.id,
                kind: new.kind,
                parent: new.parent,
                name: new.name,
                body: new.body,
                version: number,
                position: number,
                created_at: now,
                updated_at: now,
            };
            insert(&mut transaction, &[(&draft, body)]).await?;
            transaction.commit().await?;
            Ok(draft)
        })
        .await
    }

    /// The draft of that id.
    pub async fn draft(&self, id: &Id) -> Result<Option<Draft>, StoreError> {
        self.within(async {
            let row = sqlx::query(concat!("SELECT ", columns!(), " FROM drafts WHERE id = $1"))
                .bind(id.as_str())
                .fetch_optional(self.pool())
                .await?;
            row.map(|row| read(&row)).transpose()
        })
        .await
    }

    /// A page of drafts of a kind by their position, which is the order they were created in. `after` is the
    /// position of the last one of the page before; `limit` is brought between 1 and [`crate::MAX_PAGE`].
    pub async fn drafts(
        &self,
        kind: DraftKind,
        within: Within<'_>,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Draft>, StoreError> {
        let (any, parent) = match within {
            Within::Anywhere => (1_i64, ""),
            Within::TopLevel => (0, ""),
            Within::Parent(parent) => (0, parent.as_str()),
        };
        self.within(async {
            let rows = sqlx::query(
                concat!("SELECT ", columns!(), " FROM drafts WHERE kind = $1 AND ($2 = 1 OR parent = $3) AND position > $4 ORDER BY position LIMIT $5"),
            )
            .bind(kind.as_str())
            .bind(any)
            .bind(parent)
            .bind(after.unwrap_or(0))
            .bind(page(limit))
            .fetch_all(self.pool())
            .await?;
            rows.iter().map(read).collect()
        })
        .await
    }

    /// All drafts as they were at one moment, by position: what a deployment or an export is made of.
    ///
    /// Fails with [`StoreError::TooLarge`] where the bodies have more than [`MAX_DRAFTS_BYTES`].
    pub async fn all_drafts(&self) -> Result<Vec<Draft>, StoreError> {
        self.within(async {
            let mut transaction = self.begin_read().await?;
            let drafts = read_all(&mut transaction).await?;
            transaction.commit().await?;
            Ok(drafts)
        })
        .await
    }

    /// Changes a draft that is still at `expected`, the version that the caller has read.
    ///
    /// Fails with [`StoreError::Conflict`] where it is not, and with `NotFound`, `AlreadyExists` (the name) and
    /// `TooLarge`.
    pub async fn update_draft(
        &self,
        id: &Id,
        expected: i64,
        change: DraftChange,
        now: UnixMillis,
    ) -> Result<Draft, StoreError> {
        let body = json(&change.body)?;
        self.within(async {
            let mut transaction = self.begin().await?;
            let number = next(&mut transaction, Counter::Draft).await?;
            expect(&mut transaction, id, expected).await?;
            let row = sqlx::query(
                concat!("UPDATE drafts SET name = $2, body = $3, version = $4, updated_at = $5 WHERE id = $1 RETURNING ", columns!()),
            )
            .bind(id.as_str())
            .bind(change.name.as_str())
            .bind(body)
            .bind(number)
            .bind(now.0)
            .fetch_one(&mut *transaction)
            .await
            .map_err(taken("draft of that name"))?;
            let draft = read(&row)?;
            transaction.commit().await?;
            Ok(draft)
        })
        .await
    }

    /// Deletes a draft that is still at `expected`, with all that is under it.
    ///
    /// Fails with [`StoreError::Conflict`] where it is not at that version, and with `NotFound`.
    pub async fn delete_draft(&self, id: &Id, expected: i64) -> Result<(), StoreError> {
        self.within(async {
            let mut transaction = self.begin().await?;
            next(&mut transaction, Counter::Draft).await?;
            expect(&mut transaction, id, expected).await?;
            remove(&mut transaction, id).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    /// Puts these drafts, in this order, in the place of all that are there. A parent stands before its children.
    /// A draft whose id is there already keeps its creation time; every version and position is a new one.
    /// Returns how many there are.
    ///
    /// Fails with [`StoreError::NotFound`] where a parent does not stand before its child, with `AlreadyExists`
    /// where an id or a name occurs twice, with `TooMany` beyond [`MAX_DRAFTS`] and `TooLarge` beyond
    /// [`MAX_DRAFTS_BYTES`].
    pub async fn replace_all_drafts(
        &self,
        new: Vec<NewDraft>,
        now: UnixMillis,
    ) -> Result<usize, StoreError> {
        let bodies = check_all(&new)?;
        let count = i64::try_from(new.len()).unwrap_or(i64::MAX);
        self.within(async {
            let mut transaction = self.begin().await?;
            // At least one, so that an empty import waits for other writers too.
            let last = next_many(&mut transaction, Counter::Draft, count.max(1)).await?;
            let created: HashMap<String, i64> = sqlx::query_as("SELECT id, created_at FROM drafts")
                .fetch_all(&mut *transaction)
                .await?
                .into_iter()
                .collect();
            sqlx::query("DELETE FROM drafts")
                .execute(&mut *transaction)
                .await?;
            let drafts: Vec<_> = new
                .into_iter()
                .zip(last - count.max(1) + 1..)
                .map(|(new, number)| Draft {
                    created_at: created
                        .get(new.id.as_str())
                        .map_or(now, |at| UnixMillis(*at)),
                    id: new.id,
                    kind: new.kind,
                    parent: new.parent,
                    name: new.name,
                    body: new.body,
                    version: number,
                    position: number,
                    updated_at: now,
                })
                .collect();
            let rows: Vec<_> = drafts.iter().zip(bodies).collect();
            for chunk in rows.chunks(ROWS_AT_ONCE) {
                insert(&mut transaction, chunk).await?;
            }
            transaction.commit().await?;
            Ok(drafts.len())
        })
        .await
    }
}
