//! The IAM policy of an answer (API Gateway Developer Guide, "Output from an API Gateway Lambda
//! authorizer"; IAM User Guide, "IAM JSON policy elements: Resource").
//!
//! API Gateway evaluates the policy against the ARN of the request, now and for as long as it
//! caches the answer. The end of that ARN is the path that the client chose, and a policy reads
//! `*`, `?` and `${...}` in it as wildcards and variables, for which there is no escape that API
//! Gateway is known to honour. So each of these characters becomes `?`, which matches itself and
//! any other single character: the answer covers the request, and a client that asks for `/*`
//! gains paths of the same length at most.

use serde::Serialize;

use crate::arn::{MethodArn, Route};
use crate::coverage::Resources;
use crate::glob::iam_matches;

/// Longest `Resource` of a statement (API Gateway Developer Guide, "Output from an API Gateway
/// Lambda authorizer"). Counted in bytes, which are never fewer than characters.
pub const MAX_RESOURCE_CHARS: usize = 512;

const VERSION: &str = "2012-10-17";
const INVOKE: &str = "execute-api:Invoke";

/// An IAM policy document: what is allowed, what is denied, or both, where what is denied wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDocument {
    version: &'static str,
    statement: Vec<Statement>,
}

/// The statement of a policy document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    action: &'static str,
    effect: Effect,
    resource: Vec<String>,
}

/// Allow or deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Effect {
    /// `Allow`.
    Allow,
    /// `Deny`.
    Deny,
}

impl PolicyDocument {
    /// Allows or denies calls of these ARNs, each once, and of nothing else that can be told apart
    /// in a policy.
    #[must_use]
    pub fn for_requests<'arn>(
        effect: Effect,
        arns: impl IntoIterator<Item = &'arn MethodArn>,
    ) -> Self {
        let mut resources = Vec::new();
        for arn in arns {
            let resource = resource(arn);
            if !resources.contains(&resource) {
                resources.push(resource);
            }
        }
        Self::of([(effect, resources)])
    }

    /// Allows and denies calls of these resources below the API and stage of an ARN; `None` where one
    /// of them is too long. A policy that allows nothing denies everything there.
    pub(crate) fn for_stage(arn: &MethodArn, resources: &Resources) -> Option<Self> {
        let stage = stage(arn);
        let below = |ends: &[String]| -> Vec<String> {
            ends.iter().map(|end| format!("{stage}{end}")).collect()
        };
        let (allow, deny) = (below(&resources.allow), below(&resources.deny));
        let fits = |resource: &String| resource.len() <= MAX_RESOURCE_CHARS;
        if !allow.iter().chain(&deny).all(fits) {
            return None;
        }
        if allow.is_empty() {
            return Some(Self::of([(Effect::Deny, vec![format!("{stage}*")])]));
        }
        Some(Self::of([(Effect::Allow, allow), (Effect::Deny, deny)]))
    }

    fn of(statements: impl IntoIterator<Item = (Effect, Vec<String>)>) -> Self {
        let statement = |(effect, resource)| Statement {
            action: INVOKE,
            effect,
            resource,
        };
        Self {
            version: VERSION,
            statement: statements
                .into_iter()
                .filter(|(_, resources)| !resources.is_empty())
                .map(statement)
                .collect(),
        }
    }

    /// The statements.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.statement
    }

    /// Whether it lets a call of that ARN through: something allows it and nothing denies it (IAM
    /// User Guide, "Policy evaluation logic").
    #[must_use]
    pub fn allows(&self, arn: &MethodArn) -> bool {
        let arn = arn.to_string();
        let says = |effect| {
            self.statement
                .iter()
                .filter(|statement| statement.effect == effect)
                .flat_map(|statement| &statement.resource)
                .any(|resource| iam_matches(resource, &arn))
        };
        says(Effect::Allow) && !says(Effect::Deny)
    }
}

impl Statement {
    /// Allow or deny.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.effect
    }

    /// The ARN patterns that it covers.
    #[must_use]
    pub fn resources(&self) -> &[String] {
        &self.resource
    }
}

/// Everything of an ARN before the method.
fn stage(arn: &MethodArn) -> String {
    let mut resource = format!(
        "arn:{}:execute-api:{}:{}:{}/",
        arn.partition(),
        arn.region(),
        arn.account(),
        arn.api_id()
    );
    if arn.stage() == "$default" {
        resource.push_str(arn.stage());
    } else {
        push_literal(&mut resource, arn.stage());
    }
    resource.push('/');
    resource
}

/// The pattern that covers this ARN. What lies beyond [`MAX_RESOURCE_CHARS`] becomes `*`.
fn resource(arn: &MethodArn) -> String {
    let mut resource = stage(arn);
    match arn.route() {
        Route::Connect => resource.push_str("$connect"),
        Route::Default => resource.push_str("$default"),
        Route::Method { method, path } => {
            push_literal(&mut resource, method);
            push_literal(&mut resource, path);
        }
    }
    if resource.len() > MAX_RESOURCE_CHARS {
        collapse(&mut resource);
    }
    resource
}

/// Cuts as late as leaves room for `*`, so that the pattern covers as little else as it can. The
/// cut lies in the path: what stands before it is bounded far below the limit (see [`MethodArn`]).
fn collapse(resource: &mut String) {
    resource.truncate(resource.floor_char_boundary(MAX_RESOURCE_CHARS - 1));
    resource.push('*');
}

fn push_literal(resource: &mut String, text: &str) {
    resource.extend(text.chars().map(|character| match character {
        '*' | '?' | '$' => '?',
        control if control.is_control() => '?',
        other => other,
    }));
}
