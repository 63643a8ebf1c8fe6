//! The sideband service as the function asks it: with a credential that may be kept elsewhere and is
//! read again when it is no longer accepted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_model::{ApiRequest, Decision};
use portcullis_pdp::clock::Clock;
use portcullis_pdp::http::HttpClient;
use portcullis_pdp::sideband::{
    GatewayCredential, ServiceUrl, SidebandClient, SidebandSettings, service_url_from_credential,
};
use portcullis_pdp::{DecisionPoint, Unavailable};
use tokio::sync::Mutex;

use crate::authorizer::Failure;
use crate::environment::Environment;
use crate::secret;
use crate::settings::{Secret, SidebandSource};

/// A credential that is kept elsewhere and is no longer accepted is read again, but not more often
/// than this.
const SHORTEST_CREDENTIAL_AGE: Duration = Duration::from_secs(10);

/// A sideband service.
pub(crate) struct Sideband {
    source: SidebandSource,
    timeout: Duration,
    environment: Environment,
    http: Arc<HttpClient>,
    client: Mutex<Option<Connected>>,
    clock: Arc<dyn Clock>,
}

/// A client with the credential that was current when it was made.
#[derive(Clone)]
struct Connected {
    client: Arc<SidebandClient>,
    since: Instant,
}

impl Sideband {
    /// A service that was not asked yet.
    pub(crate) fn new(
        source: SidebandSource,
        timeout: Duration,
        environment: Environment,
        http: Arc<HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let mut sideband = Self {
            source,
            timeout,
            environment,
            http,
            client: Mutex::new(None),
            clock,
        };
        if let Secret::Value(credential) = &sideband.source.credential {
            let connected = sideband.with_credential(credential.clone())?;
            *sideband.client.get_mut() = Some(connected);
        }
        Ok(sideband)
    }

    /// Asks the service; where it no longer accepts a credential that is kept elsewhere, once more
    /// with the one that is there now.
    pub(crate) async fn ask(&self, request: &ApiRequest) -> Result<Decision, Unavailable> {
        let connected = self.connected().await?;
        let outcome = connected.client.decide(request).await;
        let refused = matches!(outcome, Err(Unavailable::Status { status: 401, .. }));
        let age = self
            .clock
            .monotonic()
            .saturating_duration_since(connected.since);
        let may_be_old =
            matches!(self.source.credential, Secret::Arn(_)) && age >= SHORTEST_CREDENTIAL_AGE;
        if !(refused && may_be_old) {
            return outcome;
        }
        tracing::warn!("the gateway credential is no longer accepted; it is read again");
        *self.client.lock().await = None;
        self.connected().await?.client.decide(request).await
    }

    async fn connected(&self) -> Result<Connected, Unavailable> {
        let mut client = self.client.lock().await;
        if let Some(connected) = &*client {
            return Ok(connected.clone());
        }
        let connected = self.connect().await?;
        *client = Some(connected.clone());
        Ok(connected)
    }

    /// Reads the credential from where it is kept. A failure is tried again at the next event.
    async fn connect(&self) -> Result<Connected, Unavailable> {
        let network = |cause: String| Unavailable::Network { cause };
        let credential = match &self.source.credential {
            Secret::Value(credential) => credential.clone(),
            Secret::Arn(arn) => secret::read(&self.http, &self.environment, arn, self.timeout)
                .await
                .map_err(|error| network(error.to_string()))?,
        };
        self.with_credential(credential)
            .map_err(|error| network(error.to_string()))
    }

    fn with_credential(&self, credential: GatewayCredential) -> Result<Connected, Failure> {
        let source = &self.source;
        let from_credential = || {
            let url = service_url_from_credential(credential.expose())?;
            ServiceUrl::parse(&url).ok()
        };
        let service_url = source.service_url.clone().or_else(from_credential).ok_or_else(|| {
            Failure::Start("SERVICE_URL is not set, and the credential has no usable claim httpAccessApiUrl".to_owned())
        })?;
        let sideband = SidebandSettings {
            service_url,
            credential_header: source.credential_header.clone(),
            credential,
            max_retries: source.max_retries,
            timeout: self.timeout,
            debug: source.debug,
        };
        let client = SidebandClient::new(sideband, Arc::clone(&self.http), Arc::clone(&self.clock))
            .map_err(|error| Failure::Start(error.to_string()))?;
        Ok(Connected {
            client: Arc::new(client),
            since: self.clock.monotonic(),
        })
    }
}
