//! What tests and benchmarks share. Nothing that ships depends on it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test support: a surprise ends the test"
)]
#![expect(
    clippy::missing_panics_doc,
    reason = "test support: a surprise ends the test"
)]

pub mod http;
pub mod issuer;
pub mod lambda;
pub mod postgres;
