//! Decisions that were made and recorded, made again on another policy set.
//!
//! A record is a line of what the decision service exports (docs/decisions.md). One with an `input` can be replayed:
//! its request and the claims of its token have the form that they have in a policy test.

use portcullis_jose::{CryptoProvider, JsonObject};
use portcullis_model::{ApiRequest, Decision};
use serde::Deserialize;
use serde_json::Value;

use super::document::RequestDocument;
use super::{Presented, decide};
use crate::policy_set::{ApiService, PolicySet};
use crate::profile::Profile;

/// A decision that was recorded.
#[derive(Debug)]
pub struct RecordedDecision {
    /// Its id.
    pub id: String,
    /// The method of the request.
    pub method: String,
    /// The path of the request, without the query.
    pub path: String,
    /// `permit` or `deny`.
    pub outcome: String,
    /// The status of a deny.
    pub status: Option<u16>,
    /// The reason code.
    pub reason: String,
    input: Result<Input, NotReplayable>,
}

/// Why a record cannot be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReplayable {
    /// It was recorded without its request: it is one of a response, of `AuthZEN`, or recording requests was off.
    WithoutInput,
    /// The token is bound to its sender, whose proof is good once and not recorded.
    Bound,
}

/// What the decision was made on.
struct Input {
    request: ApiRequest,
    token: RecordedToken,
    now: u64,
}

/// Leaves everything out: it holds what people sent.
impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Input(..)")
    }
}

enum RecordedToken {
    None,
    NotVerified,
    Claims(JsonObject),
}

/// A line that is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a line of an export of decisions (GET decisions.jsonl): {0}")]
pub struct InvalidRecord(String);

#[derive(Deserialize)]
struct RecordDocument {
    id: String,
    method: String,
    path: String,
    outcome: String,
    status: Option<u16>,
    reason: String,
    input: Option<InputDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InputDocument {
    now: u64,
    request: RequestDocument,
    token: Option<JsonObject>,
    #[serde(default)]
    token_not_verified: bool,
}

impl RecordedDecision {
    /// Reads one line.
    pub fn parse(line: &str) -> Result<Self, InvalidRecord> {
        let document: RecordDocument = serde_json::from_str(line).map_err(|error| {
            // The message of the reader may quote values.
            let what = if error.is_data() {
                "a member is missing, unknown or of another type"
            } else {
                "it is no JSON"
            };
            InvalidRecord(format!("{what}, at column {}", error.column()))
        })?;
        if !matches!(document.outcome.as_str(), "permit" | "deny") {
            return Err(InvalidRecord("outcome is permit or deny".to_owned()));
        }
        let input = match document.input {
            None => Err(NotReplayable::WithoutInput),
            Some(input) if is_bound(input.token.as_ref()) => Err(NotReplayable::Bound),
            Some(input) => Ok(Input {
                request: input
                    .request
                    .to_request()
                    .map_err(|error| InvalidRecord(format!("input.request: {error}")))?,
                token: match input.token {
                    Some(claims) => RecordedToken::Claims(claims),
                    None if input.token_not_verified => RecordedToken::NotVerified,
                    None => RecordedToken::None,
                },
                now: input.now,
            }),
        };
        Ok(Self {
            id: document.id,
            method: document.method,
            path: document.path,
            outcome: document.outcome,
            status: document.status,
            reason: document.reason,
            input,
        })
    }

    /// The decision that a policy set makes on the same, at the same time.
    pub fn replay(
        &self,
        policy: &PolicySet,
        crypto: &dyn CryptoProvider,
    ) -> Result<Decision, NotReplayable> {
        let input = self.input.as_ref().map_err(|why| *why)?;
        let presented = |service: Option<&ApiService>| match &input.token {
            RecordedToken::None => Presented::Nothing,
            RecordedToken::NotVerified => Presented::Unknown,
            RecordedToken::Claims(claims) => genuine(claims, service),
        };
        Ok(decide(policy, &input.request, presented, input.now, crypto))
    }

    /// Whether a decision is not the one that was recorded. Of a request whose token was not verified only the outcome
    /// is compared: what was wrong with the token is not recorded.
    #[must_use]
    pub fn differs(&self, decision: &Decision) -> bool {
        let verified = !matches!(
            self.input,
            Ok(Input {
                token: RecordedToken::NotVerified,
                ..
            })
        );
        self.outcome != decision.as_str()
            || (verified
                && (self.status != decision.status()
                    || self.reason != decision.reason.code.as_str()))
    }
}

/// The token as it was: nothing is added to its claims.
fn genuine(claims: &JsonObject, service: Option<&ApiService>) -> Presented {
    // RFC 7662 section 2.2: the answer of an issuer has this member, and no JWT needs it.
    if claims.get("active") == Some(&Value::Bool(true)) {
        return Presented::Introspected(claims.clone());
    }
    let named = claims.get("iss").and_then(Value::as_str);
    let issuer = service
        .zip(named)
        .and_then(|(service, name)| service.issuer(name));
    let profile = issuer.map_or_else(Profile::default, |issuer| issuer.profile);
    Presented::Claims(claims.clone(), profile)
}

/// RFC 7800 section 3.1.
fn is_bound(claims: Option<&JsonObject>) -> bool {
    claims.is_some_and(|claims| claims.contains_key("cnf"))
}
