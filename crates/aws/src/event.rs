//! An authorizer event, parsed once into the request that a decision point sees and what the
//! answer needs.

use std::fmt;

use portcullis_model::ApiRequest;

use crate::arn::MethodArn;
use crate::dialect::{Dialect, recognize};
use crate::error::EventError;
use crate::json::Object;
use crate::options::EventOptions;
use crate::{http_v1, http_v2, rest_request, rest_token, websocket};

/// Longest event that is read, in bytes. API Gateway lets 10,240 bytes of headers in and repeats
/// them twice in an event, beside the client certificate; 1 MiB is far above what it can send and
/// far below the 6 MB that Lambda lets through.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// One call of a Lambda authorizer.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizerEvent {
    pub(crate) dialect: Dialect,
    pub(crate) request: ApiRequest,
    pub(crate) request_id: Option<String>,
    pub(crate) arn: MethodArn,
    pub(crate) requested_arn: Option<MethodArn>,
}

impl AuthorizerEvent {
    /// Parses the payload of a Lambda invocation, at most [`MAX_EVENT_BYTES`] bytes.
    ///
    /// Unknown members, absent ones and null maps are tolerated; an event from which the request
    /// cannot be told for sure is refused.
    pub fn parse(event: &[u8], options: &EventOptions) -> Result<Self, EventError> {
        if event.len() > MAX_EVENT_BYTES {
            return Err(EventError::TooLarge { bytes: event.len() });
        }
        let event = Object::parse(event)?;
        let (dialect, arn) = recognize(&event)?;
        match dialect {
            Dialect::RestToken => rest_token::parse(&event, arn, options),
            Dialect::RestRequest => rest_request::parse(&event, arn, options),
            Dialect::HttpV1 => http_v1::parse(&event, arn, options),
            Dialect::HttpV2 => http_v2::parse(&event, arn, options),
            Dialect::WebSocketConnect => websocket::parse(&event, arn, options),
        }
    }

    /// The dialect.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The request as the decision point is to see it.
    #[must_use]
    pub const fn request(&self) -> &ApiRequest {
        &self.request
    }

    /// The request, without a copy.
    #[must_use]
    pub fn into_request(self) -> ApiRequest {
        self.request
    }

    /// API Gateway's id of the request. A TOKEN event has none.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The id of the API, from the ARN.
    #[must_use]
    pub fn api_id(&self) -> &str {
        self.arn.api_id()
    }

    /// The stage, from the ARN.
    #[must_use]
    pub fn stage(&self) -> &str {
        self.arn.stage()
    }

    /// `methodArn` or `routeArn`, which API Gateway compares the policy with.
    #[must_use]
    pub const fn arn(&self) -> &MethodArn {
        &self.arn
    }

    /// For an HTTP API, the ARN that its method and path give. Whether `routeArn` holds the
    /// requested path or the template of the route is not documented; an IAM policy lists both.
    #[must_use]
    pub const fn requested_arn(&self) -> Option<&MethodArn> {
        self.requested_arn.as_ref()
    }
}

impl fmt::Debug for AuthorizerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizerEvent")
            .field("dialect", &self.dialect)
            .field("request_id", &self.request_id)
            .field("arn", &self.arn)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}
