//! Notices deployments, whichever process made them.
//!
//! PostgreSQL says so (`LISTEN`); behind that, and on SQLite alone, the current number is read again and again.
//! So a lost connection or a notification that did not arrive costs at most one interval.

use std::fmt;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use crate::store::Store;

/// The channel of PostgreSQL on which a deployment is announced.
pub(crate) const CHANNEL: &str = "portcullis_deployment";

/// How often SQLite is asked.
const SQLITE_INTERVAL: Duration = Duration::from_millis(250);
/// How often PostgreSQL is asked, beside what it says by itself. With one query on top it stays below a second.
const POSTGRES_INTERVAL: Duration = Duration::from_millis(900);

/// Waits for deployments. It holds one connection to PostgreSQL.
pub struct DeploymentWatch {
    store: Store,
    seen: Option<i64>,
    listener: Option<PgListener>,
    is_away: bool,
}

impl Store {
    /// Watches for another current deployment than `seen`, the number that the caller has in force.
    #[must_use]
    pub fn watch(&self, seen: Option<i64>) -> DeploymentWatch {
        DeploymentWatch {
            store: self.clone(),
            seen,
            listener: None,
            is_away: false,
        }
    }
}

impl DeploymentWatch {
    /// Waits until the current deployment is another one than the last that this watch knew, and returns its
    /// number. Several deployments in a row may be seen as the last of them. While the database is away it waits
    /// and goes on trying; that is logged once. Dropping the future loses nothing.
    pub async fn changed(&mut self) -> i64 {
        loop {
            match self.store.current_number().await {
                Ok(Some(number)) if self.seen != Some(number) => {
                    self.note_away(false);
                    self.seen = Some(number);
                    return number;
                }
                Ok(_) => self.note_away(false),
                Err(error) => {
                    if !self.is_away {
                        tracing::warn!(%error, "deployments cannot be watched now; trying again");
                    }
                    self.note_away(true);
                }
            }
            self.pause().await;
        }
    }

    fn note_away(&mut self, is_away: bool) {
        if self.is_away && !is_away {
            tracing::info!("deployments are watched again");
        }
        self.is_away = is_away;
    }

    /// Until it is worth asking again.
    async fn pause(&mut self) {
        let Some(listener) = &mut self.listener else {
            return self.pause_without_listener().await;
        };
        match timeout(POSTGRES_INTERVAL, listener.try_recv()).await {
            Ok(Ok(Some(_))) | Err(_) => {}
            Ok(Ok(None) | Err(_)) => self.listener = None,
        }
    }

    async fn pause_without_listener(&mut self) {
        if !self.store.is_postgres() {
            return sleep(SQLITE_INTERVAL).await;
        }
        match timeout(POSTGRES_INTERVAL, self.listen()).await {
            // Something may have been deployed before it listened, so ask at once.
            Ok(Some(listener)) => self.listener = Some(listener),
            Ok(None) => sleep(POSTGRES_INTERVAL).await,
            Err(_) => {}
        }
    }

    async fn listen(&self) -> Option<PgListener> {
        let options = self.store.postgres()?.clone();
        // The pool is for this one connection, which lives as long as it can.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(POSTGRES_INTERVAL)
            .connect_lazy_with(options);
        let mut listener = PgListener::connect_with(&pool).await.ok()?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await.ok()?;
        Some(listener)
    }
}

impl Drop for DeploymentWatch {
    fn drop(&mut self) {
        // A listener gives its connection back in a task. Where the runtime has ended there is no task, and it
        // would panic; then the connection ends with the process.
        if Handle::try_current().is_err() {
            std::mem::forget(self.listener.take());
        }
    }
}

impl fmt::Debug for DeploymentWatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DeploymentWatch")
            .field("seen", &self.seen)
            .field("is_listening", &self.listener.is_some())
            .finish_non_exhaustive()
    }
}
