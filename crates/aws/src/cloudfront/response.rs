//! A deny: a response that CloudFront hands to the viewer without asking the backend (CloudFront
//! Developer Guide, "Generate HTTP responses in request triggers").
//!
//! - Headers are those of the decision in its order, after its challenges. What CloudFront refuses in
//!   a response is left out with a notice.
//! - `Cache-Control: no-store` is added where the decision has no `Cache-Control`: CloudFront does not
//!   cache the answer to a viewer request, browsers may.
//! - A body without `Content-Type` gets `application/json` if it is JSON, which is what the engine
//!   writes, else `text/plain`: a browser that has to guess might run it as HTML. No other header and no
//!   body is made up; the reason of a decision is for the log.
//! - Status 204, 205 and 304 and answers to HEAD have no body (RFC 9110 sections 6.4.1 and 15.3.6).

use std::fmt;

use portcullis_model::{Deny, HeaderField, HeaderMap};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::accept::prefers_html;
use super::answer::{EdgeAnswer, EdgeAnswerError};
use super::event::ViewerRequest;
use super::headers::{ResponseRule, response_rule};
use super::login::{LoginRedirect, ReturnTo};
use super::notice::Notice;
use super::options::EdgeOptions;
use crate::context::json_len;

/// Largest response, headers and body, in bytes of its JSON, which is more than it has in HTTP. The
/// documented 40 KB may be 40,000 or 40,960, and nobody says which bytes count; CloudFront answers 502
/// in place of a larger one.
pub const MAX_GENERATED_BYTES: usize = 40_000;

const CACHE_CONTROL: &str = "Cache-Control";
const NO_STORE: &str = "no-store";
/// What a body adds to the JSON beside its text.
const BODY_MEMBERS: &str = r#","bodyEncoding":"text","body":"""#;

/// A response made by the function.
#[derive(Clone, PartialEq, Eq)]
pub struct GeneratedResponse {
    status: u16,
    headers: HeaderMap,
    body: Option<String>,
    notices: Vec<Notice>,
}

impl GeneratedResponse {
    /// The status, 200 to 599.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The header fields, in order.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body, never an empty one.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        self.body.as_deref()
    }

    /// What was left out of the decision.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    fn no_body(status: u16, headers: HeaderMap, notices: Vec<Notice>) -> Self {
        Self {
            status,
            headers,
            body: None,
            notices,
        }
    }
}

/// `status` is a string; `statusDescription` is the reason phrase of RFC 9110 section 15, absent for a
/// status that has none.
impl Serialize for GeneratedResponse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", &self.status.to_string())?;
        if let Some(phrase) = reason_phrase(self.status) {
            map.serialize_entry("statusDescription", phrase)?;
        }
        map.serialize_entry("headers", &ByName(&self.headers))?;
        if let Some(body) = &self.body {
            map.serialize_entry("bodyEncoding", "text")?;
            map.serialize_entry("body", body)?;
        }
        map.end()
    }
}

/// Status and header names only.
impl fmt::Debug for GeneratedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneratedResponse")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("notices", &self.notices)
            .finish_non_exhaustive()
    }
}

/// Why a request is refused that nothing was decided on, or whose decision cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeFailure {
    /// 403: it will never be answered otherwise, as with an event that was refused.
    Forbidden,
    /// 503: it may be answered otherwise later, as when the decision point could not be reached.
    Unavailable,
}

impl EdgeFailure {
    /// The status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            Self::Unavailable => 503,
        }
    }

    /// What [`error_answer`] is in JSON, for where nothing can be relied on any more.
    #[must_use]
    pub const fn json(self) -> &'static str {
        match self {
            Self::Forbidden => {
                r#"{"status":"403","statusDescription":"Forbidden","headers":{"cache-control":[{"key":"Cache-Control","value":"no-store"}]}}"#
            }
            Self::Unavailable => {
                r#"{"status":"503","statusDescription":"Service Unavailable","headers":{"cache-control":[{"key":"Cache-Control","value":"no-store"}]}}"#
            }
        }
    }
}

/// The answer where there is no decision that can be carried out: a status and `no-store`. A function
/// that fails instead would show the viewer a page of CloudFront.
#[must_use]
pub fn error_answer(failure: EdgeFailure) -> EdgeAnswer {
    let mut headers = HeaderMap::new();
    // A name and a value of this module can stand in a header field.
    let _ = headers.append(CACHE_CONTROL, NO_STORE);
    EdgeAnswer::Respond(GeneratedResponse::no_body(
        failure.status(),
        headers,
        Vec::new(),
    ))
}

pub(super) fn respond(
    event: &ViewerRequest,
    deny: &Deny,
    options: &EdgeOptions,
) -> Result<GeneratedResponse, EdgeAnswerError> {
    if !(200..=599).contains(&deny.status) {
        return Err(EdgeAnswerError::Status {
            status: deny.status,
        });
    }
    if let Some(login) = &options.login
        && is_navigation(event, deny)
        && !login.is_page(&event.viewer_url)
    {
        return redirect(event, deny, login);
    }
    let mut headers = HeaderMap::new();
    let mut notices = Vec::new();
    for challenge in deny.www_authenticate() {
        headers.append("WWW-Authenticate", &challenge)?;
    }
    append_allowed(
        &deny.headers,
        &["www-authenticate"],
        &mut headers,
        &mut notices,
    )?;
    if !headers.contains(CACHE_CONTROL) {
        headers.append(CACHE_CONTROL, NO_STORE)?;
    }
    let body = deny.body.as_deref().filter(|body| !body.is_empty());
    let body = match (body, deny.status) {
        (Some(_), 204 | 205 | 304) => {
            notices.push(Notice::BodyLeftOut);
            None
        }
        (Some(_), _) if event.request.method.as_str() == "HEAD" => None,
        (body, _) => body,
    };
    if let Some(body) = body
        && !headers.contains("content-type")
    {
        headers.append("Content-Type", content_type(body))?;
    }
    let response = GeneratedResponse::no_body(deny.status, headers, notices);
    with_body(response, body)
}

/// A client that a redirect to a login page helps.
fn is_navigation(event: &ViewerRequest, deny: &Deny) -> bool {
    deny.status == 401
        && matches!(event.request.method.as_str(), "GET" | "HEAD")
        && prefers_html(&event.request.headers)
}

/// 302 (RFC 9110 section 15.4.3). Headers of the decision stay but for those that tell of the response
/// that is replaced, and of course the challenge, for which a browser would open a window of its own.
fn redirect(
    event: &ViewerRequest,
    deny: &Deny,
    login: &LoginRedirect,
) -> Result<GeneratedResponse, EdgeAnswerError> {
    let replaced = [
        "cache-control",
        "content-disposition",
        "content-language",
        "content-type",
        "location",
        "www-authenticate",
    ];
    let (location, return_to) = login.location(deny, &event.viewer_url);
    let mut headers = HeaderMap::new();
    let mut notices = Vec::new();
    headers.append("Location", &location)?;
    headers.append(CACHE_CONTROL, NO_STORE)?;
    append_allowed(&deny.headers, &replaced, &mut headers, &mut notices)?;
    if return_to == ReturnTo::LeftOut {
        notices.push(Notice::ReturnToLeftOut);
    }
    with_body(GeneratedResponse::no_body(302, headers, notices), None)
}

/// Adds the fields that a response may have, without those of `skipped` names (in lower case).
fn append_allowed(
    fields: &HeaderMap,
    skipped: &[&str],
    headers: &mut HeaderMap,
    notices: &mut Vec<Notice>,
) -> Result<(), EdgeAnswerError> {
    for field in fields.iter() {
        let name = field.name().to_ascii_lowercase();
        if skipped.contains(&name.as_str()) {
            continue;
        }
        let notice = match response_rule(&name) {
            ResponseRule::Allowed => {
                headers.append(field.name(), field.value())?;
                continue;
            }
            ResponseRule::Disallowed => Notice::HeaderDisallowed { name },
            ResponseRule::NotForResponse => Notice::HeaderNotForResponse { name },
        };
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }
    Ok(())
}

fn content_type(body: &str) -> &'static str {
    match serde_json::from_str::<serde::de::IgnoredAny>(body) {
        Ok(_) => "application/json",
        Err(_) => "text/plain; charset=utf-8",
    }
}

/// The response with as much of the body as there is room for.
fn with_body(
    mut response: GeneratedResponse,
    body: Option<&str>,
) -> Result<GeneratedResponse, EdgeAnswerError> {
    let bytes = json_len(&response);
    let Some(room) = MAX_GENERATED_BYTES.checked_sub(bytes) else {
        return Err(EdgeAnswerError::ResponseTooLarge { bytes });
    };
    if let Some(body) = body {
        let cut = cut(body, room.saturating_sub(BODY_MEMBERS.len()));
        if cut.len() < body.len() {
            response.notices.push(Notice::BodyCut);
        }
        response.body = Some(cut.to_owned()).filter(|body| !body.is_empty());
    }
    Ok(response)
}

/// The longest start of a text that takes at most so many bytes in a JSON string.
fn cut(text: &str, room: usize) -> &str {
    let mut used: usize = 0;
    for (at, character) in text.char_indices() {
        used += match character {
            '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
            '\0'..='\u{1f}' => r"\u0000".len(),
            other => other.len_utf8(),
        };
        if used > room {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

fn reason_phrase(status: u16) -> Option<&'static str> {
    http::StatusCode::from_u16(status).ok()?.canonical_reason()
}

/// Header fields as a map from names in lower case to all their values.
struct ByName<'map>(&'map HeaderMap);

impl Serialize for ByName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (index, field) in self.0.iter().enumerate() {
            let came_before = |earlier: &HeaderField| earlier.is(field.name());
            if self.0.iter().take(index).any(came_before) {
                continue;
            }
            let values: Vec<_> = self
                .0
                .iter()
                .filter(|other| other.is(field.name()))
                .map(Entry)
                .collect();
            map.serialize_entry(&field.name().to_ascii_lowercase(), &values)?;
        }
        map.end()
    }
}

struct Entry<'map>(&'map HeaderField);

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("key", self.0.name())?;
        map.serialize_entry("value", self.0.value())?;
        map.end()
    }
}
