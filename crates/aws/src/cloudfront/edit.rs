//! A permit: the request of the event with the edits of the decision.
//!
//! | edit | what is kept to |
//! |---|---|
//! | header | not one that functions must not set or change: a notice says so |
//! | URL | path and query only, visible ASCII without `#`, less than 8,192 characters |
//! | body | all of it was in the event; at most [`MAX_REPLACED_BODY_BYTES`] |
//!
//! What no edit names goes back as it came. The one exception is `body`: without it CloudFront forwards
//! the body that it received, as it does for a trigger that does not include it, so up to 54 KB need not
//! be written and read again.
//!
//! **Uncertain:** that a body is removed by replacing it with an empty text is not documented, but
//! follows from what is.

use std::fmt;

use portcullis_model::{ApiRequest, BodyEdit, HeaderMap, RequestEdits, RequestUrl};
use serde::{Serialize, Serializer};

use super::answer::EdgeAnswerError;
use super::body::ViewerBody;
use super::event::ViewerRequest;
use super::header_edit::{Change, header_changes, with_changes};
use super::notice::Notice;
use crate::json::{Json, Object};

/// Longest path and query after an edit, with the `?` between them, in bytes (CloudFront Developer
/// Guide, "Restrictions on all edge functions": less than 8,192 characters).
pub const MAX_TARGET_BYTES: usize = 8191;
/// Largest request line and headers after an edit that makes them larger, in bytes as in HTTP/1.1
/// (CloudFront Developer Guide, "Quotas": 20,480 bytes).
pub const MAX_REQUEST_HEAD_BYTES: usize = 20_480;
/// Longest body that replaces another one, in bytes. The documented 40 KB may be 40,000 or 40,960, and
/// CloudFront cuts a longer one off without an error (CloudFront Developer Guide, "Restrictions on
/// Lambda@Edge", "Restrictions on the request body with the include body option").
pub const MAX_REPLACED_BODY_BYTES: usize = 40_000;

/// A request that goes on, in the shape of `cf.request`.
#[derive(Clone, PartialEq)]
pub struct ForwardedRequest {
    request: Object,
    notices: Vec<Notice>,
}

impl ForwardedRequest {
    /// What was left out of the edits, or done beyond them.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

impl Serialize for ForwardedRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.request.serialize(serializer)
    }
}

/// Leaves out the request.
impl fmt::Debug for ForwardedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardedRequest")
            .field("notices", &self.notices)
            .finish_non_exhaustive()
    }
}

pub(super) fn forward(
    event: &ViewerRequest,
    edits: &RequestEdits,
) -> Result<ForwardedRequest, EdgeAnswerError> {
    let mut notices = Vec::new();
    let target = match &edits.url {
        Some(url) => edited_target(url, &event.request.url)?,
        None => None,
    };
    let body = match &edits.body {
        Some(edit) => Some(edited_body(edit, &event.body)?),
        None => None,
    };
    let changes = header_changes(&event.request, edits, &mut notices)?;
    check_head(&event.request, &changes, target.as_ref())?;

    let mut request = Vec::new();
    for (name, value) in event.original.iter() {
        let value = match (name, value) {
            ("uri", _) => match &target {
                Some(target) => Json::Text(target.path.clone()),
                None => value.clone(),
            },
            ("querystring", _) => match &target {
                Some(target) => Json::Text(target.query.clone()),
                None => value.clone(),
            },
            ("headers", Json::Object(headers)) if !changes.is_empty() => {
                Json::Object(with_changes(headers, &changes))
            }
            ("body", Json::Object(original)) => match body {
                Some(text) => Json::Object(replaced(original, text)),
                None => continue,
            },
            ("body", _) => continue,
            _ => value.clone(),
        };
        request.push((name.to_owned(), value));
    }
    Ok(ForwardedRequest {
        request: request.into_iter().collect(),
        notices,
    })
}

/// Path and query of an edited URL.
struct EditedTarget {
    path: String,
    query: String,
}

/// `None` for a URL that is the request's own: where nothing changes, CloudFront forwards what it
/// received.
fn edited_target(
    edited: &str,
    original: &RequestUrl,
) -> Result<Option<EditedTarget>, EdgeAnswerError> {
    let edited = RequestUrl::parse(edited)?;
    let origin = |url: &RequestUrl| (url.scheme(), url.host().to_owned(), url.port());
    if origin(&edited) != origin(original) {
        return Err(EdgeAnswerError::OtherOrigin);
    }
    let (path, query) = (edited.path(), edited.query().unwrap_or_default());
    if (path, query) == (original.path(), original.query().unwrap_or_default()) {
        return Ok(None);
    }
    // `RequestUrl` takes no space, control character or `#`, but letters beyond ASCII.
    if !path.starts_with('/') || !(path.bytes().chain(query.bytes())).all(|b| b.is_ascii_graphic())
    {
        return Err(EdgeAnswerError::UrlCharacter);
    }
    let bytes = target_bytes(path, query);
    if bytes > MAX_TARGET_BYTES {
        return Err(EdgeAnswerError::UrlTooLong { bytes });
    }
    Ok(Some(EditedTarget {
        path: path.to_owned(),
        query: query.to_owned(),
    }))
}

fn target_bytes(path: &str, query: &str) -> usize {
    match query {
        "" => path.len(),
        query => path.len() + 1 + query.len(),
    }
}

/// The text that the body becomes. It is sent as text, which is documented to be whole up to 40 KB.
fn edited_body<'edit>(
    edit: &'edit BodyEdit,
    body: &ViewerBody,
) -> Result<&'edit str, EdgeAnswerError> {
    match body {
        ViewerBody::Absent => return Err(EdgeAnswerError::BodyAbsent),
        ViewerBody::Partial { .. } => return Err(EdgeAnswerError::BodyPartial),
        ViewerBody::Whole(_) => {}
    }
    let text = match edit {
        BodyEdit::Remove => "",
        BodyEdit::Replace(text) => text,
    };
    let bytes = text.len();
    if bytes > MAX_REPLACED_BODY_BYTES {
        return Err(EdgeAnswerError::BodyTooLarge { bytes });
    }
    Ok(text)
}

/// `cf.request.body` with another text. What else stands in it stays.
fn replaced(original: &Object, data: &str) -> Object {
    let ours = ["action", "encoding", "data"];
    let kept = original.iter().filter(|(name, _)| !ours.contains(name));
    let kept = kept.map(|(name, value)| (name, value.clone()));
    let text = |text: &str| Json::Text(text.to_owned());
    Object::of(kept.chain([
        ("action", text("replace")),
        ("encoding", text("text")),
        ("data", text(data)),
    ]))
}

/// Request line and headers stay below CloudFront's limit, unless they were above it and become no
/// larger, and the headers below
/// [`portcullis_model::MAX_HEADERS`].
fn check_head(
    request: &ApiRequest,
    changes: &[Change],
    target: Option<&EditedTarget>,
) -> Result<(), EdgeAnswerError> {
    if changes.is_empty() && target.is_none() {
        return Ok(());
    }
    let is_changed = |name: &str| {
        changes
            .iter()
            .any(|change| change.name.eq_ignore_ascii_case(name))
    };
    let mut headers = HeaderMap::new();
    let kept = request
        .headers
        .iter()
        .filter(|field| !is_changed(field.name()));
    for field in kept.chain(changes.iter().flat_map(|change| change.fields.iter())) {
        headers.append(field.name(), field.value())?;
    }
    let url = &request.url;
    let before = target_bytes(url.path(), url.query().unwrap_or_default());
    let after = target.map_or(before, |target| target_bytes(&target.path, &target.query));
    let method = request.method.as_str();
    let bytes = head_bytes(method, after, &headers);
    let grown = bytes > head_bytes(method, before, &request.headers);
    if grown && bytes > MAX_REQUEST_HEAD_BYTES {
        return Err(EdgeAnswerError::HeadTooLarge { bytes });
    }
    Ok(())
}

/// `METHOD target HTTP/1.1` and `name: value` lines, each with its line end.
fn head_bytes(method: &str, target: usize, headers: &HeaderMap) -> usize {
    let line = method.len() + target + " ".len() + " HTTP/1.1\r\n".len();
    let fields = headers
        .iter()
        .map(|field| field.name().len() + field.value().len() + ": \r\n".len());
    line + fields.sum::<usize>()
}
