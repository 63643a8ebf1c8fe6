//! The one error of the store, and what becomes of the errors of the databases.

use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

use crate::values::InvalidValue;

/// Why an operation of the store failed. No variant holds a URL, a password, a digest or a stored document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database is away, full, locked for too long or too slow. It may be tried again. Where the operation
    /// was a write, it happened in full or not at all; read to see which.
    #[error(
        "the database is not available: {0}; check that it runs and can be reached, then try again"
    )]
    Unavailable(String),
    /// Somebody else has changed it since it was read.
    #[error("it has been changed since it was read and is now at version {current}; read it again")]
    Conflict {
        /// The version that is stored.
        current: i64,
    },
    /// There is none.
    #[error("there is no such {what}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
    },
    /// There is one already.
    #[error("there is already a {what}; choose another")]
    AlreadyExists {
        /// What is taken.
        what: &'static str,
    },
    /// As many as may be are there already.
    #[error("there may be at most {limit} {what}; remove one first")]
    TooMany {
        /// What was counted.
        what: &'static str,
        /// How many there may be.
        limit: u32,
    },
    /// Longer than the bound.
    #[error("{what} may have at most {limit} octets and has {actual}; make it smaller")]
    TooLarge {
        /// What was measured.
        what: &'static str,
        /// The bound in octets.
        limit: usize,
        /// Its length in octets, or where reading it stopped.
        actual: usize,
    },
    /// A value of the wrong form.
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    /// Something about an argument as a whole is wrong.
    #[error("{0}")]
    Refused(&'static str),
    /// The URL of the database cannot be used. It is not repeated, because it may hold a password.
    #[error(
        "the URL of the database cannot be used: {0}; expected sqlite:PATH, sqlite::memory: or \
         postgres://USER:PASSWORD@HOST:PORT/DATABASE with special characters percent-encoded"
    )]
    Url(&'static str),
    /// The tables are not the ones that this version makes.
    #[error("the tables of the database cannot be brought to this version: {0}")]
    Schema(String),
    /// Something stored is not what this version writes.
    #[error("the stored {what} cannot be read; restore the database from a backup")]
    Corrupt {
        /// What was read.
        what: &'static str,
    },
    /// Anything else that the database reports.
    #[error("the database reports error {code}: {message}")]
    Database {
        /// The SQLSTATE of PostgreSQL or the result code of SQLite.
        code: String,
        /// Its message, which names tables and constraints and no values.
        message: String,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let reason = match error {
            sqlx::Error::Database(error) => return from_database(&*error),
            sqlx::Error::Configuration(_) => return Self::Url("it is not of a known form"),
            sqlx::Error::PoolTimedOut => "no connection within the acquire timeout".to_owned(),
            sqlx::Error::PoolClosed => "the store is closed".to_owned(),
            sqlx::Error::WorkerCrashed => "the thread that uses the file ended".to_owned(),
            sqlx::Error::Protocol(_) => "the connection broke".to_owned(),
            sqlx::Error::Io(error) => error.kind().to_string(),
            sqlx::Error::BeginFailed | sqlx::Error::InvalidSavePointStatement => {
                "the connection could not begin a transaction".to_owned()
            }
            sqlx::Error::Tls(error) => format!("TLS failed: {error}"),
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::AnyDriverError(_) => return Self::Corrupt { what: "row" },
            other => {
                return Self::Database {
                    code: "none".to_owned(),
                    message: other.to_string(),
                };
            }
        };
        Self::Unavailable(reason)
    }
}

/// The same, where a violated uniqueness means that `what` is taken.
pub(crate) fn taken(what: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| match &error {
        sqlx::Error::Database(inner) if inner.is_unique_violation() => {
            StoreError::AlreadyExists { what }
        }
        _ => error.into(),
    }
}

fn from_database(error: &dyn DatabaseError) -> StoreError {
    let code = error.code().map(String::from).unwrap_or_default();
    let message = error.message().to_owned();
    let away = if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        is_away_in_postgres(&code)
    } else {
        is_away_in_sqlite(&code)
    };
    if away {
        StoreError::Unavailable(format!("{message} ({code})"))
    } else {
        StoreError::Database { code, message }
    }
}

/// SQLSTATE, PostgreSQL 15 documentation, appendix A.
fn is_away_in_postgres(code: &str) -> bool {
    // Connections, a server that has become read-only, who may connect, the database, resources, locks, shutdown
    // and cancelled statements, deadlocks.
    const CLASSES: [&str; 4] = ["08", "28", "53", "57"];
    const CODES: [&str; 6] = ["25006", "25P03", "3D000", "40001", "40P01", "55P03"];
    CODES.contains(&code) || CLASSES.iter().any(|class| code.starts_with(class))
}

/// Result codes, <https://www.sqlite.org/rescode.html>; the low octet is the primary code.
fn is_away_in_sqlite(code: &str) -> bool {
    // BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN.
    const CODES: [u32; 6] = [5, 6, 8, 10, 13, 14];
    code.parse::<u32>()
        .is_ok_and(|code| CODES.contains(&(code & 0xff)))
}
