//! API services and operations, compiled and immutable.
//!
//! Whatever format a policy is written in, its reader ends here. Everything that can be parsed,
//! sorted or joined is, so that deciding only looks things up.

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_model::{BaseUrl, Method, PathPattern, Scheme};

use crate::issuer::IssuerUrl;
use crate::matching::OperationIndex;
use crate::profile::Profile;
use crate::rules::Rule;

/// API services with all that guards them.
#[derive(Debug, Default)]
pub struct PolicySet {
    services: Vec<ApiService>,
    /// Base URLs by host; of one host, those with longer paths first.
    by_host: HashMap<String, Vec<BaseEntry>>,
    /// API Gateway API id and stage.
    by_api: HashMap<String, Vec<(String, usize)>>,
}

#[derive(Debug)]
pub(crate) struct BaseEntry {
    pub(crate) scheme: Scheme,
    pub(crate) port: u16,
    pub(crate) path: String,
    pub(crate) service: usize,
}

impl PolicySet {
    /// A policy set of services that a reader has found to be free of contradictions.
    pub(crate) fn new(services: Vec<ApiService>) -> Self {
        let mut by_host: HashMap<String, Vec<BaseEntry>> = HashMap::new();
        let mut by_api: HashMap<String, Vec<(String, usize)>> = HashMap::new();
        for (index, service) in services.iter().enumerate() {
            for base in &service.base_urls {
                let (scheme, host, port) = base.origin();
                let path = base.path().to_owned();
                by_host.entry(host.to_owned()).or_default().push(BaseEntry {
                    scheme,
                    port,
                    path,
                    service: index,
                });
            }
            for (api_id, stage) in &service.aws {
                by_api
                    .entry(api_id.clone())
                    .or_default()
                    .push((stage.clone(), index));
            }
        }
        for entries in by_host.values_mut() {
            entries.sort_by_key(|entry| std::cmp::Reverse(entry.path.len()));
        }
        Self {
            services,
            by_host,
            by_api,
        }
    }

    /// The API services, in the order they were read.
    #[must_use]
    pub fn services(&self) -> &[ApiService] {
        &self.services
    }

    /// Every issuer that some service trusts, each once.
    #[must_use]
    pub fn issuers(&self) -> Vec<IssuerUrl> {
        let all = self.services.iter().flat_map(|service| &service.tokens);
        let mut issuers: Vec<_> = all.map(|token| token.issuer.clone()).collect();
        issuers.sort();
        issuers.dedup();
        issuers
    }

    pub(crate) fn bases(&self, host: &str) -> &[BaseEntry] {
        self.by_host.get(host).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn service(&self, index: usize) -> Option<&ApiService> {
        self.services.get(index)
    }

    pub(crate) fn service_of_api(&self, api_id: &str, stage: &str) -> Option<&ApiService> {
        let stages = self.by_api.get(api_id)?;
        let (_, index) = stages.iter().find(|(known, _)| known == stage)?;
        self.services.get(*index)
    }
}

/// A set of base URLs that is protected as one.
#[derive(Debug)]
pub struct ApiService {
    /// The name.
    pub name: Arc<str>,
    /// Where it is.
    pub base_urls: Vec<BaseUrl>,
    /// API Gateway API ids and stages.
    pub aws: Vec<(String, String)>,
    /// Whose tokens it accepts.
    pub tokens: Vec<TokenIssuer>,
    /// What happens to a request that no operation covers.
    pub unmatched: Unmatched,
    /// Its operations, in the order of the file.
    pub(crate) operations: Vec<Operation>,
    pub(crate) index: OperationIndex,
    /// The realm of its challenges: the first base URL.
    pub(crate) realm: String,
}

impl ApiService {
    /// Its operations, in the order of the file.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    pub(crate) fn issuer(&self, name: &str) -> Option<&TokenIssuer> {
        self.tokens
            .iter()
            .find(|token| token.issuer.as_str() == name)
    }
}

/// What happens to a request that no operation covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unmatched {
    /// It is denied.
    #[default]
    Deny,
    /// Any valid token lets it through.
    Token,
}

/// An issuer whose tokens a service accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenIssuer {
    /// The issuer.
    pub issuer: IssuerUrl,
    /// The audiences of which a token must name one.
    pub audiences: Vec<String>,
    /// How its tokens look.
    pub profile: Profile,
}

/// Methods and path patterns, with what guards them.
#[derive(Debug)]
pub struct Operation {
    /// The name, unique in its service.
    pub name: Arc<str>,
    /// The methods; none stands for every method.
    pub methods: Vec<Method>,
    /// The path patterns, relative to the base URL.
    pub paths: Vec<PathPattern>,
    pub(crate) guard: Guard,
}

impl Operation {
    /// Whether anyone gets through.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        matches!(self.guard, Guard::Public)
    }
}

impl Operation {
    /// What guards it, in a few words: `public`, `any valid token`, or the names of its rules.
    #[must_use]
    pub fn guard_summary(&self) -> String {
        match &self.guard {
            Guard::Public => "public".to_owned(),
            Guard::Token(rules) if rules.is_empty() => "any valid token".to_owned(),
            Guard::Token(rules) => rules.iter().map(Rule::name).collect::<Vec<_>>().join(", "),
        }
    }
}

/// What lets a request through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Nothing is asked for, not even a token.
    Public,
    /// A valid token that satisfies every rule; without rules, any valid token.
    Token(Vec<Rule>),
}
