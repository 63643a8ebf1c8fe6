//! What an account has: APIs with their stages, routes and authorizers, as plain values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::apis::Identity;
use crate::arn::FunctionArn;
use crate::permission::FunctionView;

/// The APIs of one account in one region, as far as they were selected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// Such as `eu-central-1`.
    pub region: String,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// By protocol, then in the order in which AWS lists them.
    pub apis: Vec<Api>,
    /// What is known of the functions that were looked at.
    pub functions: BTreeMap<FunctionArn, FunctionView>,
    /// Functions that the caller may not look at, or that are in another region.
    pub unread_functions: BTreeSet<FunctionArn>,
}

impl Account {
    /// The API with that id.
    #[must_use]
    pub fn api(&self, id: &str) -> Option<&Api> {
        self.apis.iter().find(|api| api.id == id)
    }

    /// Whose it is, and where.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            account: self.id.clone(),
            region: self.region.clone(),
            partition: self.partition.clone(),
        }
    }

    /// The ARN that API Gateway invokes a function as, for an authorizer of an API
    /// (API Gateway developer guide, "Configure a Lambda authorizer").
    #[must_use]
    pub fn authorizer_arn(&self, api: &str, authorizer: &str) -> String {
        let (partition, region, id) = (&self.partition, &self.region, &self.id);
        format!("arn:{partition}:execute-api:{region}:{id}:{api}/authorizers/{authorizer}")
    }
}

/// How an API is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// A REST API (API Gateway v1).
    Rest,
    /// An HTTP API (v2).
    Http,
    /// A WebSocket API (v2).
    WebSocket,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rest => "REST",
            Self::Http => "HTTP",
            Self::WebSocket => "WebSocket",
        })
    }
}

/// One API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Api {
    /// Its id, such as `a1b2c3d4e5`.
    pub id: String,
    /// Its name, which need not be unique.
    pub name: String,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Where its own endpoint is switched off.
    pub endpoint_disabled: bool,
    /// Its routes as they are edited, not as they are deployed.
    pub routes: Vec<Route>,
    /// Its authorizers.
    pub authorizers: Vec<Authorizer>,
    /// Its stages, with what is deployed to each.
    pub stages: Vec<Stage>,
}

impl Api {
    /// The authorizer with that id.
    #[must_use]
    pub fn authorizer(&self, id: &str) -> Option<&Authorizer> {
        self.authorizers.iter().find(|one| one.id == id)
    }

    /// The authorizer of a route.
    #[must_use]
    pub fn authorizer_of(&self, route: &Route) -> Option<&Authorizer> {
        self.authorizer(route.authorization.authorizer.as_deref()?)
    }

    /// The CloudFormation stack that made it, by the tag that CloudFormation sets.
    #[must_use]
    pub fn stack(&self) -> Option<&str> {
        self.tags
            .get("aws:cloudformation:stack-name")
            .map(String::as_str)
    }

    /// What people call it: id, protocol and name.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {} API \"{}\"", self.id, self.protocol, self.name)
    }

    /// What differs between the draft and what a stage serves, by the method and path of a route;
    /// `None` where AWS does not say what is deployed, or nothing is.
    #[must_use]
    pub fn undeployed(&self, stage: &Stage) -> Option<Vec<String>> {
        let Deployed::Routes(deployed) = &stage.deployed else {
            return matches!(stage.deployed, Deployed::Draft).then(Vec::new);
        };
        let draft: BTreeMap<_, _> = self.routes.iter().map(|one| (one.key(), one)).collect();
        let mut found = Vec::new();
        for (key, route) in &draft {
            match deployed.get(key) {
                None => found.push(format!("{key} is new")),
                Some(Some(kind)) if *kind != route.authorization.kind => {
                    let now = route.authorization.kind;
                    found.push(format!("{key} changes from {kind} to {now}"));
                }
                Some(_) => {}
            }
        }
        let known: BTreeSet<_> = draft.keys().collect();
        let gone = deployed.keys().filter(|key| !known.contains(key));
        found.extend(gone.map(|key| format!("{key} goes away")));
        Some(found)
    }
}

/// One method of a resource, or one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// How AWS names it.
    pub reference: RouteRef,
    /// The method: a verb or `ANY`; empty for a route key such as `$default` or `$connect`.
    pub method: String,
    /// The path, such as `/planets/{id}`, or the route key.
    pub path: String,
    /// Who authorizes it.
    pub authorization: Authorization,
    /// Whether it wants an API key.
    pub api_key_required: bool,
}

impl Route {
    /// Method and path, such as `GET /planets`, or the route key.
    #[must_use]
    pub fn key(&self) -> String {
        if self.method.is_empty() {
            self.path.clone()
        } else {
            format!("{} {}", self.method, self.path)
        }
    }
}

/// How AWS names a route within its API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteRef {
    /// A method of a resource of a REST API.
    Method {
        /// Id of the resource.
        resource: String,
        /// The verb, or `ANY`.
        method: String,
    },
    /// A route of an HTTP or WebSocket API.
    Route {
        /// Its id.
        id: String,
    },
}

/// Who authorizes a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// The kind.
    pub kind: AuthorizationKind,
    /// Id of the authorizer, where the kind has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<String>,
    /// Scopes that a JWT or Cognito authorizer asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
}

impl Authorization {
    /// What AWS says of a route: an authorizer counts only where the kind has one, scopes where one asks for them.
    #[must_use]
    pub fn new(kind: &str, authorizer: Option<&str>, scopes: &[String]) -> Self {
        use AuthorizationKind::{Cognito, Custom, Jwt};
        let kind = AuthorizationKind::named(kind);
        let has_authorizer = matches!(kind, Custom | Jwt | Cognito);
        let has_scopes = matches!(kind, Jwt | Cognito);
        Self {
            kind,
            authorizer: authorizer
                .filter(|id| has_authorizer && !id.is_empty())
                .map(str::to_owned),
            scopes: if has_scopes {
                scopes.to_vec()
            } else {
                Vec::new()
            },
        }
    }

    /// Nobody.
    pub const NONE: Self = Self {
        kind: AuthorizationKind::None,
        authorizer: None,
        scopes: Vec::new(),
    };

    /// A Lambda authorizer.
    #[must_use]
    pub fn custom(authorizer: impl Into<String>) -> Self {
        Self {
            kind: AuthorizationKind::Custom,
            authorizer: Some(authorizer.into()),
            scopes: Vec::new(),
        }
    }
}

/// The kinds of authorization (API Gateway API references, `authorizationType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthorizationKind {
    /// Anyone gets through.
    #[serde(rename = "NONE")]
    None,
    /// Signed with IAM credentials.
    #[serde(rename = "AWS_IAM")]
    AwsIam,
    /// A Lambda authorizer.
    #[serde(rename = "CUSTOM")]
    Custom,
    /// A JWT authorizer of an HTTP API.
    #[serde(rename = "JWT")]
    Jwt,
    /// A Cognito user pool, REST only.
    #[serde(rename = "COGNITO_USER_POOLS")]
    Cognito,
    /// One that came after this program. It is never replaced, as it could not be put back.
    #[serde(rename = "OTHER")]
    Other,
}

impl AuthorizationKind {
    /// Every kind that is known, with the word of the API.
    pub const ALL: [(&'static str, Self); 5] = [
        ("NONE", Self::None),
        ("AWS_IAM", Self::AwsIam),
        ("CUSTOM", Self::Custom),
        ("JWT", Self::Jwt),
        ("COGNITO_USER_POOLS", Self::Cognito),
    ];

    /// The kind of that word.
    #[must_use]
    pub fn named(word: &str) -> Self {
        let found = Self::ALL.iter().find(|(known, _)| *known == word);
        found.map_or(Self::Other, |(_, kind)| *kind)
    }

    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::AwsIam => "AWS_IAM",
            Self::Custom => "CUSTOM",
            Self::Jwt => "JWT",
            Self::Cognito => "COGNITO_USER_POOLS",
            Self::Other => "OTHER",
        }
    }
}

impl fmt::Display for AuthorizationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An authorizer of an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Authorizer {
    /// Its id.
    pub id: String,
    /// Its name, unique within the API.
    pub name: String,
    /// The kind.
    pub kind: AuthorizerKind,
    /// The function that it calls, where its URI names one.
    pub function: Option<FunctionArn>,
    /// What must come with a request, and what answers are cached by.
    pub identity_sources: Vec<String>,
    /// How long answers are cached, in seconds.
    pub ttl: u32,
    /// `1.0` or `2.0`, HTTP APIs only.
    pub payload_format: Option<String>,
    /// Whether the function answers yes or no instead of with a policy, HTTP APIs only.
    pub simple_responses: bool,
    /// Whether it calls the function with a role of its own instead of by the function's permission.
    pub has_role: bool,
}

/// The kinds of authorizers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthorizerKind {
    /// A Lambda function that is shown one header, REST only.
    Token,
    /// A Lambda function that is shown the request.
    Request,
    /// JWTs of an issuer, HTTP only.
    Jwt,
    /// Cognito user pools, REST only.
    Cognito,
    /// One that came after this program.
    Other,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Its name, `$default` for the one without a path prefix.
    pub name: String,
    /// Whether every change goes live by itself, HTTP APIs only.
    pub auto_deploy: bool,
    /// What it serves.
    pub deployed: Deployed,
}

/// What a stage serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deployed {
    /// Nothing was ever deployed to it.
    Nothing,
    /// The draft, because changes are deployed by themselves.
    Draft,
    /// AWS has no call that tells.
    Unknown,
    /// These routes, by method and path; the kind is `None` where AWS does not tell it. Which authorizer
    /// it is, AWS does not tell.
    Routes(BTreeMap<String, Option<AuthorizationKind>>),
}
