//! The Lambda authorizer: settings from the environment, wiring, and the way of one event through
//! the floors below. It decides nothing.
//!
//! Floor 5. The binary `bootstrap` is a thin `main` on top of this library, and so is `bootstrap-rego` of the crate
//! `authorizer-rego`: they differ in the [`Languages`] that policies may be written in.

mod authorizer;
mod cloudentity;
mod log;
mod run;
mod secrets_extension;
mod settings;
mod variables;

pub use authorizer::{Authorizer, Failure};
pub use cloudentity::{AnalyticsSettings, CloudentityExtras, DiscoverySettings};
pub use log::start_log;
pub use portcullis_enforcement::{
    AuthzenSource, DecisionPointSettings, Environment, InvalidSetting, Languages, LocalPolicy,
    LogLevel, OnUnavailable, Secret, SidebandSource,
};
pub use run::run;
pub use settings::Settings;
pub use variables::VARIABLES;
