//! What a token opens of a whole API service, for enforcement points whose answers are cached.

use std::sync::Arc;

use portcullis_model::{ApiRequest, Coverage, Method};

use crate::claims::AccessToken;
use crate::policy_set::{ApiService, Guard, Operation, PolicySet, Requirement, Step, Unmatched};
use crate::rules::Rule;

/// The longest time, in seconds, for which API Gateway keeps the answer of an authorizer (API
/// Gateway REST API reference, `CreateAuthorizer`). What can change in that time is no part of a
/// coverage; that a token expires is: API Gateway may let it through for as long as it is told to
/// keep answers.
const LONGEST_CACHE_SECONDS: u64 = 3600;

impl ApiService {
    /// What becomes of each request that comes with that token, or without a valid one. `None` where
    /// that depends on more than the token: on a proof that comes with each request, or on the time.
    pub(crate) fn coverage(&self, token: Option<&AccessToken<'_>>) -> Option<Coverage> {
        if token.is_some_and(AccessToken::is_bound) {
            return None;
        }
        let guards = self.ranked.iter().map(|number| {
            let operation = self.operations.get(*number)?;
            if !operation.outbound.statements.is_empty() {
                // What they do depends on the request, and a cache would do it for every other one.
                return None;
            }
            match (&operation.guard, token) {
                (Guard::Public, _) => Some(true),
                (Guard::Token(_), None) => Some(false),
                (Guard::Token(steps), Some(token)) => outlook(steps, token),
                // A policy decides with or without a token, and may look at anything.
                (Guard::OptionalToken(_), _) => None,
            }
        });
        let otherwise = match (self.unmatched, token) {
            (Unmatched::Deny, _) | (Unmatched::Token, None) => false,
            _ if !self.outbound.statements.is_empty() => return None,
            (Unmatched::Token, Some(token)) => outlook(&self.steps, token)?,
            (Unmatched::Open, _) => true,
        };
        Some(Coverage {
            routes: Arc::clone(&self.routes),
            permitted: guards.collect::<Option<_>>()?,
            otherwise,
            plain_paths: self.plain_paths,
        })
    }
}

impl ApiService {
    /// What keeps the answers of this service from being the same for every request of a token, each with
    /// the operation that asks for it; none where a cache may keep every answer. What depends on the token alone,
    /// such as whether it is bound to a key, is not known here.
    #[must_use]
    pub fn cache_obstacles(&self) -> Vec<CacheObstacle> {
        let mut found = Vec::new();
        for operation in &self.operations {
            let mut add = |why| {
                found.push(CacheObstacle {
                    operation: Arc::clone(&operation.name),
                    why,
                });
            };
            if !operation.outbound.statements.is_empty() {
                add("its statements depend on the request");
            }
            if !self.plain_paths && operation.paths.iter().any(|path| !path.is_exact()) {
                add("paths may be spelled in several ways (paths: any), and it has a pattern");
            }
            for step in operation.guard.steps().unwrap_or_default() {
                match step.rule() {
                    None => add("a custom policy may look at anything"),
                    Some(Rule::SenderConstraint(_)) => add("each request brings its own proof"),
                    Some(Rule::Authentication(rule)) if rule.grows_old() => {
                        add("it asks how long ago the user authenticated");
                    }
                    Some(_) => {}
                }
            }
        }
        found
    }

    /// The operation that wins for a method and a decoded path below the base URL.
    #[must_use]
    pub fn operation_for(&self, method: &Method, path: &str) -> Option<&Operation> {
        self.operations.get(self.index.find(method, path)?)
    }
}

/// Why answers on an operation are for one request each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheObstacle {
    /// The operation.
    pub operation: Arc<str>,
    /// The reason, to follow the name of the operation.
    pub why: &'static str,
}

/// Whether the steps let the token through as long as an answer may be kept; `None` where that depends
/// on more than the token. A custom policy may look at anything.
fn outlook(steps: &[Step], token: &AccessToken<'_>) -> Option<bool> {
    if steps
        .iter()
        .filter_map(Step::rule)
        .any(|rule| rule.check(token).is_err())
    {
        return Some(false);
    }
    let lasts = steps.iter().all(|step| match &step.requirement {
        Requirement::Rule(rule) => !rule.may_change_within(token, LONGEST_CACHE_SECONDS),
        Requirement::Policy(_) => false,
    });
    lasts.then_some(true)
}

impl PolicySet {
    /// Whether every request that API Gateway could answer from the same cache entry is decided in
    /// this service, on the path below the API's stage. A cache entry belongs to an API and a stage,
    /// whatever the domain name, so the service has to be the one of that API and stage, not only
    /// the one of a base URL.
    pub(crate) fn covers_api(
        &self,
        service: &ApiService,
        request: &ApiRequest,
        relative: &str,
    ) -> bool {
        let Some(entry) = &request.entry else {
            return false;
        };
        let owner = self
            .service_of_api(&entry.api_id, &entry.stage)
            .or_else(|| self.everywhere());
        // Another service with a base URL could be the one that covers the same API on its own domain.
        let alone = self
            .services()
            .iter()
            .all(|other| std::ptr::eq(other, service) || other.base_urls.is_empty());
        let is_owner = owner.is_some_and(|owner| std::ptr::eq(owner, service));
        alone && is_owner && entry.path == relative
    }
}
