//! The sideband service as an enforcement point asks it.

use std::sync::Arc;
use std::time::Duration;

use portcullis_model::{ApiRequest, Decision};
use portcullis_pdp::sideband::{
    GatewayCredential, ServiceUrl, SidebandClient, SidebandSettings, service_url_from_credential,
};
use portcullis_pdp::{DecisionPoint, Unavailable};

use crate::credential::{Credentialed, Store};
use crate::decider::{Platform, StartError};
use crate::settings::SidebandSource;

/// A sideband service.
pub struct Sideband(Credentialed<SidebandClient>);

impl Sideband {
    /// A service that was not asked yet.
    pub(crate) fn new(
        source: SidebandSource,
        timeout: Duration,
        platform: &Platform,
    ) -> Result<Self, StartError> {
        let secret = source.credential.clone();
        let store = Store {
            secrets: Arc::clone(&platform.secrets),
            timeout,
            parse: |text| GatewayCredential::parse(text).ok(),
        };
        let (http, clock) = (Arc::clone(&platform.http), Arc::clone(&platform.clock));
        let clock_of_client = Arc::clone(&clock);
        let connect = move |credential: GatewayCredential| {
            let settings = settings(&source, credential, timeout)?;
            SidebandClient::new(settings, Arc::clone(&http), Arc::clone(&clock_of_client))
                .map_err(|error| StartError(error.to_string()))
        };
        Credentialed::new(secret, store, clock, connect).map(Self)
    }

    /// Reads the credential, where it is kept elsewhere.
    pub(crate) async fn prepare(&self) {
        self.0.prepare().await;
    }

    /// Asks the service.
    pub(crate) async fn ask(&self, request: &ApiRequest) -> Result<Decision, Unavailable> {
        self.0
            .ask(|client| async move { client.decide(request).await })
            .await
    }
}

fn settings(
    source: &SidebandSource,
    credential: GatewayCredential,
    timeout: Duration,
) -> Result<SidebandSettings, StartError> {
    let from_credential = || {
        let url = service_url_from_credential(credential.expose())?;
        ServiceUrl::parse(&url).ok()
    };
    let service_url = source
        .service_url
        .clone()
        .or_else(from_credential)
        .ok_or_else(|| {
            StartError(
                "SERVICE_URL is not set, and the credential has no usable claim httpAccessApiUrl"
                    .to_owned(),
            )
        })?;
    Ok(SidebandSettings {
        service_url,
        credential_header: source.credential_header.clone(),
        credential,
        max_retries: source.max_retries,
        timeout,
        debug: source.debug,
    })
}
