//! One binary for all integration tests: outside vectors, every refusal, known attacks, properties.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed, in its helpers too"
)]

mod algorithms;
mod attacks;
mod header;
mod issuer;
mod key_set;
mod keys;
mod okta;
mod properties;
mod redaction;
mod rfc;
mod vectors;
mod wycheproof;
