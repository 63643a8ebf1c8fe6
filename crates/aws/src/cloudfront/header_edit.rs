//! The header edits of a permit: which of them are carried out, and what `cf.request.headers` becomes.

use std::collections::HashSet;

use portcullis_model::{ApiRequest, HeaderEdit, HeaderField, HeaderMap, MAX_HEADERS, RequestEdits};

use super::answer::EdgeAnswerError;
use super::headers::{is_disallowed, is_read_only};
use super::notice::Notice;
use crate::json::{Json, Object};

/// A header that changes: its name in lower case, and its fields from now on, none if it goes.
pub(super) struct Change {
    pub(super) name: String,
    pub(super) fields: HeaderMap,
}

/// The changes that the edits ask for. An edit that changes nothing is none. Of one that CloudFront would
/// refuse there is a notice: a read-only header stays, one that must not be set is not there at all.
pub(super) fn header_changes(
    request: &ApiRequest,
    edits: &RequestEdits,
    notices: &mut Vec<Notice>,
) -> Result<Vec<Change>, EdgeAnswerError> {
    if edits.headers.len() > MAX_HEADERS {
        return Err(EdgeAnswerError::TooManyEdits {
            edits: edits.headers.len(),
        });
    }
    let mut changes = Vec::new();
    let mut edited = HashSet::new();
    for edit in &edits.headers {
        let fields = fields(edit)?;
        let name = edit.name.to_ascii_lowercase();
        if !edited.insert(name.clone()) {
            return Err(EdgeAnswerError::EditedTwice { name });
        }
        let same = request
            .headers
            .values(&name)
            .eq(fields.iter().map(HeaderField::value));
        if same {
            continue;
        }
        if is_read_only(&name) {
            // CloudFront measures the body that replaces another one itself.
            if name != "content-length" || edits.body.is_none() {
                notices.push(Notice::HeaderReadOnly { name });
            }
        } else if is_disallowed(&name) && !fields.is_empty() {
            notices.push(Notice::HeaderDisallowed { name: name.clone() });
            // What the client wrote there would pass for what the decision says.
            changes.push(Change {
                name,
                fields: HeaderMap::new(),
            });
        } else {
            changes.push(Change { name, fields });
        }
    }
    let twins = twins(request, &edited);
    notices.extend(twins.iter().map(|change| Notice::HeaderTwin {
        name: change.name.clone(),
    }));
    changes.extend(twins);
    Ok(changes)
}

/// The fields that an edit asks for. Its name is checked if there are none, too.
fn fields(edit: &HeaderEdit) -> Result<HeaderMap, EdgeAnswerError> {
    HeaderMap::new().append(&edit.name, "")?;
    let mut fields = HeaderMap::new();
    for value in &edit.values {
        fields.append(&edit.name, value)?;
    }
    Ok(fields)
}

/// Headers of the client that differ from an edited one in `_` and `-` only. CGI and WSGI hand both to
/// a backend under one name, so a client could write what the decision is to write. They go.
fn twins(request: &ApiRequest, edited: &HashSet<String>) -> Vec<Change> {
    let plain = |name: &str| name.replace('_', "-");
    let edited_plain: HashSet<String> = edited.iter().map(|name| plain(name)).collect();
    let mut seen = HashSet::new();
    let mut twins = Vec::new();
    for field in request.headers.iter() {
        let name = field.name().to_ascii_lowercase();
        let is_twin =
            edited_plain.contains(&plain(&name)) && !edited.contains(&name) && !is_read_only(&name);
        if is_twin && seen.insert(name.clone()) {
            twins.push(Change {
                name,
                fields: HeaderMap::new(),
            });
        }
    }
    twins
}

/// `cf.request.headers` with the changes: a header keeps its place, a new one comes last.
pub(super) fn with_changes(original: &Object, changes: &[Change]) -> Object {
    let mut headers = Vec::new();
    for (name, value) in original.iter() {
        let value = match changes.iter().find(|change| change.name == name) {
            None => value.clone(),
            Some(change) if change.fields.is_empty() => continue,
            Some(change) => entries(&change.fields),
        };
        headers.push((name.to_owned(), value));
    }
    let is_new = |change: &&Change| {
        !change.fields.is_empty() && !original.iter().any(|(name, _)| name == change.name)
    };
    headers.extend(
        changes
            .iter()
            .filter(is_new)
            .map(|change| (change.name.clone(), entries(&change.fields))),
    );
    headers.into_iter().collect()
}

fn entries(fields: &HeaderMap) -> Json {
    let entry = |field: &HeaderField| {
        Json::Object(Object::of([
            ("key", Json::Text(field.name().to_owned())),
            ("value", Json::Text(field.value().to_owned())),
        ]))
    };
    Json::List(fields.iter().map(entry).collect())
}
