//! What a policy set says about the routes of an API: which are public, and what keeps answers from being cached.

use std::collections::BTreeSet;

use portcullis_engine::{ApiService, PolicySet};
use portcullis_model::{BaseUrl, Method, PathPattern, PatternPart};

use crate::account::{Account, Api, Route};

/// Methods that stand for every method.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];

/// A policy set, asked about routes.
#[derive(Debug, Clone, Copy)]
pub struct PolicyView<'a>(&'a PolicySet);

/// What the policy says of the requests that a route takes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RoutePolicy {
    /// Public operations that it leads to.
    pub(crate) public: BTreeSet<String>,
    /// Whether it leads to anything else, or to nothing.
    pub(crate) other: bool,
}

impl<'a> PolicyView<'a> {
    /// A view of that policy set.
    #[must_use]
    pub const fn new(policy: &'a PolicySet) -> Self {
        Self(policy)
    }

    /// The service that decides about a stage of an API: the one that names both under `aws`, or has a base URL
    /// on the API's own endpoint. What custom domains lead to, AWS is not asked.
    pub(crate) fn service(
        self,
        account: &Account,
        api: &Api,
        stage: &str,
    ) -> Option<&'a ApiService> {
        let host = format!("{}.execute-api.{}.amazonaws.com", api.id, account.region);
        let path = if stage == "$default" {
            String::new()
        } else {
            format!("/{stage}")
        };
        let here = |base: &BaseUrl| {
            let (_, base_host, _) = base.origin();
            base_host == host && base.path().trim_end_matches('/') == path
        };
        self.0.services().iter().find(|service| {
            let named = |(id, name): &(String, String)| *id == api.id && name == stage;
            service.aws.iter().any(named) || service.base_urls.iter().any(here)
        })
    }

    /// What a service says of the requests that a route takes.
    pub(crate) fn route(service: &ApiService, route: &Route) -> RoutePolicy {
        let mut paths = BTreeSet::from([sample_of_template(&route.path)]);
        for pattern in service.operations().iter().flat_map(|one| &one.paths) {
            let sample = sample_of_pattern(pattern);
            if template_takes(&route.path, &sample) {
                paths.insert(sample);
            }
        }
        let mut found = RoutePolicy::default();
        let methods: Vec<&str> = match route.method.as_str() {
            "" | "ANY" => METHODS.to_vec(),
            method => vec![method],
        };
        for method in methods
            .into_iter()
            .filter_map(|one| Method::parse(one).ok())
        {
            for path in &paths {
                match service.operation_for(&method, path) {
                    Some(operation) if operation.is_public() => {
                        found.public.insert(operation.name.to_string());
                    }
                    _ => found.other = true,
                }
            }
        }
        found
    }
}

/// A path that the template of a route takes: `x` for each parameter.
fn sample_of_template(template: &str) -> String {
    if !template.starts_with('/') {
        return "/".to_owned();
    }
    let segments = template.split('/').map(|segment| {
        if segment.starts_with('{') {
            "x"
        } else {
            segment
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// A path that a pattern covers.
fn sample_of_pattern(pattern: &PathPattern) -> String {
    let parts = pattern.parts().map(|part| match part {
        PatternPart::Literal(text) => text,
        PatternPart::Segment | PatternPart::Run | PatternPart::Rest => "x",
    });
    parts.collect()
}

/// Whether the template of a route takes a path (API Gateway developer guide, "Create a route": `{name}` is one
/// segment, `{name+}` all that follow). `$default` takes every path.
fn template_takes(template: &str, path: &str) -> bool {
    if template == "$default" {
        return true;
    }
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(one), Some(_)) if one.starts_with('{') && one.ends_with("+}") => return true,
            (Some(one), Some(text)) => {
                let parameter = one.starts_with('{') && !text.is_empty();
                if one != text && !parameter {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_takes_what_api_gateway_would() {
        for (template, path, expected) in [
            ("/planets", "/planets", true),
            ("/planets", "/planets/", false),
            ("/planets/{id}", "/planets/mars", true),
            ("/planets/{id}", "/planets/", false),
            ("/planets/{id}", "/planets/mars/moons", false),
            ("/{proxy+}", "/a/b", true),
            ("/{proxy+}", "/a", true),
            ("$default", "/a/b", true),
            ("/", "/", true),
        ] {
            assert_eq!(
                template_takes(template, path),
                expected,
                "{template} {path}"
            );
        }
    }

    #[test]
    fn samples_are_taken_by_what_they_are_samples_of() {
        for template in ["/", "/planets/{id}", "/{proxy+}", "/a/{b}/c"] {
            assert!(template_takes(template, &sample_of_template(template)));
        }
        for pattern in ["/a", "/a/{b}", "/a/**", "/a-*/b"] {
            let pattern = PathPattern::infer(pattern).unwrap();
            assert!(pattern.matches(&sample_of_pattern(&pattern)), "{pattern:?}");
        }
    }
}
