//! From the document of an API service to the compiled service, with every contradiction found.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use portcullis_model::{BaseUrl, Level, Method, PathPattern, Scheme};
use serde_saphyr::Spanned;

use super::document::{
    AnyAllDocument, AnyDocument, AuthenticationDocument, AwsDocument, IntrospectionDocument,
    OperationDocument, RootDocument, RulesDocument, ServiceDocument, TokenDocument, place,
};
use super::policies::Wanted;
use crate::claim_path::ClaimPath;
use crate::diagnostic::{Diagnostic, nearest};
use crate::issuer::IssuerUrl;
use crate::matching::OperationIndex;
use crate::metadata::metadata_url;
use crate::policy::ClaimType;
use crate::policy_set::{
    ApiService, ClientAuthenticationMethod, Guard, IntrospectionPolicy, Operation, Order, Outbound,
    Requirement, Step, TokenIssuer, Unmatched,
};
use crate::profile::Profile;
use crate::rules::{
    AuthenticationRule, GroupRule, PermissionRule, Rule, ScopeRule, SenderConstraintRule,
    is_scope_token,
};
use crate::statement::{self, Phase, Statement, StatementDocument};

/// Most methods and most path patterns of an operation (the reference's bounds).
const MAX_METHODS: usize = 10;
const MAX_PATHS: usize = 10;
/// Most operations of a service.
const MAX_OPERATIONS: usize = 10_000;
/// Most statements of a service or an operation.
const MAX_STATEMENTS: usize = 100;
const MAX_NAME_CHARS: usize = 256;
/// How long an active answer of an issuer is used where nothing else is set, and at most, in
/// seconds. A token that is revoked is accepted for that long.
const DEFAULT_INTROSPECTION_AGE: u64 = 30;
const MAX_INTROSPECTION_AGE: u64 = 3600;

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
struct Shared<'a> {
    steps: &'a [Step],
    statements: &'a [Statement],
}

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

    fn token_issuers(&mut self, documents: &[TokenDocument]) -> Vec<TokenIssuer> {
        let mut issuers: Vec<TokenIssuer> = Vec::new();
        for document in documents {
            let audiences = document.audiences.clone();
            let any_audience = document.any_audience.as_ref().is_some_and(|any| any.value);
            if any_audience != audiences.is_empty() || audiences.iter().any(String::is_empty) {
                self.problem(
                    &document.issuer,
                    "audiences lists at least one audience that is not empty; where tokens for any audience are to be accepted, any_audience: true stands in its place",
                );
            }
            let profile = self.profile(document.profile.as_ref());
            let issuer = match IssuerUrl::parse(&document.issuer.value) {
                Ok(issuer) => issuer,
                Err(error) => {
                    self.problem(
                        &document.issuer,
                        format!("issuer \"{}\": {error}", document.issuer.value),
                    );
                    continue;
                }
            };
            if issuers.iter().any(|other| other.issuer == issuer) {
                self.problem(
                    &document.issuer,
                    format!("issuer \"{issuer}\" stands twice in one service"),
                );
            }
            let leeway = self.leeway(document.leeway.as_ref());
            let introspection = document
                .introspection
                .as_ref()
                .and_then(|introspection| self.introspection(introspection));
            if introspection.is_some() && issuers.iter().any(|other| other.introspection.is_some())
            {
                self.problem(
                    &document.issuer,
                    "an opaque token does not name its issuer, so only one issuer of a service can have introspection",
                );
            }
            let claims = document.claims.as_ref();
            let groups = claims.and_then(|claims| self.claim_path(claims.groups.as_ref()));
            let permissions =
                claims.and_then(|claims| self.claim_path(claims.permissions.as_ref()));
            issuers.push(TokenIssuer {
                any_audience,
                leeway,
                groups,
                permissions,
                introspection,
                ..TokenIssuer::new(issuer, audiences, profile)
            });
        }
        issuers
    }

    fn claim_types(&mut self, documents: &[TokenDocument]) -> Vec<(String, ClaimType)> {
        let mut types: Vec<(String, ClaimType)> = Vec::new();
        for (name, kind) in documents
            .iter()
            .filter_map(|document| document.claims.as_ref())
            .flat_map(|claims| &claims.types)
        {
            let Some(found) = self.named(kind, "types", &ClaimType::ALL) else {
                continue;
            };
            match types.iter().find(|(known, _)| known == name) {
                Some((_, other)) if *other != found => {
                    self.problem(
                        kind,
                        format!("claim \"{name}\" has two types in one service"),
                    );
                }
                Some(_) => {}
                None => types.push((name.clone(), found)),
            }
        }
        types
    }

    fn claim_path(&mut self, path: Option<&Spanned<String>>) -> Option<ClaimPath> {
        let path = path?;
        match ClaimPath::parse(&path.value) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.problem(path, format!("\"{}\": {error}", path.value.escape_debug()));
                None
            }
        }
    }

    fn leeway(&mut self, leeway: Option<&Spanned<u64>>) -> u64 {
        let Some(leeway) = leeway else {
            return TokenIssuer::DEFAULT_LEEWAY;
        };
        if leeway.value > TokenIssuer::MAX_LEEWAY {
            let most = TokenIssuer::MAX_LEEWAY;
            self.problem(
                leeway,
                format!("leeway is a number of seconds from 0 to {most}"),
            );
        }
        leeway.value
    }

    fn introspection(
        &mut self,
        introspection: &Spanned<IntrospectionDocument>,
    ) -> Option<IntrospectionPolicy> {
        let document = &introspection.value;
        if let Some(endpoint) = &document.endpoint
            && let Err(error) = IssuerUrl::parse(&endpoint.value)
        {
            self.problem(
                endpoint,
                format!("endpoint \"{}\": {error}", endpoint.value),
            );
        }
        if document.client_id.value.is_empty() {
            self.problem(&document.client_id, "client_id is empty");
        }
        let variable = &document.secret;
        let names_variable = !variable.value.is_empty()
            && variable
                .value
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if !names_variable {
            // What stands here may be the secret itself, so it is not shown.
            self.problem(
                variable,
                "secret names the environment variable that holds the client's secret or private key, such as INTROSPECTION_SECRET; the secret itself has no place in a policy",
            );
        }
        let authentication = match &document.authentication {
            None => Some(ClientAuthenticationMethod::ClientSecretBasic),
            Some(method) => self.named(method, "authentication", &ClientAuthenticationMethod::ALL),
        };
        let max_age = document
            .max_age
            .as_ref()
            .map_or(DEFAULT_INTROSPECTION_AGE, |age| age.value);
        if let Some(age) = &document.max_age
            && age.value > MAX_INTROSPECTION_AGE
        {
            self.problem(
                age,
                format!("max_age is a number of seconds from 0 to {MAX_INTROSPECTION_AGE}"),
            );
        }
        let audience_optional = match &document.audience {
            None => false,
            Some(audience) => self
                .named(
                    audience,
                    "audience",
                    &[("required", false), ("optional", true)],
                )
                .unwrap_or(false),
        };
        Some(IntrospectionPolicy {
            endpoint: document
                .endpoint
                .as_ref()
                .map(|endpoint| endpoint.value.clone()),
            client_id: document.client_id.value.clone(),
            authentication: authentication?,
            secret: variable.value.clone(),
            signed: document.signed.as_ref().is_some_and(|signed| signed.value),
            max_age,
            audience_optional,
        })
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

    fn profile(&mut self, profile: Option<&Spanned<String>>) -> Profile {
        let Some(name) = profile else {
            return Profile::default();
        };
        Profile::named(&name.value).unwrap_or_else(|| {
            let known = Profile::ALL.iter().map(|(name, _)| *name);
            self.unknown_value(name, "profile", known);
            Profile::default()
        })
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
        let help = match nearest(&value.value, known.clone()) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None => format!(
                "expected one of {}",
                known.into_iter().collect::<Vec<_>>().join(", ")
            ),
        };
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

    /// Each document is freed before the next is compiled: of a large policy there are never two whole forms.
    #[expect(clippy::vec_box, reason = "each is freed once it is compiled")]
    fn operations(
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

    fn rules(&mut self, rules: &Spanned<RulesDocument>, level: Level) -> Vec<Step> {
        let document = &rules.value;
        if document.is_empty() {
            self.problem(
                rules,
                "rules is empty; leave it out where any valid token is enough",
            );
        }
        let scopes = document.scopes.as_ref().and_then(|rule| self.scopes(rule));
        let groups = document.groups.as_ref().and_then(|rule| self.groups(rule));
        let permission = document
            .permission
            .as_ref()
            .and_then(|rule| self.permission(rule));
        let authentication = document
            .authentication
            .as_ref()
            .and_then(|rule| self.authentication(rule));
        let sender = document
            .sender_constraint
            .as_ref()
            .and_then(|rule| self.named(rule, "sender_constraint", &SenderConstraintRule::ALL))
            .map(Rule::SenderConstraint);
        // What a token is bound to comes first: without that, nobody knows whose it is.
        sender
            .into_iter()
            .chain(scopes)
            .chain(groups)
            .chain(permission)
            .chain(authentication)
            .map(|rule| Step {
                level,
                requirement: Requirement::Rule(self.shared_rule(rule)),
            })
            .collect()
    }

    /// The rule, once for all places that have the same.
    fn shared_rule(&mut self, rule: Rule) -> Arc<Rule> {
        if let Some(known) = self.rules.get(&rule) {
            return Arc::clone(known);
        }
        let rule = Arc::new(rule);
        self.rules.insert(Arc::clone(&rule));
        rule
    }

    fn permission(&mut self, permission: &Spanned<String>) -> Option<Rule> {
        let name = &permission.value;
        let length = name.chars().count();
        if name.trim().is_empty() || length > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            let message = format!(
                "permission is the name of one permission, such as orders:cancel, of 1 to {MAX_NAME_CHARS} characters"
            );
            self.problem(permission, message);
            return None;
        }
        Some(Rule::Permission(PermissionRule::new(name.clone())))
    }

    fn scopes(&mut self, rule: &Spanned<AnyAllDocument>) -> Option<Rule> {
        let AnyAllDocument { any_of, all_of } = &rule.value;
        if any_of.is_empty() && all_of.is_empty() {
            self.problem(
                rule,
                "scopes needs any_of or all_of with at least one scope",
            );
            return None;
        }
        if let Some(wrong) = any_of
            .iter()
            .chain(all_of)
            .find(|scope| !is_scope_token(scope))
        {
            let message = format!(
                "\"{}\" is not one scope: no spaces, quotes or backslashes (RFC 6749 section 3.3)",
                wrong.escape_debug()
            );
            self.problem(rule, message);
            return None;
        }
        Some(Rule::Scopes(ScopeRule::new(any_of.clone(), all_of.clone())))
    }

    fn groups(&mut self, rule: &Spanned<AnyDocument>) -> Option<Rule> {
        let any_of = &rule.value.any_of;
        if any_of.is_empty() || any_of.iter().any(String::is_empty) {
            self.problem(
                rule,
                "groups needs any_of with at least one group that is not empty",
            );
            return None;
        }
        Some(Rule::Groups(GroupRule::new(any_of.clone())))
    }

    fn authentication(&mut self, rule: &Spanned<AuthenticationDocument>) -> Option<Rule> {
        let AuthenticationDocument {
            acr_values,
            max_age,
        } = &rule.value;
        if acr_values.is_empty() && max_age.is_none() {
            self.problem(rule, "authentication needs acr_values or max_age");
            return None;
        }
        if *max_age == Some(0) {
            self.problem(rule, "max_age is a number of seconds greater than 0");
            return None;
        }
        // Classes stand in one challenge parameter, separated by spaces (RFC 9470 section 3).
        if let Some(wrong) = acr_values.iter().find(|acr| !is_scope_token(acr)) {
            let message = format!(
                "\"{}\" is not one acr value: no spaces, quotes or backslashes",
                wrong.escape_debug()
            );
            self.problem(rule, message);
            return None;
        }
        Some(Rule::Authentication(AuthenticationRule::new(
            acr_values.clone(),
            *max_age,
        )))
    }
}
