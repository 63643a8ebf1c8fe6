//! Which API service and which operation cover a request.
//!
//! Exact paths are found by hashing, patterns in a tree of segments; of those that the path leads
//! to, the one that wins by order is taken.

use std::cmp::Reverse;
use std::collections::HashMap;

use portcullis_model::{ApiRequest, DecodedPath, Method, PathPattern, RequestUrl, Route, Scheme};

use crate::policy_set::{ApiService, Operation, Order, PolicySet};

impl PolicySet {
    /// The service that covers a request, and the path below its base URL.
    ///
    /// The base URL with the longest path wins. Where no base URL covers the URL, the API Gateway
    /// API counts, which the event names or else the URL itself.
    pub(crate) fn service_for<'policy, 'path>(
        &'policy self,
        request: &'path ApiRequest,
        path: &'path DecodedPath,
    ) -> Option<(&'policy ApiService, &'path str)> {
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
    fn service_of_endpoint<'policy, 'path>(
        &'policy self,
        url: &RequestUrl,
        path: &'path DecodedPath,
    ) -> Option<(&'policy ApiService, &'path str)> {
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
    patterns: Branch,
}

/// The patterns that begin with the same segments.
#[derive(Debug, Default)]
struct Branch {
    /// Those that end here or go on with `**`, each with its rank: the lowest wins.
    here: Vec<(usize, Candidate)>,
    /// Those that go on with a literal segment, by its text.
    literal: HashMap<String, Branch>,
    /// Those that go on with a segment that covers more than one text.
    other: Option<Box<Branch>>,
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
    pub(crate) fn new(operations: &[Operation], order: Order) -> Self {
        let mut index = Self::default();
        let mut patterns = Vec::new();
        for (number, operation) in operations.iter().enumerate() {
            for path in &operation.paths {
                let methods = operation.methods.clone();
                // By order of the file an exact path is one of the patterns.
                let exact = path.exact_path().filter(|_| order == Order::Specific);
                if let Some(exact) = exact {
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
            let pattern = candidate.pattern.as_ref();
            let any_method = candidate.methods.is_empty();
            (
                order.before_number(pattern, any_method),
                candidate.operation,
            )
        });
        for (rank, candidate) in patterns.into_iter().enumerate() {
            let segments = candidate.pattern.iter().flat_map(PathPattern::segments);
            let branch = segments.fold(&mut index.patterns, |branch, segment| match segment {
                Some(literal) => branch.literal.entry(literal.to_owned()).or_default(),
                None => branch.other.get_or_insert_default(),
            });
            branch.here.push((rank, candidate));
        }
        index.patterns.shrink();
        index
    }

    /// Every path of every operation with the operation's number, in the order in which they win:
    /// the same order that [`find`](Self::find) goes by.
    pub(crate) fn ranking(operations: &[Operation], order: Order) -> (Vec<usize>, Vec<Route>) {
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
            let any_method = route.methods.is_empty();
            let before = order.before_number(Some(&route.pattern), any_method);
            (before, *number)
        });
        ranking.into_iter().unzip()
    }

    /// The operation that wins for a path below the base URL: an exact path before a pattern; then
    /// the pattern with more literal segments from the left; then a named method before any
    /// method; then the order in the file.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Option<usize> {
        self.find_where(path, |candidate| candidate.takes(method))
    }

    /// The operation that has this template, whatever its parameters are called, for the method; of more than one, the
    /// same that wins for a path.
    pub(crate) fn find_template(&self, method: &Method, template: &str) -> Option<usize> {
        let pattern = PathPattern::infer(template).ok()?;
        if let Some(exact) = pattern.exact_path() {
            let mut candidates = self.exact.get(exact)?.iter();
            let found = candidates.find(|candidate| candidate.takes(method))?;
            return Some(found.operation);
        }
        let branch =
            pattern
                .segments()
                .try_fold(&self.patterns, |branch, segment| match segment {
                    Some(literal) => branch.literal.get(literal),
                    None => branch.other.as_deref(),
                })?;
        let mut candidates = branch.here.iter().map(|(_, candidate)| candidate);
        let shape = shape(template);
        let same = |known: &PathPattern| shape == self::shape(known.as_str());
        let found = candidates.find(|candidate| {
            candidate.takes(method) && candidate.pattern.as_ref().is_some_and(same)
        })?;
        Some(found.operation)
    }

    /// The operation that wins for a path whatever the method.
    fn find_by_path(&self, path: &str) -> Option<usize> {
        self.find_where(path, |_| true)
    }

    fn find_where(&self, path: &str, takes: impl Fn(&Candidate) -> bool) -> Option<usize> {
        let exact = self.exact.get(path).map_or(&[][..], Vec::as_slice);
        if let Some(found) = exact.iter().find(|candidate| takes(candidate)) {
            return Some(found.operation);
        }
        let covers = |candidate: &Candidate| {
            takes(candidate)
                && candidate
                    .pattern
                    .as_ref()
                    .is_some_and(|pattern| pattern.matches(path))
        };
        let segments = path.split('/').skip(1);
        let (_, winner) = self.patterns.winner(segments, covers)?;
        Some(winner.operation)
    }
}

/// A template without the names of its parameters, which are whole segments.
fn shape(template: &str) -> Vec<&str> {
    let nameless = |segment: &'_ str| segment.starts_with('{') && segment.ends_with('}');
    template
        .split('/')
        .map(|segment| if nameless(segment) { "{}" } else { segment })
        .collect()
}

impl Order {
    /// What counts before the number of the operation.
    fn before_number(
        self,
        pattern: Option<&PathPattern>,
        any_method: bool,
    ) -> Option<(Reverse<impl Ord + use<>>, bool)> {
        (self == Self::Specific)
            .then(|| (Reverse(pattern.map(PathPattern::specificity)), any_method))
    }
}

impl ApiService {
    /// For a path below the base URL that no operation covers: the one that comes nearest to it, and
    /// what was lacking.
    pub(crate) fn nearest_operation(&self, request: &ApiRequest, path: &str) -> Option<String> {
        let method = &request.method;
        let number = self.index.find_by_path(path);
        let by_method = number.and_then(|number| self.operations().get(number));
        if let Some(operation) = by_method {
            let methods: Vec<_> = operation.methods.iter().map(Method::as_str).collect();
            return Some(format!(
                "operation \"{}\" covers the path with {}, not with {method}",
                operation.name,
                methods.join(", ")
            ));
        }
        // A slash at the end is a path of its own, and easily forgotten.
        let other = match path.strip_suffix('/') {
            Some(shorter) => shorter.to_owned(),
            None => format!("{path}/"),
        };
        let by_slash = self.index.find(method, &other)?;
        let operation = self.operations().get(by_slash)?;
        let what = if path.ends_with('/') {
            "without"
        } else {
            "with"
        };
        Some(format!(
            "operation \"{}\" covers the path {what} a slash at its end",
            operation.name
        ))
    }
}

impl Branch {
    /// Gives back the room that was left for more.
    fn shrink(&mut self) {
        self.here.shrink_to_fit();
        self.literal.shrink_to_fit();
        let branches = self.literal.values_mut().chain(self.other.as_deref_mut());
        branches.for_each(Self::shrink);
    }

    /// The first in rank that covers the path with these segments. Goes no deeper than the longest
    /// pattern, however long the path is.
    fn winner<'path>(
        &self,
        segments: impl Iterator<Item = &'path str> + Clone,
        covers: impl Fn(&Candidate) -> bool,
    ) -> Option<&(usize, Candidate)> {
        let mut winner = None;
        let mut open = vec![(self, segments)];
        while let Some((branch, mut segments)) = open.pop() {
            let here = branch.here.iter().find(|(_, candidate)| covers(candidate));
            winner = winner.into_iter().chain(here).min_by_key(|(rank, _)| *rank);
            if let Some(segment) = segments.next() {
                let branches = [branch.other.as_deref(), branch.literal.get(segment)];
                let branches = branches.into_iter().flatten();
                open.extend(branches.map(|branch| (branch, segments.clone())));
            }
        }
        winner
    }
}

impl Candidate {
    fn takes(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }
}
