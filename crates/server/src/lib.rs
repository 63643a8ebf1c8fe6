//! The decision service: answers sideband calls with the engine's decision on a policy directory.
//!
//! Floor 4. Handlers translate between HTTP and the floors below; nothing here decides.

mod app;
mod credentials;
mod error;
mod health;
mod listener;
mod reload;
mod sideband;
mod state;

pub use app::{AppState, MAX_BODY_BYTES, router};
pub use credentials::{GatewayCredentials, InvalidCredentials};
pub use health::Readiness;
pub use listener::{DRAIN_TIME, serve};
pub use reload::{RELOAD_INTERVAL, watch};
pub use state::{MIN_STATE_KEY_BYTES, StateKey};
