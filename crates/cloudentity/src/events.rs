//! What an authorizer tells its control plane: the APIs that it found, and what it decided.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::configuration::ApiGroupMetadata;
use crate::lenient::or_default;

/// `POST /gateways/configuration`: every API group that was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ApiGroups {
    /// The groups.
    #[serde(default, deserialize_with = "or_default")]
    pub api_groups: Vec<ApiGroup>,
}

/// An API of API Gateway on one stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ApiGroup {
    /// Its id, the same every time.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// What people call it.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// What it is on its platform.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: ApiGroupMetadata,
    /// Its methods and paths.
    #[serde(default, deserialize_with = "or_default")]
    pub apis: Vec<GroupApi>,
}

/// A method and a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupApi {
    /// `rest`.
    #[serde(default, deserialize_with = "or_default")]
    pub api_type: String,
    /// The method, or `ANY`.
    #[serde(default, deserialize_with = "or_default")]
    pub method: String,
    /// The path template of the resource.
    #[serde(default, deserialize_with = "or_default")]
    pub path: String,
}

/// `POST /gateways/requests`: a batch of decisions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GatewayEvents {
    /// The decisions.
    #[serde(default, deserialize_with = "or_default")]
    pub events: Vec<GatewayEvent>,
}

/// One decision.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GatewayEvent {
    /// The API that covered the request; empty where none did.
    #[serde(default, deserialize_with = "or_default")]
    pub api_id: String,
    /// How long the decision took, in milliseconds.
    #[serde(default, deserialize_with = "or_default")]
    pub duration_ms: u64,
    /// The access token, or `sha256:` and its digest in base64url.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub token: String,
    /// What the policy said.
    #[serde(default, deserialize_with = "or_default")]
    pub result: ValidationResult,
    /// What the policy said beside.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Map::is_empty"
    )]
    pub output: Map<String, Value>,
    /// The `User-Agent` of the request.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub user_agent: String,
    /// Its `X-Forwarded-For`.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub x_forwarded_for: String,
    /// Its `X-Real-Ip`.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub x_real_ip: String,
}

/// Not the token.
impl std::fmt::Debug for GatewayEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayEvent")
            .field("api_id", &self.api_id)
            .field("result", &self.result.result)
            .finish_non_exhaustive()
    }
}

/// What a policy said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ValidationResult {
    /// `AUTHORIZED` or `UNAUTHORIZED`.
    #[serde(default, deserialize_with = "or_default")]
    pub result: String,
    /// What failed.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub failure: Vec<ValidatorFailure>,
}

/// One thing that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorFailure {
    /// The validator, or the reason code of the decision.
    #[serde(default, deserialize_with = "or_default")]
    pub validator: String,
    /// Why, for people.
    #[serde(default, deserialize_with = "or_default")]
    pub message: String,
    /// More of it.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub details: String,
}

/// Every error of the control plane.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemError {
    /// What is wrong, for people.
    #[serde(default, deserialize_with = "or_default")]
    pub error: String,
    /// What is wrong, for programs.
    #[serde(default, deserialize_with = "or_default")]
    pub error_code: String,
    /// The status.
    #[serde(default, deserialize_with = "or_default")]
    pub status_code: u16,
    /// More of it.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Map::is_empty"
    )]
    pub details: Map<String, Value>,
}
