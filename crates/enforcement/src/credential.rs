//! A service that is asked with a credential which may be kept elsewhere: read when it is first needed,
//! and again when the service no longer accepts it.

use std::sync::Arc;
use std::time::Duration;

use portcullis_pdp::Unavailable;
use portcullis_pdp::clock::{Clock, Moment};
use portcullis_pdp::sideband::GatewayCredential;
use tokio::sync::Mutex;

use crate::decider::StartError;
use crate::secret::{SecretError, SecretStore};
use crate::settings::Secret;

/// A credential that is kept elsewhere and is no longer accepted is read again, but not more often
/// than this.
const SHORTEST_AGE: Duration = Duration::from_secs(10);

/// Makes what asks the service out of a credential.
type Connect<C> = dyn Fn(GatewayCredential) -> Result<C, StartError> + Send + Sync;

/// Whatever asks a service with a credential.
pub(crate) struct Credentialed<C> {
    secret: Secret,
    store: Store,
    connect: Box<Connect<C>>,
    current: Mutex<Option<Connected<C>>>,
    clock: Arc<dyn Clock>,
}

/// How a secret is read that is kept elsewhere.
pub(crate) struct Store {
    /// Reads it.
    pub(crate) secrets: Arc<dyn SecretStore>,
    /// How long it may take.
    pub(crate) timeout: Duration,
    /// What a secret is once it was read.
    pub(crate) parse: fn(&str) -> Option<GatewayCredential>,
}

impl Store {
    async fn read(&self, arn: &str) -> Result<GatewayCredential, SecretError> {
        let secret = self.secrets.read(arn, self.timeout).await?;
        let secret = secret.trim();
        if secret.starts_with('{') {
            return Err(SecretError::Json);
        }
        (self.parse)(secret).ok_or(SecretError::Credential)
    }
}

/// What was made with the credential that was current at that time.
struct Connected<C> {
    client: Arc<C>,
    since: Moment,
}

impl<C> Credentialed<C> {
    /// Nothing is read yet. A secret that is here is tried at once, so that what is wrong with it shows
    /// at start.
    pub(crate) fn new(
        secret: Secret,
        store: Store,
        clock: Arc<dyn Clock>,
        connect: impl Fn(GatewayCredential) -> Result<C, StartError> + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let current = match &secret {
            Secret::Value(credential) => Some(Connected {
                client: Arc::new(connect(credential.clone())?),
                since: clock.monotonic(),
            }),
            Secret::Arn(_) => None,
        };
        Ok(Self {
            secret,
            store,
            connect: Box::new(connect),
            current: Mutex::new(current),
            clock,
        })
    }

    /// Asks the service; where it no longer accepts a credential that is kept elsewhere, once more
    /// with the one that is there now.
    pub(crate) async fn ask<T, F>(&self, ask: impl Fn(Arc<C>) -> F) -> Result<T, Unavailable>
    where
        F: Future<Output = Result<T, Unavailable>>,
    {
        let (client, since) = self.connected().await?;
        let outcome = ask(client).await;
        let refused = matches!(outcome, Err(Unavailable::Status { status: 401, .. }));
        let age = self.clock.monotonic().saturating_duration_since(since);
        let may_be_old = matches!(self.secret, Secret::Arn(_)) && age >= SHORTEST_AGE;
        if !(refused && may_be_old) {
            return outcome;
        }
        tracing::warn!("the gateway credential is no longer accepted; it is read again");
        *self.current.lock().await = None;
        let (client, _) = self.connected().await?;
        ask(client).await
    }

    /// Reads the credential before it is needed. What goes wrong is tried again when it is.
    pub(crate) async fn prepare(&self) {
        if let Err(error) = self.connected().await {
            tracing::warn!(%error, "a credential could not be had yet");
        }
    }

    /// Reads the credential from where it is kept. A failure is tried again at the next event.
    async fn connected(&self) -> Result<(Arc<C>, Moment), Unavailable> {
        let network = |cause: String| Unavailable::Network { cause };
        let mut current = self.current.lock().await;
        if let Some(connected) = &*current {
            return Ok((Arc::clone(&connected.client), connected.since));
        }
        let credential = match &self.secret {
            Secret::Value(credential) => credential.clone(),
            Secret::Arn(arn) => self
                .store
                .read(arn)
                .await
                .map_err(|error| network(error.to_string()))?,
        };
        let client = (self.connect)(credential).map_err(|error| network(error.to_string()))?;
        let (client, since) = (Arc::new(client), self.clock.monotonic());
        *current = Some(Connected {
            client: Arc::clone(&client),
            since,
        });
        Ok((client, since))
    }
}
