//! The URL of a database. It may hold a password, so it has no `Debug` and is in no error.

use std::fmt::Write as _;
use std::str::FromStr;

use sqlx::any::AnyConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::error::StoreError;

/// What a store connects to.
pub(crate) enum DatabaseUrl {
    /// A database in memory, which ends with the store.
    Memory(AnyConnectOptions),
    /// A file.
    File(AnyConnectOptions),
    /// A server; twice, because what listens is a connection of its own kind.
    Postgres(AnyConnectOptions, Box<PgConnectOptions>),
}

impl DatabaseUrl {
    /// Reads `sqlite::memory:`, `sqlite:PATH` (the path as it is, nothing is percent-decoded) or
    /// `postgres://...` with the parameters of libpq such as `sslmode` and `sslrootcert`. What a PostgreSQL URL
    /// leaves out comes from `PGHOST` and the like, as with libpq.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        if url == "sqlite::memory:" {
            return Ok(Self::Memory(any(url)?));
        }
        if let Some(path) = url.strip_prefix("sqlite:") {
            return Self::file(path.strip_prefix("//").unwrap_or(path));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let own = PgConnectOptions::from_str(url)
                .map_err(|_| StoreError::Url("it is not a valid PostgreSQL URL"))?;
            return Ok(Self::Postgres(any(url)?, Box::new(own)));
        }
        Err(StoreError::Url("it has another scheme"))
    }

    fn file(path: &str) -> Result<Self, StoreError> {
        if path.is_empty() || path.contains(['\0', '?', '#']) || path.contains(":memory:") {
            return Err(StoreError::Url(
                "the path of the file is empty or has parameters, which are not taken",
            ));
        }
        let mut encoded = String::with_capacity(path.len());
        for octet in path.bytes() {
            if octet.is_ascii_alphanumeric() || b"/._-~".contains(&octet) {
                encoded.push(char::from(octet));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "%{octet:02X}");
            }
        }
        Ok(Self::File(any(&format!("sqlite:{encoded}?mode=rwc"))?))
    }
}

fn any(url: &str) -> Result<AnyConnectOptions, StoreError> {
    AnyConnectOptions::from_str(url).map_err(|_| StoreError::Url("it is not a valid URL"))
}
