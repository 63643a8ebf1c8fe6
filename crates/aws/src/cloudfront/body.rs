//! The body of a viewer request: `cf.request.body`, which is there for methods that have a body if the
//! trigger is set to include it (CloudFront Developer Guide, "Access the request body by choosing the
//! include body option").

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::EventError;
use crate::json::{Json, Object, unexpected};

/// What the event tells of the body.
#[derive(Clone, PartialEq, Eq)]
pub enum ViewerBody {
    /// Nothing: the method has none, or the trigger does not include it.
    Absent,
    /// All of it, as text.
    Whole(String),
    /// Something that nobody can decide on.
    Partial {
        /// Why not.
        why: PartialBody,
    },
}

/// Why a body cannot be decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartialBody {
    /// It is longer than the 40 KB that CloudFront shows, or the event does not say that it is not.
    Truncated,
    /// It is not UTF-8: a file, or compressed.
    NotText,
}

/// How long it is, never what it is.
impl fmt::Debug for ViewerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Whole(body) => write!(f, "Whole([{} bytes])", body.len()),
            Self::Partial { why } => write!(f, "Partial({why:?})"),
        }
    }
}

const MEMBER: &str = "cf.request.body";
const DATA: &str = "cf.request.body.data";

/// The body of `cf.request`.
pub(crate) fn parse(request: &Object) -> Result<ViewerBody, EventError> {
    let body = match request.get(MEMBER)? {
        None => return Ok(ViewerBody::Absent),
        Some(Json::Object(body)) => body,
        Some(other) => return Err(unexpected(MEMBER, "an object", other)),
    };
    // What becomes of the body is for the answer to say; it only has to be what it is documented as.
    body.text("cf.request.body.action")?;
    let data = decode(body)?;
    let complete = body.get("cf.request.body.inputTruncated")? == Some(&Json::Bool(false));
    if !complete {
        return Ok(ViewerBody::Partial {
            why: PartialBody::Truncated,
        });
    }
    Ok(match String::from_utf8(data) {
        Ok(text) => ViewerBody::Whole(text),
        Err(_) => ViewerBody::Partial {
            why: PartialBody::NotText,
        },
    })
}

/// CloudFront always sends base64 (RFC 4648 section 4, with padding); `text` is documented, too.
fn decode(body: &Object) -> Result<Vec<u8>, EventError> {
    let data = body.required_text(DATA)?;
    let wrong = |member, expected| EventError::Member {
        member,
        expected,
        found: "another string",
    };
    match body.required_text("cf.request.body.encoding")? {
        "base64" => STANDARD
            .decode(data)
            .map_err(|_| wrong(DATA, "base64 with padding")),
        "text" => Ok(data.as_bytes().to_vec()),
        _ => Err(wrong("cf.request.body.encoding", "\"base64\" or \"text\"")),
    }
}
