//! What the management API keeps: API services, their operations, external authorization servers and
//! custom policies, in the JSON of `PingOne`'s management API.
//!
//! Members of PingOne that describe other parts of its platform are taken and left out. What this product has
//! and PingOne has not is in the member `portcullis`, with the keys of a policy directory.

use portcullis_store::{DraftKind, Name};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::{ApiError, Detail};

/// Members that are sent back by clients that change what they have read; nothing depends on them.
pub(super) const READ_ONLY: [&str; 7] = [
    "_links",
    "_embedded",
    "createdAt",
    "environment",
    "id",
    "updatedAt",
    "apiServer",
];

/// A kind of draft with its JSON.
pub(crate) trait Resource: Serialize + DeserializeOwned + ToSchema {
    /// How it is stored.
    const KIND: DraftKind;
    /// Its collection, as the path and `_embedded` name it.
    const COLLECTION: &'static str;

    /// Its name, unique in the collection.
    fn name(&self) -> &str;
}

/// An API service: a set of base URLs that is protected as one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApiServer {
    /// 1 to 256 characters, unique.
    #[schema(min_length = 1, max_length = 256)]
    pub(crate) name: String,
    /// Absolute URLs that the service's URLs begin with, without query and without `/` at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) base_urls: Vec<String>,
    /// Whose tokens are accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authorization_server: Option<AuthorizationServer>,
    /// As in PingOne; not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) directory: Option<Directory>,
    /// Whether there are custom policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) access_control: Option<ServiceAccessControl>,
    /// Keys of a service in a policy directory that nothing above stands for, such as `unmatched`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub(crate) portcullis: Map<String, Value>,
}

/// Whose tokens an API service accepts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthorizationServer {
    #[serde(rename = "type")]
    pub(crate) kind: ExternalType,
    #[serde(rename = "externalOAuthServer")]
    pub(crate) external: ExternalReference,
}

/// The one kind of authorization server there is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub(crate) enum ExternalType {
    #[serde(rename = "EXTERNAL")]
    External,
}

/// An external authorization server and the audience that tokens for the service have.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExternalReference {
    pub(crate) id: String,
    /// 1 to 1024 characters; it is there unless `anyAudience` is `true`.
    #[schema(min_length = 1, max_length = 1024)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) audience: Option<String>,
    /// `true`: tokens for any audience are accepted, as Cloudentity's services do where they have no audience of
    /// their own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) any_audience: bool,
}

/// As in PingOne.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Directory {
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

/// The access control of a whole service.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceAccessControl {
    pub(crate) custom: CustomAccessControl,
}

/// Whether there are custom policies.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomAccessControl {
    /// `false`: neither the service nor its operations may name a policy.
    pub(crate) enabled: bool,
}

/// An operation: methods and paths inside an API service, with what guards them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApiOperation {
    /// Unique in the service.
    #[schema(min_length = 1, max_length = 256)]
    pub(crate) name: String,
    /// 1 to 10 methods; every method where it is not there.
    #[schema(min_items = 1, max_items = 10)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) methods: Option<Vec<String>>,
    /// 1 to 10 paths below the base URL.
    #[schema(min_items = 1, max_items = 10)]
    pub(crate) paths: Vec<PathPattern>,
    /// What must hold; without it, any valid token is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) access_control: Option<AccessControl>,
    /// Keys of an operation in a policy directory that nothing above stands for, such as `public`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub(crate) portcullis: Map<String, Value>,
}

/// A path of an operation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PathPattern {
    #[serde(rename = "type")]
    pub(crate) kind: PathKind,
    /// Begins with `/`.
    #[schema(min_length = 1, max_length = 2048, pattern = "^/")]
    pub(crate) pattern: String,
}

/// How a path is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum PathKind {
    /// Character by character.
    Exact,
    /// With `*`, `**` and `{name}`.
    Parameter,
}

/// The rules of an operation; all must hold.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessControl {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<GroupControl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<ScopeControl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) permission: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authentication: Option<AuthenticationControl>,
}

/// The subject is in one of these groups.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupControl {
    pub(crate) groups: Vec<Reference>,
}

/// The token was granted one or all of these scopes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ScopeControl {
    pub(crate) match_type: MatchType,
    pub(crate) scopes: Vec<Reference>,
}

/// One or all of a list.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum MatchType {
    Any,
    All,
}

/// How and when the user authenticated.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AuthenticationControl {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) acrs: Vec<Reference>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_age: Option<u64>,
}

/// A group, scope, permission or authentication policy. Tokens carry names, and there is no directory here to
/// look an id up in, so the name counts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    /// What PingOne calls it; kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// What is in the token.
    pub(crate) name: String,
    /// As in PingOne; kept.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
}

/// An authorization server that somebody else runs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExternalOAuthServer {
    /// 1 to 256 characters, unique.
    #[schema(min_length = 1, max_length = 256)]
    pub(crate) name: String,
    /// At most 1024 characters.
    #[schema(max_length = 1024)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: ExternalType,
    /// 1 to 8 issuers. Their keys are found by discovery (RFC 8414).
    #[schema(min_items = 1, max_items = 8)]
    pub(crate) issuers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) validation: Option<TokenValidation>,
    /// Keys of a token issuer in a policy directory that nothing above stands for: `profile`, `claims`,
    /// `introspection`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub(crate) portcullis: Map<String, Value>,
}

/// How tokens are validated.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenValidation {
    /// How far the clock of the issuer may differ, in seconds, 0 to 300.
    #[schema(maximum = 300)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) clock_skew_tolerance: Option<u64>,
}

/// A custom policy: a file of `policies/` in a policy directory.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyFile {
    /// Its file name: letters, digits, `-`, `_` and dots, with an extension that says its language (`yaml`, `rego`,
    /// `cedar`).
    #[schema(
        min_length = 1,
        max_length = 256,
        pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*\.(yaml|yml|rego|cedar)$"
    )]
    pub(crate) name: String,
    /// What is in it.
    pub(crate) text: String,
}

impl Resource for ApiServer {
    const KIND: DraftKind = DraftKind::ApiService;
    const COLLECTION: &'static str = "apiServers";

    fn name(&self) -> &str {
        &self.name
    }
}

impl Resource for ApiOperation {
    const KIND: DraftKind = DraftKind::Operation;
    const COLLECTION: &'static str = "operations";

    fn name(&self) -> &str {
        &self.name
    }
}

impl Resource for ExternalOAuthServer {
    const KIND: DraftKind = DraftKind::ExternalOAuthServer;
    const COLLECTION: &'static str = "externalOAuthServers";

    fn name(&self) -> &str {
        &self.name
    }
}

impl Resource for PolicyFile {
    const KIND: DraftKind = DraftKind::Policy;
    const COLLECTION: &'static str = "policies";

    fn name(&self) -> &str {
        &self.name
    }
}

/// Reads what a client sent or what was stored. A member that is not known is an error: it could be a rule.
pub(crate) fn read<R: Resource>(mut sent: Value) -> Result<(R, Name), ApiError> {
    let members = sent
        .as_object_mut()
        .ok_or_else(|| ApiError::invalid_request("The body is a JSON object"))?;
    for name in READ_ONLY {
        members.remove(name);
    }
    // PingOne's own policy tree, by its id. A name would be that of a custom policy, in the wrong place.
    if members.get("policy").is_some_and(Value::is_object) {
        members.remove("policy");
    }
    let resource: R = serde_json::from_value(sent)
        // What serde says names members and never quotes long values.
        .map_err(|error| ApiError::invalid_data(vec![Detail::value(error.to_string())]))?;
    let name = resource.name().parse().map_err(|_| {
        ApiError::invalid_data(vec![
            Detail::value("expected 1 to 256 bytes without control characters").at("name"),
        ])
    })?;
    Ok((resource, name))
}

/// As it is stored.
pub(crate) fn body<R: Resource>(resource: &R) -> Result<Value, ApiError> {
    serde_json::to_value(resource).map_err(|_| ApiError::unavailable())
}
