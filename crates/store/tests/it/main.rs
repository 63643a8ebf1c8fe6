//! The store on both databases: every test body runs on SQLite and on PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "in tests a surprise is a failure"
)]

mod admin_tokens;
mod away;
mod backend;
mod cloudentity;
mod decisions;
mod deployments;
mod drafts;
mod gateways;
mod interrupted;
mod open;
mod values;
mod watch;
