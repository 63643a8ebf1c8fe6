//! The way of one event: parsed, screened, decided, answered, measured. Nothing on it can end in
//! an allow unless a decision point permitted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lambda_runtime::Diagnostic;
use portcullis_aws::{Answer, AnswerError, AuthorizerEvent, Dialect, EventError, answer};
use portcullis_engine::screen;
use portcullis_model::{ApiRequest, Decision, Deny, Outcome, Reason, ReasonCode};
use portcullis_pdp::clock::Clock;
use portcullis_pdp::http::HttpClient;
use portcullis_pdp::sideband::{
    DECISION_ID, GatewayCredential, ServiceUrl, SidebandClient, SidebandSettings,
    service_url_from_credential,
};
use portcullis_pdp::{DecisionPoint, Unavailable};
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use crate::environment::Environment;
use crate::metrics::{Metrics, Observation};
use crate::secret;
use crate::settings::{OnUnavailable, Secret, Settings};

/// Answers authorizer events.
pub struct Authorizer {
    settings: Settings,
    environment: Environment,
    http: Arc<HttpClient>,
    client: Mutex<Option<Connected>>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    warm: AtomicBool,
}

/// A client with the credential that was current when it was made.
#[derive(Clone)]
struct Connected {
    client: Arc<SidebandClient>,
    since: Instant,
}

/// A credential that is kept elsewhere and is no longer accepted is read again, but not more often
/// than this.
const SHORTEST_CREDENTIAL_AGE: Duration = Duration::from_secs(10);

impl Authorizer {
    /// An authorizer with those settings. Makes no request: that would delay the first event.
    pub fn new(
        settings: Settings,
        environment: Environment,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let http =
            HttpClient::new(&settings.roots).map_err(|error| Failure::Start(error.to_string()))?;
        let metrics = Metrics::new(
            environment
                .value("AWS_LAMBDA_FUNCTION_NAME")
                .unwrap_or("portcullis"),
        );
        let mut authorizer = Self {
            settings,
            environment,
            http: Arc::new(http),
            client: Mutex::new(None),
            clock,
            metrics,
            warm: AtomicBool::new(false),
        };
        if let Secret::Value(credential) = &authorizer.settings.credential {
            let connected = authorizer.sideband(credential.clone())?;
            *authorizer.client.get_mut() = Some(connected);
        }
        Ok(authorizer)
    }

    /// Answers one event, logs what was decided and writes its metric line.
    pub async fn handle(&self, event: &RawValue, request_id: &str) -> Result<Answer, Failure> {
        let started = self.clock.monotonic();
        let cold_start = !self.warm.swap(true, Ordering::Relaxed);
        let (dialect, outcome) =
            match AuthorizerEvent::parse(event.get().as_bytes(), &self.settings.event) {
                Ok(event) => (Some(event.dialect()), self.answer(&event, request_id).await),
                Err(error) => (None, Err(Failure::Event(error))),
            };
        let decision = match &outcome {
            Ok(answer) if answer.is_allow() => "permit",
            Ok(Answer::Unauthorized) => "unauthorized",
            Ok(_) => "deny",
            // Anyone can send such requests, so they must not look like a failure of ours.
            Err(Failure::Event(
                error @ (EventError::Header(_) | EventError::Url(_) | EventError::Method(_)),
            )) => {
                tracing::warn!(requestId = request_id, %error, "a request that cannot be decided on");
                "bad_request"
            }
            Err(error) => {
                tracing::error!(requestId = request_id, %error, "the event could not be answered");
                "error"
            }
        };
        let latency = self.clock.monotonic().saturating_duration_since(started);
        let observation = Observation {
            decision,
            dialect,
            latency,
            cold_start,
        };
        self.metrics
            .record(&observation, self.clock.unix_now().saturating_mul(1000));
        outcome
    }

    async fn answer(&self, event: &AuthorizerEvent, request_id: &str) -> Result<Answer, Failure> {
        let request = event.request();
        let decision = match self.decide(request).await {
            Ok(decision) => decision,
            Err(error) if self.settings.on_unavailable == OnUnavailable::Deny => {
                tracing::error!(requestId = request_id, %error, "no decision could be had; the request is denied");
                let reason = Reason::new(
                    ReasonCode::DecisionPointUnavailable,
                    "no decision could be had",
                );
                Decision::deny(Deny::status(503), reason)
            }
            Err(error) => return Err(Failure::Unavailable(error)),
        };
        let answer = answer(event, &decision, self.settings.http_response)?;
        log(&decision, request, event.dialect(), request_id);
        Ok(answer)
    }

    async fn decide(&self, request: &ApiRequest) -> Result<Decision, Unavailable> {
        if let Some(refused) = screen(request) {
            return Ok(refused);
        }
        let decision = self.ask(request).await?;
        match &decision.outcome {
            // A decision point that denies with a server error says that it could not decide.
            Outcome::Deny(deny) if deny.status >= 500 => Err(Unavailable::Status {
                status: deny.status,
                hint: "the decision point denied with a server error; look at its log",
            }),
            _ => Ok(decision),
        }
    }

    /// Asks the service; where it no longer accepts a credential that is kept elsewhere, once more
    /// with the one that is there now.
    async fn ask(&self, request: &ApiRequest) -> Result<Decision, Unavailable> {
        let connected = self.connected().await?;
        let outcome = connected.client.decide(request).await;
        let refused = matches!(outcome, Err(Unavailable::Status { status: 401, .. }));
        let age = self
            .clock
            .monotonic()
            .saturating_duration_since(connected.since);
        let may_be_old =
            matches!(self.settings.credential, Secret::Arn(_)) && age >= SHORTEST_CREDENTIAL_AGE;
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
        let credential = match &self.settings.credential {
            Secret::Value(credential) => credential.clone(),
            Secret::Arn(arn) => {
                secret::read(&self.http, &self.environment, arn, self.settings.timeout)
                    .await
                    .map_err(|error| network(error.to_string()))?
            }
        };
        self.sideband(credential)
            .map_err(|error| network(error.to_string()))
    }

    fn sideband(&self, credential: GatewayCredential) -> Result<Connected, Failure> {
        let settings = &self.settings;
        let from_credential = || {
            let url = service_url_from_credential(credential.expose())?;
            ServiceUrl::parse(&url).ok()
        };
        let service_url = settings.service_url.clone().or_else(from_credential).ok_or_else(|| {
            Failure::Start("SERVICE_URL is not set, and the credential has no usable claim httpAccessApiUrl".to_owned())
        })?;
        let sideband = SidebandSettings {
            service_url,
            credential_header: settings.credential_header.clone(),
            credential,
            max_retries: settings.max_retries,
            timeout: settings.timeout,
            debug: settings.debug,
        };
        let client = SidebandClient::new(sideband, Arc::clone(&self.http), Arc::clone(&self.clock))
            .map_err(|error| Failure::Start(error.to_string()))?;
        Ok(Connected {
            client: Arc::new(client),
            since: self.clock.monotonic(),
        })
    }
}

/// One line a decision: everything that is needed to explain it, and no header, query or claim.
fn log(decision: &Decision, request: &ApiRequest, dialect: Dialect, request_id: &str) {
    let path: String = request.url.path().chars().take(512).collect();
    tracing::info!(
        requestId = request_id,
        decision = decision.as_str(),
        reason = decision.reason.code.as_str(),
        detail = decision.reason.message.as_ref(),
        decision_id = decision
            .context
            .get(DECISION_ID)
            .and_then(serde_json::Value::as_str),
        status = decision.status(),
        dialect = dialect.as_str(),
        method = request.method.as_str(),
        host = request.url.host(),
        path,
        "decided"
    );
}

/// Why an event was not answered. API Gateway shows each as 500.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The function cannot work as it is set up.
    #[error("{0}")]
    Start(String),
    /// The event is none that an authorizer gets.
    #[error(transparent)]
    Event(#[from] EventError),
    /// No decision could be had.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The decision cannot be put into words that API Gateway accepts.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        let error_type = match &failure {
            Failure::Start(_) => "Portcullis.Start",
            Failure::Event(_) => "Portcullis.Event",
            Failure::Unavailable(_) => "Portcullis.Unavailable",
            Failure::Answer(_) => "Portcullis.Answer",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: failure.to_string(),
        }
    }
}
