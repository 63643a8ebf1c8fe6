//! The function with Rego from outside: the real `bootstrap-rego` under the Lambda runtime API.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test support: a surprise ends the test"
)]

mod bundle;
mod cloudentity;
mod support;
