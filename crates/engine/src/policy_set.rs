//! API services and operations, compiled and immutable.
//!
//! Whatever format a policy is written in, its reader ends here. Everything that can be parsed,
//! sorted or joined is, so that deciding only looks things up.

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_model::{
    BaseUrl, Challenge, ChallengeScheme, Level, Method, PathPattern, Route, Scheme,
};

use crate::claim_path::ClaimPath;
use crate::decide::DPOP_ALGORITHMS;
use crate::issuer::IssuerUrl;
use crate::matching::OperationIndex;
use crate::policy::{ClaimType, CustomPolicy};
use crate::profile::Profile;
use crate::rules::Rule;
use crate::statement::{Phase, Statement};

/// API services with all that guards them.
#[derive(Debug, Default)]
pub struct PolicySet {
    services: Vec<ApiService>,
    /// Base URLs by host; of one host, those with longer paths first.
    by_host: HashMap<String, Vec<BaseEntry>>,
    /// API Gateway API id and stage.
    by_api: HashMap<String, Vec<(String, usize)>>,
    /// The service of every URL that no other one covers.
    everywhere: Option<usize>,
    /// What it is known by, where somebody gave it a name.
    revision: Option<Arc<str>>,
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
            everywhere: None,
            revision: None,
        }
    }

    /// A policy set of one service that covers every API that the enforcement point stands before.
    pub(crate) fn of_every_api(service: ApiService) -> Self {
        let mut policy = Self::new(vec![service]);
        policy.everywhere = Some(0);
        policy
    }

    /// Gives it the revision that its decisions name.
    #[must_use]
    pub fn with_revision(mut self, revision: impl Into<Arc<str>>) -> Self {
        self.revision = Some(revision.into());
        self
    }

    /// Has its permits tell the claims of the token ([`FollowUp`](portcullis_model::FollowUp)), also where no
    /// response is asked about.
    #[must_use]
    pub fn with_claims(mut self) -> Self {
        for service in &mut self.services {
            service.tells_claims = true;
        }
        self
    }

    /// What it is known by.
    #[must_use]
    pub const fn revision(&self) -> Option<&Arc<str>> {
        self.revision.as_ref()
    }

    /// The service of every URL that no other one covers.
    pub(crate) fn everywhere(&self) -> Option<&ApiService> {
        self.services.get(self.everywhere?)
    }

    /// How issuers are asked about opaque tokens, each issuer once.
    #[must_use]
    pub fn introspections(&self) -> Vec<(IssuerUrl, IntrospectionPolicy)> {
        let mut found: Vec<(IssuerUrl, IntrospectionPolicy)> = Vec::new();
        for token in self.services.iter().flat_map(|service| &service.tokens) {
            if let Some(introspection) = &token.introspection
                && !found.iter().any(|(issuer, _)| *issuer == token.issuer)
            {
                found.push((token.issuer.clone(), introspection.clone()));
            }
        }
        found
    }

    /// The API services, in the order they were read.
    #[must_use]
    pub fn services(&self) -> &[ApiService] {
        &self.services
    }

    /// The first service, and where it is not the service itself its operation, that obliges the enforcement point to
    /// look at responses: by a policy on the response, or an obligatory statement of that phase.
    #[must_use]
    pub fn response_obligation(&self) -> Option<(&ApiService, Option<&Operation>)> {
        self.services.iter().find_map(|service| {
            let obliged = |operation: &&Operation| operation.outbound.obliges_on_response();
            if service.outbound.obliges_on_response() {
                return Some((service, None));
            }
            let operation = service.operations.iter().find(obliged)?;
            Some((service, Some(operation)))
        })
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
    /// Claims that its tokens may have beside those that standards register.
    pub(crate) claim_types: Vec<(String, ClaimType)>,
    /// What every token that no operation asks anything of has to satisfy.
    pub(crate) steps: Vec<Step>,
    /// The same of what it lets through.
    pub(crate) outbound: Outbound,
    /// Its operations, in the order of the file.
    pub(crate) operations: Vec<Operation>,
    pub(crate) index: OperationIndex,
    /// The operations that its routes belong to, route by route.
    pub(crate) ranked: Vec<usize>,
    /// Its routes in the order in which they win.
    pub(crate) routes: Arc<[Route]>,
    /// Whether paths with escapes or semicolons are refused, so that every path has one spelling
    /// only and an IAM policy can tell them apart.
    pub plain_paths: bool,
    /// The realm of its challenges: the first base URL.
    pub(crate) realm: String,
    /// Which operation wins where several cover a request.
    pub(crate) order: Order,
    /// Whether permits tell the claims of the token whatever is asked about responses.
    pub(crate) tells_claims: bool,
    /// Where its metadata is (RFC 9728 section 3.1), where challenges are to say so.
    pub(crate) resource_metadata: Option<String>,
}

impl ApiService {
    /// Its resource identifier: the first base URL (RFC 9728 section 1.2).
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.base_urls.first().map(BaseUrl::as_str)
    }

    /// What every challenge of the service under that scheme says; what was wrong is to be added.
    #[must_use]
    pub fn challenge(&self, scheme: ChallengeScheme) -> Challenge {
        Challenge {
            scheme,
            realm: Some(self.realm.clone()),
            resource_metadata: self.resource_metadata.clone(),
            algs: (scheme == ChallengeScheme::Dpop).then(|| DPOP_ALGORITHMS.to_owned()),
            ..Challenge::default()
        }
    }

    /// Its operations, in the order of the file.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The issuer that is asked about opaque tokens.
    pub(crate) fn introspecting_issuer(&self) -> Option<&TokenIssuer> {
        self.tokens
            .iter()
            .find(|token| token.introspection.is_some())
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
    /// It is let through, whoever sends it.
    Open,
}

/// Which operation wins where several cover a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Order {
    /// The one that says most about the request; the order in the file comes last.
    #[default]
    Specific,
    /// The first in the file.
    File,
}

/// An issuer whose tokens a service accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenIssuer {
    /// The issuer.
    pub issuer: IssuerUrl,
    /// The audiences of which a token must name one.
    pub audiences: Vec<String>,
    /// Whether tokens for any audience are accepted: of an issuer whose tokens are for this resource only.
    pub any_audience: bool,
    /// How its tokens look.
    pub profile: Profile,
    /// How far its clock may differ from ours, in seconds.
    pub leeway: u64,
    /// Where its tokens name groups; `None` for the claim of the profile.
    pub groups: Option<ClaimPath>,
    /// Where its tokens name permissions; `None` for the claim of the profile.
    pub permissions: Option<ClaimPath>,
    /// How it is asked about opaque tokens, where it is.
    pub introspection: Option<IntrospectionPolicy>,
}

impl TokenIssuer {
    /// The leeway where none is set, in seconds.
    pub const DEFAULT_LEEWAY: u64 = 5;
    /// The greatest leeway, in seconds. A token outlives its `exp` by that much.
    pub const MAX_LEEWAY: u64 = 300;

    /// An issuer of JWTs with the default leeway.
    #[must_use]
    pub const fn new(issuer: IssuerUrl, audiences: Vec<String>, profile: Profile) -> Self {
        Self {
            issuer,
            audiences,
            any_audience: false,
            profile,
            leeway: Self::DEFAULT_LEEWAY,
            groups: None,
            permissions: None,
            introspection: None,
        }
    }
}

/// How an issuer is asked about its opaque tokens (RFC 7662).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntrospectionPolicy {
    /// Where to ask; `None` for the `introspection_endpoint` of the issuer's metadata.
    pub endpoint: Option<String>,
    /// Who asks.
    pub client_id: String,
    /// How the client authenticates.
    pub authentication: ClientAuthenticationMethod,
    /// The name of the environment variable that holds the client's secret or private key.
    pub secret: String,
    /// Whether the answer must be signed (RFC 9701).
    pub signed: bool,
    /// How long an active answer may be used, in seconds.
    pub max_age: u64,
    /// Whether an answer without `aud` is accepted (RFC 7662 section 2.2 makes it optional).
    pub audience_optional: bool,
}

/// How a client authenticates at the introspection endpoint (OpenID Connect Core section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthenticationMethod {
    /// `client_secret_basic`.
    ClientSecretBasic,
    /// `client_secret_post`.
    ClientSecretPost,
    /// `private_key_jwt` (RFC 7523).
    PrivateKeyJwt,
}

impl ClientAuthenticationMethod {
    /// Every method with its registered name.
    pub const ALL: [(&'static str, Self); 3] = [
        ("client_secret_basic", Self::ClientSecretBasic),
        ("client_secret_post", Self::ClientSecretPost),
        ("private_key_jwt", Self::PrivateKeyJwt),
    ];
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
    pub(crate) outbound: Outbound,
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
            Guard::Token(steps) if steps.is_empty() => "any valid token".to_owned(),
            Guard::Token(steps) => summary(steps),
            Guard::OptionalToken(steps) => format!("token optional, {}", summary(steps)),
        }
    }
}

fn summary(steps: &[Step]) -> String {
    let names: Vec<String> = steps
        .iter()
        .map(|step| match &step.requirement {
            Requirement::Rule(rule) => rule.name().to_owned(),
            Requirement::Policy(policy) => format!("policy {}", policy.file),
        })
        .collect();
    names.join(", ")
}

/// What lets a request through.
#[derive(Debug, Clone)]
pub(crate) enum Guard {
    /// Nothing is asked for, not even a token.
    Public,
    /// A valid token that satisfies every step, those of the service first; without steps, any valid
    /// token.
    Token(Vec<Step>),
    /// Every step; a policy among them decides on requests without a valid token, too.
    OptionalToken(Vec<Step>),
}

impl Guard {
    /// What is asked; `None` where anyone gets through.
    pub(crate) fn steps(&self) -> Option<&[Step]> {
        match self {
            Self::Public => None,
            Self::Token(steps) | Self::OptionalToken(steps) => Some(steps),
        }
    }

    /// The same to add to.
    pub(crate) fn steps_mut(&mut self) -> Option<&mut Vec<Step>> {
        match self {
            Self::Public => None,
            Self::Token(steps) | Self::OptionalToken(steps) => Some(steps),
        }
    }
}

/// What happens beside letting a request through: statements, and policies on the response. Those of the
/// service come first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outbound {
    /// Asked when the backend has answered.
    pub(crate) policies: Vec<BoundPolicy>,
    /// Of both ways.
    pub(crate) statements: Vec<Statement>,
}

impl Outbound {
    /// Whether anything is asked or done when the backend has answered.
    pub(crate) fn wants_response(&self) -> bool {
        let for_response = |one: &Statement| one.phase == Phase::Response;
        !self.policies.is_empty() || self.statements.iter().any(for_response)
    }

    /// Whether that may not be left out.
    fn obliges_on_response(&self) -> bool {
        let obligatory = |one: &Statement| one.phase == Phase::Response && one.obligatory;
        !self.policies.is_empty() || self.statements.iter().any(obligatory)
    }
}

/// One thing that is asked of a valid token.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) level: Level,
    pub(crate) requirement: Requirement,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) enum Requirement {
    /// By a built-in rule. Many operations ask the same, and share it.
    Rule(Arc<Rule>),
    /// By a custom policy.
    Policy(BoundPolicy),
}

impl Step {
    /// The rule, where it is one.
    pub(crate) fn rule(&self) -> Option<&Rule> {
        match &self.requirement {
            Requirement::Rule(rule) => Some(rule),
            Requirement::Policy(_) => None,
        }
    }
}

/// A custom policy in its place.
#[derive(Debug, Clone)]
pub(crate) struct BoundPolicy {
    /// The file that it comes from, relative to `policies/`.
    pub(crate) file: Arc<str>,
    pub(crate) policy: Arc<dyn CustomPolicy>,
}
