//! The one question that every enforcement point asks, and what can keep it from being answered.

use std::pin::Pin;
use std::time::Duration;

use portcullis_engine::Question;
use portcullis_jose::JsonObject;
use portcullis_model::{
    ApiRequest, ApiResponse, Decision, Deny, FollowUp, Reason, ReasonCode, ResponseDecision,
    ResponseOutcome, Trace,
};

/// A decision on its way.
pub type DecisionFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Decision, Unavailable>> + Send + 'a>>;

/// What a token stands for, on its way; `None` for one that is not good.
pub type InspectionFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Option<JsonObject>, Unavailable>> + Send + 'a>>;

/// Where the keys of an issuer are, on its way; `None` where nobody can tell.
pub type JwksUriFuture<'a> = Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>;

/// Answers permit or deny.
pub trait DecisionPoint: Send + Sync {
    /// Decides on one request.
    ///
    /// An error means that no decision could be had. It is never a permit: the enforcement point
    /// turns it into an error or a deny.
    fn decide<'a>(&'a self, request: &'a ApiRequest) -> DecisionFuture<'a>;

    /// Decides on the response to a request that was permitted; `known` is what the decision on the
    /// request left behind. Where nobody can, the response is denied.
    fn decide_response(
        &self,
        _request: &ApiRequest,
        _known: Option<&FollowUp>,
        _response: &ApiResponse,
    ) -> ResponseDecision {
        let message = "this decision point does not decide on responses";
        ResponseDecision {
            outcome: ResponseOutcome::Deny(Deny::status(503)),
            reason: Reason::new(ReasonCode::DecisionPointUnavailable, message),
            trace: Trace::default(),
        }
    }

    /// Decides on a subject, a method and a route that whoever asks vouches for. Where nobody can, it is a
    /// deny.
    fn evaluate(&self, _question: &Question) -> Decision {
        let message = "this decision point does not take questions without a token";
        let reason = Reason::new(ReasonCode::DecisionPointUnavailable, message);
        Decision::deny(Deny::status(503), reason)
    }

    /// The methods that the subject may use on the route; none where nobody can tell.
    fn permitted_methods(&self, _question: &Question) -> Vec<String> {
        Vec::new()
    }

    /// Finds out what a token is worth to any of those API services, whoever sent it. Asks issuers where only they
    /// know.
    fn inspect<'a>(&'a self, _services: &'a [String], _token: &'a str) -> InspectionFuture<'a> {
        let cause = "this decision point answers no questions about tokens".to_owned();
        Box::pin(async { Err(Unavailable::BadAnswer { cause }) })
    }

    /// Where an issuer that the policy trusts says that its keys are. Nobody else is asked.
    fn jwks_uri<'a>(&'a self, _issuer: &'a str) -> JwksUriFuture<'a> {
        Box::pin(async { None })
    }
}

/// Why no decision could be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The time budget ran out.
    #[error("the decision point gave no answer within {} ms", .budget.as_millis())]
    Timeout {
        /// The whole budget, retries included.
        budget: Duration,
    },
    /// No connection, or it broke off.
    #[error("the decision point could not be reached: {cause}")]
    Network {
        /// What the operating system or TLS reported.
        cause: String,
    },
    /// The decision point asked for fewer requests (HTTP 429).
    #[error("the decision point asks to be left alone for {} ms more (HTTP 429)", .retry_after.as_millis())]
    Throttled {
        /// How long nothing will be sent.
        retry_after: Duration,
    },
    /// The decision point answered with another status than 200.
    #[error("the decision point answered with HTTP status {status}; {hint}")]
    Status {
        /// The status.
        status: u16,
        /// What to look at.
        hint: &'static str,
    },
    /// An answer that is neither a permit nor a deny.
    #[error("the decision point gave no usable answer: {cause}")]
    BadAnswer {
        /// What was expected and what came.
        cause: String,
    },
    /// An issuer could not be asked about an opaque token.
    #[error("issuer {issuer} could not be asked about an opaque token: {cause}")]
    Introspection {
        /// The issuer, as configured.
        issuer: String,
        /// What went wrong.
        cause: String,
    },
    /// The keys of an issuer could not be had.
    #[error("the keys of issuer {issuer} could not be had: {cause}")]
    Keys {
        /// The issuer, as configured.
        issuer: String,
        /// What went wrong.
        cause: String,
    },
}
