//! CloudFront: the viewer-request event of Lambda@Edge and its answer (CloudFront Developer Guide,
//! "Lambda@Edge event structure", "Generate HTTP responses in request triggers", "Restrictions on all
//! edge functions", "Restrictions on Lambda@Edge").
//!
//! | decision | answer |
//! |---|---|
//! | permit | the request of the event, edited |
//! | deny | a response with status, headers and body of the decision |
//! | deny with 401 of a navigation, where a login page is set | 302 to the login page |
//! | none, or one that cannot be carried out | [`error_answer`] |
//!
//! Unlike API Gateway, CloudFront lets a function choose the whole response and edit the request. In
//! return it checks the answer and gives the viewer 502 for one that breaks a rule, so each rule is
//! kept here: what can be left out without changing what was decided is left out with a [`Notice`],
//! and all else is an [`EdgeAnswerError`], for which the caller answers with [`error_answer`].
//!
//! The event says who the client is by `clientIp` alone; everything else in it is the client's word,
//! and where two readers could understand it differently it is refused.
//!
//! Nobody reads a client certificate from the event: CloudFront keeps the header that holds it from
//! functions. What it tells of mutual TLS (`CloudFront-Viewer-Cert-*`) stays among the headers, where
//! only a distribution that demands mutual TLS keeps clients from writing it themselves.

mod accept;
mod answer;
mod body;
mod edit;
mod event;
mod header_edit;
mod headers;
mod login;
mod notice;
mod options;
mod response;

pub use answer::{EdgeAnswer, EdgeAnswerError, edge_answer};
pub use body::{PartialBody, ViewerBody};
pub use edit::{
    ForwardedRequest, MAX_REPLACED_BODY_BYTES, MAX_REQUEST_HEAD_BYTES, MAX_TARGET_BYTES,
};
pub use event::ViewerRequest;
pub use login::{InvalidLogin, LoginRedirect, MAX_LOCATION_BYTES, MAX_LOGIN_BYTES};
pub use notice::Notice;
pub use options::{EdgeEntry, EdgeOptions};
pub use response::{EdgeFailure, GeneratedResponse, MAX_GENERATED_BYTES, error_answer};
