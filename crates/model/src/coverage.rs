//! What one credential opens of an API: the outcome of every request that it could come with.

use std::sync::Arc;

use crate::pattern::PathPattern;
use crate::request::Method;

/// Methods and a path pattern that one operation covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The methods; none stands for every method.
    pub methods: Vec<Method>,
    /// The pattern, relative to the root of the API's stage.
    pub pattern: PathPattern,
}

impl Route {
    /// Whether it covers requests with that method.
    #[must_use]
    pub fn takes(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }
}

/// What a credential opens: of every route, whether it is permitted. Of the routes that cover a
/// request, the first one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The routes, in the order in which they win. Made when the policy is compiled, and shared.
    pub routes: Arc<[Route]>,
    /// Whether each is permitted, in the same order.
    pub permitted: Vec<bool>,
    /// Whether a request that no route covers is permitted.
    pub otherwise: bool,
    /// Whether requests with an escape or a semicolon in their path are refused, so that each path
    /// has one spelling.
    pub plain_paths: bool,
}

impl Coverage {
    /// Whether a request with that method and decoded path is permitted.
    #[must_use]
    pub fn permits(&self, method: &Method, path: &str) -> bool {
        let covering = self
            .routes
            .iter()
            .zip(&self.permitted)
            .find(|(route, _)| route.takes(method) && route.pattern.matches(path));
        covering.map_or(self.otherwise, |(_, permitted)| *permitted)
    }
}
