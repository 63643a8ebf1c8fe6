//! How a store behaves towards its database.

use std::time::Duration;

/// Bounds on connections and waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The most connections at once, at least 1; 8 by default. `sqlite::memory:` always has one.
    pub max_connections: u32,
    /// How long an operation waits for a connection, and for a lock that another writer holds; 3 seconds by
    /// default, at least 50 milliseconds. This is how soon a write fails while the database is away.
    pub acquire_timeout: Duration,
    /// How long an operation may take in all, that wait included; 15 seconds by default.
    pub operation_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 8,
            acquire_timeout: Duration::from_secs(3),
            operation_timeout: Duration::from_secs(15),
        }
    }
}
