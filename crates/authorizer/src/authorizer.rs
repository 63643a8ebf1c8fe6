//! The way of one event: parsed, screened, decided, answered, measured. Nothing on it can end in
//! an allow unless a decision point permitted.

use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lambda_runtime::Diagnostic;
use portcullis_aws::{
    Answer, AnswerError, AuthorizerEvent, Dialect, EventError, EventOptions, HttpV2Form,
    PolicyCache, answer, answer_for_cache,
};
use portcullis_enforcement::{
    Decider, DecisionPointSettings, Environment, Metrics, Observation, OnUnavailable, Platform,
    StartError, screened, within,
};
use portcullis_model::{ApiRequest, Decision, Deny, Reason, ReasonCode, Reuse};
use portcullis_pdp::Unavailable;
use portcullis_pdp::clock::Clock;
use portcullis_pdp::http::{Http, HttpClient};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cloudentity::Cloudentity;
use crate::secrets_extension::SecretsExtension;
use crate::settings::Settings;

/// Answers authorizer events.
pub struct Authorizer {
    settings: Answering,
    decides: Decides,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    warm: AtomicBool,
    http: Arc<dyn Http>,
}

/// The settings that matter whoever decides.
struct Answering {
    event: EventOptions,
    http_response: HttpV2Form,
    on_unavailable: OnUnavailable,
    timeout: Duration,
    /// Whether API Gateway caches answers.
    cached: bool,
}

/// Who decides.
enum Decides {
    /// One that needs nothing beside the way of events. Where that is a policy of this function, its answers are right
    /// for every route, so that they can be cached.
    Alone(Decider, PolicyCache),
    /// This function, with the configuration of a control plane that is polled and told of decisions.
    Cloudentity(Box<Cloudentity>),
}

impl Authorizer {
    /// An authorizer with those settings. Makes no request: that would delay the first event.
    pub fn new(
        settings: Settings,
        environment: Environment,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let http =
            HttpClient::new(&settings.roots).map_err(|error| Failure::Start(error.to_string()))?;
        let http: Arc<dyn Http> = Arc::new(http);
        let metrics = Metrics::new(
            environment
                .value("AWS_LAMBDA_FUNCTION_NAME")
                .unwrap_or("portcullis"),
        );
        let platform = Platform {
            http: Arc::clone(&http),
            clock: Arc::clone(&clock),
            secrets: Arc::new(SecretsExtension {
                http: Arc::clone(&http),
                environment: environment.clone(),
            }),
            environment,
        };
        let timeout = settings.timeout;
        let decides = match (settings.decision_point, settings.cloudentity) {
            (DecisionPointSettings::Cloudentity(source), Some(extras)) => {
                let cloudentity = Cloudentity::new(*source, extras, &platform);
                Decides::Cloudentity(Box::new(cloudentity))
            }
            (decision_point, _) => {
                let decider = Decider::new(decision_point, timeout, true, &platform)
                    .map_err(|StartError(error)| Failure::Start(error))?;
                Decides::Alone(decider, PolicyCache::default())
            }
        };
        Ok(Self {
            settings: Answering {
                event: settings.event,
                http_response: settings.http_response,
                on_unavailable: settings.on_unavailable,
                timeout,
                cached: !settings.cache_ttl.is_zero(),
            },
            decides,
            clock,
            metrics,
            warm: AtomicBool::new(false),
            http,
        })
    }

    /// What has to be done before the first event is asked for.
    pub async fn prepare(&self, environment: &Environment) {
        if let Decides::Cloudentity(cloudentity) = &self.decides {
            cloudentity.register(environment, &*self.http).await;
        }
    }

    /// Fetches what decisions will need, where this function decides.
    pub async fn hydrate(&self) {
        match &self.decides {
            Decides::Alone(decider, _) => decider.hydrate().await,
            Decides::Cloudentity(cloudentity) => cloudentity.hydrate().await,
        }
    }

    /// What is done beside the way of events, for as long as it is polled. Never ends.
    pub async fn run_beside(&self) -> Infallible {
        self.hydrate().await;
        if let Decides::Cloudentity(cloudentity) = &self.decides {
            cloudentity.run(&*self.http).await;
        }
        std::future::pending().await
    }

    /// Takes one event: one of an authorizer is answered, and on one of a schedule what was polled is asked for
    /// again, which has no answer.
    pub async fn take(
        &self,
        event: &RawValue,
        request_id: &str,
    ) -> Result<Option<Answer>, Failure> {
        let Decides::Cloudentity(cloudentity) = &self.decides else {
            return self.handle(event, request_id).await.map(Some);
        };
        let outcome = if is_scheduled(event) {
            cloudentity.scheduled().await;
            Ok(None)
        } else {
            self.handle(event, request_id).await.map(Some)
        };
        cloudentity.answered();
        outcome
    }

    /// Answers one event of an authorizer, logs what was decided and writes its metric line.
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
            dialect: dialect.map(Dialect::as_str),
            latency,
            cold_start,
        };
        let now = self.clock.unix_now().saturating_mul(1000);
        let mut line = self.metrics.line(&observation, now);
        line.push('\n');
        // A metric that cannot be written must not keep a decision from being answered.
        let _ = io::stdout().lock().write_all(line.as_bytes());
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
        // API Gateway would let others through with the same answer: without the proof that came with
        // this request, or when the authentication has grown old.
        let depends_on_more = decision.reuse == Reuse::ThisRequest
            && decision.is_permit()
            && decision.reason.code != ReasonCode::Public;
        if self.settings.cached && depends_on_more {
            return Err(Failure::Cached);
        }
        let form = self.settings.http_response;
        let answer = match &self.decides {
            Decides::Alone(Decider::Local(_), cache) => {
                answer_for_cache(event, &decision, form, cache)?
            }
            _ => answer(event, &decision, form)?,
        };
        log(
            &decision,
            request,
            event.dialect(),
            request_id,
            answer.cache(),
        );
        Ok(answer)
    }

    async fn decide(&self, request: &ApiRequest) -> Result<Decision, Unavailable> {
        let budget = self.settings.timeout;
        match &self.decides {
            Decides::Alone(decider, _) => decider.decide(request, budget, &*self.clock).await,
            Decides::Cloudentity(cloudentity) => {
                let ask = within(&*self.clock, budget, cloudentity.ask(request));
                screened(request, ask).await
            }
        }
    }
}

/// Whether a schedule of `EventBridge` sent the event (Amazon `EventBridge` user guide, "Events from AWS services").
fn is_scheduled(event: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Scheduled {
        source: String,
        #[serde(rename = "detail-type")]
        kind: String,
    }
    serde_json::from_str::<Scheduled>(event.get())
        .is_ok_and(|event| event.source == "aws.events" && event.kind == "Scheduled Event")
}

/// One line a decision: everything that is needed to explain it, and no header, query or claim.
///
/// `cache` says for what the answer is right: `credential`, every request with the same credential, or
/// `off`, this request only, so that API Gateway must not cache it.
fn log(
    decision: &Decision,
    request: &ApiRequest,
    dialect: Dialect,
    request_id: &str,
    cache: Option<&str>,
) {
    tracing::info!(
        requestId = request_id,
        decision = decision.as_str(),
        reason = decision.reason.code.as_str(),
        detail = decision.reason.message.as_ref(),
        decision_id = decision.id(),
        status = decision.status(),
        cache,
        dialect = dialect.as_str(),
        method = request.method.as_str(),
        host = request.url.host(),
        path = request.logged_path(),
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
    /// The decision is for one request, and API Gateway would use it for others.
    #[error(
        "the permit depends on more than the token (it is bound to a key or a certificate, an operation asks for max_age, or the policy does not name the API under aws), and PORTCULLIS_CACHE_TTL says that API Gateway caches answers: set the authorizer's TTL and PORTCULLIS_CACHE_TTL to 0"
    )]
    Cached,
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
            Failure::Cached => "Portcullis.Cached",
            Failure::Answer(_) => "Portcullis.Answer",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: failure.to_string(),
        }
    }
}
