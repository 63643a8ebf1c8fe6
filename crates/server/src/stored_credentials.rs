//! The gateway credentials of the database, as the request path needs them: in memory, and a second old at
//! most. A database that is away changes nothing: what was known goes on, and what expires expires.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_pdp::clock::Clock;
use portcullis_store::{FoundCredential, Id, MAX_USES, Store, StoreError, UnixMillis};

/// How often the database is asked whether anything has changed.
const INTERVAL: Duration = Duration::from_secs(1);
/// After how many intervals it is told which credentials were used.
const INTERVALS_PER_REPORT: u32 = 10;

/// What was last read, and when each was last used.
#[derive(Default)]
pub struct StoredCredentials(ArcSwap<HashMap<[u8; 32], Arc<Known>>>);

struct Known {
    id: Id,
    gateway: Arc<str>,
    expires_at: Option<UnixMillis>,
    /// In milliseconds since 1970; 0 for not since the last report.
    used_at: AtomicI64,
}

impl StoredCredentials {
    /// Whose credential that is at that time.
    pub(crate) fn accept(&self, digest: &[u8; 32], now: UnixMillis) -> Option<Arc<str>> {
        let known = self.0.load();
        let known = known.get(digest)?;
        if known.expires_at.is_some_and(|at| at <= now) {
            return None;
        }
        known.used_at.fetch_max(now.0, Ordering::Relaxed);
        Some(Arc::clone(&known.gateway))
    }

    /// Reads all that are good.
    pub async fn read(&self, store: &Store, now: UnixMillis) -> Result<(), StoreError> {
        let found = store.credentials(now).await?;
        let before = self.0.load_full();
        let entry = |found: FoundCredential| {
            let FoundCredential {
                credential,
                gateway_name,
            } = found;
            let digest = credential.sha256.to_bytes();
            let same = before.get(&digest).filter(|old| old.id == credential.id);
            // The same entry, so that no use is lost that comes in meanwhile.
            let known = same.cloned().unwrap_or_else(|| {
                Arc::new(Known {
                    id: credential.id,
                    gateway: gateway_name.as_str().into(),
                    expires_at: credential.expires_at,
                    used_at: AtomicI64::new(0),
                })
            });
            (digest, known)
        };
        self.0
            .store(Arc::new(found.into_iter().map(entry).collect()));
        Ok(())
    }

    /// Follows the database for as long as it is polled.
    pub async fn follow(&self, store: &Store, clock: &dyn Clock) {
        let mut version = None;
        let mut is_away = false;
        for round in 1_u32.. {
            let outcome = self.round(store, clock, &mut version, round).await;
            if let (Err(error), false) = (&outcome, is_away) {
                tracing::warn!(%error, "gateway credentials cannot be read now; those that are known go on");
            }
            is_away = outcome.is_err();
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn round(
        &self,
        store: &Store,
        clock: &dyn Clock,
        version: &mut Option<i64>,
        round: u32,
    ) -> Result<(), StoreError> {
        let now = store.credentials_version().await?;
        if *version != Some(now) {
            self.read(store, UnixMillis(clock.unix_millis())).await?;
            *version = Some(now);
        }
        if round.is_multiple_of(INTERVALS_PER_REPORT) {
            self.report(store).await?;
        }
        Ok(())
    }

    /// Tells the database when credentials were last used. What it did not take is told the next time.
    pub async fn report(&self, store: &Store) -> Result<(), StoreError> {
        let known = self.0.load_full();
        let pending: Vec<_> = known
            .values()
            .filter_map(|one| match one.used_at.swap(0, Ordering::Relaxed) {
                0 => None,
                at => Some((one, at)),
            })
            .collect();
        for batch in pending.chunks(MAX_USES) {
            let uses: Vec<_> = batch
                .iter()
                .map(|(one, at)| (one.id.clone(), UnixMillis(*at)))
                .collect();
            if let Err(error) = store.touch_credentials(&uses).await {
                for (one, at) in &pending {
                    one.used_at.fetch_max(*at, Ordering::Relaxed);
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for StoredCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredCredentials([{}])", self.0.load().len())
    }
}
