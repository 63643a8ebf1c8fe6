//! The reader of a scope table, the shortest policy that there is: which scope opens which route.
//!
//! ```text
//! GET /planets = http://myapp.com/scp/silver; GET /moons = http://myapp.com/scp/gold; GET /asteroids
//! ```
//!
//! One entry a route, separated by `;` or line ends: a method or `*`, a path pattern, and after `=`
//! the scopes of which the token needs one, separated by spaces. Without `=` any valid token will do;
//! `public` in place of scopes lets everyone through.

use std::sync::Arc;

use portcullis_model::{InvalidMethod, InvalidPattern, Level, Method, PathPattern};

use crate::matching::OperationIndex;
use crate::policy_set::{
    ApiService, Guard, Operation, Order, Outbound, PolicySet, Requirement, Step, TokenIssuer,
    Unmatched,
};
use crate::rules::{Rule, ScopeRule, is_scope_token};

/// Most entries. Environment variables of a Lambda function hold 4 KB in all.
const MAX_ENTRIES: usize = 500;

/// Compiles a scope table into a policy set for every API that the enforcement point stands before.
///
/// A route that no entry covers is denied. With `plain_paths`, requests with an escape or a semicolon
/// in their path are refused.
pub fn compile_scope_table(
    table: &str,
    issuers: Vec<TokenIssuer>,
    plain_paths: bool,
) -> Result<PolicySet, InvalidScopeTable> {
    let mut operations: Vec<Operation> = Vec::new();
    let entries = table.split([';', '\n']).map(str::trim);
    for entry in entries.filter(|entry| !entry.is_empty()) {
        let operation = operation(entry)?;
        let same = |other: &Operation| {
            other.methods == operation.methods && other.paths == operation.paths
        };
        if operations.iter().any(same) {
            return Err(InvalidScopeTable::Twice(shown(entry)));
        }
        operations.push(operation);
    }
    if operations.is_empty() || operations.len() > MAX_ENTRIES {
        return Err(InvalidScopeTable::Size);
    }
    Ok(of_every_api(
        operations,
        Unmatched::Deny,
        issuers,
        plain_paths,
    ))
}

/// A policy set without routes for every API that the enforcement point stands before: each request
/// needs a valid token, and no more. For enforcement points that ask somebody else about the routes.
#[must_use]
pub fn any_valid_token(issuers: Vec<TokenIssuer>, plain_paths: bool) -> PolicySet {
    of_every_api(Vec::new(), Unmatched::Token, issuers, plain_paths)
}

fn of_every_api(
    operations: Vec<Operation>,
    unmatched: Unmatched,
    issuers: Vec<TokenIssuer>,
    plain_paths: bool,
) -> PolicySet {
    let index = OperationIndex::new(&operations, Order::Specific);
    let (ranked, routes) = OperationIndex::ranking(&operations, Order::Specific);
    let realm = issuers
        .first()
        .and_then(|issuer| issuer.audiences.first().cloned())
        .unwrap_or_default();
    PolicySet::of_every_api(ApiService {
        name: Arc::from("OAuth"),
        base_urls: Vec::new(),
        aws: Vec::new(),
        tokens: issuers,
        unmatched,
        plain_paths,
        claim_types: Vec::new(),
        steps: Vec::new(),
        outbound: Outbound::default(),
        operations,
        index,
        ranked,
        routes: routes.into(),
        realm,
        order: Order::Specific,
        tells_claims: false,
        resource_metadata: None,
    })
}

fn operation(entry: &str) -> Result<Operation, InvalidScopeTable> {
    let (route, scopes) = match entry.split_once('=') {
        Some((route, scopes)) => (route.trim(), Some(scopes.trim())),
        None => (entry, None),
    };
    let (method, path) = route
        .split_once(char::is_whitespace)
        .ok_or_else(|| InvalidScopeTable::Form(shown(entry)))?;
    let methods = match method {
        "*" => Vec::new(),
        name if name.bytes().any(|byte| byte.is_ascii_lowercase()) => {
            return Err(InvalidScopeTable::LowerCase(shown(entry)));
        }
        name => vec![
            Method::parse(name).map_err(|error| InvalidScopeTable::Method(shown(entry), error))?,
        ],
    };
    let pattern = PathPattern::infer(path.trim())
        .map_err(|error| InvalidScopeTable::Path(shown(entry), error))?;
    let guard = match scopes {
        None => Guard::Token(Vec::new()),
        Some("public") => Guard::Public,
        Some(scopes) => {
            let any_of: Vec<String> = scopes.split_whitespace().map(str::to_owned).collect();
            if any_of.is_empty() || !any_of.iter().all(|scope| is_scope_token(scope)) {
                return Err(InvalidScopeTable::Scopes(shown(entry)));
            }
            Guard::Token(vec![Step {
                level: Level::Operation,
                requirement: Requirement::Rule(
                    Rule::Scopes(ScopeRule::new(any_of, Vec::new())).into(),
                ),
            }])
        }
    };
    Ok(Operation {
        name: route.into(),
        methods,
        paths: vec![pattern],
        guard,
        outbound: Outbound::default(),
    })
}

/// An entry as an error shows it.
fn shown(entry: &str) -> String {
    entry
        .chars()
        .filter(|character| !character.is_control())
        .take(80)
        .collect()
}

/// Why a scope table was refused; each names the entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScopeTable {
    /// Nothing, or too much.
    #[error(
        "a table of 1 to {MAX_ENTRIES} entries such as \"GET /planets = silver; GET /moons = gold\""
    )]
    Size,
    /// Not a method and a path.
    #[error("entry \"{0}\": a method and a path, such as \"GET /planets = silver\"")]
    Form(String),
    /// A method in lower case.
    #[error("entry \"{0}\": a method in upper case, as methods are case-sensitive")]
    LowerCase(String),
    /// No method.
    #[error("entry \"{0}\": {1}")]
    Method(String, InvalidMethod),
    /// No path pattern.
    #[error("entry \"{0}\": {1}")]
    Path(String, InvalidPattern),
    /// No scopes after `=`.
    #[error(
        "entry \"{0}\": after \"=\" scopes separated by spaces (RFC 6749 section 3.3), or \"public\"; leave \"=\" out where any valid token will do"
    )]
    Scopes(String),
    /// The same route twice.
    #[error("entry \"{0}\": the route only once")]
    Twice(String),
}
