//! Waits so that calls stay within the limits of API Gateway's control plane, which are those of the whole account
//! (API Gateway developer guide, "Quotas for creating and managing an API").

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// A call's turn: at most `burst` calls at once, and then one each `interval`.
#[derive(Debug)]
pub(crate) struct Pace {
    interval: Duration,
    burst: u32,
    /// When the bucket is full again.
    full_at: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) const fn new(interval: Duration, burst: u32) -> Self {
        Self {
            interval,
            burst,
            full_at: Mutex::const_new(None),
        }
    }

    /// Waits for the next turn.
    #[expect(
        clippy::disallowed_methods,
        reason = "pacing calls to AWS is what this module is for, and no decision depends on it"
    )]
    pub(crate) async fn turn(&self) {
        let now = Instant::now();
        let mut full_at = self.full_at.lock().await;
        let next = full_at.map_or(now, |at| at.max(now)) + self.interval;
        *full_at = Some(next);
        drop(full_at);
        let free = next.checked_sub(self.interval * self.burst).unwrap_or(now);
        tokio::time::sleep_until(free).await;
    }
}

/// The limits that matter here. AWS allows 10 calls a second and 40 at once for all of API Gateway; half of the 40 is
/// left to others.
#[derive(Debug)]
pub(crate) struct Paces {
    /// Every call to API Gateway.
    pub(crate) gateway: Pace,
    /// `GetResources`: 5 in 2 seconds.
    pub(crate) resources: Pace,
    /// `CreateDeployment`: one in 5 seconds.
    pub(crate) deployments: Pace,
    /// Calls to Lambda other than invocations: 15 a second.
    pub(crate) lambda: Pace,
}

impl Default for Paces {
    fn default() -> Self {
        Self {
            gateway: Pace::new(Duration::from_millis(100), 20),
            resources: Pace::new(Duration::from_millis(400), 5),
            deployments: Pace::new(Duration::from_secs(5), 1),
            lambda: Pace::new(Duration::from_millis(100), 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    #[expect(
        clippy::disallowed_methods,
        reason = "a clock that stands still, and is moved by waiting"
    )]
    async fn a_burst_is_free_and_the_rest_is_paced() {
        let pace = Pace::new(Duration::from_millis(400), 5);
        let start = Instant::now();
        let mut took = Vec::new();
        for _ in 0..8 {
            pace.turn().await;
            took.push(start.elapsed().as_millis());
        }
        assert_eq!(took, [0, 0, 0, 0, 0, 400, 800, 1200]);
    }
}
