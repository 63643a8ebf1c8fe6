//! Brings the tables to this version: one set of migrations for both databases.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, SqlSafeStr};

use crate::error::StoreError;

/// Each migration with its version and name. One that has been released is never changed.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "storage", include_str!("../migrations/0001_storage.sql")),
    (
        2,
        "decisions",
        include_str!("../migrations/0002_decisions.sql"),
    ),
    (
        3,
        "cloudentity",
        include_str!("../migrations/0003_cloudentity.sql"),
    ),
];

/// The advisory lock of PostgreSQL that migrations hold; any number that is always the same.
const LOCK: i64 = 0x0070_6f72_7463_756c;

/// Applies what is missing, on a transaction that the caller has begun and commits. On SQLite that transaction is
/// the lock, because it began with the right to write.
pub(crate) async fn run(
    connection: &mut AnyConnection,
    is_postgres: bool,
) -> Result<(), StoreError> {
    if is_postgres {
        sqlx::query("SELECT 1 FROM (SELECT pg_advisory_xact_lock($1)) AS held")
            .bind(LOCK)
            .execute(&mut *connection)
            .await?;
    }
    let migrations = MIGRATIONS.iter().map(|&(version, name, sql)| {
        let kind = MigrationType::Simple;
        Migration::new(version, name.into(), kind, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator
        .set_locking(false)
        .run_direct(None, connection, false)
        .await
        .map_err(from_migrate)
}

fn from_migrate(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        MigrateError::VersionMissing(version) => StoreError::Schema(format!(
            "they are at version {version}, which a newer release made; use that release"
        )),
        MigrateError::VersionMismatch(version) => StoreError::Schema(format!(
            "version {version} is not the one that this release knows; use the release that made it"
        )),
        other => StoreError::Schema(other.to_string()),
    }
}
