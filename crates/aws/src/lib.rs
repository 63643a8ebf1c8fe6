//! AWS authorizer events turned into requests, decisions turned into the answers that AWS
//! understands.
//!
//! API Gateway calls a Lambda authorizer in five dialects (API Gateway Developer Guide, "Use API
//! Gateway Lambda authorizers"; "Control access to HTTP APIs with AWS Lambda authorizers";
//! "Control access to WebSocket APIs with Lambda authorizers"). [`AuthorizerEvent::parse`]
//! recognises the dialect from the event alone and turns it into a
//! [`portcullis_model::ApiRequest`]; [`answer`] turns a [`portcullis_model::Decision`] into the
//! answer of the same dialect.
//!
//! CloudFront calls a function at the viewer-request event of Lambda@Edge (CloudFront Developer Guide,
//! "Lambda@Edge event structure"). [`ViewerRequest::parse`] turns that event into the same
//! [`portcullis_model::ApiRequest`], and [`edge_answer`] a decision into the request that goes on or
//! the response that the viewer gets.
//!
//! Floor 2: nothing here opens a socket or reads a clock, a file or the environment. Whatever is
//! not understood is an error, never an allow: API Gateway turns it into a response 500, and the
//! function at the edge answers with [`error_answer`].

mod answer;
mod arn;
mod cloudfront;
mod context;
mod coverage;
mod dialect;
mod error;
mod event;
mod glob;
mod http_v1;
mod http_v2;
mod json;
mod options;
mod policy;
mod request_parts;
mod rest_request;
mod rest_token;
mod target;
mod websocket;

pub use answer::{
    Answer, AnswerError, HttpV2Form, MAX_PRINCIPAL_BYTES, PolicyResponse, SimpleResponse,
    UNAUTHORIZED, UNKNOWN_PRINCIPAL, answer, answer_for_cache,
};
pub use arn::{InvalidArn, MAX_ARN_BYTES, MethodArn, Route};
pub use cloudfront::{
    EdgeAnswer, EdgeAnswerError, EdgeEntry, EdgeFailure, EdgeOptions, ForwardedRequest,
    GeneratedResponse, InvalidLogin, LoginRedirect, MAX_GENERATED_BYTES, MAX_LOCATION_BYTES,
    MAX_LOGIN_BYTES, MAX_REPLACED_BODY_BYTES, MAX_REQUEST_HEAD_BYTES, MAX_TARGET_BYTES, Notice,
    PartialBody, ViewerBody, ViewerRequest, edge_answer, error_answer,
};
pub use context::{
    Context, MAX_CHALLENGE_BYTES, MAX_CONTEXT_DEPTH, MAX_CONTEXT_KEY_CHARS, MAX_MESSAGE_BYTES,
    MAX_RESPONSE_BYTES,
};
pub use coverage::PolicyCache;
pub use dialect::Dialect;
pub use error::EventError;
pub use event::{AuthorizerEvent, MAX_EVENT_BYTES};
pub use options::{EventOptions, InvalidOrigin, Origin};
pub use policy::{Effect, MAX_RESOURCE_CHARS, PolicyDocument, Statement};
