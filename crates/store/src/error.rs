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
        "the URL of the database cannot be used: {0}; expected sqlite:PATH or \
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
    /// The database does not take what was to be stored: it is too large for it, its encoding cannot hold it, or a
    /// constraint forbids it.
    #[error("the database does not take what was to be stored: error {code}: {message}")]
    Unfit {
        /// The SQLSTATE of PostgreSQL or the result code of SQLite.
        code: String,
        /// Its message, which names tables and constraints and no values.
        message: String,
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

impl StoreError {
    /// Whether what was to be stored is itself the reason, so that no other attempt can go through. Whatever else fails
    /// may go through later, when somebody has mended the database.
    #[must_use]
    pub const fn is_fault_of_content(&self) -> bool {
        matches!(
            self,
            Self::TooLarge { .. } | Self::Invalid(_) | Self::Refused(_) | Self::Unfit { .. }
        )
    }
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
    let meaning = if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        meaning_in_postgres(&code)
    } else {
        meaning_in_sqlite(&code)
    };
    match meaning {
        Meaning::Away => StoreError::Unavailable(format!("{message} ({code})")),
        Meaning::Unfit => StoreError::Unfit { code, message },
        Meaning::Other => StoreError::Database { code, message },
    }
}

/// What an error of a database says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Nothing about what was asked: another attempt may go through.
    Away,
    /// What was to be stored cannot be.
    Unfit,
    /// Something else is wrong, which somebody may have to mend.
    Other,
}

/// SQLSTATE, PostgreSQL 15 documentation, appendix A.
fn meaning_in_postgres(code: &str) -> Meaning {
    // Connections, who may connect, resources, shutdown and cancelled statements, what the system underneath reports.
    const AWAY_CLASSES: [&str; 5] = ["08", "28", "53", "57", "58"];
    // A server that has become read-only, a transaction that was idle, the database, deadlocks, locks; statements that
    // another connection has prepared, behind a pooler; what no other code is for, as poolers and caches report it.
    const AWAY: [&str; 9] = [
        "25006", "25P03", "26000", "3D000", "40001", "40P01", "42P05", "55P03", "XX000",
    ];
    // Data, constraints, limits of the program.
    const UNFIT_CLASSES: [&str; 3] = ["22", "23", "54"];
    // A number that is taken says nothing about what it was to be the number of; nor does it say that it stays taken.
    const UNIQUE_VIOLATION: &str = "23505";
    let is_of = |classes: &[&str]| classes.iter().any(|class| code.starts_with(class));
    if AWAY.contains(&code) || is_of(&AWAY_CLASSES) {
        Meaning::Away
    } else if is_of(&UNFIT_CLASSES) && code != UNIQUE_VIOLATION {
        Meaning::Unfit
    } else {
        Meaning::Other
    }
}

/// Result codes, <https://www.sqlite.org/rescode.html>; the low octet is the primary code.
fn meaning_in_sqlite(code: &str) -> Meaning {
    // BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL (a race for the locks of a log).
    const AWAY: [u32; 9] = [5, 6, 7, 8, 9, 10, 13, 14, 15];
    // TOOBIG, CONSTRAINT, MISMATCH.
    const UNFIT: [u32; 3] = [18, 19, 20];
    // CONSTRAINT_PRIMARYKEY, CONSTRAINT_UNIQUE, CONSTRAINT_ROWID: as in PostgreSQL.
    const UNIQUE_VIOLATIONS: [u32; 3] = [1555, 2067, 2579];
    let Ok(code) = code.parse::<u32>() else {
        return Meaning::Other;
    };
    let primary = code & 0xff;
    if AWAY.contains(&primary) {
        Meaning::Away
    } else if UNFIT.contains(&primary) && !UNIQUE_VIOLATIONS.contains(&code) {
        Meaning::Unfit
    } else {
        Meaning::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_their_documentation_says() {
        // io_error, internal_error, invalid_sql_statement_name, duplicate_prepared_statement, disk_full.
        for code in ["58030", "XX000", "26000", "42P05", "53100"] {
            assert_eq!(meaning_in_postgres(code), Meaning::Away, "{code}");
        }
        // character_not_in_repertoire, untranslatable_character, not_null_violation, check_violation,
        // program_limit_exceeded.
        for code in ["22021", "22P05", "23502", "23514", "54000"] {
            assert_eq!(meaning_in_postgres(code), Meaning::Unfit, "{code}");
        }
        // unique_violation, undefined_table, insufficient_privilege, data_corrupted.
        for code in ["23505", "42P01", "42501", "XX001", ""] {
            assert_eq!(meaning_in_postgres(code), Meaning::Other, "{code}");
        }
        // BUSY_SNAPSHOT, NOMEM, INTERRUPT, IOERR_NOMEM, PROTOCOL.
        for code in ["517", "7", "9", "3082", "15"] {
            assert_eq!(meaning_in_sqlite(code), Meaning::Away, "{code}");
        }
        // TOOBIG, CONSTRAINT, CONSTRAINT_CHECK, CONSTRAINT_NOTNULL, CONSTRAINT_TRIGGER, MISMATCH.
        for code in ["18", "19", "275", "1299", "1811", "20"] {
            assert_eq!(meaning_in_sqlite(code), Meaning::Unfit, "{code}");
        }
        // CONSTRAINT_UNIQUE, CONSTRAINT_PRIMARYKEY, ERROR, PERM, CORRUPT, NOTADB.
        for code in ["2067", "1555", "1", "3", "11", "26", ""] {
            assert_eq!(meaning_in_sqlite(code), Meaning::Other, "{code}");
        }
    }
}
