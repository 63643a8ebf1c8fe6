//! The engine from outside: policy directories in, decisions out.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test support: a surprise ends the test"
)]

mod custom_policies;
mod decisions;
mod diagnostics;
mod hostile;
mod issuer;
mod optional_token;
mod policy_limits;
mod precedence;
mod sender;
mod statements;
