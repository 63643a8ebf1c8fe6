//! Statements: what a decision obliges the enforcement point to do beside letting through or turning away.
//!
//! The codes and payloads are those of `PingOne` Authorize's statement templates, and `denied-reason` of
//! `PingAuthorize`. In their texts `{{authnCtx.sub}}` stands for an attribute of the policy document.

mod compile;
mod json_path;
mod message;
mod template;

use std::sync::Arc;

use portcullis_model::{Challenge, ChallengeError, Deny};
use regex_lite::Regex;
use serde_json::Value;

pub(crate) use compile::{StatementDocument, compile};
pub(crate) use message::Message;

use json_path::JsonPath;
use message::{MAX_JSON_BYTES, Unfit};
use template::{Template, ValueTemplate};

/// Longest text that `regex-replace-attributes` works on, in bytes.
const MAX_REPLACED: usize = 16 * 1024;

/// One statement.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// What traces call it: its name, or its code.
    pub(crate) name: Arc<str>,
    pub(crate) phase: Phase,
    pub(crate) applies_to: AppliesTo,
    /// Whether nothing goes through where it cannot be carried out.
    pub(crate) obligatory: bool,
    action: Arc<Action>,
}

/// On which way a statement is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The request, on its way to the backend.
    Request,
    /// The response, on its way to the client.
    Response,
}

/// For which decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppliesTo {
    Permit,
    Deny,
    Anything,
}

#[derive(Debug)]
enum Action {
    /// Names and values; no value removes.
    SetHeaders(Vec<(String, Vec<Template>)>),
    ModifyQuery(Vec<(String, Vec<Template>)>),
    /// Places and values; none removes.
    SetAttributes(Vec<(JsonPath, Option<ValueTemplate>)>),
    IncludeAttributes(Vec<JsonPath>),
    ExcludeAttributes(Vec<JsonPath>),
    RegexReplace(Vec<Replacement>),
    AuthChallenge {
        status: u16,
        challenge: Box<Challenge>,
    },
    DeniedReason {
        status: u16,
        body: ValueTemplate,
    },
}

#[derive(Debug)]
struct Replacement {
    /// Where; everywhere if it says nothing.
    path: Option<JsonPath>,
    regex: Regex,
    /// As the regular expression crate writes it.
    by: String,
}

/// Why a statement could not be carried out. No message holds a value.
pub(crate) type Unfulfilled = String;

impl Statement {
    /// Whether it is for that way and that outcome.
    pub(crate) fn is_for(&self, phase: Phase, permit: bool) -> bool {
        let outcome = match self.applies_to {
            AppliesTo::Permit => permit,
            AppliesTo::Deny => !permit,
            AppliesTo::Anything => true,
        };
        self.phase == phase && outcome
    }

    /// Changes a message that is let through. Where it cannot, nothing is changed, but that header fields
    /// which were to be set are removed.
    pub(crate) fn change(
        &self,
        message: &mut Message<'_>,
        document: &Value,
    ) -> Result<(), Unfulfilled> {
        match &*self.action {
            Action::SetHeaders(headers) => {
                set_headers(headers, message, document).inspect_err(|_| {
                    // What a client sent under these names must not pass for what would have been set.
                    for (name, _) in headers {
                        // A removal has no value that could not stand in a header field.
                        let _ = message.set_header(name, Vec::new());
                    }
                })
            }
            Action::ModifyQuery(parameters) => {
                for (name, values) in filled(parameters, document)? {
                    message
                        .set_query(name, &values)
                        .map_err(|error| error.to_string())?;
                }
                Ok(())
            }
            Action::SetAttributes(attributes) => {
                let values = attributes
                    .iter()
                    .map(|(path, value)| {
                        let value = value.as_ref().map(|value| value.value(document));
                        Ok((path, value.transpose()?))
                    })
                    .collect::<Result<Vec<_>, template::Unfilled>>()
                    .map_err(|error| error.to_string())?;
                let body = json(message)?;
                let mut changed = body.clone();
                // A value that is set in many places is there as often: what comes of it is bounded before it is made.
                let mut spare = MAX_JSON_BYTES;
                for (path, value) in values {
                    match value {
                        Some(value) => path.set(&mut changed, &value, &mut spare),
                        None => path.remove(&mut changed),
                    }
                }
                if spare == 0 {
                    return Err(Unfit::TooLarge.to_string());
                }
                *body = changed;
                Ok(())
            }
            Action::IncludeAttributes(paths) => {
                JsonPath::keep(paths, json(message)?);
                Ok(())
            }
            Action::ExcludeAttributes(paths) => {
                let body = json(message)?;
                for path in paths {
                    path.remove(body);
                }
                Ok(())
            }
            Action::RegexReplace(replacements) => {
                let body = json(message)?;
                replacements.iter().try_for_each(|one| one.carry_out(body))
            }
            Action::AuthChallenge { .. } | Action::DeniedReason { .. } => {
                Err("it is for denies only".to_owned())
            }
        }
    }

    /// Changes what a client that is turned away is told. `common` is what every challenge of the
    /// service says.
    pub(crate) fn turn_away(
        &self,
        deny: &mut Deny,
        common: &Challenge,
        document: &Value,
    ) -> Result<(), Unfulfilled> {
        match &*self.action {
            Action::AuthChallenge { status, challenge } => {
                deny.status = *status;
                let challenge = Challenge::clone(challenge);
                deny.challenges = vec![Challenge {
                    scheme: common.scheme,
                    realm: challenge.realm.or_else(|| common.realm.clone()),
                    resource_metadata: common.resource_metadata.clone(),
                    algs: common.algs.clone(),
                    ..challenge
                }];
                Ok(())
            }
            Action::DeniedReason { status, body } => {
                let body = body.value(document).map_err(|error| error.to_string())?;
                deny.status = *status;
                deny.body = Some(body.to_string());
                // A name and a value of this module can stand in a header field.
                let _ = deny.headers.append("content-type", "application/json");
                Ok(())
            }
            Action::SetHeaders(headers) => {
                for (name, values) in filled(headers, document)? {
                    for value in values {
                        deny.headers.append(name, &value).map_err(|_| {
                            format!("{name}: the value cannot stand in a header field")
                        })?;
                    }
                }
                Ok(())
            }
            _ => Err("it is for permits only".to_owned()),
        }
    }
}

fn set_headers(
    headers: &[(String, Vec<Template>)],
    message: &mut Message<'_>,
    document: &Value,
) -> Result<(), Unfulfilled> {
    for (name, values) in filled(headers, document)? {
        message
            .set_header(name, values)
            .map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

fn json<'a>(message: &'a mut Message<'_>) -> Result<&'a mut Value, Unfulfilled> {
    message.json().map_err(|error| error.to_string())
}

/// Every value is filled in before anything is changed.
fn filled<'a>(
    fields: &'a [(String, Vec<Template>)],
    document: &Value,
) -> Result<Vec<(&'a str, Vec<String>)>, Unfulfilled> {
    fields
        .iter()
        .map(|(name, values)| {
            let values = values.iter().map(|value| value.text(document));
            let values = values.collect::<Result<_, _>>();
            Ok((name.as_str(), values.map_err(|error| error.to_string())?))
        })
        .collect()
}

impl Replacement {
    fn carry_out(&self, body: &mut Value) -> Result<(), Unfulfilled> {
        let mut too_long = false;
        let mut replace = |value: &mut Value| self.replace(value, &mut too_long);
        match &self.path {
            Some(path) => path.update(body, &mut replace),
            None => replace(body),
        }
        if too_long {
            Err(format!("a text is longer than {MAX_REPLACED} bytes"))
        } else {
            Ok(())
        }
    }

    /// In every text inside a value.
    fn replace(&self, value: &mut Value, too_long: &mut bool) {
        match value {
            Value::String(text) if text.len() > MAX_REPLACED => *too_long = true,
            Value::String(text) => {
                let replaced = self.regex.replace_all(text, self.by.as_str());
                *text = replaced.into_owned();
            }
            Value::Array(list) => list.iter_mut().for_each(|one| self.replace(one, too_long)),
            Value::Object(members) => members
                .values_mut()
                .for_each(|one| self.replace(one, too_long)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// The codes of a challenge that a statement may name.
fn challenge_error(code: &str) -> Option<ChallengeError> {
    [
        ChallengeError::InvalidRequest,
        ChallengeError::InvalidToken,
        ChallengeError::InsufficientScope,
        ChallengeError::InsufficientUserAuthentication,
    ]
    .into_iter()
    .find(|known| known.as_str() == code)
}
