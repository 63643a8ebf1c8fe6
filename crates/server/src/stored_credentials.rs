//! The gateway credentials of the database, as the request path needs them: in memory, and a second old at
//! most. A database that is away changes nothing: what was known goes on, and what expires expires.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_pdp::clock::Clock;
use portcullis_store::{FoundCredential, Id, MAX_USES, Store, StoreError, UnixMillis};
use tokio::sync::Mutex;

/// How often the database is asked whether anything has changed.
const INTERVAL: Duration = Duration::from_secs(1);
/// After how many intervals it is told which credentials were used.
const INTERVALS_PER_REPORT: u32 = 10;

/// What was last read, and when each was last used.
#[derive(Default)]
pub struct StoredCredentials {
    known: ArcSwap<HashMap<[u8; 32], Arc<Known>>>,
    /// Held from the question to the database until its answer is in place: an answer from before a revocation
    /// must not take the place of one from after it.
    reading: Mutex<()>,
}

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
        let known = self.known.load();
        let known = known.get(digest)?;
        if known.expires_at.is_some_and(|at| at <= now) {
            return None;
        }
        known.used_at.fetch_max(now.0, Ordering::Relaxed);
        Some(Arc::clone(&known.gateway))
    }

    /// Reads all that are good.
    pub async fn read(&self, store: &Store, now: UnixMillis) -> Result<(), StoreError> {
        self.replace(store.credentials(now)).await
    }

    /// One after the other: a question that is asked later is also answered later.
    async fn replace(
        &self,
        question: impl Future<Output = Result<Vec<FoundCredential>, StoreError>>,
    ) -> Result<(), StoreError> {
        let _turn = self.reading.lock().await;
        let found = question.await?;
        let before = self.known.load_full();
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
        self.known
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
        let known = self.known.load_full();
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
        write!(f, "StoredCredentials([{}])", self.known.load().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_store::GatewayCredential;
    use tokio::sync::oneshot;

    fn found() -> FoundCredential {
        FoundCredential {
            credential: GatewayCredential {
                id: Id::try_from("c".to_owned()).unwrap(),
                gateway_id: Id::try_from("g".to_owned()).unwrap(),
                sha256: [7; 32].into(),
                created_at: UnixMillis(0),
                expires_at: None,
                revoked_at: None,
                last_used_at: None,
            },
            gateway_name: "kong".parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn an_answer_from_before_a_revocation_does_not_bring_the_credential_back() {
        let credentials = StoredCredentials::default();
        let (late, comes) = oneshot::channel();
        let poller = credentials.replace(async { Ok(comes.await.unwrap()) });
        let revoked = async {
            // The poller has asked by now, and its answer is still on the way.
            let read = credentials.replace(async { Ok(Vec::new()) });
            let mut read = std::pin::pin!(read);
            let ahead = is_done(read.as_mut()).await;
            late.send(vec![found()]).ok().unwrap();
            if !ahead {
                read.await.unwrap();
            }
        };
        let (outcome, ()) = tokio::join!(biased; poller, revoked);
        outcome.unwrap();
        assert_eq!(credentials.accept(&[7; 32], UnixMillis(1)), None);
    }

    /// Whether it is done at the first look.
    async fn is_done(
        mut one: std::pin::Pin<&mut impl Future<Output = Result<(), StoreError>>>,
    ) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(one.as_mut().poll(context).is_ready())
        })
        .await
    }
}
