//! The decision point that verifies the token itself and then asks a service that speaks AuthZEN
//! (OpenID AuthZEN Authorization API 1.0, with draft 1 of its obligations profile).
//!
//! A deny of this process is final, and nobody is asked. So is the permit of a route that the policy
//! calls public: no token, no subject to ask about. Every other permit needs `"decision": true`, in an
//! answer of status 200, and no obligation. The service never sees the token, nor a claim that is not on
//! the list.

mod answer;
mod asked;
mod client;
mod endpoint;
mod question;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::{ApiService, IssuerUrl, PolicySet};
use portcullis_jose::Jwks;
use portcullis_model::{
    ApiRequest, Challenge, ChallengeError, ChallengeScheme, Check, CheckOutcome, DECISION_ID,
    Decision, Deny, Level, Outcome, Reason, ReasonCode, RequestEdits, Reuse,
};

use crate::clock::{Clock, timeout};
use crate::decision_point::{DecisionFuture, DecisionPoint, Unavailable};
use crate::keys::Fetch;
use crate::local::{LocalDecisionPoint, LocalSettings};

pub use self::answer::{Evaluation, MAX_ANSWER_BYTES};
pub use self::asked::{AskedEvaluation, AskedEvaluations, InvalidCall, Questions, Semantic};
pub use self::client::{AuthzenClient, AuthzenCredential, AuthzenSettings};
pub use self::endpoint::{EndpointOrigin, InvalidPdpUrl, PdpUrl};
pub use self::question::{InvalidSubjectClaims, Question, SubjectClaims};

/// What the check is called in a trace.
const CHECK: &str = "decision_point";

/// An evaluation on its way.
pub type EvaluationFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Evaluation, Unavailable>> + Send + 'a>>;

/// Asks an AuthZEN service one question.
pub trait Evaluate: Send + Sync {
    /// Asks within that time, retries included. An error is never a permit.
    fn evaluate<'a>(&'a self, question: &'a Question, budget: Duration) -> EvaluationFuture<'a>;
}

/// What may be set about the decision point.
#[derive(Debug, Default)]
pub struct AuthzenOptions {
    /// The claims of the token that the service is told.
    pub subject_claims: SubjectClaims,
    /// Keys that came with the policy.
    pub bundled_keys: Vec<(IssuerUrl, Jwks)>,
    /// The whole budget for one decision.
    pub timeout: Duration,
}

/// Verifies the token here, then asks an AuthZEN service.
pub struct AuthzenDecisionPoint {
    policy: Arc<PolicySet>,
    local: LocalDecisionPoint,
    service: Box<dyn Evaluate>,
    subject_claims: SubjectClaims,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl AuthzenDecisionPoint {
    /// A decision point that lets through what the policy and the service both permit. The policy must
    /// not name opaque tokens: nobody is asked about them here, and they are refused.
    pub fn new(
        policy: PolicySet,
        service: Box<dyn Evaluate>,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        options: AuthzenOptions,
    ) -> Self {
        let policy = Arc::new(policy);
        let settings = LocalSettings {
            bundled_keys: options.bundled_keys,
            ..LocalSettings::default()
        };
        let local = LocalDecisionPoint::without_secrets(
            Arc::clone(&policy),
            fetch,
            Arc::clone(&clock),
            settings,
        );
        Self {
            policy,
            local,
            service,
            subject_claims: options.subject_claims,
            timeout: options.timeout,
            clock,
        }
    }

    /// Fetches the keys of every issuer that has none.
    pub async fn hydrate(&self) {
        self.local.hydrate().await;
    }

    async fn decide(&self, request: &ApiRequest) -> Result<Decision, Unavailable> {
        let budget = self.timeout;
        let deadline = self.clock.monotonic() + budget;
        let verified = timeout(&*self.clock, budget, self.local.decide(request))
            .await
            .unwrap_or(Err(Unavailable::Timeout { budget }))?;
        if !verified.is_permit() || verified.reason.code == ReasonCode::Public {
            return Ok(verified);
        }
        // INVARIANT: what was permitted has a place, and a token that was permitted is there.
        let Some(place) = self.policy.place(request) else {
            return Err(Unavailable::BadAnswer {
                cause: "the policy permitted a request that it does not cover".to_owned(),
            });
        };
        let Some(subject) = verified.principal.clone() else {
            return Ok(without_subject(verified, place.service, request));
        };
        let question = Question::new(request, &place, &subject, &self.subject_claims);
        let left = deadline.saturating_duration_since(self.clock.monotonic());
        let evaluation = self.service.evaluate(&question, left).await?;
        let mut decision = decision(verified, evaluation, place.service, request);
        let id = question.id().to_owned();
        decision.context.insert(DECISION_ID.to_owned(), id.into());
        Ok(decision)
    }
}

impl DecisionPoint for AuthzenDecisionPoint {
    fn decide<'a>(&'a self, request: &'a ApiRequest) -> DecisionFuture<'a> {
        Box::pin(AuthzenDecisionPoint::decide(self, request))
    }
}

impl fmt::Debug for AuthzenDecisionPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthzenDecisionPoint")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What the service answered, as a decision on a request whose token was verified.
fn decision(
    verified: Decision,
    evaluation: Evaluation,
    service: &ApiService,
    request: &ApiRequest,
) -> Decision {
    let denied = ReasonCode::DeniedByDecisionPoint;
    let (outcome, reason) = match evaluation {
        Evaluation::Permit => (
            Outcome::Permit(RequestEdits::default()),
            Reason::new(
                ReasonCode::PermittedByDecisionPoint,
                "the token is valid, and the decision point permits the request",
            ),
        ),
        Evaluation::Deny => (
            Outcome::Deny(Deny::status(403)),
            Reason::new(denied, "the decision point denies the request"),
        ),
        Evaluation::ObligationUnmet => (
            Outcome::Deny(Deny::status(403)),
            Reason::new(
                denied,
                "the decision point permits the request on an obligation that nobody can meet here",
            ),
        ),
        Evaluation::StepUp { acr_values } => {
            let message = "the decision point asks for a stronger authentication";
            let challenge = Challenge {
                error: Some(ChallengeError::InsufficientUserAuthentication),
                error_description: Some(message.to_owned()),
                acr_values: Some(acr_values),
                ..service.challenge(scheme(request))
            };
            (
                Outcome::Deny(Deny::challenge(401, challenge)),
                Reason::new(ReasonCode::InsufficientUserAuthentication, message),
            )
        }
    };
    concluded(verified, outcome, reason)
}

/// 401: a token without `sub` speaks for nobody whom the service could know.
fn without_subject(verified: Decision, service: &ApiService, request: &ApiRequest) -> Decision {
    let message = "the token names no subject (sub), and the decision point is asked about one";
    let challenge = Challenge {
        error: Some(ChallengeError::InvalidToken),
        error_description: Some(message.to_owned()),
        ..service.challenge(scheme(request))
    };
    concluded(
        verified,
        Outcome::Deny(Deny::challenge(401, challenge)),
        Reason::new(ReasonCode::InvalidClaim, message),
    )
}

/// The decision on this one request: another answer may come at the next one.
fn concluded(mut verified: Decision, outcome: Outcome, reason: Reason) -> Decision {
    verified.trace.checks.push(Check {
        name: CHECK,
        outcome: match outcome {
            Outcome::Permit(_) => CheckOutcome::Passed,
            Outcome::Deny(_) => CheckOutcome::Failed,
        },
        detail: reason.message.clone(),
        level: Level::Request,
        attributes: Vec::new(),
    });
    Decision {
        outcome,
        reason,
        reuse: Reuse::ThisRequest,
        ..verified
    }
}

/// The scheme under which the token came, which is that of the challenge.
fn scheme(request: &ApiRequest) -> ChallengeScheme {
    let sent = request.authorization().ok().flatten();
    match sent.and_then(|value| value.split_once(' ')) {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("dpop") => ChallengeScheme::Dpop,
        _ => ChallengeScheme::Bearer,
    }
}
