//! What APIs are bound to: the function, and how its authorizers are set up.

use serde::Serialize;

use crate::account::{Authorizer, AuthorizerKind, Protocol};
use crate::arn::FunctionArn;

/// The longest time, in seconds, for which API Gateway caches an answer (API Gateway API reference,
/// `CreateAuthorizer`).
const MAX_TTL: u32 = 3600;
/// Longest name of an authorizer, in characters (API Gateway v2 API reference, `CreateAuthorizer`).
const MAX_NAME: usize = 128;

/// A function, and how the authorizers are set up that call it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    function: FunctionArn,
    authorizer: AuthorizerSpec,
}

impl Target {
    /// A target whose settings go together.
    pub fn new(function: FunctionArn, authorizer: AuthorizerSpec) -> Result<Self, InvalidTarget> {
        let spec = &authorizer;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if spec.name.is_empty() || spec.name.len() > MAX_NAME || !spec.name.chars().all(plain) {
            return Err(InvalidTarget::Name(spec.name.clone()));
        }
        if spec.ttl > MAX_TTL {
            return Err(InvalidTarget::Ttl(spec.ttl));
        }
        if spec.ttl > 0 && !spec.require_authorization {
            return Err(InvalidTarget::CacheWithoutKey);
        }
        if spec.ttl > 0 && spec.simple_responses {
            return Err(InvalidTarget::CachedSimpleResponse);
        }
        if spec.simple_responses && spec.http_payload == "1.0" {
            return Err(InvalidTarget::SimpleResponseOfPayload1);
        }
        if spec.rest_type == RestAuthorizerType::Token && !spec.require_authorization {
            return Err(InvalidTarget::TokenWithoutHeader);
        }
        Ok(Self {
            function,
            authorizer,
        })
    }

    /// The function.
    #[must_use]
    pub const fn function(&self) -> &FunctionArn {
        &self.function
    }

    /// How authorizers are set up.
    #[must_use]
    pub const fn authorizer(&self) -> &AuthorizerSpec {
        &self.authorizer
    }
}

/// How an authorizer is set up; the same members as the parameters of deploy/cloudformation/authorizer.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuthorizerSpec {
    /// Its name, by which it is found again: letters, digits, `-`, `_` and `.`, at most 128.
    pub name: String,
    /// How long answers are cached, in seconds, 0 to 3600. WebSocket APIs do not cache.
    pub ttl: u32,
    /// Whether API Gateway refuses a request without an `Authorization` header by itself, and caches by it.
    pub require_authorization: bool,
    /// The kind at REST APIs.
    pub rest_type: RestAuthorizerType,
    /// Payload format at HTTP APIs: `1.0` or `2.0`.
    pub http_payload: &'static str,
    /// Whether the function answers HTTP APIs yes or no instead of with a policy.
    pub simple_responses: bool,
}

impl Default for AuthorizerSpec {
    fn default() -> Self {
        Self {
            name: "portcullis".to_owned(),
            ttl: 0,
            require_authorization: true,
            rest_type: RestAuthorizerType::Request,
            http_payload: "2.0",
            simple_responses: false,
        }
    }
}

/// The kind of authorizer at REST APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RestAuthorizerType {
    /// It is shown the request.
    Request,
    /// It is shown the `Authorization` header only.
    Token,
}

impl AuthorizerSpec {
    /// What must come with a request, as each protocol writes it (API Gateway API references,
    /// `identitySource`).
    #[must_use]
    pub fn identity_sources(&self, protocol: Protocol) -> Vec<String> {
        if !self.require_authorization {
            return Vec::new();
        }
        let prefix = match protocol {
            Protocol::Rest => "method.request.header.",
            Protocol::Http => "$request.header.",
            Protocol::WebSocket => "route.request.header.",
        };
        vec![format!("{prefix}Authorization")]
    }

    /// How an authorizer differs from one that would be made, a sentence each; none where it is as it should be.
    #[must_use]
    pub fn differences(&self, authorizer: &Authorizer, protocol: Protocol) -> Vec<String> {
        let mut found = Vec::new();
        let kind = match (protocol, self.rest_type) {
            (Protocol::Rest, RestAuthorizerType::Token) => AuthorizerKind::Token,
            _ => AuthorizerKind::Request,
        };
        if authorizer.kind != kind {
            found.push("its type is another".to_owned());
        }
        if protocol != Protocol::WebSocket && authorizer.ttl != self.ttl {
            found.push(format!(
                "it caches for {} s, not {}",
                authorizer.ttl, self.ttl
            ));
        }
        let wanted = self.identity_sources(protocol);
        let same = |a: &[String], b: &[String]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.eq_ignore_ascii_case(b))
        };
        if !same(&authorizer.identity_sources, &wanted) {
            let or_none = |list: &[String]| match list {
                [] => "nothing".to_owned(),
                list => list.join(", "),
            };
            let (is, should) = (or_none(&authorizer.identity_sources), or_none(&wanted));
            found.push(format!("its identity source is {is}, not {should}"));
        }
        if protocol == Protocol::Http {
            let format = authorizer.payload_format.as_deref().unwrap_or("1.0");
            if format != self.http_payload {
                found.push(format!(
                    "its payload format is {format}, not {}",
                    self.http_payload
                ));
            }
            if authorizer.simple_responses != self.simple_responses {
                let (is, should) = if self.simple_responses {
                    ("policies", "simple responses")
                } else {
                    ("simple responses", "policies")
                };
                found.push(format!("it takes {is}, not {should}"));
            }
        }
        found
    }
}

/// Settings that do not go together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidTarget {
    /// A name that an authorizer cannot have.
    #[error(
        "\"{0}\" cannot be the name of an authorizer: letters, digits, - _ and . and at most 128 of them"
    )]
    Name(String),
    /// Beyond what API Gateway takes.
    #[error("API Gateway caches for at most 3600 s, not {0}")]
    Ttl(u32),
    /// Every caller would get the answer of the first.
    #[error(
        "caching needs the Authorization header as identity source: every caller would get the answer of the first one"
    )]
    CacheWithoutKey,
    /// One yes would open every route.
    #[error(
        "a simple response is one yes or no for every route, so it cannot be cached: use IAM responses, or a TTL of 0"
    )]
    CachedSimpleResponse,
    /// There is none.
    #[error("simple responses need payload format 2.0")]
    SimpleResponseOfPayload1,
    /// A TOKEN authorizer is shown nothing but the header.
    #[error("a TOKEN authorizer needs the Authorization header: use a REQUEST authorizer")]
    TokenWithoutHeader,
}
