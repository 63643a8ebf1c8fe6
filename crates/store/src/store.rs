//! The store itself: connections, transactions, and the numbers that order everything.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use sqlx::any::AnyPoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::{
    Any, AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Connection as _, Executor as _,
    Transaction,
};
use tokio::time::timeout;

use crate::error::StoreError;
use crate::migrations;
use crate::options::Options;
use crate::url::DatabaseUrl;

/// The most entries of one page.
pub const MAX_PAGE: u32 = 100;

/// A database with the tables of the decision service. Clones share its connections.
///
/// Every operation ends within [`Options::operation_timeout`]. A write is one transaction: dropping its future or
/// killing the process leaves all of it or nothing. Needs a tokio runtime.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    pool: AnyPool,
    /// What a watch listens on; `None` for SQLite.
    postgres: Option<PgConnectOptions>,
    options: Options,
}

impl Store {
    /// Connects and brings the tables to this version; several processes may do so at once.
    ///
    /// `url` is `sqlite:PATH` (made where it is missing; the path is taken as it is), `sqlite::memory:` (ends with
    /// the store; for tests) or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, where `sslmode`, `sslrootcert` and the other
    /// parameters of libpq may follow, and what is left out comes from `PGHOST` and the like.
    ///
    /// Fails with [`StoreError::Url`], [`StoreError::Unavailable`], or [`StoreError::Schema`] where a newer
    /// release has made the tables.
    pub async fn open(url: &str, options: &Options) -> Result<Self, StoreError> {
        let url = DatabaseUrl::parse(url)?;
        let options = options.bounded();
        sqlx::any::install_default_drivers();
        let pool = AnyPoolOptions::new()
            .max_connections(options.max_connections)
            .acquire_timeout(options.acquire_timeout);
        let (pool, connect, postgres) = match url {
            DatabaseUrl::Memory(connect) => {
                // Not for a service: where SQLite ends a transaction by itself, this connection begins none any more,
                // and it cannot be closed as that of a file can, because all would be lost with it.
                let pool = pool.max_connections(1).idle_timeout(None);
                (
                    prepare_sqlite(pool.max_lifetime(None), options),
                    connect,
                    None,
                )
            }
            DatabaseUrl::File(connect) => {
                let pool = without_lost_transactions(prepare_sqlite(pool, options));
                (pool, connect, None)
            }
            DatabaseUrl::Postgres(connect, own) => {
                (prepare_postgres(pool, options), connect, Some(*own))
            }
        };
        let store = Self {
            inner: Arc::new(Inner {
                pool: pool.connect_lazy_with(quiet(connect)),
                postgres: postgres.map(quiet),
                options,
            }),
        };
        store.migrate().await?;
        Ok(store)
    }

    /// Closes every connection, after those in use have come back. What is asked afterwards fails with
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        self.within(async {
            let mut transaction = self.begin().await?;
            migrations::run(&mut transaction, self.is_postgres()).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.inner.postgres.is_some()
    }

    /// What a watch connects to; `None` for SQLite.
    pub(crate) fn postgres(&self) -> Option<&PgConnectOptions> {
        self.inner.postgres.as_ref()
    }

    pub(crate) fn pool(&self) -> &AnyPool {
        &self.inner.pool
    }

    /// Runs an operation within the time that it may take.
    pub(crate) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match timeout(self.inner.options.operation_timeout, work).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Unavailable(
                "no answer within the operation timeout".to_owned(),
            )),
        }
    }

    /// Begins a transaction that writes. On SQLite it holds the right to write from the beginning, because one
    /// that reads first cannot be sure to get it later. On PostgreSQL each statement sees what others have
    /// committed, so that what follows [`next`] sees everything numbered before.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let statement = if self.is_postgres() {
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
        } else {
            "BEGIN IMMEDIATE"
        };
        Ok(self.inner.pool.begin_with(statement).await?)
    }

    /// Begins a transaction whose statements all read the same moment.
    pub(crate) async fn begin_read(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let statement = if self.is_postgres() {
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        } else {
            "BEGIN DEFERRED"
        };
        Ok(self.inner.pool.begin_with(statement).await?)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = if self.is_postgres() {
            "PostgreSQL"
        } else {
            "SQLite"
        };
        formatter
            .debug_struct("Store")
            .field("database", &database)
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}

/// What is numbered. Whoever takes a number also holds the lock of its kind until the transaction ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counter {
    Draft,
    Deployment,
    Gateway,
    GatewayUse,
    AdminToken,
    AdminTokenUse,
    ApiGroup,
    Decision,
}

impl Counter {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Deployment => "deployment",
            Self::Gateway => "gateway",
            Self::GatewayUse => "gateway-use",
            Self::AdminToken => "admin-token",
            Self::AdminTokenUse => "admin-token-use",
            Self::ApiGroup => "api-group",
            Self::Decision => "decision",
        }
    }
}

/// The next number, which no rolled back transaction can use up.
pub(crate) async fn next(
    connection: &mut AnyConnection,
    counter: Counter,
) -> Result<i64, StoreError> {
    next_many(connection, counter, 1).await
}

/// Takes `count` numbers and returns the last of them.
pub(crate) async fn next_many(
    connection: &mut AnyConnection,
    counter: Counter,
    count: i64,
) -> Result<i64, StoreError> {
    let number = sqlx::query_scalar(
        "UPDATE counters SET value = value + $2 WHERE name = $1 RETURNING value",
    )
    .bind(counter.name())
    .bind(count)
    .fetch_one(connection)
    .await?;
    Ok(number)
}

/// A page size between 1 and [`MAX_PAGE`].
pub(crate) fn page(limit: u32) -> i64 {
    limit.clamp(1, MAX_PAGE).into()
}

/// `($1, $2), ($3, $4)` for two rows of two: placeholders only, so it is safe in any statement.
pub(crate) fn placeholders(rows: usize, columns: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let number = row * columns + column + 1;
            text.push_str(if column == 0 { "$" } else { ", $" });
            text.push_str(&number.to_string());
        }
        text.push(')');
    }
    text
}

/// Statements are not logged: they say nothing about who asked for what.
fn quiet<T: ConnectOptions>(options: T) -> T {
    options.disable_statement_logging()
}

/// What every connection to SQLite is told (<https://www.sqlite.org/pragma.html>): readers do not wait for the
/// writer, a writer waits for the other, and a commit is on the disk when it returns.
fn prepare_sqlite(pool: AnyPoolOptions, options: Options) -> AnyPoolOptions {
    pool.after_connect(move |connection, _| {
        Box::pin(async move {
            for pragma in [
                format!(
                    "PRAGMA busy_timeout = {}",
                    options.acquire_timeout.as_millis()
                ),
                "PRAGMA journal_mode = WAL".to_owned(),
                "PRAGMA synchronous = FULL".to_owned(),
                "PRAGMA foreign_keys = ON".to_owned(),
            ] {
                connection.execute(AssertSqlSafe(pragma)).await?;
            }
            Ok(())
        })
    })
}

/// Closes connections that believe to be in a transaction which `SQLite` has ended by itself, as it does when the disk is
/// full (<https://www.sqlite.org/lang_transaction.html>, section 3.1). The driver's own rollback fails then, and the
/// connection would begin no transaction any more.
fn without_lost_transactions(pool: AnyPoolOptions) -> AnyPoolOptions {
    pool.before_acquire(|connection, _| {
        let usable = !connection.is_in_transaction();
        Box::pin(async move { Ok(usable) })
    })
}

/// What every connection to PostgreSQL is told: how long a lock, a statement and a transaction in which nothing
/// happens may take, so that a process that has stopped half-way does not stop the others.
fn prepare_postgres(pool: AnyPoolOptions, options: Options) -> AnyPoolOptions {
    pool.after_connect(move |connection, _| {
        Box::pin(async move {
            let wait = options.acquire_timeout.as_millis().to_string();
            let whole = options.operation_timeout.as_millis().to_string();
            sqlx::query(
                "SELECT set_config('lock_timeout', $1, false), \
                 set_config('statement_timeout', $2, false), \
                 set_config('idle_in_transaction_session_timeout', $2, false)",
            )
            .bind(wait)
            .bind(whole)
            .execute(connection)
            .await?;
            Ok(())
        })
    })
}
