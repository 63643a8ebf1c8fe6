//! The Lambda authorizer: settings from the environment, wiring, and the way of one event through
//! the floors below. It decides nothing.
//!
//! Floor 4. The binary `bootstrap` is a thin `main` on top of this library, and so is `bootstrap-rego` of the crate
//! `authorizer-rego`: they differ in the [`Languages`] that policies may be written in.

mod authorizer;
mod authzen;
mod cloudentity;
mod credential;
mod environment;
mod languages;
mod local_policy;
mod log;
mod metrics;
mod run;
mod secret;
mod settings;
mod sideband;

pub use authorizer::{Authorizer, Failure};
pub use cloudentity::{AnalyticsSettings, CloudentitySource, DiscoverySettings};
pub use environment::Environment;
pub use languages::Languages;
pub use local_policy::LocalPolicy;
pub use log::start_log;
pub use metrics::{Metrics, Observation};
pub use run::run;
pub use settings::{
    AuthzenSource, DecisionPointSettings, InvalidSetting, LogLevel, OnUnavailable, Secret,
    Settings, SidebandSource,
};
