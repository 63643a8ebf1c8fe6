//! How the service stops: readiness goes down first, calls are still taken for a while, then the
//! listener closes and what is under way finishes. A second signal ends all of that at once.
//!
//! The while is there because load balancers learn late: Kubernetes removes a pod from its services
//! at the same time as it sends SIGTERM, and load balancers go on until a health check fails.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::health::Readiness;

/// How long calls are still taken after SIGTERM by default, on addresses that are not loopback. With
/// the ten seconds that calls under way may take it stays below the 30 seconds after which Kubernetes
/// and ECS kill.
pub const DEFAULT_DRAIN_DELAY: Duration = Duration::from_secs(5);

/// A wish that the service should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM, which orchestrators send: others may still send calls.
    Terminate,
    /// SIGINT, which Ctrl-C sends: nobody needs the delay.
    Interrupt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Draining,
    Closing,
    Ended,
}

/// How far the service has stopped; clones see the same.
#[derive(Debug, Clone)]
pub struct Stopping(watch::Receiver<Phase>);

impl Stopping {
    /// Whether the service has been told to stop.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.0.borrow() > Phase::Running
    }

    /// Done once the service has been told to stop.
    pub async fn begun(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Done once no connection is accepted any more.
    pub async fn closing(&self) {
        self.reached(Phase::Closing).await;
    }

    /// Done once nothing may be waited for any more.
    pub async fn ended(&self) {
        self.reached(Phase::Ended).await;
    }

    async fn reached(&self, phase: Phase) {
        let mut phases = self.0.clone();
        let gone = phases.wait_for(|now| *now >= phase).await.is_err();
        if gone {
            // Nobody is left who could say so.
            std::future::pending::<()>().await;
        }
    }
}

/// Takes the service through the phases of stopping.
#[derive(Debug)]
pub struct Stopper {
    phase: watch::Sender<Phase>,
    readiness: Readiness,
    drain_delay: Duration,
}

impl Stopper {
    /// A service that runs. `drain_delay` is how long calls are still taken after SIGTERM.
    #[must_use]
    pub fn new(readiness: Readiness, drain_delay: Duration) -> Self {
        Self {
            phase: watch::Sender::new(Phase::Running),
            readiness,
            drain_delay,
        }
    }

    /// For those who want to know how far it is.
    #[must_use]
    pub fn stopping(&self) -> Stopping {
        Stopping(self.phase.subscribe())
    }

    /// Waits for the first signal and stops in order; for the second, and stops at once. Ends with
    /// the second, or when nobody is left who could send it.
    pub async fn run(self, mut signals: mpsc::Receiver<StopSignal>) {
        let Some(first) = signals.recv().await else {
            // Nobody can send one: the service runs on.
            self.phase.closed().await;
            return;
        };
        self.readiness.stop();
        let delay = match first {
            StopSignal::Terminate => self.drain_delay,
            StopSignal::Interrupt => Duration::ZERO,
        };
        if !delay.is_zero() {
            self.phase.send_replace(Phase::Draining);
            tracing::info!(
                seconds = delay.as_secs_f64(),
                "stopping: not ready any more; calls are still taken for a while"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            Some(_) = signals.recv() => return self.end(),
        }
        self.phase.send_replace(Phase::Closing);
        tracing::info!("stopping: requests under way are finished first");
        tokio::select! {
            Some(_) = signals.recv() => self.end(),
            () = self.phase.closed() => {}
        }
    }

    fn end(&self) {
        tracing::warn!("stopping at once: the second signal");
        self.phase.send_replace(Phase::Ended);
    }
}
