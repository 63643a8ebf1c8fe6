//! The operations of a service: methods, paths, and who gets through.

use std::collections::HashSet;

use portcullis_model::{Level, Method, PathPattern};
use serde_saphyr::Spanned;

use super::super::document::OperationDocument;
use super::ServiceReader;
use crate::policy_set::{Guard, Operation, Outbound, Step};
use crate::statement::{Phase, Statement};

/// Most methods and most path patterns of an operation (the reference's bounds).
const MAX_METHODS: usize = 10;
const MAX_PATHS: usize = 10;

/// Why a valid pattern can never match a path that gets as far as matching.
fn unreachable(pattern: &str) -> Option<&'static str> {
    if pattern.contains('%') {
        return Some(
            "patterns are compared with the decoded path; write the character itself, such as \"é\" for \"%C3%A9\"",
        );
    }
    if pattern.contains(';') || pattern.contains("\\\\") {
        return Some(
            "requests with a semicolon or a backslash in the path are refused before matching",
        );
    }
    pattern
        .contains('?')
        .then_some("the query is not part of the path")
}

/// What a service asks of every operation.
pub(super) struct Shared<'a> {
    pub(super) steps: &'a [Step],
    pub(super) statements: &'a [Statement],
}

impl ServiceReader<'_> {
    /// Each document is freed before the next is compiled: of a large policy there are never two whole forms.
    #[expect(clippy::vec_box, reason = "each is freed once it is compiled")]
    pub(super) fn operations(
        &mut self,
        documents: Vec<Box<OperationDocument>>,
        shared: &Shared<'_>,
    ) -> Vec<Operation> {
        let mut operations: Vec<Operation> = Vec::with_capacity(documents.len());
        let mut names = HashSet::with_capacity(documents.len());
        for (number, document) in documents.into_iter().enumerate() {
            if !names.insert(document.name.value.clone()) {
                self.problem(
                    &document.name,
                    format!("operation \"{}\" stands twice", document.name.value),
                );
            }
            let name = self.name(&document.name);
            let methods = self.methods(document.methods.as_ref());
            let paths = self.paths(&document.paths);
            let rules = match &document.rules {
                Some(document) => self.rules(document, Level::Operation),
                None => Vec::new(),
            };
            let guard = match &document.public {
                Some(public) if public.value => {
                    if !rules.is_empty() || document.policy.is_some() {
                        self.problem(public, "a public operation cannot have rules or a policy: nobody would be asked for a token");
                    }
                    Guard::Public
                }
                _ => {
                    if let Some(policy) = &document.policy {
                        self.want(policy, Some(number), Phase::Request);
                    }
                    let steps = shared.steps.iter().cloned().chain(rules).collect();
                    if self.is_token_optional(&document) {
                        Guard::OptionalToken(steps)
                    } else {
                        Guard::Token(steps)
                    }
                }
            };
            if let Some(policy) = &document.response_policy {
                self.want(policy, Some(number), Phase::Response);
            }
            let own = self.statements(&document.statements);
            let statements = shared.statements.iter().cloned().chain(own).collect();
            operations.push(Operation {
                name,
                methods,
                paths,
                guard,
                outbound: Outbound {
                    policies: Vec::new(),
                    statements,
                },
            });
        }
        operations
    }

    /// Whether requests without a valid token are for the policy, too, which then has to be there.
    fn is_token_optional(&mut self, document: &OperationDocument) -> bool {
        let known = [("required", false), ("optional", true)];
        let Some(token) = &document.token else {
            return false;
        };
        let optional = self.named(token, "token", &known).unwrap_or(false);
        if optional && document.policy.is_none() {
            self.problem(token, "an operation whose token is optional needs a policy that decides; without one, say public: true");
        }
        optional
    }

    fn methods(&mut self, methods: Option<&Spanned<Vec<String>>>) -> Vec<Method> {
        let Some(list) = methods else {
            return Vec::new();
        };
        if list.value.is_empty() || list.value.len() > MAX_METHODS {
            self.problem(
                list,
                format!("methods lists 1 to {MAX_METHODS} methods; leave it out for every method"),
            );
        }
        let mut methods: Vec<Method> = Vec::new();
        for name in &list.value {
            match Method::parse(name) {
                Ok(method) if methods.contains(&method) => {
                    self.problem(list, format!("method {method} stands twice"));
                }
                Ok(method) if name.bytes().any(|byte| byte.is_ascii_lowercase()) => {
                    let message = format!(
                        "method {method} is not in upper case, and methods are case-sensitive"
                    );
                    self.problem_with_help(
                        list,
                        message,
                        format!("write {}", name.to_ascii_uppercase()),
                    );
                }
                Ok(method) => methods.push(method),
                Err(error) => {
                    self.problem(list, format!("method \"{}\": {error}", name.escape_debug()));
                }
            }
        }
        methods.shrink_to_fit();
        methods
    }

    fn paths(&mut self, list: &Spanned<Vec<Spanned<String>>>) -> Vec<PathPattern> {
        if list.value.is_empty() || list.value.len() > MAX_PATHS {
            self.problem(list, format!("paths lists 1 to {MAX_PATHS} path patterns"));
        }
        let mut paths: Vec<PathPattern> = Vec::new();
        for path in &list.value {
            match PathPattern::infer(&path.value) {
                Ok(pattern) if paths.contains(&pattern) => {
                    self.problem(path, format!("path \"{}\" stands twice", path.value));
                }
                Ok(pattern) => match unreachable(&path.value) {
                    Some(why) => self.problem(
                        path,
                        format!("path \"{}\": {why}", path.value.escape_debug()),
                    ),
                    None => paths.push(pattern),
                },
                Err(error) => {
                    self.problem(
                        path,
                        format!("path \"{}\": {error}", path.value.escape_debug()),
                    );
                }
            }
        }
        paths.shrink_to_fit();
        paths
    }
}
