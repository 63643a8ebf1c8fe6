//! How a store behaves towards its database.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_hours(1);

/// Bounds on connections and waiting. Times below 50 milliseconds or above an hour count as these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The most connections at once, 1 to 1000; 8 by default. `sqlite::memory:` always has one.
    pub max_connections: u32,
    /// How long an operation waits for a connection, and for a lock that another writer holds; 3 seconds by
    /// default. This is how soon a write fails while the database is away.
    pub acquire_timeout: Duration,
    /// How long an operation may take in all, that wait included; 15 seconds by default.
    pub operation_timeout: Duration,
}

impl Options {
    /// The same within bounds that make sense: to both databases a wait of 0 means something else.
    pub(crate) fn bounded(self) -> Self {
        let acquire_timeout = self.acquire_timeout.clamp(SHORTEST, LONGEST);
        Self {
            max_connections: self.max_connections.clamp(1, 1000),
            acquire_timeout,
            operation_timeout: self.operation_timeout.clamp(acquire_timeout, LONGEST),
        }
    }
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
