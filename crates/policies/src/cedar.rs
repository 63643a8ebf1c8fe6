//! Cedar, by `cedar-policy`. The only module that knows that crate.
//!
//! A policy is checked against a schema that is made from the API services, so that operations, path
//! parameters and claims that do not exist are errors when it is compiled. The principal is the subject of
//! the token, the action the operation, the resource the path with its parameters, the context the
//! request. Each operation is given only the policies that can be about it, and an error in a `forbid`
//! that applies is a deny.

mod request;
mod schema;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, Authorizer, Decision, Effect, EntityUid, Policy, PolicyId, PolicySet,
    ValidationMode, Validator,
};
use portcullis_engine::{
    CustomPolicy, Diagnostic, PolicyFailure, PolicyFile, PolicyInput, PolicyLanguage, PolicyPlace,
    Verdict, World,
};

use crate::compile::bounded;
use schema::Vocabulary;

/// Most `if` expressions in a file. Chains of them overflow the stack of the parser.
const MAX_CONDITIONALS: usize = 200;
/// Longest chain of `.name` in a file, for the same reason.
const MAX_ACCESSES: usize = 100;

/// The language Cedar.
#[derive(Debug, Clone, Copy)]
pub struct Cedar;

impl PolicyLanguage for Cedar {
    fn extension(&self) -> &'static str {
        "cedar"
    }

    fn compile(
        &self,
        path: &str,
        text: &str,
        world: &World<'_>,
    ) -> Result<Arc<dyn PolicyFile>, Vec<Diagnostic>> {
        check_chains(path, text).map_err(|problem| vec![problem])?;
        let vocabulary = Vocabulary::of(world);
        let (path, text) = (path.to_owned(), text.to_owned());
        let file = bounded(&path.clone(), move || compile(&path, &text, vocabulary))?;
        Ok(Arc::new(file))
    }
}

/// A compiled file.
struct CedarFile {
    policies: Vec<Policy>,
    vocabulary: Arc<Vocabulary>,
}

impl fmt::Debug for CedarFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CedarFile")
            .field("policies", &self.policies.len())
            .finish_non_exhaustive()
    }
}

impl PolicyFile for CedarFile {
    fn bind(&self, place: &PolicyPlace<'_>) -> Arc<dyn CustomPolicy> {
        let action = schema::action(place.operation);
        let slice: Vec<Policy> = self
            .policies
            .iter()
            .filter(|policy| may_be_about(policy, &action))
            .cloned()
            .collect();
        let permits = slice
            .iter()
            .filter(|policy| policy.effect() == Effect::Permit);
        let permits: Vec<String> = permits.map(name).collect();
        // INVARIANT: the policies come from one set, so their ids differ.
        let policies = PolicySet::from_policies(slice).unwrap_or_default();
        Arc::new(CedarPolicy {
            policies,
            permits,
            action,
            operation: place.operation.map(str::to_owned),
            vocabulary: Arc::clone(&self.vocabulary),
        })
    }
}

/// The policies of a file that can be about one operation.
struct CedarPolicy {
    policies: PolicySet,
    /// What the `permit` policies are called.
    permits: Vec<String>,
    action: EntityUid,
    operation: Option<String>,
    vocabulary: Arc<Vocabulary>,
}

impl fmt::Debug for CedarPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CedarPolicy")
            .field("policies", &self.policies.num_of_policies())
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

impl CustomPolicy for CedarPolicy {
    fn evaluate(&self, input: &PolicyInput<'_>) -> Result<Verdict, PolicyFailure> {
        let (request, entities) = request::build(input, &self.action, &self.vocabulary)
            .ok_or_else(|| PolicyFailure::Failed("its input cannot be read".to_owned()))?;
        let response = Authorizer::new().is_authorized(&request, &self.policies, &entities);
        let diagnostics = response.diagnostics();
        let erred = diagnostics.errors().map(|error| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id(),
        });
        for id in erred {
            // Cedar skips a policy that errs, and a forbid that is skipped forbids nothing.
            if self.effect(id) != Some(Effect::Permit) {
                let message = format!("{} could not be evaluated", self.named(id));
                return Err(PolicyFailure::Failed(message));
            }
        }
        let reasons: Vec<String> = diagnostics.reason().map(|id| self.named(id)).collect();
        if response.decision() == Decision::Allow {
            return Ok(Verdict {
                permit: true,
                detail: format!("{} applies", reasons.join(", ")).into(),
                ..Verdict::default()
            });
        }
        let forbidden = !reasons.is_empty();
        let detail = if forbidden {
            format!("{} applies", reasons.join(", "))
        } else {
            "no permit applies".to_owned()
        };
        let nearest_miss = match self.permits.as_slice() {
            _ if forbidden => None,
            [] => Some("no permit is about the operation".to_owned()),
            permits => Some(format!(
                "about the operation, but with conditions that do not hold: {}",
                permits.join(", ")
            )),
        };
        Ok(Verdict {
            detail: detail.into(),
            nearest_miss,
            ..Verdict::default()
        })
    }
}

impl CedarPolicy {
    fn effect(&self, id: &PolicyId) -> Option<Effect> {
        self.policies.policy(id).map(Policy::effect)
    }

    fn named(&self, id: &PolicyId) -> String {
        self.policies
            .policy(id)
            .map_or_else(|| id.to_string(), name)
    }
}

/// What people call a policy: its annotation `@id`, or the number of it in the file.
fn name(policy: &Policy) -> String {
    let effect = policy.effect();
    match policy.annotation("id") {
        Some(id) if !id.is_empty() => format!("{effect} \"{id}\""),
        _ => format!("{effect} {}", policy.id()),
    }
}

/// Whether the head of a policy leaves room for an operation.
fn may_be_about(policy: &Policy, action: &EntityUid) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => one == *action,
        // Actions are in no groups, so `in` is membership in the list.
        ActionConstraint::In(list) => list.contains(action),
    }
}

fn compile(path: &str, text: &str, vocabulary: Vocabulary) -> Result<CedarFile, Vec<Diagnostic>> {
    let policies = PolicySet::from_str(text).map_err(|errors| {
        errors
            .iter()
            .map(|error| diagnose(path, text, error))
            .collect::<Vec<_>>()
    })?;
    if let Some(template) = policies.templates().next() {
        let message = format!("{} is a template, and nothing links it", template.id());
        return Err(vec![Diagnostic::new(path, None, message)]);
    }
    if policies.is_empty() {
        let message = "the file has no policy, so it would deny everyone";
        return Err(vec![Diagnostic::new(path, None, message)]);
    }
    let validator = Validator::new(vocabulary.schema().map_err(|message| {
        let message = format!("the schema of the API services cannot be made: {message}");
        vec![Diagnostic::new(path, None, message)]
    })?);
    let result = validator.validate(&policies, ValidationMode::Strict);
    // A warning says that a policy can never apply, or that its text misleads the reader.
    let mut problems: Vec<Diagnostic> = if result.validation_passed() {
        let warnings = result.validation_warnings();
        warnings.map(|one| diagnose(path, text, one)).collect()
    } else {
        let errors = result.validation_errors();
        errors.map(|one| diagnose(path, text, one)).collect()
    };
    // One mistake is found once for each operation that the policy may be about.
    problems.sort_by(|one, other| (one.place, &one.message).cmp(&(other.place, &other.message)));
    problems.dedup_by_key(|problem| problem.place);
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(CedarFile {
        policies: policies.policies().cloned().collect(),
        vocabulary: Arc::new(vocabulary),
    })
}

/// Checks what the stack of the parser depends on beside brackets.
fn check_chains(path: &str, text: &str) -> Result<(), Diagnostic> {
    let mut conditionals = 0;
    let mut accesses = 0;
    for word in text.split_inclusive(|letter: char| !letter.is_alphanumeric() && letter != '_') {
        let (name, end) = match word.char_indices().next_back() {
            Some((at, end)) if !end.is_alphanumeric() && end != '_' => {
                (word.get(..at).unwrap_or_default(), Some(end))
            }
            _ => (word, None),
        };
        conditionals += usize::from(name == "if");
        accesses = match end {
            Some('.' | '!' | '-') => accesses + 1,
            Some(space) if space.is_whitespace() => accesses,
            _ => 0,
        };
        if conditionals > MAX_CONDITIONALS || accesses > MAX_ACCESSES {
            let message = format!(
                "more than {MAX_CONDITIONALS} `if` in one file, or more than {MAX_ACCESSES} of `.`, `!` or `-` in a row"
            );
            return Err(Diagnostic::new(path, None, message));
        }
    }
    Ok(())
}

fn diagnose(path: &str, text: &str, error: &dyn miette::Diagnostic) -> Diagnostic {
    let place = error
        .labels()
        .and_then(|mut labels| labels.next())
        .and_then(|label| {
            let before = text.get(..label.offset())?;
            let line = before.matches('\n').count() as u64 + 1;
            let last = before.rsplit('\n').next().unwrap_or_default();
            Some((line, last.chars().count() as u64 + 1))
        });
    let message = error.to_string();
    let problem = Diagnostic::new(path, place, message.lines().next().unwrap_or_default());
    match error.help() {
        Some(help) => problem.help(help.to_string()),
        None => problem,
    }
}
