//! The decision point in this process: the engine on a policy set, with keys from the network.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_engine::{PolicySet, Progress};
use portcullis_model::{ApiRequest, Decision};

use crate::clock::Clock;
use crate::decision_point::{DecisionFuture, DecisionPoint, Unavailable};
use crate::keys::{Fetch, KeyStore};

/// How long a decision waits for new keys where old ones would do.
const PATIENCE_WITH_OLD_KEYS: Duration = Duration::from_millis(250);

/// Decides with a policy set that can be replaced while requests are being decided.
#[derive(Debug)]
pub struct LocalDecisionPoint {
    loaded: ArcSwap<Loaded>,
    clock: Arc<dyn Clock>,
}

/// A policy set and the keys that belong to it; swapped as one.
#[derive(Debug)]
struct Loaded {
    policy: PolicySet,
    keys: KeyStore,
}

impl LocalDecisionPoint {
    /// Decides with that policy set from now on.
    #[must_use]
    pub fn new(policy: PolicySet, fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>) -> Self {
        let keys = KeyStore::new(fetch, Arc::clone(&clock), policy.issuers());
        Self {
            loaded: ArcSwap::from_pointee(Loaded { policy, keys }),
            clock,
        }
    }

    /// Replaces the policy set; requests under way finish with the old one.
    pub fn replace(&self, policy: PolicySet) {
        let keys = self.loaded.load().keys.for_issuers(policy.issuers());
        self.loaded.store(Arc::new(Loaded { policy, keys }));
    }

    /// Fetches the keys of every issuer that has none.
    pub async fn hydrate(&self) {
        self.loaded.load_full().keys.hydrate().await;
    }

    async fn decide(&self, request: &ApiRequest) -> Result<Decision, Unavailable> {
        let loaded = self.loaded.load_full();
        let (issuer, only_old) =
            match loaded
                .policy
                .decide(request, &loaded.keys, self.clock.unix_now())
            {
                Progress::Decided(decision) => return Ok(decision),
                Progress::NeedsKeys { issuer, otherwise } => {
                    // A decision with the keys that are there would be a deny, or they have grown old.
                    let only_old = otherwise.is_none() && loaded.keys.has_old_keys(&issuer);
                    (issuer, only_old)
                }
            };
        let refresh = loaded.keys.refresh(&issuer);
        let refreshed = if only_old {
            // The fetch goes on when nobody waits for it any more.
            tokio::time::timeout(PATIENCE_WITH_OLD_KEYS, refresh)
                .await
                .unwrap_or(Ok(()))
        } else {
            refresh.await
        };
        match loaded
            .policy
            .decide(request, &loaded.keys, self.clock.unix_now())
        {
            Progress::Decided(decision)
            | Progress::NeedsKeys {
                otherwise: Some(decision),
                ..
            } => Ok(decision),
            Progress::NeedsKeys {
                otherwise: None, ..
            } => Err(Unavailable::Keys {
                issuer: issuer.to_string(),
                cause: refreshed
                    .err()
                    .map_or_else(|| "they are too old".to_owned(), |error| error.to_string()),
            }),
        }
    }
}

impl DecisionPoint for LocalDecisionPoint {
    fn decide<'a>(&'a self, request: &'a ApiRequest) -> DecisionFuture<'a> {
        Box::pin(LocalDecisionPoint::decide(self, request))
    }
}
