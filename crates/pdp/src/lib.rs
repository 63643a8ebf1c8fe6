//! Decision points: what answers permit or deny to an enforcement point.
//!
//! Floor 3, the first that does I/O. The HTTP client and the clock stand behind small types of
//! their own, so that a test can hold them still.

pub mod authzen;
pub mod bundle;
pub mod clock;
pub mod cloudentity;
mod decision_point;
mod digest;
pub mod directory;
mod form;
pub mod http;
pub mod introspection;
pub mod keys;
pub mod local;
pub mod proofs;
mod remote;
pub mod sideband;
pub mod verified_tokens;

pub use decision_point::{
    DECISION_ID, DecisionFuture, DecisionPoint, InspectionFuture, JwksUriFuture, Unavailable,
};
pub use portcullis_engine::PolicySet;
