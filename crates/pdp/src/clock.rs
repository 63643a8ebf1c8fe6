//! The time, from one named place.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

/// Tells the time. Everything on this floor and above asks a clock instead of the system.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Seconds since 1970-01-01T00:00:00Z, as claims count them (RFC 7519 section 2, `NumericDate`).
    fn unix_now(&self) -> u64;

    /// Milliseconds since 1970-01-01T00:00:00Z, for what is stored and listed.
    fn unix_millis(&self) -> i64 {
        i64::try_from(self.unix_now())
            .unwrap_or(i64::MAX)
            .saturating_mul(1000)
    }

    /// A moment that never goes back, for measuring and for deadlines.
    fn monotonic(&self) -> Instant;
}

/// The clock of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system for the time"
    )]
    fn unix_now(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since_epoch.unwrap_or(Duration::ZERO).as_secs()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system for the time"
    )]
    fn unix_millis(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since_epoch.unwrap_or(Duration::ZERO).as_millis();
        i64::try_from(millis).unwrap_or(i64::MAX)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system for the time"
    )]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}
