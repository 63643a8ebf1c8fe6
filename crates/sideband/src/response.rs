//! The second leg: what the backend answered, as an enforcement point describes it (the body of
//! `POST /sideband/response`), and the answer for the client, which is flat and has no member that says
//! whether it is a deny.

use std::fmt;

use portcullis_model::{
    ApiResponse, BodyEdit, Deny, InvalidHeader, ResponseDecision, ResponseOutcome,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::header::Headers;
use crate::reply::{Response, as_string, edited};
use crate::request::{InvalidRequest, SidebandRequest};
use crate::{loose, object};

/// A response to decide on.
#[derive(Clone, PartialEq, Deserialize)]
pub struct SidebandResponse {
    /// The method of the request.
    pub method: String,
    /// The absolute URL of the request.
    pub url: String,
    /// The HTTP version without `HTTP/`.
    #[serde(default)]
    pub http_version: String,
    /// The status; a number or a string on the wire.
    #[serde(deserialize_with = "loose::u16_or_digits")]
    pub response_code: u16,
    /// The reason phrase.
    #[serde(default)]
    pub response_status: String,
    /// The header fields.
    pub headers: Headers,
    /// The body, where there is one.
    #[serde(default)]
    pub body: Option<String>,
    /// What the answer to the first leg gave to hand back.
    #[serde(default)]
    pub state: Option<Value>,
    /// The first leg itself, from gateways that hand that back instead.
    #[serde(default, deserialize_with = "object::deserialize_optional")]
    pub request: Option<SidebandRequest>,
}

impl SidebandResponse {
    /// Reads the body of a call.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidRequest> {
        let response: Self = object::from_slice(body).map_err(InvalidRequest::Json)?;
        if (100..=599).contains(&response.response_code) {
            Ok(response)
        } else {
            Err(InvalidRequest::Status)
        }
    }

    /// The response that is described.
    pub fn to_api_response(&self) -> Result<ApiResponse, InvalidHeader> {
        Ok(ApiResponse {
            status: self.response_code,
            headers: self.headers.to_model()?,
            body: self.body.clone(),
        })
    }
}

/// Method and status only.
impl fmt::Debug for SidebandResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SidebandResponse")
            .field("method", &self.method)
            .field("response_code", &self.response_code)
            .finish_non_exhaustive()
    }
}

/// The answer for the client.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct SidebandResponseReply {
    /// The echo of `method`.
    pub method: String,
    /// The echo of `url`.
    pub url: String,
    /// The HTTP version without `HTTP/`.
    pub http_version: String,
    /// The status, as a string.
    #[serde(serialize_with = "as_string")]
    pub response_code: u16,
    /// The reason phrase.
    pub response_status: String,
    /// The header fields.
    pub headers: Headers,
    /// The body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl SidebandResponseReply {
    /// Puts a decision on a response into an answer.
    #[must_use]
    pub fn from_decision(sent: &SidebandResponse, decision: &ResponseDecision) -> Self {
        let http_version = if sent.http_version.is_empty() {
            "1.1".to_owned()
        } else {
            sent.http_version.clone()
        };
        match &decision.outcome {
            ResponseOutcome::Permit(edits) => Self {
                method: sent.method.clone(),
                url: sent.url.clone(),
                http_version,
                response_code: sent.response_code,
                response_status: sent.response_status.clone(),
                headers: edited(&sent.headers, &edits.headers),
                body: match &edits.body {
                    None => sent.body.clone(),
                    Some(BodyEdit::Remove) => None,
                    Some(BodyEdit::Replace(body)) => Some(body.clone()),
                },
            },
            ResponseOutcome::Deny(deny) => Self::denied(sent, http_version, deny),
        }
    }

    /// Nothing of what the backend answered is left.
    fn denied(sent: &SidebandResponse, http_version: String, deny: &Deny) -> Self {
        let response = Response::from_deny(deny);
        Self {
            method: sent.method.clone(),
            url: sent.url.clone(),
            http_version,
            response_code: response.response_code,
            response_status: response.response_status,
            headers: response.headers,
            body: response.body,
        }
    }
}

/// Status and header names only.
impl fmt::Debug for SidebandResponseReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SidebandResponseReply")
            .field("response_code", &self.response_code)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}
