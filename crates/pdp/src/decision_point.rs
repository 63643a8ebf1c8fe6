//! The one question that every enforcement point asks, and what can keep it from being answered.

use std::pin::Pin;
use std::time::Duration;

use portcullis_model::{ApiRequest, Decision};

/// The member of a decision's context that names it in the log of the decision point.
pub const DECISION_ID: &str = "decision_id";

/// A decision on its way.
pub type DecisionFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Decision, Unavailable>> + Send + 'a>>;

/// Answers permit or deny.
pub trait DecisionPoint: Send + Sync {
    /// Decides on one request.
    ///
    /// An error means that no decision could be had. It is never a permit: the enforcement point
    /// turns it into an error or a deny.
    fn decide<'a>(&'a self, request: &'a ApiRequest) -> DecisionFuture<'a>;
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
