//! Custom policies: what they are given, what they answer, and how a language joins in.
//!
//! The engine knows the validators language itself ([`crate::policy::validators`]). Other languages need
//! large interpreters, which not everything that decides should carry; whoever compiles a policy set
//! hands them over as [`PolicyLanguage`]s.

pub(crate) mod attribute;
mod input;
pub(crate) mod validators;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use portcullis_model::{Attribute, Method, PathPattern, ReasonCode};
use serde_json::{Map, Value};

pub use input::PolicyInput;
pub(crate) use input::{Scene, decode};

use crate::diagnostic::Diagnostic;

/// Deepest nesting of brackets in the text of a policy. Parsers of some languages take time that is
/// exponential in it, others overflow the stack; people do not read half as deep.
pub const MAX_POLICY_NESTING: usize = 12;
/// Largest policy, in bytes. Where validators come as a JSON document, the bytes of its texts and names, and one for each of
/// its values: no policy becomes too large by being put into a bundle.
pub const MAX_POLICY_BYTES: usize = 128 * 1024;

/// A language of custom policies.
pub trait PolicyLanguage: Send + Sync {
    /// The extension of its files, such as `rego`.
    fn extension(&self) -> &'static str;

    /// Compiles a file. The caller has checked its size and nesting
    /// ([`MAX_POLICY_BYTES`], [`MAX_POLICY_NESTING`]).
    fn compile(
        &self,
        path: &str,
        text: &str,
        world: &World<'_>,
    ) -> Result<Arc<dyn PolicyFile>, Vec<Diagnostic>>;
}

/// What policies may be about: the API services and their operations.
#[derive(Debug, Clone)]
pub struct World<'a> {
    /// The services.
    pub services: Vec<ServiceOutline<'a>>,
}

/// An API service without what guards it.
#[derive(Debug, Clone)]
pub struct ServiceOutline<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its operations.
    pub operations: Vec<OperationOutline<'a>>,
    /// Claims that its tokens may have beside those that standards register, with their types.
    pub claims: Vec<(&'a str, ClaimType)>,
}

/// An operation without what guards it.
#[derive(Debug, Clone)]
pub struct OperationOutline<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its methods; none for every method.
    pub methods: &'a [Method],
    /// Its path patterns.
    pub paths: &'a [PathPattern],
}

/// The type of a claim, as a policy directory declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimType {
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of texts.
    List,
}

impl ClaimType {
    /// Every type with its name in a policy directory.
    pub const ALL: [(&'static str, Self); 4] = [
        ("text", Self::Text),
        ("number", Self::Number),
        ("boolean", Self::Boolean),
        ("list", Self::List),
    ];
}

/// Where a policy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyPlace<'a> {
    /// The API service.
    pub service: &'a str,
    /// The operation; `None` for requests that no operation covers.
    pub operation: Option<&'a str>,
}

/// A compiled file of policies.
pub trait PolicyFile: fmt::Debug + Send + Sync {
    /// The policy of a place, with all that can be found out beforehand found out.
    fn bind(&self, place: &PolicyPlace<'_>) -> Arc<dyn CustomPolicy>;
}

/// A policy that can be asked.
pub trait CustomPolicy: fmt::Debug + Send + Sync {
    /// Whether it permits. Stops at its limits of time, steps and memory.
    fn evaluate(&self, input: &PolicyInput<'_>) -> Result<Verdict, PolicyFailure>;
}

/// What a policy answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verdict {
    /// Whether it permits.
    pub permit: bool,
    /// Why, in a few words without values of claims.
    pub detail: Cow<'static, str>,
    /// The attributes that mattered.
    pub attributes: Vec<Attribute>,
    /// Where it does not permit: what came nearest to a permit, and what was lacking.
    pub nearest_miss: Option<String>,
    /// Authentication context classes with which the user may try again.
    pub recovery: Vec<String>,
    /// What else it says, for the backend.
    pub output: Map<String, Value>,
}

/// Why a policy gave no answer. Each is a deny.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFailure {
    /// More time, steps or memory than it may take.
    #[error("the policy was stopped at its limit of {0}")]
    Limit(&'static str),
    /// An error in the policy.
    #[error("the policy failed: {0}")]
    Failed(String),
}

impl PolicyFailure {
    /// The stable reason code.
    #[must_use]
    pub const fn code(&self) -> ReasonCode {
        match self {
            Self::Limit(_) => ReasonCode::PolicyLimitExceeded,
            Self::Failed(_) => ReasonCode::PolicyFailed,
        }
    }
}

/// Checks the size of a policy.
pub(crate) fn check_size(path: &str, bytes: usize) -> Result<(), Diagnostic> {
    if bytes > MAX_POLICY_BYTES {
        let message = format!("the policy is larger than {MAX_POLICY_BYTES} bytes");
        return Err(Diagnostic::new(path, None, message));
    }
    Ok(())
}

/// Checks the text of a policy before any parser sees it.
pub(crate) fn check_text(path: &str, text: &str) -> Result<(), Diagnostic> {
    check_size(path, text.len())?;
    if let Some(control) = text
        .chars()
        .position(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t'))
    {
        let message = "the policy has a control character";
        return Err(Diagnostic::new(path, Some(place(text, control)), message));
    }
    match too_deep(text) {
        None => Ok(()),
        Some(at) => Err(Diagnostic::new(
            path,
            Some(place(text, at)),
            format!("brackets are nested deeper than {MAX_POLICY_NESTING}"),
        )
        .help("give the inner part a name of its own")),
    }
}

/// The first character that opens one bracket too many. Text and comments are counted, too: what is a
/// text depends on the language, and a limit must not.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, character) in text.chars().enumerate() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_POLICY_NESTING {
            return Some(at);
        }
    }
    None
}

/// Line and column of a character.
fn place(text: &str, at: usize) -> (u64, u64) {
    let before: String = text.chars().take(at).collect();
    let line = before.matches('\n').count() as u64 + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count() as u64
        + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_bounded_before_it_is_parsed() {
        assert_eq!(check_text("a", "package a\n\tx := [[1]]\r\n"), Ok(()));
        let deep = format!("ok\n {}", "[".repeat(13));
        assert_eq!(check_text("a", &deep).unwrap_err().place, Some((2, 14)));
        // Depth that comes and goes is no depth.
        assert_eq!(check_text("a", &"([{}])".repeat(1000)), Ok(()));
        assert!(check_text("a", "x\0").is_err());
        assert!(check_text("a", &" ".repeat(MAX_POLICY_BYTES + 1)).is_err());
    }
}
