//! What an AuthZEN service is asked: subject, action, resource and context of one request (AuthZEN
//! Authorization API 1.0, "Access Evaluation Request", with the entities of the API gateway interop
//! scenario).

use std::fmt;

use bytes::Bytes;
use portcullis_engine::Place;
use portcullis_jose::CompactJws;
use portcullis_model::ApiRequest;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::decision_point::Unavailable;

/// Most claims that a service is told.
const MAX_CLAIMS: usize = 32;
/// Longest name of a claim, in bytes.
const MAX_CLAIM_BYTES: usize = 256;

/// The question about one request. It holds neither the token nor a header of it.
pub struct Question {
    id: String,
    body: Body,
}

#[derive(Serialize)]
struct Body {
    subject: Subject,
    action: Action,
    resource: Resource,
    context: Context,
}

#[derive(Serialize)]
struct Subject {
    r#type: &'static str,
    id: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    properties: Map<String, Value>,
}

#[derive(Serialize)]
struct Action {
    name: String,
}

#[derive(Serialize)]
struct Resource {
    r#type: &'static str,
    id: String,
}

#[derive(Serialize)]
struct Context {
    host: String,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
}

impl Question {
    /// Whether that subject may make the request, which the policy covers at that place and whose token
    /// was verified.
    #[must_use]
    pub fn new(
        request: &ApiRequest,
        place: &Place<'_>,
        subject: &str,
        claims: &SubjectClaims,
    ) -> Self {
        let path = place.path.clone();
        let route = place.pattern.map(|pattern| pattern.as_str().to_owned());
        Self {
            id: random_id(),
            body: Body {
                subject: Subject {
                    r#type: "identity",
                    id: subject.to_owned(),
                    properties: claims.of(request, subject),
                },
                action: Action {
                    name: request.method.as_str().to_owned(),
                },
                resource: Resource {
                    r#type: "route",
                    id: route.unwrap_or_else(|| path.clone()),
                },
                context: Context {
                    host: request.url.host().to_owned(),
                    path,
                    ip: request.source.ip.map(|ip| ip.to_string()),
                },
            },
        }
    }

    /// What the decision is called, here and in the log of the service: `X-Request-ID`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The question in JSON.
    pub(super) fn to_json(&self) -> Result<Bytes, Unavailable> {
        let json = serde_json::to_vec(&self.body).map_err(|error| Unavailable::BadAnswer {
            cause: error.to_string(),
        })?;
        Ok(json.into())
    }
}

/// Without the subject and its claims.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("id", &self.id)
            .field("route", &self.body.resource.id)
            .finish_non_exhaustive()
    }
}

/// An id that no other decision has: 128 bits in hexadecimal. It is no secret.
fn random_id() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where decisions are named"
    )]
    let (high, low) = (fastrand::u64(..), fastrand::u64(..));
    format!("{high:016x}{low:016x}")
}

/// The claims of the access token that a service is told as properties of the subject: those on the
/// list, as they stand in the token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubjectClaims(Vec<String>);

impl SubjectClaims {
    /// Parses a list of at most 32 names, each of 1 to 256 bytes, separated by spaces or commas.
    pub fn parse(text: &str) -> Result<Self, InvalidSubjectClaims> {
        let names = text.split([' ', ',']).filter(|name| !name.is_empty());
        let names: Vec<String> = names.map(str::to_owned).collect();
        let good = |name: &String| {
            name.len() <= MAX_CLAIM_BYTES && name.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if names.len() > MAX_CLAIMS || !names.iter().all(good) {
            return Err(InvalidSubjectClaims);
        }
        Ok(Self(names))
    }

    /// The listed claims of the token that came with a request and was verified; nothing where it is
    /// not a JWT of that subject.
    fn of(&self, request: &ApiRequest, subject: &str) -> Map<String, Value> {
        if self.0.is_empty() {
            return Map::new();
        }
        let sent = request.authorization().ok().flatten();
        let token = sent.and_then(|value| value.split_once(' '));
        let jws = token.and_then(|(_, token)| CompactJws::parse(token.trim_start()).ok());
        let Some(jws) = jws else {
            return Map::new();
        };
        let claims = jws.payload();
        // INVARIANT: the token that was verified is the one in this header, so that it has this subject.
        if claims.get("sub").and_then(Value::as_str) != Some(subject) {
            return Map::new();
        }
        let listed = self.0.iter();
        listed
            .filter_map(|name| Some((name.clone(), claims.get(name)?.clone())))
            .collect()
    }
}

/// A list of claims that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at most {MAX_CLAIMS} names of claims, separated by spaces, such as \"scope groups\"")]
pub struct InvalidSubjectClaims;
