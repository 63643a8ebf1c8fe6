//! The answer of the decision service: an echo of the request, and beside it, if the request is
//! denied, the response for the client.
//!
//! There is no member that says "permit". An answer counts as one only if it is a full echo, so
//! that an empty object, an error page or half an answer never opens the gate.

use std::fmt;
use std::net::IpAddr;

use portcullis_model::{
    BodyEdit, ChallengeError, Decision, Deny, HeaderEdit, HeaderField, HeaderMap, InvalidHeader,
    InvalidUrl, Outcome, Reason, ReasonCode, RequestEdits, RequestUrl,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::certificate::ClientCertificateJwk;
use crate::header::Headers;
use crate::request::SidebandRequest;
use crate::{loose, object};

/// Largest answer that is read, in bytes.
pub const MAX_REPLY_BYTES: usize = 1024 * 1024;

/// An answer.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SidebandReply {
    /// The echo of `source_ip`.
    pub source_ip: String,
    /// The echo of `source_port`.
    #[serde(deserialize_with = "loose::port")]
    pub source_port: u16,
    /// The echo of `method`.
    pub method: String,
    /// The echo of `url`, edited.
    pub url: String,
    /// The echo of `http_version`.
    pub http_version: String,
    /// The echo of `headers`, edited.
    pub headers: Headers,
    /// The echo of `body`, edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The echo of `client_certificate`.
    #[serde(
        default,
        deserialize_with = "object::deserialize_optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub client_certificate: Option<ClientCertificateJwk>,
    /// What to hand back when the backend has answered; whatever the service likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Value>,
    /// The response for the client. Its presence is the deny; `null` is neither.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub response: Option<Response>,
}

/// The response that a denied client gets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The status; a string on the wire, and a number from some services.
    #[serde(
        deserialize_with = "loose::u16_or_digits",
        serialize_with = "as_string"
    )]
    pub response_code: u16,
    /// The reason phrase.
    #[serde(default)]
    pub response_status: String,
    /// The HTTP version without `HTTP/`.
    #[serde(default)]
    pub http_version: String,
    /// The header fields.
    #[serde(default)]
    pub headers: Headers,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl SidebandReply {
    /// Puts a decision on a request into an answer. A permit carries the state to hand back when the
    /// backend has answered.
    #[must_use]
    pub fn from_decision(
        sent: &SidebandRequest,
        decision: &Decision,
        state: Option<String>,
    ) -> Self {
        let echo = Self {
            source_ip: sent.source_ip.clone(),
            source_port: sent.source_port,
            method: sent.method.clone(),
            url: sent.url.clone(),
            http_version: sent.http_version.clone(),
            headers: sent.headers.clone(),
            body: sent.body.clone(),
            client_certificate: sent.client_certificate.clone(),
            state: None,
            response: None,
        };
        match &decision.outcome {
            Outcome::Permit(edits) => Self {
                state: state.map(Value::from),
                url: edits.url.clone().unwrap_or(echo.url),
                headers: edited(&echo.headers, &edits.headers),
                body: match &edits.body {
                    None => echo.body,
                    Some(BodyEdit::Remove) => None,
                    Some(BodyEdit::Replace(body)) => Some(body.clone()),
                },
                ..echo
            },
            Outcome::Deny(deny) => Self {
                response: Some(Response::from_deny(deny)),
                ..echo
            },
        }
    }

    /// Reads an answer with status 200 to that request: the decision it stands for.
    ///
    /// A deny needs no more than its `response`; a permit needs the full echo.
    pub fn read(body: &[u8], sent: &SidebandRequest) -> Result<Decision, BadAnswer> {
        if body.len() > MAX_REPLY_BYTES {
            return Err(BadAnswer::TooLarge);
        }
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(BadAnswer::Empty);
        }
        match object::from_slice::<Self>(body) {
            Ok(Self {
                response: Some(response),
                ..
            }) => response.into_decision(),
            Ok(echo) => {
                let reason = Reason::new(
                    ReasonCode::PermittedByDecisionPoint,
                    "the decision point permitted the request",
                );
                let mut decision = Decision::permit(reason);
                decision.outcome = Outcome::Permit(echo.edits(sent)?);
                Ok(decision)
            }
            Err(error) => match object::from_slice::<BareDeny>(body) {
                Ok(BareDeny { response }) => response.into_decision(),
                Err(_) => Err(BadAnswer::Shape(error)),
            },
        }
    }

    /// What a permit changes, from the differences between the request and its echo.
    fn edits(&self, sent: &SidebandRequest) -> Result<RequestEdits, BadAnswer> {
        if self.method != sent.method {
            return Err(BadAnswer::OtherRequest { member: "method" });
        }
        if !same_address(&self.source_ip, &sent.source_ip) {
            return Err(BadAnswer::OtherRequest {
                member: "source_ip",
            });
        }
        if self.source_port != sent.source_port {
            return Err(BadAnswer::OtherRequest {
                member: "source_port",
            });
        }
        if self.http_version != sent.http_version {
            return Err(BadAnswer::OtherRequest {
                member: "http_version",
            });
        }
        let url = self.edited_url(sent)?;
        let headers = self.headers.to_model()?;
        let before = sent.headers.to_model()?;
        Ok(RequestEdits {
            headers: header_edits(&before, &headers),
            url,
            body: self.edited_body(sent),
        })
    }

    /// A body that is missing is gone; one that is empty is as good as none.
    fn edited_body(&self, sent: &SidebandRequest) -> Option<BodyEdit> {
        let (before, after) = (sent.body.as_deref(), self.body.as_deref());
        match after.filter(|body| !body.is_empty()) {
            None if before.unwrap_or_default().is_empty() => None,
            None => Some(BodyEdit::Remove),
            Some(same) if before == Some(same) => None,
            Some(other) => Some(BodyEdit::Replace(other.to_owned())),
        }
    }

    /// Path and query may change; scheme, host and port are what the client reached. A port or a
    /// case of the host that is only written otherwise is no change.
    fn edited_url(&self, sent: &SidebandRequest) -> Result<Option<String>, BadAnswer> {
        let (edited, original) = (RequestUrl::parse(&self.url)?, RequestUrl::parse(&sent.url)?);
        if (edited.scheme(), edited.host(), edited.port())
            != (original.scheme(), original.host(), original.port())
        {
            return Err(BadAnswer::OtherRequest { member: "url" });
        }
        let query = |url: &RequestUrl| url.query().unwrap_or_default().to_owned();
        let same = (edited.path(), query(&edited)) == (original.path(), query(&original));
        Ok((!same).then(|| self.url.clone()))
    }
}

/// Method, status and header names only.
impl fmt::Debug for SidebandReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self
            .response
            .as_ref()
            .map(|response| response.response_code);
        f.debug_struct("SidebandReply")
            .field("method", &self.method)
            .field("response_code", &status)
            .finish_non_exhaustive()
    }
}

impl Response {
    pub(crate) fn from_deny(deny: &Deny) -> Self {
        let challenges = deny
            .www_authenticate()
            .map(|challenge| ("www-authenticate".to_owned(), challenge));
        let others = deny
            .headers
            .iter()
            .filter(|field| !field.is("www-authenticate") && !is_framing(field));
        let mut headers: Vec<_> = challenges
            .chain(others.map(|field| (field.name().to_owned(), field.value().to_owned())))
            .collect();
        if deny.body.as_deref().unwrap_or_default().is_empty() {
            headers.push(("content-length".to_owned(), "0".to_owned()));
        }
        Self {
            response_code: deny.status,
            response_status: reason_phrase(deny.status).to_owned(),
            http_version: "1.1".to_owned(),
            headers: Headers(headers),
            body: deny.body.clone(),
        }
    }

    fn into_decision(self) -> Result<Decision, BadAnswer> {
        let deny = self.into_deny()?;
        let challenge = deny.headers.first("www-authenticate");
        // What the challenge tells the client is also the most that is known here of the reason.
        let reason = match challenge.and_then(ChallengeError::in_challenge) {
            Some(ChallengeError::InsufficientScope) => Reason::new(
                ReasonCode::InsufficientScope,
                "the decision point denied the request: the token lacks a scope",
            ),
            _ => Reason::new(
                ReasonCode::DeniedByDecisionPoint,
                "the decision point denied the request",
            ),
        };
        Ok(Decision::deny(deny, reason))
    }

    fn into_deny(self) -> Result<Deny, BadAnswer> {
        if !(200..=599).contains(&self.response_code) {
            return Err(BadAnswer::Status {
                status: self.response_code,
            });
        }
        let mut headers = HeaderMap::new();
        for field in self.headers.to_model()?.iter() {
            if !is_framing(field) {
                headers.append(field.name(), field.value())?;
            }
        }
        Ok(Deny {
            headers,
            body: self.body,
            ..Deny::status(self.response_code)
        })
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("response_code", &self.response_code)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// An answer of which only the deny is to be read.
#[derive(Deserialize)]
struct BareDeny {
    #[serde(deserialize_with = "object::deserialize")]
    response: Response,
}

/// A member that may be absent but is an object otherwise, never `null`.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    object::deserialize(deserializer).map(Some)
}

/// Clients of PingOne expect the status as a string.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
pub(crate) fn as_string<S: serde::Serializer>(
    status: &u16,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(status)
}

/// Fields that say how a message travels. The text in `body` travels anew, so they would be wrong.
fn is_framing(field: &HeaderField) -> bool {
    ["content-length", "content-encoding", "transfer-encoding"]
        .iter()
        .any(|name| field.is(name))
}

/// Whether two texts name one address: services write IPv6 in more than one way (RFC 5952).
fn same_address(one: &str, other: &str) -> bool {
    let parsed = |text: &str| text.parse::<IpAddr>().ok();
    one == other || parsed(one).is_some_and(|one| parsed(other) == Some(one))
}

pub(crate) fn edited(headers: &Headers, edits: &[HeaderEdit]) -> Headers {
    let touched = |name: &str| {
        edits
            .iter()
            .any(|edit| edit.name.eq_ignore_ascii_case(name))
    };
    let kept = headers.0.iter().filter(|(name, _)| !touched(name)).cloned();
    let set = edits.iter().flat_map(|edit| {
        edit.values
            .iter()
            .map(|value| (edit.name.clone(), value.clone()))
    });
    Headers(kept.chain(set).collect())
}

/// Names whose values differ, each once, in the order in which they come up.
fn header_edits(before: &HeaderMap, after: &HeaderMap) -> Vec<HeaderEdit> {
    let mut edits: Vec<HeaderEdit> = Vec::new();
    for field in after.iter().chain(before.iter()) {
        let name = field.name();
        if before.values(name).eq(after.values(name))
            || edits.iter().any(|edit| field.is(&edit.name))
        {
            continue;
        }
        let values = after.values(name).map(str::to_owned).collect();
        edits.push(HeaderEdit {
            name: name.to_owned(),
            values,
        });
    }
    edits
}

/// The reason phrases of RFC 9110 section 15 for the statuses that decisions have.
fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        429 => "Too Many Requests",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Denied",
    }
}

/// Why an answer is neither a permit nor a deny. No message holds a value of request or answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// No body.
    #[error("expected a JSON object, got an empty body; is SERVICE_URL right?")]
    Empty,
    /// More than [`MAX_REPLY_BYTES`].
    #[error("the answer is larger than {MAX_REPLY_BYTES} bytes")]
    TooLarge,
    /// Not a full echo; says which member and where.
    #[error("expected a full echo of the request as a JSON object: {0}")]
    Shape(String),
    /// An echo of something else.
    #[error("member {member} of the answer is not the one that was sent")]
    OtherRequest {
        /// The member.
        member: &'static str,
    },
    /// A status that no client can be given.
    #[error("response_code is {status}: expected a status from 200 to 599")]
    Status {
        /// The status.
        status: u16,
    },
    /// An edited URL that is none.
    #[error("url: {0}")]
    Url(#[from] InvalidUrl),
    /// A header that is none.
    #[error("headers: {0}")]
    Header(#[from] InvalidHeader),
}
