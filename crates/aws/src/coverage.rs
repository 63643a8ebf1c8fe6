//! From what a credential opens to the resources of an IAM policy that says the same of every request,
//! so that it stays right while API Gateway caches it.
//!
//! IAM knows `*`, which crosses `/`, and nothing narrower; so a pattern with a parameter is written
//! with `*`, and what that opens beyond the pattern is denied again. Whether the result says exactly
//! what the decision says is then not believed but shown: both are read as automata over all paths of
//! every method. Where they differ, there is no such policy, and the answer is for one request.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use portcullis_model::{Coverage, Method, PathPattern, PatternPart, Route};

use crate::glob::{Next, Pattern, accepts, accepts_all, walk};

/// The methods that API Gateway has (API Gateway REST API reference, `PutMethod`; a route of an HTTP API
/// takes the same).
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
/// Most resources: more do not fit 8 KB.
const MAX_RESOURCES: usize = 120;
/// Most coverages that are remembered.
const MAX_REMEMBERED: usize = 64;
/// What no path holds that has one reading, in words of IAM.
const AMBIGUOUS: [&str; 8] = [
    "*%*", "*;*", "*\\*", "*//*", "*/./*", "*/../*", "*/.", "*/..",
];

/// The ends of resources, behind `arn:...:{api}/{stage}/`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Resources {
    pub(crate) allow: Vec<String>,
    pub(crate) deny: Vec<String>,
}

/// The resources of coverages that came before: a token with the same rights is not worked out again.
#[derive(Default)]
pub struct PolicyCache(Mutex<HashMap<Key, Remembered>>);

/// The routes, kept alive, and the resources.
type Remembered = (Arc<[Route]>, Option<Arc<Resources>>);

#[derive(PartialEq, Eq, Hash)]
struct Key {
    /// The address of the routes; they are kept alive beside it, so that no others get it.
    routes: usize,
    permitted: Vec<bool>,
    otherwise: bool,
}

impl PolicyCache {
    /// The resources that say what the coverage says; `None` where IAM has no words for it.
    pub(crate) fn resources(&self, coverage: &Coverage) -> Option<Arc<Resources>> {
        let key = Key {
            routes: Arc::as_ptr(&coverage.routes).cast::<()>().addr(),
            permitted: coverage.permitted.clone(),
            otherwise: coverage.otherwise,
        };
        if let Ok(known) = self.0.lock()
            && let Some((_, resources)) = known.get(&key)
        {
            return resources.clone();
        }
        let resources = resources(coverage).map(Arc::new);
        if let Ok(mut known) = self.0.lock() {
            if known.len() >= MAX_REMEMBERED {
                known.clear();
            }
            known.insert(key, (Arc::clone(&coverage.routes), resources.clone()));
        }
        resources
    }
}

impl fmt::Debug for PolicyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PolicyCache(..)")
    }
}

fn resources(coverage: &Coverage) -> Option<Resources> {
    let mut resources = Resources::default();
    for method in methods(coverage) {
        let of_method = OfMethod::new(coverage, &method)?;
        for path in &of_method.allow {
            resources.allow.push(format!("{method}{path}"));
        }
        for path in &of_method.deny {
            resources.deny.push(format!("{method}{path}"));
        }
        if resources.allow.len() + resources.deny.len() > MAX_RESOURCES {
            return None;
        }
    }
    if resources.allow.iter().any(|path| path.contains('*')) {
        resources.deny.extend(AMBIGUOUS.map(str::to_owned));
    }
    Some(resources)
}

/// API Gateway's methods, and those that the policy names beside them.
fn methods(coverage: &Coverage) -> Vec<Method> {
    let named = coverage
        .routes
        .iter()
        .flat_map(|route| route.methods.iter());
    let mut methods: Vec<Method> = METHODS
        .iter()
        .filter_map(|method| Method::parse(method).ok())
        .chain(named.cloned())
        .collect();
    methods.sort();
    methods.dedup();
    methods
}

/// The paths of one method that are allowed, and those that are denied again.
struct OfMethod {
    allow: Vec<String>,
    deny: Vec<String>,
}

impl OfMethod {
    fn new(coverage: &Coverage, method: &Method) -> Option<Self> {
        let routes: Vec<(&Route, bool)> = coverage
            .routes
            .iter()
            .zip(coverage.permitted.iter().copied())
            .filter(|(route, _)| route.takes(method))
            .filter(|(route, _)| !coverage.plain_paths || is_reachable(&route.pattern))
            .collect();
        let permitted: Vec<&PathPattern> = routes
            .iter()
            .filter(|(_, permitted)| *permitted)
            .map(|(route, _)| &route.pattern)
            .collect();
        let mut written = Self {
            allow: Vec::new(),
            deny: Vec::new(),
        };
        if coverage.otherwise {
            written.allow.push("/*".to_owned());
        } else {
            for pattern in &permitted {
                let resource = in_iam(pattern, coverage.plain_paths)?;
                if !written.allow.contains(&resource) {
                    written.allow.push(resource);
                }
            }
        }
        let has_wildcard = written.allow.iter().any(|path| path.contains('*'));
        if has_wildcard && !coverage.plain_paths {
            // A path with escapes has many spellings, of which IAM would know one.
            return None;
        }
        if has_wildcard {
            written.deny = denied_again(&routes, &permitted, &written.allow, coverage)?;
        }
        if written.allow.len() + written.deny.len() > MAX_RESOURCES {
            return None;
        }
        written
            .says_the_same(&routes, coverage.otherwise)
            .then_some(written)
    }

    /// Whether allowed and denied paths come out as the routes say, for every path.
    fn says_the_same(&self, routes: &[(&Route, bool)], otherwise: bool) -> bool {
        let of_routes: Vec<Pattern> = routes
            .iter()
            .map(|(route, _)| Pattern::of_path(&route.pattern))
            .collect();
        let has_wildcard = self.allow.iter().any(|path| path.contains('*'));
        let ambiguous = AMBIGUOUS.iter().filter(|_| has_wildcard).copied();
        let allow: Vec<Pattern> = self
            .allow
            .iter()
            .map(|path| Pattern::of_resource(path))
            .collect();
        let deny: Vec<Pattern> = self
            .deny
            .iter()
            .map(String::as_str)
            .chain(ambiguous)
            .map(Pattern::of_resource)
            .collect();
        let patterns: Vec<&Pattern> = of_routes.iter().chain(&allow).chain(&deny).collect();
        let allows = of_routes.len()..of_routes.len() + allow.len();
        let denies = allows.end..patterns.len();
        // A path that no route covers is one to look at where some path is let through anyway.
        walk(&patterns, |places, reading| {
            let permitted = reading.is_path()
                && (0..of_routes.len())
                    .find(|route| accepts(&patterns, places, *route))
                    .map_or(otherwise, |route| {
                        routes.get(route).is_some_and(|(_, permitted)| *permitted)
                    });
            let allowed = allows
                .clone()
                .any(|index| accepts(&patterns, places, index))
                && !denies
                    .clone()
                    .any(|index| accepts(&patterns, places, index));
            if permitted != allowed {
                return Next::Stop;
            }
            let never_allowed = denies
                .clone()
                .any(|index| accepts_all(&patterns, places, index))
                || !places.iter().any(|place| allows.contains(&place.pattern));
            let never_permitted = reading == crate::glob::Reading::Refused
                || (!otherwise && !places.iter().any(|place| place.pattern < of_routes.len()));
            if never_allowed && never_permitted {
                Next::Leave
            } else {
                Next::GoOn
            }
        })
    }
}

/// What `*` opens beyond the patterns that are permitted, and the routes that are denied before them.
fn denied_again(
    routes: &[(&Route, bool)],
    permitted: &[&PathPattern],
    allow: &[String],
    coverage: &Coverage,
) -> Option<Vec<String>> {
    let permitted_paths: Vec<Pattern> = permitted
        .iter()
        .map(|pattern| Pattern::of_path(pattern))
        .collect();
    let allowed: Vec<Pattern> = allow
        .iter()
        .filter(|path| path.contains('*'))
        .map(|path| Pattern::of_resource(path))
        .collect();
    let mut denied: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    let mut add = |resource: String| {
        if seen.insert(resource.clone()) {
            denied.push(resource);
        }
    };
    if !coverage.otherwise {
        for resource in permitted.iter().flat_map(|pattern| beyond(pattern)) {
            let pattern = Pattern::of_resource(&resource);
            if !permitted_paths.iter().any(|path| path.meets(&pattern)) {
                add(resource);
            }
        }
    }
    let last_permitted = routes.iter().rposition(|(_, permitted)| *permitted);
    for (rank, (route, is_permitted)) in routes.iter().enumerate() {
        let outranks = coverage.otherwise || last_permitted.is_some_and(|last| rank < last);
        if *is_permitted || !outranks {
            continue;
        }
        let path = Pattern::of_path(&route.pattern);
        if allowed.iter().any(|pattern| pattern.meets(&path)) {
            add(in_iam(&route.pattern, coverage.plain_paths)?);
        }
    }
    Some(denied)
}

/// The pattern with `*` for whatever it leaves open; `None` where it holds a character that IAM reads
/// in another way or that a client may spell in two.
fn in_iam(pattern: &PathPattern, plain_paths: bool) -> Option<String> {
    let mut resource = String::new();
    for part in pattern.parts() {
        match part {
            PatternPart::Literal(text) => {
                let one_spelling = |byte: u8| match byte {
                    b'*' | b'?' | b'$' => false,
                    byte if byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte) => true,
                    byte => plain_paths && byte.is_ascii_graphic(),
                };
                if !text.bytes().all(one_spelling) {
                    return None;
                }
                resource.push_str(text);
            }
            PatternPart::Segment | PatternPart::Run | PatternPart::Rest => resource.push('*'),
        }
    }
    Some(resource)
}

/// Whether a request can have a path that the pattern covers, where escapes are refused.
fn is_reachable(pattern: &PathPattern) -> bool {
    pattern.parts().all(|part| match part {
        PatternPart::Literal(text) => text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'%' | b';' | b'\\')),
        _ => true,
    })
}

/// What the pattern in IAM matches and the pattern does not: a `/` where one segment is meant, and
/// nothing where a segment has to be.
fn beyond(pattern: &PathPattern) -> Vec<String> {
    let parts: Vec<PatternPart<'_>> = pattern.parts().collect();
    let with = |changed: usize, instead: &str| {
        let mut resource = String::new();
        for (index, part) in parts.iter().enumerate() {
            match part {
                _ if index == changed => resource.push_str(instead),
                PatternPart::Literal(text) => resource.push_str(text),
                PatternPart::Segment | PatternPart::Run | PatternPart::Rest => resource.push('*'),
            }
        }
        resource
    };
    let mut beyond = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if matches!(part, PatternPart::Segment | PatternPart::Run) {
            beyond.push(with(index, "*/*"));
        }
        if *part == PatternPart::Segment && index + 1 == parts.len() {
            beyond.push(with(index, ""));
        }
    }
    beyond
}
