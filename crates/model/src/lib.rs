//! The words of Portcullis: what an API client asked ([`ApiRequest`]), what was decided
//! ([`Decision`]), which paths an operation covers ([`PathPattern`]) and what a client that is
//! turned away is told ([`Challenge`]).
//!
//! Floor 1: plain values. Nothing here knows a wire format or a policy, and nothing reads a
//! clock, a file, the environment or a socket.

mod challenge;
mod coverage;
mod decision;
mod header;
mod path;
mod pattern;
mod reason;
mod request;
mod response;
mod sent_tokens;
mod url;

pub use challenge::{Challenge, ChallengeError, ChallengeScheme};
pub use coverage::{Coverage, Route};
pub use decision::{
    Attribute, BodyEdit, Check, CheckOutcome, DECISION_ID, Decision, Deny, FollowUp, HeaderEdit,
    Level, Outcome, RequestEdits, Reuse, Trace,
};
pub use header::{HeaderField, HeaderMap, InvalidHeader, MAX_HEADER_BYTES, MAX_HEADERS};
pub use path::{AmbiguousPath, DecodedPath};
pub use pattern::{
    InvalidPattern, MAX_PATTERN_CHARS, PathMatch, PathPattern, PatternPart, Specificity,
};
pub use reason::{Reason, ReasonCode};
pub use request::{
    AmbiguousAuthorization, ApiRequest, AwsEntry, ClientCertificate, InvalidMethod,
    MAX_METHOD_CHARS, MAX_TOKEN_BYTES, Method, Source,
};
pub use response::{ApiResponse, ResponseDecision, ResponseEdits, ResponseOutcome};
pub use sent_tokens::{REDACTED, SentTokens};
pub use url::{
    BaseUrl, InvalidBaseUrl, InvalidUrl, MAX_BASE_URL_CHARS, MAX_URL_BYTES, RequestUrl, Scheme,
    logged_path,
};
