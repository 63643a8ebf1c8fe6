//! A decision as the answer that CloudFront takes.

use portcullis_model::{Decision, InvalidHeader, InvalidUrl, MAX_HEADERS, Outcome};
use serde::Serialize;

use super::edit::{
    self, ForwardedRequest, MAX_REPLACED_BODY_BYTES, MAX_REQUEST_HEAD_BYTES, MAX_TARGET_BYTES,
};
use super::event::ViewerRequest;
use super::notice::Notice;
use super::options::EdgeOptions;
use super::response::{self, GeneratedResponse, MAX_GENERATED_BYTES};

/// What the function returns, in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EdgeAnswer {
    /// The request goes on.
    Forward(ForwardedRequest),
    /// The viewer is answered at once.
    Respond(GeneratedResponse),
}

impl EdgeAnswer {
    /// What was left out of the decision, or done beyond it.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        match self {
            Self::Forward(request) => request.notices(),
            Self::Respond(response) => response.notices(),
        }
    }

    /// Whether it lets the request through.
    #[must_use]
    pub const fn is_forward(&self) -> bool {
        matches!(self, Self::Forward(_))
    }
}

/// Turns a decision into the answer to its event.
///
/// A permit forwards the request with the edits of the decision. Its principal and context go nowhere: a
/// request has no place for them but headers, and which headers a backend reads is for the policy to
/// say.
///
/// A deny is the response of the decision, or a redirect to the login page (see [`EdgeOptions::login`])
/// where the decision is a 401, the method GET or HEAD, the `Accept` header that of a navigation, and
/// the URL not that of the login page.
///
/// An error means that the decision cannot be carried out; the request must not be forwarded.
pub fn edge_answer(
    event: &ViewerRequest,
    decision: &Decision,
    options: &EdgeOptions,
) -> Result<EdgeAnswer, EdgeAnswerError> {
    match &decision.outcome {
        Outcome::Permit(edits) => edit::forward(event, edits).map(EdgeAnswer::Forward),
        Outcome::Deny(deny) => response::respond(event, deny, options).map(EdgeAnswer::Respond),
    }
}

/// A decision that cannot be carried out at the edge. No message holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EdgeAnswerError {
    /// A status that no client can be given.
    #[error("the decision denies with status {status}; expected 200 to 599")]
    Status {
        /// The status.
        status: u16,
    },
    /// A header that no request or response can have.
    #[error("a header of the decision cannot be sent: {0}")]
    Header(#[from] InvalidHeader),
    /// More edits than a request has headers.
    #[error("the decision edits {edits} headers; at most {MAX_HEADERS} are edited")]
    TooManyEdits {
        /// How many.
        edits: usize,
    },
    /// Two edits of one header.
    #[error("the decision edits header {name} twice; say in one edit what it is to be")]
    EditedTwice {
        /// The header, in lower case.
        name: String,
    },
    /// A URL that is none.
    #[error("the URL of the decision cannot be used: {0}")]
    Url(#[from] InvalidUrl),
    /// A URL of another origin.
    #[error(
        "the decision sends the request to another scheme, host or port, which a function at the \
         viewer-request event cannot do; it can change path and query only"
    )]
    OtherOrigin,
    /// A path or query with a character that CloudFront refuses.
    #[error(
        "path and query of the decision's URL hold a character other than the visible ones of ASCII; \
         escape it with %"
    )]
    UrlCharacter,
    /// A path and query that CloudFront refuses.
    #[error(
        "path and query of the decision's URL have {bytes} bytes; at most {MAX_TARGET_BYTES} are \
         forwarded"
    )]
    UrlTooLong {
        /// How many, with `?`.
        bytes: usize,
    },
    /// More than CloudFront takes as request line and headers.
    #[error(
        "with the edits of the decision, request line and headers have {bytes} bytes; at most \
         {MAX_REQUEST_HEAD_BYTES} are forwarded"
    )]
    HeadTooLarge {
        /// How many.
        bytes: usize,
    },
    /// A body edit without a body.
    #[error(
        "the decision edits the body of the request, and the event holds none; set the trigger of the \
         function to include the body"
    )]
    BodyAbsent,
    /// A body edit with a part of a body.
    #[error(
        "the decision edits the body of the request, and the event does not hold all of it as text: it \
         is too long, or no text"
    )]
    BodyPartial,
    /// A body that CloudFront would cut off.
    #[error(
        "the decision replaces the body of the request with {bytes} bytes; at most \
         {MAX_REPLACED_BODY_BYTES} are forwarded"
    )]
    BodyTooLarge {
        /// How many.
        bytes: usize,
    },
    /// Headers that leave no room.
    #[error(
        "the headers of the decision take {bytes} bytes of the response; it has at most \
         {MAX_GENERATED_BYTES}"
    )]
    ResponseTooLarge {
        /// How many, in JSON.
        bytes: usize,
    },
}
