//! Which API service and which operation cover a request.
//!
//! Exact paths are found by hashing; patterns are looked at in the order in which they win, and
//! only those whose first segment can match.

use std::cmp::Reverse;
use std::collections::HashMap;

use portcullis_model::{ApiRequest, DecodedPath, Method, PathPattern, RequestUrl, Route, Scheme};

use crate::policy_set::{ApiService, Operation, PolicySet};

impl PolicySet {
    /// The service that covers a request, and the path below its base URL.
    ///
    /// The base URL with the longest path wins. Where no base URL covers the URL, the API Gateway
    /// API counts, which the event names or else the URL itself.
    pub(crate) fn service_for<'a>(
        &'a self,
        request: &'a ApiRequest,
        path: &'a DecodedPath,
    ) -> Option<(&'a ApiService, &'a str)> {
        let url = &request.url;
        let by_url = self.bases(url.host()).iter().find_map(|entry| {
            let same_origin = entry.scheme == url.scheme() && entry.port == url.port();
            let relative = same_origin.then(|| path.below(&entry.path)).flatten()?;
            Some((self.service(entry.service)?, relative))
        });
        let by_api = || match &request.entry {
            Some(entry) => {
                let service = self.service_of_api(&entry.api_id, &entry.stage)?;
                Some((service, entry.path.as_str()))
            }
            None => self.service_of_endpoint(url, path),
        };
        let anywhere = || {
            let entry = request.entry.as_ref();
            let relative = entry.map_or(path.as_str(), |entry| entry.path.as_str());
            Some((self.everywhere()?, relative))
        };
        by_url.or_else(by_api).or_else(anywhere)
    }

    /// The service of an API that the URL names itself: on its own endpoint, `{api}.execute-api`,
    /// with a named stage as the first segment (API Gateway developer guide, "Invoke REST APIs").
    fn service_of_endpoint<'a>(
        &'a self,
        url: &RequestUrl,
        path: &'a DecodedPath,
    ) -> Option<(&'a ApiService, &'a str)> {
        let (api_id, domain) = url.host().split_once(".execute-api.")?;
        let ours = domain.ends_with(".amazonaws.com") || domain.ends_with(".amazonaws.com.cn");
        if !ours || (url.scheme(), url.port()) != (Scheme::Https, Scheme::Https.default_port()) {
            return None;
        }
        let stage = path.as_str().split('/').nth(1).unwrap_or_default();
        let below = path.as_str().get(1 + stage.len()..).unwrap_or_default();
        let below = if below.is_empty() { "/" } else { below };
        let named = self
            .service_of_api(api_id, stage)
            .map(|service| (service, below));
        named.or_else(|| Some((self.service_of_api(api_id, "$default")?, path.as_str())))
    }
}

/// Finds the operation that covers a method and a path.
#[derive(Debug, Default)]
pub(crate) struct OperationIndex {
    exact: HashMap<String, Vec<Candidate>>,
    /// Patterns by their first segment where it is literal, in the order in which they win.
    by_first: HashMap<String, Vec<(usize, Candidate)>>,
    /// Patterns that can start with anything, in the order in which they win.
    any_first: Vec<(usize, Candidate)>,
}

/// An operation that one of its paths brought in.
#[derive(Debug, Clone)]
struct Candidate {
    operation: usize,
    methods: Vec<Method>,
    /// The pattern; `None` where the path is exact and found by hashing.
    pattern: Option<PathPattern>,
}

impl OperationIndex {
    pub(crate) fn new(operations: &[Operation]) -> Self {
        let mut index = Self::default();
        let mut patterns = Vec::new();
        for (number, operation) in operations.iter().enumerate() {
            for path in &operation.paths {
                let methods = operation.methods.clone();
                if let Some(exact) = path.exact_path() {
                    let candidate = Candidate {
                        operation: number,
                        methods,
                        pattern: None,
                    };
                    index
                        .exact
                        .entry(exact.to_owned())
                        .or_default()
                        .push(candidate);
                } else {
                    patterns.push(Candidate {
                        operation: number,
                        methods,
                        pattern: Some(path.clone()),
                    });
                }
            }
        }
        for candidates in index.exact.values_mut() {
            candidates.sort_by_key(|candidate| (candidate.methods.is_empty(), candidate.operation));
        }
        patterns.sort_by_key(|candidate| {
            let specificity = candidate.pattern.as_ref().map(PathPattern::specificity);
            (
                Reverse(specificity),
                candidate.methods.is_empty(),
                candidate.operation,
            )
        });
        for (rank, candidate) in patterns.into_iter().enumerate() {
            let first = candidate
                .pattern
                .as_ref()
                .and_then(PathPattern::first_literal)
                .map(str::to_owned);
            match first {
                Some(first) => index
                    .by_first
                    .entry(first)
                    .or_default()
                    .push((rank, candidate)),
                None => index.any_first.push((rank, candidate)),
            }
        }
        index
    }

    /// Every path of every operation with the operation's number, in the order in which they win:
    /// the same order that [`find`](Self::find) goes by.
    pub(crate) fn ranking(operations: &[Operation]) -> (Vec<usize>, Vec<Route>) {
        let mut ranking: Vec<(usize, Route)> = Vec::new();
        for (number, operation) in operations.iter().enumerate() {
            for pattern in &operation.paths {
                let route = Route {
                    methods: operation.methods.clone(),
                    pattern: pattern.clone(),
                };
                ranking.push((number, route));
            }
        }
        ranking.sort_by_cached_key(|(number, route)| {
            let specificity = route.pattern.specificity();
            (Reverse(specificity), route.methods.is_empty(), *number)
        });
        ranking.into_iter().unzip()
    }

    /// The operation that wins for a path below the base URL: an exact path before a pattern; then
    /// the pattern with more literal segments from the left; then a named method before any
    /// method; then the order in the file.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Option<usize> {
        let exact = self.exact.get(path).map_or(&[][..], Vec::as_slice);
        if let Some(found) = exact.iter().find(|candidate| candidate.takes(method)) {
            return Some(found.operation);
        }
        let first = path.split('/').nth(1).unwrap_or_default();
        let narrow = self.by_first.get(first).map_or(&[][..], Vec::as_slice);
        let covers = |candidate: &Candidate| {
            candidate.takes(method)
                && candidate
                    .pattern
                    .as_ref()
                    .is_some_and(|pattern| pattern.matches(path))
        };
        let best = |candidates: &[(usize, Candidate)]| {
            candidates
                .iter()
                .find(|(_, candidate)| covers(candidate))
                .map(|(rank, found)| (*rank, found.operation))
        };
        let winner = match (best(narrow), best(&self.any_first)) {
            (Some(narrow), Some(any)) => Some(narrow.min(any)),
            (narrow, any) => narrow.or(any),
        };
        winner.map(|(_, operation)| operation)
    }
}

impl Candidate {
    fn takes(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }
}
