//! The way of one event: parsed, decided, answered, logged, measured. Nothing on it can end in a forwarded request
//! unless a decision point permitted, and nothing on it fails: whatever goes wrong is a response.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_aws::{
    EdgeAnswer, EdgeFailure, EdgeOptions, EventError, ViewerBody, ViewerRequest, edge_answer,
    error_answer,
};
use portcullis_enforcement::{
    Decider, Metrics, Observation, OnUnavailable, Platform, StartError, within,
};
use portcullis_model::{ApiRequest, Decision, Deny, Outcome, Reason, ReasonCode};
use portcullis_pdp::Unavailable;
use portcullis_pdp::clock::Clock;

use crate::settings::{EdgeSettings, PartialBodyRule};

/// What the log calls these events.
const DIALECT: &str = "cloudfront_viewer_request";

/// The edge function.
pub struct EdgeFunction {
    decider: Decider,
    answering: Answering,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    warm: AtomicBool,
}

/// The settings that matter whoever decides.
struct Answering {
    options: EdgeOptions,
    on_unavailable: OnUnavailable,
    partial_body: PartialBodyRule,
    timeout: Duration,
}

/// The answer to an event, and the line of its metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// What the function returns, in JSON.
    pub answer: String,
    /// One line in the embedded metric format of CloudWatch.
    pub metrics: String,
}

impl EdgeFunction {
    /// A function with those settings. Makes no request: that would delay the first event.
    pub fn new(settings: EdgeSettings, platform: &Platform) -> Result<Self, StartError> {
        let EdgeSettings {
            shared,
            options,
            partial_body,
        } = settings;
        let decider = Decider::new(shared.decision_point, shared.timeout, false, platform)?;
        let function = platform.environment.value("AWS_LAMBDA_FUNCTION_NAME");
        Ok(Self {
            decider,
            answering: Answering {
                options,
                on_unavailable: shared.on_unavailable,
                partial_body,
                timeout: shared.timeout,
            },
            metrics: Metrics::new(function.unwrap_or("portcullis")),
            clock: Arc::clone(&platform.clock),
            warm: AtomicBool::new(false),
        })
    }

    /// Reads the secret that is kept elsewhere, and fetches what decisions will need.
    pub async fn hydrate(&self) {
        self.decider.prepare().await;
        self.decider.hydrate().await;
    }

    /// Renews what is polled, where it is time for that. Done beside the way of events.
    pub async fn renew(&self) {
        if let Decider::Cloudentity(point) = &self.decider
            && point.wants_refresh()
        {
            point.refresh().await;
        }
    }

    /// Answers one event, logs what was decided, and measures it.
    pub async fn handle(&self, event: &[u8]) -> Handled {
        let started = self.clock.monotonic();
        let cold_start = !self.warm.swap(true, Ordering::Relaxed);
        let (decision, answer) = match ViewerRequest::parse(event, &self.answering.options) {
            Ok(event) => self.answer(&event).await,
            Err(error) => refused(&error),
        };
        let latency = self.clock.monotonic().saturating_duration_since(started);
        let observation = Observation {
            decision,
            dialect: Some(DIALECT),
            latency,
            cold_start,
        };
        let now = self.clock.unix_now().saturating_mul(1000);
        Handled {
            answer: serde_json::to_string(&answer)
                .unwrap_or_else(|_| EdgeFailure::Unavailable.json().to_owned()),
            metrics: self.metrics.line(&observation, now),
        }
    }

    async fn answer(&self, event: &ViewerRequest) -> (&'static str, EdgeAnswer) {
        let decision = match self.decide(event).await {
            Ok(decision) => decision,
            Err(error) if self.answering.on_unavailable == OnUnavailable::Deny => {
                let request = event.request_id();
                tracing::error!(requestId = request, %error, "no decision could be had; the request is denied");
                let reason = Reason::new(
                    ReasonCode::DecisionPointUnavailable,
                    "no decision could be had",
                );
                Decision::deny(Deny::status(EdgeFailure::Forbidden.status()), reason)
            }
            Err(error) => {
                let request = event.request_id();
                tracing::error!(requestId = request, %error, "no decision could be had");
                return ("error", error_answer(EdgeFailure::Unavailable));
            }
        };
        match edge_answer(event, &decision, &self.answering.options) {
            Ok(answer) => {
                log(&decision, event, &answer);
                (word(&decision), answer)
            }
            Err(error) => {
                let request = event.request_id();
                tracing::error!(
                    requestId = request,
                    decision = decision.as_str(),
                    reason = decision.reason.code.as_str(),
                    %error,
                    "the decision cannot be carried out; the request is denied"
                );
                let failure = if decision.is_permit() {
                    EdgeFailure::Unavailable
                } else {
                    EdgeFailure::Forbidden
                };
                ("error", error_answer(failure))
            }
        }
    }

    async fn decide(&self, event: &ViewerRequest) -> Result<Decision, Unavailable> {
        if let (ViewerBody::Partial { .. }, PartialBodyRule::Deny) =
            (event.body(), self.answering.partial_body)
        {
            let message = "the body is longer than what CloudFront shows of it, or no text";
            let reason = Reason::new(ReasonCode::PartialBody, message);
            return Ok(Decision::deny(Deny::status(413), reason));
        }
        let (budget, clock) = (self.answering.timeout, &*self.clock);
        // The whole budget, also where a secret has to be read first.
        let decide = self.decider.decide(event.request(), budget, clock);
        within(clock, budget, decide).await
    }
}

/// The answer to what is no event, or an event of a request that cannot be decided on.
fn refused(error: &EventError) -> (&'static str, EdgeAnswer) {
    // Anyone can send such requests, so they must not look like a failure of ours.
    let by_client = matches!(
        error,
        EventError::Host { .. }
            | EventError::Header(_)
            | EventError::Url(_)
            | EventError::Method(_)
    );
    if by_client {
        tracing::warn!(%error, "a request that cannot be decided on");
        ("bad_request", error_answer(EdgeFailure::Forbidden))
    } else {
        tracing::error!(%error, "the event could not be answered");
        ("error", error_answer(EdgeFailure::Unavailable))
    }
}

/// What metrics call a decision.
const fn word(decision: &Decision) -> &'static str {
    match &decision.outcome {
        Outcome::Permit(_) => "permit",
        Outcome::Deny(deny) if deny.status == 401 => "unauthorized",
        Outcome::Deny(_) => "deny",
    }
}

/// One line a decision: everything that is needed to explain it, and no header, query or claim.
fn log(decision: &Decision, event: &ViewerRequest, answer: &EdgeAnswer) {
    let request: &ApiRequest = event.request();
    for notice in answer.notices() {
        tracing::warn!(requestId = event.request_id(), "{notice}");
    }
    tracing::info!(
        requestId = event.request_id(),
        decision = decision.as_str(),
        reason = decision.reason.code.as_str(),
        detail = decision.reason.message.as_ref(),
        decision_id = decision.id(),
        status = decision.status(),
        dialect = DIALECT,
        distribution = event.distribution_id(),
        method = request.method.as_str(),
        host = request.url.host(),
        path = request.logged_path(),
        "decided"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_can_bring_about_is_no_failure_of_ours() {
        let host = EventError::Host { found: "none" };
        let url = EventError::Url(portcullis_model::InvalidUrl::Syntax);
        for error in [host, url] {
            let (word, answer) = refused(&error);
            assert_eq!(
                (word, answer),
                ("bad_request", error_answer(EdgeFailure::Forbidden))
            );
        }
        let event = EventError::NotObject { found: "null" };
        assert_eq!(refused(&event).0, "error");
    }
}
