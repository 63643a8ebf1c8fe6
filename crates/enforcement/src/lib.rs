//! What enforcement points share, whether they stand in front of API Gateway or of CloudFront: settings, secrets that are
//! kept elsewhere, and the way from a request to a decision. It knows no events and no answers.
//!
//! Floor 4.

mod authzen;
mod cloudentity;
mod credential;
mod decider;
mod environment;
mod invalid_setting;
mod languages;
mod local_policy;
mod metrics;
mod reader;
mod secret;
mod settings;
mod sideband;
pub mod sigv4;
mod variables;

pub use authzen::Authzen;
pub use cloudentity::{CloudentitySource, cloudentity_point, go_flag};
pub use decider::{Decider, Platform, StartError, screened, within};
pub use environment::{Environment, ReadFile};
pub use invalid_setting::InvalidSetting;
pub use languages::Languages;
pub use local_policy::{LocalPolicy, UnusableBundle};
pub use metrics::{Metrics, Observation};
pub use reader::{SettingReader, duration, shown};
pub use secret::{SecretError, SecretFuture, SecretKind, SecretStore};
pub use settings::{
    AuthzenSource, DecisionPointSettings, LogLevel, OnUnavailable, Secret, Settings, SidebandSource,
};
pub use sideband::Sideband;
pub use variables::{Topic, Unset, VARIABLES, Values, Variable};
