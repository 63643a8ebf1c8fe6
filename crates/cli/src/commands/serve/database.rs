//! `serve --database-url`: what the decision service has from its database beside the policy: gateway
//! credentials and administrators.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use portcullis_pdp::clock::Clock;
use portcullis_policies::Worker;
use portcullis_server::{
    Administration, ControlPlane, GatewayCredentials, MIN_ADMIN_TOKEN_BYTES, Management,
    StoredCredentials, SystemIssuer,
};
use portcullis_store::{Store, UnixMillis};

use super::super::database::open;
use super::Arguments;

/// A database that is open, with the credentials that were in it.
pub(super) struct Database {
    pub(super) store: Store,
    pub(super) credentials: Arc<StoredCredentials>,
    /// Whether anyone has a token to administer with.
    has_administrator: bool,
}

impl Database {
    pub(super) async fn open(url: &str, clock: &dyn Clock) -> Result<Self> {
        let now = UnixMillis(clock.unix_millis());
        let store = open(url).await?;
        let credentials = StoredCredentials::default();
        credentials.read(&store, now).await?;
        Ok(Self {
            credentials: Arc::new(credentials),
            has_administrator: store.has_admin_token(now).await?,
            store,
        })
    }

    /// What the management API works with.
    pub(super) fn management(&self, worker: &Worker, issuer: SystemIssuer) -> Management {
        Management {
            control_plane: ControlPlane::new(issuer),
            store: self.store.clone(),
            credentials: Arc::clone(&self.credentials),
            worker: worker.clone(),
            languages: portcullis_policies::languages(),
        }
    }

    /// Stores what is still to be stored, and closes it.
    pub(super) async fn close(self) {
        if let Err(error) = self.credentials.report(&self.store).await {
            tracing::warn!(%error, "when gateway credentials were last used could not be stored");
        }
        self.store.close().await;
    }
}

/// Who may administer. A service that others can reach needs somebody.
pub(super) fn administration(
    arguments: &Arguments,
    database: Option<&Database>,
) -> Result<Administration> {
    let mut administration = Administration::default();
    if let Some(token) = &arguments.admin_token {
        administration = administration.with_token(token.trim()).with_context(|| {
            format!("PORTCULLIS_ADMIN_TOKEN is [redacted]: expected at least {MIN_ADMIN_TOKEN_BYTES} visible ASCII characters, such as those of `openssl rand -hex 32`")
        })?;
    }
    let has_administrator =
        arguments.admin_token.is_some() || database.is_some_and(|one| one.has_administrator);
    if let Some(database) = database {
        if !has_administrator && !arguments.listen.ip().is_loopback() {
            bail!(
                "nobody may administer this service, and {} is no loopback address: make a token with \
                 `portcullis admin token create --role deployer --name NAME`",
                arguments.listen
            );
        }
        administration = administration.with_store(database.store.clone());
    }
    if arguments.insecure_no_credentials && !has_administrator {
        administration = administration.open();
    }
    Ok(administration)
}

/// The gateway credentials that are accepted: those given and those of the database.
pub(super) fn all_credentials(
    given: Option<GatewayCredentials>,
    arguments: &Arguments,
    database: Option<&Database>,
) -> Option<Arc<GatewayCredentials>> {
    let database = database.filter(|_| !arguments.insecure_no_credentials);
    match database {
        Some(database) => {
            let stored = Arc::clone(&database.credentials);
            Some(Arc::new(GatewayCredentials::stored(given, stored)))
        }
        None => given.map(Arc::new),
    }
}
