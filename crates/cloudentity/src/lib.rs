//! The JSON between a Cloudentity control plane and its authorizers, and what it means as a policy.
//!
//! Floor 2: no HTTP, no clock. The shapes are those of `spec/system.yaml` of `cloudentity/acp-client-go`. Members
//! that are not known are ignored, and lists that are absent or null are empty, because control planes grow.

mod configuration;
mod documents;
mod events;
mod lenient;
mod paths;

pub use configuration::{
    Api, ApiGroupMetadata, AwsApi, GatewayConfiguration, Policy, PolicyLanguage, Service,
    ValidatorConfig,
};
pub use documents::{
    ApiRef, ConvertOptions, Converted, DOCUMENT_EXTENSION, Document, PolicyProblem, Unusable,
};
pub use events::{
    ApiGroup, ApiGroups, GatewayEvent, GatewayEvents, GroupApi, SystemError, ValidationResult,
    ValidatorFailure,
};
pub use paths::path_patterns;
