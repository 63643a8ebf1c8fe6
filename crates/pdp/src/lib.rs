//! Decision points: what answers permit or deny to an enforcement point.
//!
//! Floor 3, the first that does I/O. HTTP and the clock stand behind traits, so that a test can hold
//! them still, and so that the floor also runs in WebAssembly, where the host has both.

pub mod authzen;
pub mod bundle;
pub mod clock;
pub mod cloudentity;
pub mod crypto;
mod decision_point;
mod digest;
#[cfg(not(target_family = "wasm"))]
pub mod directory;
pub mod form;
pub mod http;
pub mod introspection;
pub mod keys;
pub mod local;
#[cfg(not(target_family = "wasm"))]
pub mod nonces;
pub mod proofs;
mod remote;
pub mod sideband;
#[cfg(not(target_family = "wasm"))]
mod task;
#[cfg(target_family = "wasm")]
pub mod task;
pub mod verified_tokens;

pub use decision_point::{
    DecisionFuture, DecisionPoint, InspectionFuture, JwksUriFuture, Unavailable,
};
pub use portcullis_engine::PolicySet;
