//! What was decided on a request, with everything that an enforcement point needs to carry it
//! out and a person needs to understand it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::challenge::Challenge;
use crate::coverage::Coverage;
use crate::header::HeaderMap;
use crate::reason::Reason;

/// The member of a decision's context that names it in the log of whoever made it.
pub const DECISION_ID: &str = "decision_id";

/// A decision.
#[derive(Clone, PartialEq)]
pub struct Decision {
    /// Permit or deny.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// Whom the token speaks for, where a token was verified.
    pub principal: Option<String>,
    /// What the backend is told, in native JSON; each AWS dialect encodes it as it must.
    pub context: Map<String, Value>,
    /// For which other requests the decision holds.
    pub reuse: Reuse,
    /// What is to be known of the token when the backend has answered; `None` where nothing is asked or
    /// done then.
    pub follow_up: Option<FollowUp>,
    /// The claims that it was made on, for a record of it; `None` unless whoever decides was told to keep
    /// them, and where no token was verified.
    pub claims: Option<Map<String, Value>>,
    /// How the decision came about.
    pub trace: Trace,
}

/// What a decision on a response needs to know of the decision on its request.
#[derive(Clone, PartialEq)]
pub enum FollowUp {
    /// The request came without a token that counts.
    Anonymous,
    /// It came with a token of that issuer and these claims.
    Token {
        /// The issuer.
        issuer: String,
        /// The claims.
        claims: Map<String, Value>,
    },
}

/// Leaves out the claims.
impl fmt::Debug for FollowUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Token { .. } => f.write_str("Token(..)"),
        }
    }
}

impl Decision {
    /// A permit for one request, with no edits, context or trace.
    #[must_use]
    pub fn permit(reason: Reason) -> Self {
        Self::with(Outcome::Permit(RequestEdits::default()), reason)
    }

    /// A deny with that response and no context or trace.
    #[must_use]
    pub fn deny(deny: Deny, reason: Reason) -> Self {
        Self::with(Outcome::Deny(deny), reason)
    }

    fn with(outcome: Outcome, reason: Reason) -> Self {
        Self {
            outcome,
            reason,
            principal: None,
            context: Map::new(),
            reuse: Reuse::ThisRequest,
            follow_up: None,
            claims: None,
            trace: Trace::default(),
        }
    }

    /// Its name in the log of the decision point, where that told one ([`DECISION_ID`]).
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.context.get(DECISION_ID).and_then(Value::as_str)
    }

    /// `permit` or `deny`, the words of logs and output.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self.outcome {
            Outcome::Permit(_) => "permit",
            Outcome::Deny(_) => "deny",
        }
    }

    /// The HTTP status of a deny.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match &self.outcome {
            Outcome::Permit(_) => None,
            Outcome::Deny(deny) => Some(deny.status),
        }
    }

    /// Whether the request may go on.
    #[must_use]
    pub const fn is_permit(&self) -> bool {
        matches!(self.outcome, Outcome::Permit(_))
    }
}

/// Leaves out context, principal and claims: they hold values of claims.
impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("outcome", &self.outcome)
            .field("reason", &self.reason)
            .field("reuse", &self.reuse)
            .field("trace", &self.trace)
            .finish_non_exhaustive()
    }
}

/// Permit or deny, with what belongs to each.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The request goes on, edited.
    Permit(RequestEdits),
    /// The client is answered at once.
    Deny(Deny),
}

/// What a permit changes about the request on its way to the backend.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RequestEdits {
    /// Header fields to set or remove.
    pub headers: Vec<HeaderEdit>,
    /// The absolute URL that replaces the request's.
    pub url: Option<String>,
    /// What becomes of the body. No AWS authorizer can carry that out.
    pub body: Option<BodyEdit>,
}

/// A changed body.
#[derive(Clone, PartialEq, Eq)]
pub enum BodyEdit {
    /// There is none any more.
    Remove,
    /// It is this one.
    Replace(String),
}

impl fmt::Debug for BodyEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remove => f.write_str("Remove"),
            Self::Replace(body) => write!(f, "Replace([{} bytes])", body.len()),
        }
    }
}

impl RequestEdits {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One changed header.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderEdit {
    /// The header's name.
    pub name: String,
    /// Its values from now on; none removes it.
    pub values: Vec<String>,
}

impl fmt::Debug for HeaderEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: [{} values]", self.name, self.values.len())
    }
}

/// The answer that a denied client gets, as far as its way in can carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deny {
    /// The HTTP status, 400 to 599 (a remote decision point may also answer with 2xx or 3xx).
    pub status: u16,
    /// The challenges, one `WWW-Authenticate` header each.
    pub challenges: Vec<Challenge>,
    /// More header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<String>,
}

impl Deny {
    /// A deny with a status only.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status,
            challenges: Vec::new(),
            headers: HeaderMap::new(),
            body: None,
        }
    }

    /// 401 with a challenge.
    #[must_use]
    pub fn challenge(status: u16, challenge: Challenge) -> Self {
        Self {
            challenges: vec![challenge],
            ..Self::status(status)
        }
    }

    /// The values of `WWW-Authenticate`: the challenges, then what the headers hold already.
    pub fn www_authenticate(&self) -> impl Iterator<Item = String> {
        let given = self.headers.values("www-authenticate").map(str::to_owned);
        self.challenges
            .iter()
            .map(Challenge::to_string)
            .chain(given)
    }
}

/// For which requests a decision holds, as far as a cache in front may reuse it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reuse {
    /// For the request that was decided and no other; caching must be off.
    ThisRequest,
    /// For every request with the same credential to the same API and stage, as far as the coverage
    /// says what becomes of it.
    SameCredential(Coverage),
}

/// How a decision came about, step by step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// The API service that covers the request.
    pub service: Option<Arc<str>>,
    /// The operation that covers it.
    pub operation: Option<Arc<str>>,
    /// The revision of the policy set that decided.
    pub revision: Option<Arc<str>>,
    /// What was checked, in order; the last one decided.
    pub checks: Vec<Check>,
    /// Where nothing permitted: what came nearest to it, and what was lacking.
    pub nearest_miss: Option<String>,
}

/// One step of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was checked, such as `token` or `scopes`.
    pub name: &'static str,
    /// Where it was asked for.
    pub level: Level,
    /// What came out.
    pub outcome: CheckOutcome,
    /// What was expected and what was there, without values of claims.
    pub detail: Cow<'static, str>,
    /// The attributes that mattered.
    pub attributes: Vec<Attribute>,
}

/// Where a check is asked for. Those of the service come before those of the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Of every request.
    #[default]
    Request,
    /// By the API service.
    Service,
    /// By the operation.
    Operation,
}

impl Level {
    /// The word in traces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Service => "service",
            Self::Operation => "operation",
        }
    }
}

/// An attribute that a check looked at: what it is called and what kind of value it has, never the
/// value itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name or path, such as `scope` or `request.headers.X-App`.
    pub name: Cow<'static, str>,
    /// What is there, such as `a text`, `a list of 2` or `missing`.
    pub value: Cow<'static, str>,
}

impl Attribute {
    /// An attribute with a description of what is there.
    #[must_use]
    pub fn describe(name: impl Into<Cow<'static, str>>, value: Option<&Value>) -> Self {
        let value = match value {
            None => Cow::Borrowed("missing"),
            Some(Value::Null) => Cow::Borrowed("null"),
            Some(Value::Bool(true)) => Cow::Borrowed("true"),
            Some(Value::Bool(false)) => Cow::Borrowed("false"),
            Some(Value::Number(_)) => Cow::Borrowed("a number"),
            Some(Value::String(_)) => Cow::Borrowed("a text"),
            Some(Value::Array(list)) => Cow::Owned(format!("a list of {}", list.len())),
            Some(Value::Object(_)) => Cow::Borrowed("an object"),
        };
        Self {
            name: name.into(),
            value,
        }
    }
}

/// What came out of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
}

impl CheckOutcome {
    /// What came out of something that holds or not.
    #[must_use]
    pub const fn of(holds: bool) -> Self {
        if holds { Self::Passed } else { Self::Failed }
    }
}
