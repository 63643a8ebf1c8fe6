//! The decision points that ask others, over real sockets on loopback: connections, retries, time
//! budgets, throttling, TLS, and every answer that must not become a permit. And the keys of token
//! issuers: where they come from, how long they are used. And the attacks that are known on whoever
//! checks tokens, each by the name that it is known under (`jwt_tool`, `jwt_tool_members`,
//! `portswigger`, `replay`).
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test support: a surprise ends the test"
)]

mod answers;
mod attack;
mod authzen;
mod cloudentity;
mod cloudentity_faults;
mod control_plane;
mod discovery;
mod fake_clock;
mod fake_web;
mod freshness;
mod hostile_service;
mod http_client;
mod introspection;
mod jwt_tool;
mod jwt_tool_members;
mod key_endpoints;
mod local;
mod logging;
mod misbehaving_issuer;
mod portswigger;
mod replay;
mod retries;
mod service;
mod support;
mod throttling;
mod tls;
