//! Counts decisions and requests to issuers where they are made, so that every route that asks for a
//! decision is counted, whatever it makes of it.

use std::sync::Arc;

use portcullis_engine::Question;
use portcullis_model::{
    ApiRequest, ApiResponse, Decision, FollowUp, ResponseDecision, ResponseOutcome,
};
use portcullis_pdp::clock::Clock;
use portcullis_pdp::keys::{Fetch, FetchFuture, FormPost, PostFuture};
use portcullis_pdp::{DecisionFuture, DecisionPoint, InspectionFuture, JwksUriFuture};

use crate::metrics::{Fetched, Metrics, unavailable};
use crate::traces;

/// A decision point whose decisions are counted, timed and noted in traces.
pub struct CountedDecisions {
    inner: Arc<dyn DecisionPoint>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl CountedDecisions {
    /// Counts what that decision point decides.
    pub fn new(inner: Arc<dyn DecisionPoint>, clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self {
            inner,
            clock,
            metrics,
        }
    }
}

impl DecisionPoint for CountedDecisions {
    fn decide<'a>(&'a self, request: &'a ApiRequest) -> DecisionFuture<'a> {
        Box::pin(async move {
            let started = self.clock.monotonic();
            let answer = self.inner.decide(request).await;
            let elapsed = self.clock.monotonic().saturating_duration_since(started);
            let (outcome, reason) = match &answer {
                Ok(decision) => (decision.as_str(), decision.reason.code.as_str()),
                Err(error) => ("none", unavailable(error)),
            };
            self.metrics.decided(outcome, reason, elapsed);
            traces::note(&answer);
            answer
        })
    }

    fn decide_response(
        &self,
        request: &ApiRequest,
        known: Option<&FollowUp>,
        response: &ApiResponse,
    ) -> ResponseDecision {
        let started = self.clock.monotonic();
        let decision = self.inner.decide_response(request, known, response);
        let elapsed = self.clock.monotonic().saturating_duration_since(started);
        let outcome = match decision.outcome {
            ResponseOutcome::Permit(_) => "permit",
            ResponseOutcome::Deny(_) => "deny",
        };
        let reason = decision.reason.code.as_str();
        self.metrics.decided(outcome, reason, elapsed);
        decision
    }

    fn evaluate(&self, question: &Question) -> Decision {
        let started = self.clock.monotonic();
        let decision = self.inner.evaluate(question);
        let elapsed = self.clock.monotonic().saturating_duration_since(started);
        let reason = decision.reason.code.as_str();
        self.metrics.decided(decision.as_str(), reason, elapsed);
        decision
    }

    fn permitted_methods(&self, question: &Question) -> Vec<String> {
        self.inner.permitted_methods(question)
    }

    fn inspect<'a>(&'a self, services: &'a [String], token: &'a str) -> InspectionFuture<'a> {
        self.inner.inspect(services, token)
    }

    fn jwks_uri<'a>(&'a self, issuer: &'a str) -> JwksUriFuture<'a> {
        self.inner.jwks_uri(issuer)
    }
}

/// An HTTP client whose requests to issuers are counted.
#[derive(Debug)]
pub struct CountedFetch {
    inner: Arc<dyn Fetch>,
    metrics: Metrics,
}

impl CountedFetch {
    /// Counts what that client is asked for.
    pub fn new(inner: Arc<dyn Fetch>, metrics: Metrics) -> Self {
        Self { inner, metrics }
    }
}

impl Fetch for CountedFetch {
    fn get<'a>(&'a self, url: &'a str, max_bytes: usize) -> FetchFuture<'a> {
        Box::pin(async move {
            let answer = self.inner.get(url, max_bytes).await;
            self.metrics.fetched(Fetched::Document, answer.is_ok());
            answer
        })
    }

    fn post<'a>(&'a self, post: FormPost<'a>) -> PostFuture<'a> {
        Box::pin(async move {
            let answer = self.inner.post(post).await;
            let success = answer.as_ref().is_ok_and(|answer| answer.status == 200);
            self.metrics.fetched(Fetched::Introspection, success);
            answer
        })
    }
}
