//! Decides with the configuration of a Cloudentity gateway, which is polled from its control plane.
//!
//! The control plane is Cloudentity's, or the decision service of this workspace.

mod authn_context;
mod compile;
mod control_plane;
mod copy;
mod fetch;
mod issuer;
mod point;

pub use authn_context::{AUTHN_CONTEXT, AUTHN_CONTEXT_REDUCED, MAX_AUTHN_CONTEXT_BYTES};
pub use compile::{CompiledConfiguration, compile_configuration};
pub use control_plane::{
    ControlPlane, ControlPlaneError, ControlPlaneSettings, FetchedConfiguration,
};
pub use copy::ConfigurationCopy;
pub use issuer::{InvalidIssuerUrl, SystemIssuer};
pub use point::{CloudentityDecision, CloudentityOptions, CloudentityPoint};
