//! The function from outside: the real `bootstrap` under the Lambda runtime API, asking decision
//! services that answer as told.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test support: a surprise ends the test"
)]

mod answers;
mod authzen;
mod cached_policy;
mod cloudentity;
mod credential;
mod dialects;
mod hostile_service;
mod logging;
mod no_decision;
mod oauth_mode;
mod secret_store;
mod settings;
mod support;
mod wire;
