//! The store on both databases: every test body runs on SQLite and on PostgreSQL.

mod admin_tokens;
mod away;
mod backend;
mod deployments;
mod drafts;
mod gateways;
mod interrupted;
mod open;
mod values;
mod watch;
