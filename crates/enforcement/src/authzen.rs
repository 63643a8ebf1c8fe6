//! The AuthZEN service as an enforcement point asks it, once it has found the token to be valid.

use std::sync::Arc;
use std::time::Duration;

use portcullis_model::{ApiRequest, Decision};
use portcullis_pdp::authzen::{
    AuthzenClient, AuthzenDecisionPoint, AuthzenOptions, Evaluate, EvaluationFuture, Question,
};
use portcullis_pdp::sideband::GatewayCredential;
use portcullis_pdp::{DecisionPoint, Unavailable};

use crate::credential::{Credentialed, Store};
use crate::decider::{Platform, StartError};
use crate::settings::AuthzenSource;

/// An AuthZEN service, and what is checked before it is asked.
pub struct Authzen {
    point: AuthzenDecisionPoint,
    client: Arc<AuthzenClient>,
    credential: Option<Arc<Credentialed<GatewayCredential>>>,
    timeout: Duration,
}

impl Authzen {
    /// A service that was not asked yet.
    pub(crate) fn new(
        source: AuthzenSource,
        timeout: Duration,
        platform: &Platform,
    ) -> Result<Self, StartError> {
        let Platform { http, clock, .. } = platform;
        let client = AuthzenClient::new(source.service, Arc::clone(http), Arc::clone(clock))
            .map_err(|error| StartError(error.to_string()))?;
        let client = Arc::new(client);
        let (service, credential): (Box<dyn Evaluate>, _) = match source.credential {
            None => (Box::new((Arc::clone(&client), None)), None),
            Some(secret) => {
                let store = Store {
                    secrets: Arc::clone(&platform.secrets),
                    timeout,
                    parse: |text| GatewayCredential::header_value(text).ok(),
                };
                let credential = Credentialed::new(secret, store, Arc::clone(clock), Ok)?;
                let credential = Arc::new(credential);
                let service = WithCredential {
                    client: Arc::clone(&client),
                    credential: Arc::clone(&credential),
                };
                (Box::new(service), Some(credential))
            }
        };
        let options = AuthzenOptions {
            subject_claims: source.subject_claims,
            bundled_keys: source.tokens.keys,
            timeout,
        };
        let fetch = Arc::clone(http);
        let point = AuthzenDecisionPoint::new(
            source.tokens.policy,
            service,
            fetch,
            Arc::clone(clock),
            options,
        );
        Ok(Self {
            point,
            client,
            credential,
            timeout,
        })
    }

    /// Reads the credential, where it is kept elsewhere.
    pub(crate) async fn prepare(&self) {
        if let Some(credential) = &self.credential {
            credential.prepare().await;
        }
    }

    /// Fetches what decisions will need: the keys of the issuer and where the service is asked.
    pub(crate) async fn hydrate(&self) {
        tokio::join!(self.point.hydrate(), self.client.discover(self.timeout));
    }

    /// Verifies the token and asks the service.
    pub(crate) async fn ask(&self, request: &ApiRequest) -> Result<Decision, Unavailable> {
        self.point.decide(request).await
    }
}

/// The client with a credential that may be kept elsewhere.
struct WithCredential {
    client: Arc<AuthzenClient>,
    credential: Arc<Credentialed<GatewayCredential>>,
}

impl Evaluate for WithCredential {
    fn evaluate<'a>(&'a self, question: &'a Question, budget: Duration) -> EvaluationFuture<'a> {
        let ask = move |credential: Arc<GatewayCredential>| async move {
            let credential = Some((*credential).clone());
            self.client.evaluate(question, &credential, budget).await
        };
        Box::pin(self.credential.ask(ask))
    }
}
