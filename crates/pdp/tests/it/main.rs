//! The decision points that ask others, over real sockets on loopback: connections, retries, time
//! budgets, throttling, TLS, and every answer that must not become a permit.
#![expect(clippy::unwrap_used, reason = "test support: a surprise ends the test")]

mod answers;
mod fake_clock;
mod http_client;
mod logging;
mod retries;
mod service;
mod support;
mod throttling;
mod tls;
