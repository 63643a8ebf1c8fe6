//! What a backend answered, and what becomes of it on its way to the client.

use std::fmt;

use crate::decision::{BodyEdit, Deny, HeaderEdit, Trace};
use crate::header::HeaderMap;
use crate::reason::Reason;

/// The answer of a backend, as an enforcement point describes it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiResponse {
    /// The HTTP status, 100 to 599.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body, where there is one that is text.
    pub body: Option<String>,
}

/// Status and names only.
impl fmt::Debug for ApiResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiResponse")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// What was decided on the answer of a backend.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseDecision {
    /// Whether it goes on to the client, and how.
    pub outcome: ResponseOutcome,
    /// Why.
    pub reason: Reason,
    /// How the decision came about.
    pub trace: Trace,
}

/// Whether an answer goes on to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseOutcome {
    /// It does, edited.
    Permit(ResponseEdits),
    /// The client gets this answer instead.
    Deny(Deny),
}

/// What changes about an answer on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseEdits {
    /// Header fields to set or remove.
    pub headers: Vec<HeaderEdit>,
    /// What becomes of the body.
    pub body: Option<BodyEdit>,
}
