//! A decision in the dialect of its event (API Gateway Developer Guide, "Output from an API Gateway
//! Lambda authorizer"; "Control access to HTTP APIs with AWS Lambda authorizers").
//!
//! | decision | REST, WebSocket | HTTP 1.0, HTTP 2.0 with IAM | HTTP 2.0 simple |
//! |---|---|---|---|
//! | permit | allow policy | allow policy | `isAuthorized: true` |
//! | deny with 401 | error `Unauthorized`: 401 | error `Unauthorized`: 401 or 500 | `isAuthorized: false`: 403 |
//! | deny with another status | deny policy: 403 | deny policy: 403 | `isAuthorized: false`: 403 |
//!
//! An authorizer cannot choose a status; it has these three answers and nothing else. A gateway
//! response of a REST API can show `$context.authorizer.status`, `.message` and `.challenge` of a
//! deny policy; the error `Unauthorized` carries no context.
//!
//! **Uncertain:** AWS documents the error `Unauthorized` for REST and WebSocket APIs. For an HTTP
//! API, what it becomes is not documented, and emulators disagree: 401 or 500. Either way nothing
//! gets through, and 401 is the only way to tell a client to fetch a token, so the error is used
//! where the answer is a policy. Simple answers have a documented form of "no", which is 403, and
//! get that one.

use portcullis_model::{Coverage, Decision, Outcome, RequestEdits, Reuse};
use serde::Serialize;

use crate::context::{
    self, Context, Encoding, HeaderLeftOut, MAX_CONTEXT_KEY_CHARS, MAX_RESPONSE_BYTES, json_len,
};
use crate::coverage::PolicyCache;
use crate::dialect::Dialect;
use crate::event::AuthorizerEvent;
use crate::policy::{Effect, PolicyDocument};

/// The error message that API Gateway turns into 401. It has to be this and nothing else.
pub const UNAUTHORIZED: &str = "Unauthorized";
/// The `principalId` of a decision that names none: API Gateway documents it as required.
pub const UNKNOWN_PRINCIPAL: &str = "unknown";
/// Longest `principalId`. OpenID Connect Core section 2 allows a subject 255 characters. A longer
/// one is [`UNKNOWN_PRINCIPAL`]: cut off, two principals could become one.
pub const MAX_PRINCIPAL_BYTES: usize = 256;

/// How an authorizer of an HTTP API with payload format 2.0 is to answer: its setting
/// `EnableSimpleResponses`, which the event does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpV2Form {
    /// `{"isAuthorized": ..., "context": ...}`.
    #[default]
    Simple,
    /// An IAM policy.
    Iam,
}

/// What the function has to do: return this in JSON, or fail.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Fail with the error message [`UNAUTHORIZED`]. It cannot be serialized: to return it by
    /// mistake is an error too.
    #[serde(skip_serializing)]
    Unauthorized,
    /// Return a policy: all dialects but HTTP 2.0 simple.
    Policy(PolicyResponse),
    /// Return yes or no: HTTP 2.0 simple.
    Simple(SimpleResponse),
}

impl Answer {
    /// For what it is right, where it says so: `credential` or `off` (see [`answer_for_cache`]).
    #[must_use]
    pub fn cache(&self) -> Option<&str> {
        let context = match self {
            Self::Unauthorized => return None,
            Self::Policy(response) => &response.context,
            Self::Simple(response) => &response.context,
        };
        context.get("cache").and_then(serde_json::Value::as_str)
    }

    /// Whether it lets the request through.
    #[must_use]
    pub fn is_allow(&self) -> bool {
        match self {
            Self::Unauthorized => false,
            Self::Policy(response) => response.allows,
            Self::Simple(response) => response.is_authorized,
        }
    }
}

/// A principal, what it may call and the context.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyResponse {
    /// Whom the token speaks for.
    pub principal_id: String,
    /// What may be called.
    pub policy_document: PolicyDocument,
    /// What gateway responses, logs and the backend are told.
    pub context: Context,
    /// Whether the request at hand is let through.
    #[serde(skip)]
    pub(crate) allows: bool,
}

/// Yes or no and the context.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SimpleResponse {
    /// Yes or no.
    pub is_authorized: bool,
    /// What logs and the backend are told.
    pub context: Context,
}

/// Turns a decision into the answer to its event.
///
/// A permit that obliges the enforcement point to what no authorizer can do is refused: letting the
/// request through as it was is not what was decided.
pub fn answer(
    event: &AuthorizerEvent,
    decision: &Decision,
    http_v2: HttpV2Form,
) -> Result<Answer, AnswerError> {
    let form = Form::of(event.dialect(), http_v2);
    let effect = match &decision.outcome {
        Outcome::Permit(edits) => {
            can_carry_out(edits)?;
            Effect::Allow
        }
        Outcome::Deny(deny) if deny.status == 401 && form != Form::Simple => {
            return Ok(Answer::Unauthorized);
        }
        Outcome::Deny(_) => Effect::Deny,
    };
    Ok(match form {
        Form::Simple => Answer::Simple(simple(decision)?),
        Form::Policy(encoding) => Answer::Policy(policy(event, decision, effect, encoding)?),
    })
}

/// The same for an API whose answers are cached: where the decision says what becomes of every request
/// with the same credential and IAM has words for it, the answer is one policy for all of them.
///
/// Such an answer says nothing about the request at hand that another one would be told: its context is
/// `cache: credential` and nothing else. Every other answer says `cache: off`.
pub fn answer_for_cache(
    event: &AuthorizerEvent,
    decision: &Decision,
    http_v2: HttpV2Form,
    cache: &PolicyCache,
) -> Result<Answer, AnswerError> {
    let form = Form::of(event.dialect(), http_v2);
    let unauthorized = decision.status() == Some(401) && form != Form::Simple;
    let mut own = decision.clone();
    own.reuse = Reuse::ThisRequest;
    match (&decision.reuse, form) {
        (Reuse::SameCredential(coverage), Form::Policy(_))
            if !unauthorized && !has_edits(decision) =>
        {
            match whole_policy(event, decision, coverage, cache) {
                Some(response) => Ok(Answer::Policy(response)),
                None => answer(event, &own, http_v2),
            }
        }
        _ => answer(event, &own, http_v2),
    }
}

fn has_edits(decision: &Decision) -> bool {
    matches!(&decision.outcome, Outcome::Permit(edits) if !edits.is_empty())
}

/// One policy for every request with the same credential, if there is one that fits the answer and lets
/// the request at hand through exactly if that was decided.
fn whole_policy(
    event: &AuthorizerEvent,
    decision: &Decision,
    coverage: &Coverage,
    cache: &PolicyCache,
) -> Option<PolicyResponse> {
    // The handshake of a WebSocket API is one route, and its answer is never cached.
    if event.dialect() == Dialect::WebSocketConnect {
        return None;
    }
    let resources = cache.resources(coverage)?;
    let policy_document = PolicyDocument::for_stage(event.arn(), &resources)?;
    let agrees = std::iter::once(event.arn())
        .chain(event.requested_arn())
        .all(|arn| policy_document.allows(arn) == decision.is_permit());
    let response = PolicyResponse {
        principal_id: principal(decision).to_owned(),
        policy_document,
        context: Context::from([("cache".to_owned(), "credential".into())]),
        allows: decision.is_permit(),
    };
    (agrees && json_len(&response) <= MAX_RESPONSE_BYTES).then_some(response)
}

/// A permit that cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The decision replaces the URL.
    #[error(
        "the decision replaces the request's URL, which a Lambda authorizer cannot do; take that \
         statement out of the policy, or route by a parameter mapping from the context"
    )]
    UrlEdit,
    /// The decision replaces or removes the body.
    #[error(
        "the decision replaces the request's body, which a Lambda authorizer cannot do; take that \
         statement out of the policy"
    )]
    BodyEdit,
    /// The decision edits more headers than the context can carry.
    #[error(
        "the decision sets or removes headers that the answer has no room for: their names have at \
         most {MAX_CONTEXT_KEY_CHARS} characters and differ in more than punctuation, and the whole \
         answer has at most {MAX_RESPONSE_BYTES} bytes"
    )]
    HeaderEdits,
}

impl From<HeaderLeftOut> for AnswerError {
    fn from(_: HeaderLeftOut) -> Self {
        Self::HeaderEdits
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Policy(Encoding),
    Simple,
}

impl Form {
    const fn of(dialect: Dialect, http_v2: HttpV2Form) -> Self {
        match (dialect, http_v2) {
            (Dialect::HttpV2, HttpV2Form::Simple) => Self::Simple,
            (Dialect::HttpV2, HttpV2Form::Iam) => Self::Policy(Encoding::Native),
            (
                Dialect::RestToken
                | Dialect::RestRequest
                | Dialect::HttpV1
                | Dialect::WebSocketConnect,
                _,
            ) => Self::Policy(Encoding::Scalars),
        }
    }
}

fn can_carry_out(edits: &RequestEdits) -> Result<(), AnswerError> {
    if edits.url.is_some() {
        Err(AnswerError::UrlEdit)
    } else if edits.body.is_some() {
        Err(AnswerError::BodyEdit)
    } else {
        Ok(())
    }
}

fn policy(
    event: &AuthorizerEvent,
    decision: &Decision,
    effect: Effect,
    encoding: Encoding,
) -> Result<PolicyResponse, AnswerError> {
    let arns = std::iter::once(event.arn()).chain(event.requested_arn());
    let mut response = PolicyResponse {
        principal_id: principal(decision).to_owned(),
        policy_document: PolicyDocument::for_requests(effect, arns),
        context: context::required(decision),
        allows: effect == Effect::Allow,
    };
    let room = MAX_RESPONSE_BYTES.saturating_sub(json_len(&response));
    context::add_optional(&mut response.context, decision, encoding, room)?;
    Ok(response)
}

fn simple(decision: &Decision) -> Result<SimpleResponse, AnswerError> {
    let mut response = SimpleResponse {
        is_authorized: decision.is_permit(),
        context: context::required(decision),
    };
    response
        .context
        .insert("principalId".to_owned(), principal(decision).into());
    let room = MAX_RESPONSE_BYTES.saturating_sub(json_len(&response));
    context::add_optional(&mut response.context, decision, Encoding::Native, room)?;
    Ok(response)
}

/// The decision's principal if it can be passed on whole, as it is.
fn principal(decision: &Decision) -> &str {
    let fits = |principal: &&str| {
        (1..=MAX_PRINCIPAL_BYTES).contains(&principal.len())
            && !principal.chars().any(char::is_control)
    };
    decision
        .principal
        .as_deref()
        .filter(fits)
        .unwrap_or(UNKNOWN_PRINCIPAL)
}
