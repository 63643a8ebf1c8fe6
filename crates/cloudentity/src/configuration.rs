//! `GET /gateways/configuration`: everything that an authorizer needs to decide.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::lenient::or_default;

/// The configuration of a gateway.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GatewayConfiguration {
    /// The tenant.
    #[serde(default, deserialize_with = "or_default")]
    pub tenant_id: String,
    /// The workspace.
    #[serde(default, deserialize_with = "or_default")]
    pub server_id: String,
    /// Whose access tokens are accepted.
    #[serde(default, deserialize_with = "or_default")]
    pub issuer_url: String,
    /// Where the keys of that issuer are.
    #[serde(default, deserialize_with = "or_default")]
    pub jwks_url: String,
    /// The APIs of every service.
    #[serde(default, deserialize_with = "or_default")]
    pub apis: Vec<Api>,
    /// The policies that APIs name.
    #[serde(default, deserialize_with = "or_default")]
    pub policies: Vec<Policy>,
    /// The services, each with the API group that it stands for.
    #[serde(default, deserialize_with = "or_default")]
    pub services: Vec<Service>,
    /// Whether tokens of others are exchanged.
    #[serde(default, deserialize_with = "or_default")]
    pub token_exchange_enabled: bool,
    /// The most events a second that the control plane wants; 0 for no bound.
    #[serde(default, deserialize_with = "or_default")]
    pub events_per_second: u64,
}

/// A method and a path of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Api {
    /// Its id.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// `rest` or `graphql`; API Gateway has `rest`.
    #[serde(default, deserialize_with = "or_default")]
    pub api_type: String,
    /// The method; `ANY` and nothing for every method.
    #[serde(default, deserialize_with = "or_default")]
    pub method: String,
    /// The path: a template with `{parameters}`, or with `.*` at its end.
    #[serde(default, deserialize_with = "or_default")]
    pub path: String,
    /// The policy; empty for none, which leaves the API unrestricted.
    #[serde(default, deserialize_with = "or_default")]
    pub policy_id: String,
    /// Where it stands among the APIs of the service: the lowest that covers a request wins.
    #[serde(default, deserialize_with = "or_default")]
    pub position: i64,
    /// Whether it can have a policy at all.
    #[serde(default, deserialize_with = "or_default")]
    pub can_have_policy: bool,
    /// The service.
    #[serde(default, deserialize_with = "or_default")]
    pub service_id: String,
    /// The workspace.
    #[serde(default, deserialize_with = "or_default")]
    pub server_id: String,
    /// The tenant.
    #[serde(default, deserialize_with = "or_default")]
    pub tenant_id: String,
}

/// A policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Its id.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// What people call it.
    #[serde(default, deserialize_with = "or_default")]
    pub policy_name: String,
    /// What it is written in.
    #[serde(default, deserialize_with = "or_default")]
    pub language: PolicyLanguage,
    /// `api`, `user`, `developer`, `machine`, `dcr`.
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// The validators, where it is written in them.
    #[serde(default, deserialize_with = "or_default")]
    pub validators: Vec<ValidatorConfig>,
    /// The text, where it is written in Rego.
    #[serde(default, deserialize_with = "or_default")]
    pub definition: String,
    /// The workspace.
    #[serde(default, deserialize_with = "or_default")]
    pub server_id: String,
    /// The tenant.
    #[serde(default, deserialize_with = "or_default")]
    pub tenant_id: String,
}

/// What a policy is written in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum PolicyLanguage {
    /// Validators.
    #[default]
    Cloudentity,
    /// Rego.
    Rego,
    /// Something that this release does not know.
    Other(String),
}

impl From<String> for PolicyLanguage {
    fn from(name: String) -> Self {
        match name.as_str() {
            "" | "cloudentity" => Self::Cloudentity,
            "rego" => Self::Rego,
            _ => Self::Other(name),
        }
    }
}

impl From<PolicyLanguage> for String {
    fn from(language: PolicyLanguage) -> Self {
        match language {
            PolicyLanguage::Cloudentity => "cloudentity".to_owned(),
            PolicyLanguage::Rego => "rego".to_owned(),
            PolicyLanguage::Other(name) => name,
        }
    }
}

/// A validator with its settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ValidatorConfig {
    /// Its name.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// Its settings.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Map::is_empty"
    )]
    pub conf: Map<String, Value>,
    /// What the user may do to satisfy it.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub recovery: Vec<Value>,
}

/// A service that an API group is bound to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its id.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// What people call it.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// `oauth2` and the like.
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// The gateway.
    #[serde(default, deserialize_with = "or_default")]
    pub gateway_id: String,
    /// The API group.
    #[serde(default, deserialize_with = "or_default")]
    pub api_group_id: String,
    /// What the API group is on its platform.
    #[serde(default, deserialize_with = "or_default")]
    pub api_group_metadata: ApiGroupMetadata,
    /// The audience that its tokens have, where it has one of its own.
    #[serde(default, deserialize_with = "or_default")]
    pub custom_audience: String,
    /// The workspace.
    #[serde(default, deserialize_with = "or_default")]
    pub authorization_server_id: String,
    /// The tenant.
    #[serde(default, deserialize_with = "or_default")]
    pub tenant_id: String,
}

/// What an API group is on its platform.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ApiGroupMetadata {
    /// `aws` for API Gateway.
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// The API and its stage, on AWS.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Option::is_none"
    )]
    pub aws: Option<AwsApi>,
}

/// An API of API Gateway and one of its stages.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AwsApi {
    /// The id of the API.
    #[serde(default, deserialize_with = "or_default")]
    pub api_id: String,
    /// Its name.
    #[serde(default, deserialize_with = "or_default")]
    pub api_name: String,
    /// The stage.
    #[serde(default, deserialize_with = "or_default")]
    pub stage: String,
}
