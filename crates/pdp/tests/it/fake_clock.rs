//! A clock that a test moves by hand.

use std::sync::Mutex;
use std::time::Duration;

use portcullis_pdp::clock::{Clock, Moment, Sleep, SystemClock};

/// 2027-01-15T08:00:00Z, when every fake clock starts.
pub(crate) const START: u64 = 1_800_000_000;

#[derive(Debug)]
pub(crate) struct FakeClock {
    started: Moment,
    passed: Mutex<Duration>,
}

impl FakeClock {
    pub(crate) fn new() -> Self {
        Self {
            started: SystemClock.monotonic(),
            passed: Mutex::new(Duration::ZERO),
        }
    }

    pub(crate) fn advance(&self, time: Duration) {
        *self.passed.lock().unwrap() += time;
    }
}

impl Clock for FakeClock {
    fn unix_now(&self) -> u64 {
        START + self.passed.lock().unwrap().as_secs()
    }

    fn monotonic(&self) -> Moment {
        self.started + *self.passed.lock().unwrap()
    }

    fn sleep(&self, time: Duration) -> Sleep {
        SystemClock.sleep(time)
    }
}
