//! From the document of an API service to the compiled service, with every contradiction found.

mod operations;
mod rules;
mod tokens;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use portcullis_model::{BaseUrl, Level, Scheme};
use serde_saphyr::Spanned;

use self::operations::Shared;
use super::document::{AwsDocument, RootDocument, ServiceDocument, place};
use super::policies::Wanted;
use crate::diagnostic::{Diagnostic, suggestion};
use crate::matching::OperationIndex;
use crate::metadata::metadata_url;
use crate::policy_set::{ApiService, Order, Outbound, Unmatched};
use crate::rules::Rule;
use crate::statement::{self, Phase, Statement, StatementDocument};

/// Most operations of a service.
const MAX_OPERATIONS: usize = 10_000;
/// Most statements of a service or an operation.
const MAX_STATEMENTS: usize = 100;
const MAX_NAME_CHARS: usize = 256;

/// Reads services one after the other and remembers what each has claimed for itself.
pub(super) struct ServiceReader<'a> {
    shared: &'a RootDocument,
    problems: &'a mut Vec<Diagnostic>,
    file: String,
    services: Vec<ApiService>,
    /// The policies that are asked for, and where.
    wanted: Vec<Wanted>,
    rules: HashSet<Arc<Rule>>,
    names: HashMap<String, String>,
    bases: HashMap<(Scheme, String, u16, String), String>,
    apis: HashMap<(String, String), String>,
}

impl<'a> ServiceReader<'a> {
    pub(super) fn new(shared: &'a RootDocument, problems: &'a mut Vec<Diagnostic>) -> Self {
        Self {
            shared,
            problems,
            file: String::new(),
            services: Vec::new(),
            wanted: Vec::new(),
            rules: HashSet::new(),
            names: HashMap::new(),
            bases: HashMap::new(),
            apis: HashMap::new(),
        }
    }

    pub(super) fn finish(self) -> (Vec<ApiService>, Vec<Wanted>) {
        (self.services, self.wanted)
    }

    pub(super) fn read(&mut self, file: &str, mut document: ServiceDocument) {
        let operations = std::mem::take(&mut document.operations);
        let document = &document;
        file.clone_into(&mut self.file);
        let name = self.service_name(&document.name);
        if document.base_urls.is_empty() && document.aws.is_empty() {
            self.problem(
                &document.name,
                "the service has neither base_urls nor aws, so no request can reach it",
            );
        }
        let base_urls = document
            .base_urls
            .iter()
            .filter_map(|base| self.base_url(base))
            .collect::<Vec<_>>();
        let aws = document
            .aws
            .iter()
            .filter_map(|entry| self.api(entry))
            .collect();
        let shared = self.shared;
        let documents = if document.tokens.is_empty() {
            &shared.tokens
        } else {
            &document.tokens
        };
        let tokens = self.token_issuers(documents);
        let claim_types = self.claim_types(documents);
        let unmatched = self.unmatched(document.unmatched.as_ref());
        if unmatched == Unmatched::Open && (document.rules.is_some() || document.policy.is_some()) {
            self.problem(
                &document.name,
                "rules and policy of a service hold for no request that unmatched: open lets through; take one of them away",
            );
        }
        let order = self.order(document.order.as_ref());
        if operations.len() > MAX_OPERATIONS {
            self.problem(
                &document.name,
                format!("the service has more than {MAX_OPERATIONS} operations"),
            );
        }
        let shared_rules = match &document.rules {
            Some(rules) => self.rules(rules, Level::Service),
            None => Vec::new(),
        };
        if let Some(policy) = &document.policy {
            self.want(policy, None, Phase::Request);
        }
        if let Some(policy) = &document.response_policy {
            self.want(policy, None, Phase::Response);
        }
        let statements = self.statements(&document.statements);
        let shared = Shared {
            steps: &shared_rules,
            statements: &statements,
        };
        let operations = self.operations(operations, &shared);
        let needs_token = unmatched == Unmatched::Token
            || operations.iter().any(|operation| !operation.is_public());
        let nothing_open = operations.is_empty() && unmatched != Unmatched::Open;
        if documents.is_empty() && (needs_token || nothing_open) {
            self.problem(
                &document.name,
                "the service asks for tokens but names no issuer under \"tokens\"",
            );
        }
        let realm = base_urls
            .first()
            .map_or_else(|| name.to_string(), |base| base.as_str().to_owned());
        let plain_paths = self.plain_paths(document.paths.as_ref());
        let resource_metadata = self.resource_metadata(document, base_urls.first());
        let index = OperationIndex::new(&operations, order);
        let (ranked, routes) = OperationIndex::ranking(&operations, order);
        self.services.push(ApiService {
            name,
            base_urls,
            aws,
            tokens,
            unmatched,
            plain_paths,
            claim_types,
            steps: shared_rules.clone(),
            outbound: Outbound {
                policies: Vec::new(),
                statements: statements.clone(),
            },
            operations,
            index,
            ranked,
            routes: routes.into(),
            realm,
            order,
            tells_claims: false,
            resource_metadata,
        });
    }

    /// Notes that a policy is asked for by the service, or by its operation of that number.
    fn want(&mut self, policy: &Spanned<String>, operation: Option<usize>, phase: Phase) {
        self.wanted.push(Wanted {
            service: self.services.len(),
            operation,
            phase,
            policy: policy.value.clone(),
            file: self.file.clone(),
            place: place(policy.referenced),
        });
    }

    fn plain_paths(&mut self, paths: Option<&Spanned<String>>) -> bool {
        match paths.map(|value| (value, value.value.as_str())) {
            None | Some((_, "any")) => false,
            Some((_, "plain")) => true,
            Some((value, _)) => {
                self.unknown_value(value, "paths", ["any", "plain"]);
                true
            }
        }
    }

    fn resource_metadata(
        &mut self,
        document: &ServiceDocument,
        base: Option<&BaseUrl>,
    ) -> Option<String> {
        let wanted = document.resource_metadata.as_ref()?;
        if wanted.value && base.is_none() {
            self.problem(
                wanted,
                "resource_metadata needs a base URL, which is the resource's identifier (RFC 9728 section 1.2)",
            );
        }
        base.filter(|_| wanted.value).map(metadata_url)
    }

    fn problem<T>(&mut self, value: &Spanned<T>, message: impl Into<String>) {
        let place = place(value.referenced);
        self.problems
            .push(Diagnostic::new(&self.file, place, message));
    }

    fn problem_with_help<T>(&mut self, value: &Spanned<T>, message: String, help: String) {
        let place = place(value.referenced);
        self.problems
            .push(Diagnostic::new(&self.file, place, message).help(help));
    }

    fn name(&mut self, name: &Spanned<String>) -> Arc<str> {
        let length = name.value.chars().count();
        if name.value.trim().is_empty()
            || length > MAX_NAME_CHARS
            || name.value.chars().any(char::is_control)
        {
            self.problem(
                name,
                format!("a name has 1 to {MAX_NAME_CHARS} characters and no control characters"),
            );
        }
        name.value.as_str().into()
    }

    fn service_name(&mut self, name: &Spanned<String>) -> Arc<str> {
        if let Some(other) = self.names.insert(name.value.clone(), self.file.clone()) {
            self.problem(
                name,
                format!(
                    "the name \"{}\" is taken by the service in {other}",
                    name.value
                ),
            );
        }
        self.name(name)
    }

    fn base_url(&mut self, base: &Spanned<String>) -> Option<BaseUrl> {
        let parsed = match BaseUrl::parse(&base.value) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.problem(base, format!("base URL \"{}\": {error}", base.value));
                return None;
            }
        };
        let (scheme, host, port) = parsed.origin();
        let key = (scheme, host.to_owned(), port, parsed.path().to_owned());
        if let Some(other) = self.bases.insert(key, self.file.clone()) {
            self.problem(
                base,
                format!(
                    "base URL \"{}\" is taken by the service in {other}",
                    base.value
                ),
            );
            return None;
        }
        Some(parsed)
    }

    fn api(&mut self, entry: &Spanned<AwsDocument>) -> Option<(String, String)> {
        let AwsDocument { api_id, stage } = &entry.value;
        if api_id.is_empty() || stage.is_empty() {
            self.problem(
                entry,
                "api_id and stage are the id of an API Gateway API and the name of a stage",
            );
            return None;
        }
        let key = (api_id.clone(), stage.clone());
        if let Some(other) = self.apis.insert(key.clone(), self.file.clone()) {
            self.problem(
                entry,
                format!("API {api_id}, stage {stage}, is taken by the service in {other}"),
            );
            return None;
        }
        Some(key)
    }

    /// The value of that name, or a problem that names the nearest one.
    fn named<T: Copy>(
        &mut self,
        value: &Spanned<String>,
        key: &str,
        known: &[(&'static str, T)],
    ) -> Option<T> {
        let found = known.iter().find(|(name, _)| *name == value.value);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.unknown_value(value, key, names);
        }
        found.map(|(_, named)| *named)
    }

    fn order(&mut self, order: Option<&Spanned<String>>) -> Order {
        let known = [("specific", Order::Specific), ("file", Order::File)];
        order
            .and_then(|order| self.named(order, "order", &known))
            .unwrap_or_default()
    }

    fn unmatched(&mut self, unmatched: Option<&Spanned<String>>) -> Unmatched {
        match unmatched.map(|value| (value, value.value.as_str())) {
            None | Some((_, "deny")) => Unmatched::Deny,
            Some((_, "token")) => Unmatched::Token,
            Some((_, "open")) => Unmatched::Open,
            Some((value, _)) => {
                self.unknown_value(value, "unmatched", ["deny", "token", "open"]);
                Unmatched::Deny
            }
        }
    }

    fn unknown_value<'n>(
        &mut self,
        value: &Spanned<String>,
        key: &str,
        known: impl IntoIterator<Item = &'n str> + Clone,
    ) {
        let help = suggestion(&value.value, known);
        self.problem_with_help(
            value,
            format!("\"{}\" is no value of \"{key}\"", value.value),
            help,
        );
    }

    fn statements(&mut self, documents: &[StatementDocument]) -> Vec<Statement> {
        if let Some(first) = documents.first()
            && documents.len() > MAX_STATEMENTS
        {
            self.problem(
                &first.code,
                format!("more than {MAX_STATEMENTS} statements"),
            );
        }
        let mut statements = Vec::new();
        for document in documents {
            match statement::compile(document) {
                Ok(statement) => statements.push(statement),
                Err((message, Some(help))) => self.problem_with_help(&document.code, message, help),
                Err((message, None)) => self.problem(&document.code, message),
            }
        }
        statements
    }
}
