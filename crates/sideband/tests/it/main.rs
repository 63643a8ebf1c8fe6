//! The sideband wire format, from outside: samples in the forms that known gateways and services
//! write, what must never be a permit, and properties for all input.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test support: a surprise ends the test"
)]

mod errors;
mod evasions;
mod permits;
mod properties;
mod replies;
mod requests;
mod support;
