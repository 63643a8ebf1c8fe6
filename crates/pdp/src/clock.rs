//! The time, from one named place.

use std::fmt;
use std::ops::{Add, Sub};
use std::pin::Pin;
use std::time::Duration;

/// A moment of a clock that never goes back, counted from a beginning that means nothing by itself. Other than
/// [`std::time::Instant`] it can be made where there is no such clock to ask, as in WebAssembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// The moment so long after the beginning.
    #[must_use]
    pub const fn after_beginning(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// How long after the other moment this one is; nothing where it is not.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

impl Sub for Moment {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

/// The end of a pause.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

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
    fn monotonic(&self) -> Moment;

    /// Waits for so long.
    fn sleep(&self, time: Duration) -> Sleep;
}

/// What comes of a future within that time; `None` where it takes longer, and then it is dropped.
pub async fn timeout<F: Future>(clock: &dyn Clock, time: Duration, future: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = clock.sleep(time) => None,
    }
}

#[cfg(not(target_family = "wasm"))]
pub use system::SystemClock;

#[cfg(not(target_family = "wasm"))]
mod system {
    use std::sync::LazyLock;
    use std::time::{Duration, Instant, SystemTime};

    use super::{Clock, Moment, Sleep};

    /// The clock of the system. Waiting takes a Tokio runtime.
    #[derive(Debug, Clone, Copy, Default)]
    pub struct SystemClock;

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system for the time"
    )]
    impl Clock for SystemClock {
        fn unix_now(&self) -> u64 {
            let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            since_epoch.unwrap_or(Duration::ZERO).as_secs()
        }

        fn unix_millis(&self) -> i64 {
            let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let millis = since_epoch.unwrap_or(Duration::ZERO).as_millis();
            i64::try_from(millis).unwrap_or(i64::MAX)
        }

        fn monotonic(&self) -> Moment {
            static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
            Moment::after_beginning(BEGINNING.elapsed())
        }

        fn sleep(&self, time: Duration) -> Sleep {
            Box::pin(tokio::time::sleep(time))
        }
    }
}
