//! The clock of the host, and its pauses.

use std::time::Duration;

use portcullis_pdp::clock::{Clock, Moment, Sleep};

use super::host;
use super::pending::Pending;

thread_local! {
    /// The pauses that go on.
    pub(super) static PAUSES: Pending<()> = Pending::new();
}

/// Asks the host for the time.
#[derive(Debug)]
pub(super) struct HostClock;

impl Clock for HostClock {
    fn unix_now(&self) -> u64 {
        millis(host::unix_millis()).as_secs()
    }

    fn unix_millis(&self) -> i64 {
        let since_epoch = millis(host::unix_millis());
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Moment {
        Moment::after_beginning(millis(host::monotonic_millis()))
    }

    fn sleep(&self, time: Duration) -> Sleep {
        Box::pin(async move {
            let (number, over) = PAUSES.with(Pending::begin);
            let _pause = Pause(number);
            host::set_pause(number, time.as_secs_f64() * 1000.0);
            // INVARIANT: the other end is kept until the pause is over or dropped.
            let _ = over.await;
        })
    }
}

/// A pause that ends when nobody waits for it.
struct Pause(u32);

impl Drop for Pause {
    fn drop(&mut self) {
        if PAUSES.with(|pauses| pauses.forget(self.0)) {
            host::clear_pause(self.0);
        }
    }
}

fn millis(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1000.0).unwrap_or(Duration::ZERO)
}
