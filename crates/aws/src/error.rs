//! Why an event was refused. No message holds the value of a header, a token or a query. A
//! refused authorizer event ends in an error of the function, which API Gateway answers with 500; a
//! refused viewer request has to be answered by the function itself (`error_answer`).

use portcullis_model::{InvalidHeader, InvalidMethod, InvalidUrl};

use crate::arn::InvalidArn;
use crate::event::MAX_EVENT_BYTES;

/// Why an event was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Longer than [`MAX_EVENT_BYTES`].
    #[error("the event has {bytes} bytes; at most {MAX_EVENT_BYTES} are read")]
    TooLarge {
        /// How long it is.
        bytes: usize,
    },
    /// Not JSON, not UTF-8, or nested too deep.
    #[error(
        "the event is not a JSON document in UTF-8 of at most 127 levels: it breaks at line {line}, \
         column {column}"
    )]
    NotJson {
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
    },
    /// JSON, but not an object.
    #[error("expected a JSON object as event, got {found}")]
    NotObject {
        /// What came instead.
        found: &'static str,
    },
    /// An object which is no authorizer event.
    #[error(
        "expected an API Gateway authorizer event (REST TOKEN or REQUEST, HTTP payload 1.0 or 2.0, \
         WebSocket $connect); this looks like {looks_like} (its members: {members})"
    )]
    Unrecognized {
        /// What the event looks like.
        looks_like: &'static str,
        /// The names of its first members.
        members: String,
    },
    /// A member that is missing or has another type.
    #[error("expected {expected} as `{member}` of the event, got {found}")]
    Member {
        /// Where it should be.
        member: &'static str,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// One member twice, so that two readers could see two requests.
    #[error("the event holds `{member}` more than once")]
    Repeated {
        /// The member.
        member: &'static str,
    },
    /// A `methodArn` or `routeArn` that cannot be understood.
    #[error("`{member}` of the event is not an execute-api ARN: {source}")]
    Arn {
        /// `methodArn` or `routeArn`.
        member: &'static str,
        /// What is wrong with it.
        source: InvalidArn,
    },
    /// Two members that describe two requests.
    #[error("`{one}` and `{other}` of the event do not describe the same request")]
    Disagreement {
        /// One member.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// No one `Host` header that could be the host of a URL. The client sends it.
    #[error(
        "expected one Host header with a host name of letters, digits, dots, hyphens and \
         underscores, and at most a port, got {found}"
    )]
    Host {
        /// What came instead.
        found: &'static str,
    },
    /// A header that stands under another name than its own.
    #[error(
        "expected each name in `cf.request.headers` in lower case, and the same name in any case as \
         the `key` of its values"
    )]
    HeaderName,
    /// A method that no client sends.
    #[error("the method of the event was refused: {0}")]
    Method(#[from] InvalidMethod),
    /// A header that cannot be passed on.
    #[error("a header of the event was refused: {0}")]
    Header(#[from] InvalidHeader),
    /// A URL that cannot be put together from the event.
    #[error("the event gives no usable URL: {0}")]
    Url(#[from] InvalidUrl),
}
