//! What a decision asks of rules, policies and statements, each answer written down as a check.

use std::mem;

use portcullis_model::{
    Challenge, ChallengeError, Check, CheckOutcome, Deny, Level, ReasonCode, Trace,
};
use serde_json::{Map, Value};

use crate::claims::AccessToken;
use crate::policy::{PolicyFailure, PolicyInput, Verdict};
use crate::policy_set::BoundPolicy;
use crate::rules::{Refusal, Rule};
use crate::statement::{Message, Statement};

/// A rule's answer as a check, and the refusal where it does not hold.
pub(crate) fn ask_rule(
    level: Level,
    rule: &Rule,
    token: &AccessToken<'_>,
) -> (Check, Option<Box<Refusal>>) {
    let refusal = rule.check(token).err();
    let check = Check {
        name: rule.name(),
        level,
        outcome: CheckOutcome::of(refusal.is_none()),
        detail: match &refusal {
            None => "holds".into(),
            Some(refusal) => refusal.message.clone(),
        },
        attributes: rule.attributes(token),
    };
    (check, refusal)
}

/// What a custom policy came to.
pub(crate) struct PolicyAnswer {
    pub(crate) check: Check,
    pub(crate) refusal: Option<Box<Refusal>>,
    pub(crate) nearest_miss: Option<String>,
    /// What it says beside its answer.
    pub(crate) output: Map<String, Value>,
}

/// Asks a custom policy.
pub(crate) fn ask_policy(
    level: Level,
    bound: &BoundPolicy,
    input: &PolicyInput<'_>,
) -> PolicyAnswer {
    let file = &bound.file;
    let mut answer = bound.policy.evaluate(input);
    let (permit, detail, attributes) = match &mut answer {
        Ok(verdict) => (
            verdict.permit,
            verdict.detail.clone(),
            mem::take(&mut verdict.attributes),
        ),
        Err(failure) => (false, failure.to_string().into(), Vec::new()),
    };
    let check = Check {
        name: "policy",
        level,
        outcome: CheckOutcome::of(permit),
        detail: format!("{file}: {detail}").into(),
        attributes,
    };
    let (refusal, nearest_miss, output) = match answer {
        Ok(verdict) if verdict.permit => (None, None, verdict.output),
        Ok(verdict) => {
            let refusal = denied_by(file, &verdict);
            (Some(Box::new(refusal)), verdict.nearest_miss, Map::new())
        }
        Err(failure) => (Some(Box::new(failed(file, &failure))), None, Map::new()),
    };
    PolicyAnswer {
        check,
        refusal,
        nearest_miss,
        output,
    }
}

/// The document with what policies said beside their answers.
pub(crate) fn with_output(document: &Value, output: &Map<String, Value>) -> Value {
    let mut document = document.clone();
    if let Some(members) = document.as_object_mut() {
        members.insert("output".to_owned(), Value::from(output.clone()));
    }
    document
}

/// Carries statements out in their order. The first that is obligatory and cannot be carried out ends it
/// with its name and what it lacks.
pub(crate) fn change(
    message: &mut Message<'_>,
    statements: &[&Statement],
    document: &Value,
    trace: &mut Trace,
) -> Result<(), String> {
    for statement in statements {
        let outcome = statement.change(message, document);
        note_statement(trace, statement, outcome.as_ref().err());
        if let Err(lacking) = outcome
            && statement.obligatory
        {
            return Err(format!(
                "the statement {} could not be carried out: {lacking}",
                statement.name
            ));
        }
    }
    Ok(())
}

/// Carries out what statements say to a client that is turned away. What cannot be carried out leaves the
/// deny as it is.
pub(crate) fn turn_away(
    deny: &mut Deny,
    statements: &[&Statement],
    common: &Challenge,
    document: &Value,
    trace: &mut Trace,
) {
    for statement in statements {
        let outcome = statement.turn_away(deny, common, document);
        note_statement(trace, statement, outcome.as_ref().err());
    }
}

fn note_statement(trace: &mut Trace, statement: &Statement, lacking: Option<&String>) {
    trace.checks.push(Check {
        name: "statement",
        level: Level::Request,
        outcome: CheckOutcome::of(lacking.is_none()),
        detail: match lacking {
            None => format!("{}: carried out", statement.name),
            Some(lacking) => format!("{}: {lacking}", statement.name),
        }
        .into(),
        attributes: Vec::new(),
    });
}

/// A deny by a custom policy: 403, or 401 with a challenge where it says how the user may authenticate
/// to get through (RFC 9470 section 3).
fn denied_by(file: &str, verdict: &Verdict) -> Refusal {
    if verdict.recovery.is_empty() {
        return Refusal {
            status: 403,
            code: ReasonCode::DeniedByPolicy,
            message: format!("the policy {file} denied").into(),
            challenge: None,
        };
    }
    Refusal {
        status: 401,
        code: ReasonCode::InsufficientUserAuthentication,
        message: "A different authentication level is required".into(),
        challenge: Some(Challenge {
            error: Some(ChallengeError::InsufficientUserAuthentication),
            acr_values: Some(verdict.recovery.join(" ")),
            ..Challenge::default()
        }),
    }
}

fn failed(file: &str, failure: &PolicyFailure) -> Refusal {
    Refusal {
        status: 403,
        code: failure.code(),
        message: format!("the policy {file} gave no answer: {failure}").into(),
        challenge: None,
    }
}
