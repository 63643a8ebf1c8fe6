//! Deployments: numbered 1, 2, 3 and so on without gaps, never changed, and the last one is current.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::error::StoreError;
use crate::store::{Counter, Store, next, page};
use crate::values::{Name, Sha256, UnixMillis};
use crate::watch::CHANNEL;

/// The most files of one deployment.
pub const MAX_SOURCES: usize = 4096;
/// The most octets of all files of a deployment, with their paths: 16 MiB.
pub const MAX_SOURCES_BYTES: usize = 16 * 1024 * 1024;
/// The most octets of a note.
pub const MAX_NOTE_BYTES: usize = 4096;

/// The columns by name, as of drafts.
macro_rules! columns {
    () => {
        "number, sha256, note, created_by, created_at, rollback_of"
    };
}

const SUMMARIES: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM deployments WHERE $1 = 0 OR number < $1 ORDER BY number DESC LIMIT $2"
);
const ONE: &str = concat!(
    "SELECT sources, ",
    columns!(),
    " FROM deployments WHERE number = $1"
);
const CURRENT: &str = concat!(
    "SELECT sources, ",
    columns!(),
    " FROM deployments ORDER BY number DESC LIMIT 1"
);

/// A file of a deployment. `Debug` shows the length of the text only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its path inside the policy directory, a [`Name`].
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// What a deployment says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeploymentSummary {
    /// 1 for the first; each next one has the next number.
    pub number: i64,
    /// The digest that the caller made of the sources.
    pub sha256: Sha256,
    /// What the person who made it wrote about it.
    pub note: String,
    /// Who made it.
    pub created_by: Name,
    /// When it was made.
    pub created_at: UnixMillis,
    /// The deployment whose sources these are, where it went back to an earlier one.
    pub rollback_of: Option<i64>,
}

/// A deployment with its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployment {
    /// What it says about itself.
    #[serde(flatten)]
    pub summary: DeploymentSummary,
    /// Its files in the order they were given.
    pub sources: Vec<Source>,
}

/// A deployment to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeployment {
    /// The digest of the sources; only its form is checked.
    pub sha256: Sha256,
    /// At most [`MAX_SOURCES`] files with different paths and [`MAX_SOURCES_BYTES`] in all.
    pub sources: Vec<Source>,
    /// At most [`MAX_NOTE_BYTES`], without NUL; may be empty.
    pub note: String,
    /// Who makes it.
    pub created_by: Name,
    /// When it is made.
    pub created_at: UnixMillis,
    /// The current deployment that the sources were made from, 0 where there was none: another one in between
    /// is a conflict. `None` takes the place of whatever is current.
    pub after: Option<i64>,
}

/// A return to an earlier deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRollback {
    /// The deployment whose sources become current again.
    pub to: i64,
    /// As of [`NewDeployment`].
    pub note: String,
    /// Who makes it.
    pub created_by: Name,
    /// When it is made.
    pub created_at: UnixMillis,
}

impl Store {
    /// Stores a deployment under the next number, which makes it the current one. Deployments that are made at the
    /// same time wait for one another.
    ///
    /// Fails with [`StoreError::Conflict`] where another deployment came first, and with [`StoreError::TooLarge`], `TooMany`, `Invalid` (a path) and `Refused` (a path twice, NUL in the
    /// note).
    pub async fn deploy(&self, new: NewDeployment) -> Result<Deployment, StoreError> {
        let json = check_deployment(&new)?;
        self.within(async {
            let mut transaction = self.begin().await?;
            let number = self.insert_deployment(&mut transaction, &new, json).await?;
            transaction.commit().await?;
            let summary = DeploymentSummary {
                number,
                sha256: new.sha256,
                note: new.note,
                created_by: new.created_by,
                created_at: new.created_at,
                rollback_of: None,
            };
            Ok(Deployment {
                summary,
                sources: new.sources,
            })
        })
        .await
    }

    /// Stores a deployment in a transaction that the caller commits, and returns its number. `sources` is what
    /// [`check_deployment`] made of them.
    pub(crate) async fn insert_deployment(
        &self,
        connection: &mut AnyConnection,
        new: &NewDeployment,
        sources: String,
    ) -> Result<i64, StoreError> {
        let number = next(&mut *connection, Counter::Deployment).await?;
        // They are numbered without gaps, so the one before is the current one.
        let current = number - 1;
        if new.after.is_some_and(|after| after != current) {
            return Err(StoreError::Conflict { current });
        }
        sqlx::query(
            "INSERT INTO deployments (number, sha256, sources, note, created_by, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(number)
        .bind(new.sha256.as_str())
        .bind(sources)
        .bind(new.note.as_str())
        .bind(new.created_by.as_str())
        .bind(new.created_at.0)
        .execute(&mut *connection)
        .await?;
        self.announce(connection, number).await?;
        Ok(number)
    }

    /// Makes a new deployment with the sources and the digest of an older one.
    ///
    /// Fails with [`StoreError::NotFound`] where there is none of that number, and as [`Store::deploy`] does on the
    /// note.
    pub async fn rollback(&self, new: NewRollback) -> Result<Deployment, StoreError> {
        check_note(&new.note)?;
        self.within(async {
            let mut transaction = self.begin().await?;
            let number = next(&mut transaction, Counter::Deployment).await?;
            let inserted = sqlx::query(
                "INSERT INTO deployments (number, sha256, sources, note, created_by, created_at, rollback_of) \
                 SELECT $1, sha256, sources, $2, $3, $4, number FROM deployments WHERE number = $5",
            )
            .bind(number)
            .bind(new.note.as_str())
            .bind(new.created_by.as_str())
            .bind(new.created_at.0)
            .bind(new.to)
            .execute(&mut *transaction)
            .await?;
            if inserted.rows_affected() == 0 {
                return Err(StoreError::NotFound { what: "deployment" });
            }
            self.announce(&mut transaction, number).await?;
            let row = sqlx::query(ONE)
                .bind(number)
                .fetch_one(&mut *transaction)
                .await?;
            let deployment = read(&row)?;
            transaction.commit().await?;
            Ok(deployment)
        })
        .await
    }

    /// The deployment that is to be in force; `None` before the first.
    pub async fn current_deployment(&self) -> Result<Option<Deployment>, StoreError> {
        self.within(async {
            let row = sqlx::query(CURRENT).fetch_optional(self.pool()).await?;
            row.map(|row| read(&row)).transpose()
        })
        .await
    }

    /// Its number alone.
    pub async fn current_number(&self) -> Result<Option<i64>, StoreError> {
        self.within(async {
            let number = sqlx::query_scalar("SELECT MAX(number) FROM deployments")
                .fetch_one(self.pool())
                .await?;
            Ok(number)
        })
        .await
    }

    /// The deployment of that number.
    pub async fn deployment(&self, number: i64) -> Result<Option<Deployment>, StoreError> {
        self.within(async {
            let row = sqlx::query(ONE)
                .bind(number)
                .fetch_optional(self.pool())
                .await?;
            row.map(|row| read(&row)).transpose()
        })
        .await
    }

    /// A page of deployments, the newest first, without their files. `before` is the number of the last one of the
    /// page before; `limit` is brought between 1 and [`crate::MAX_PAGE`].
    pub async fn deployments(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeploymentSummary>, StoreError> {
        self.within(async {
            let rows = sqlx::query(SUMMARIES)
                .bind(before.map_or(0, |number| number.max(1)))
                .bind(page(limit))
                .fetch_all(self.pool())
                .await?;
            rows.iter().map(read_summary).collect()
        })
        .await
    }

    /// Tells the watches of other processes, when the transaction is committed.
    async fn announce(
        &self,
        connection: &mut AnyConnection,
        number: i64,
    ) -> Result<(), StoreError> {
        if self.is_postgres() {
            sqlx::query("SELECT 1 FROM (SELECT pg_notify($1, $2)) AS sent")
                .bind(CHANNEL)
                .bind(number.to_string())
                .execute(connection)
                .await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} ({} octets)", self.path, self.text.len())
    }
}

/// Checks a deployment, and gives its sources as JSON.
pub(crate) fn check_deployment(new: &NewDeployment) -> Result<String, StoreError> {
    check_note(&new.note)?;
    check_sources(&new.sources)
}

/// The current deployment.
pub(crate) async fn read_current(
    connection: &mut AnyConnection,
) -> Result<Option<Deployment>, StoreError> {
    let row = sqlx::query(CURRENT).fetch_optional(connection).await?;
    row.map(|row| read(&row)).transpose()
}

fn check_note(note: &str) -> Result<(), StoreError> {
    if note.len() > MAX_NOTE_BYTES {
        let (what, limit) = ("the note of a deployment", MAX_NOTE_BYTES);
        return Err(StoreError::TooLarge {
            what,
            limit,
            actual: note.len(),
        });
    }
    if note.contains('\0') {
        return Err(StoreError::Refused(
            "the note of a deployment holds a NUL character, which PostgreSQL cannot store; remove it",
        ));
    }
    Ok(())
}

/// The sources as JSON, within their bounds.
fn check_sources(sources: &[Source]) -> Result<String, StoreError> {
    if sources.len() > MAX_SOURCES {
        let (what, limit) = ("files in a deployment", 4096);
        return Err(StoreError::TooMany { what, limit });
    }
    let actual = sources
        .iter()
        .map(|one| one.path.len() + one.text.len())
        .sum();
    if actual > MAX_SOURCES_BYTES {
        let (what, limit) = ("the files of a deployment", MAX_SOURCES_BYTES);
        return Err(StoreError::TooLarge {
            what,
            limit,
            actual,
        });
    }
    let mut paths = HashSet::with_capacity(sources.len());
    for source in sources {
        source.path.parse::<Name>()?;
        if !paths.insert(&source.path) {
            return Err(StoreError::Refused(
                "two files of the deployment have the same path; give each its own",
            ));
        }
    }
    serde_json::to_string(sources)
        .map_err(|_| StoreError::Refused("the files cannot be written as JSON"))
}

fn read_summary(row: &AnyRow) -> Result<DeploymentSummary, StoreError> {
    let corrupt = || StoreError::Corrupt { what: "deployment" };
    Ok(DeploymentSummary {
        number: row.try_get("number")?,
        sha256: row
            .try_get::<String, _>("sha256")?
            .try_into()
            .map_err(|_| corrupt())?,
        note: row.try_get("note")?,
        created_by: row
            .try_get::<String, _>("created_by")?
            .try_into()
            .map_err(|_| corrupt())?,
        created_at: UnixMillis(row.try_get("created_at")?),
        rollback_of: row.try_get("rollback_of")?,
    })
}

fn read(row: &AnyRow) -> Result<Deployment, StoreError> {
    let sources: String = row.try_get("sources")?;
    Ok(Deployment {
        summary: read_summary(row)?,
        sources: serde_json::from_str(&sources)
            .map_err(|_| StoreError::Corrupt { what: "deployment" })?,
    })
}
