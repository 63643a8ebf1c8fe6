//! The decision service: answers sideband calls with the engine's decision on a policy directory.
//!
//! Floor 4. Handlers translate between HTTP and the floors below; nothing here decides.

mod admin;
mod app;
mod authzen;
mod call;
mod cloudentity;
mod counted;
mod credentials;
mod decisions;
mod deployments;
mod error;
mod health;
mod impatient;
mod listener;
mod management;
mod metrics;
mod operations;
mod pressure;
mod reload;
mod revision;
mod secret;
mod sideband;
mod state;
mod stopping;
mod stored_credentials;
mod tls;
mod traces;

pub use admin::{Administration, MIN_ADMIN_TOKEN_BYTES};
pub use app::{AppState, MAX_BODY_BYTES, router};
pub use cloudentity::{ControlPlane, SystemIssuer};
pub use counted::{CountedDecisions, CountedFetch};
pub use credentials::{GatewayCredentials, InvalidCredentials, MIN_UNGUESSABLE_BYTES};
pub use decisions::{
    DEFAULT_DECISIONS_KEPT, DEFAULT_DECISIONS_RETENTION_HOURS, DecisionSettings, DecisionWriter,
    Decisions, InvalidRecordedHeader, LARGEST_DECISIONS_KEPT, LONGEST_DECISIONS_RETENTION_HOURS,
    RecordedHeaders,
};
pub use deployments::Deployments;
pub use health::Readiness;
pub use listener::{DRAIN_TIME, Limits, Serving, serve};
pub use management::{Import, InvalidExport, Management, Names, import, openapi};
pub use metrics::{Loaded, Metrics, metrics_router};
pub use operations::Operations;
pub use pressure::{DEFAULT_MAX_REQUESTS, LARGEST_MAX_REQUESTS};
pub use reload::{RELOAD_INTERVAL, watch};
pub use secret::{Secret, SecretKind};
pub use state::{MIN_STATE_KEY_BYTES, StateKey};
pub use stopping::{DEFAULT_DRAIN_DELAY, StopSignal, Stopper, Stopping};
pub use stored_credentials::StoredCredentials;
pub use tls::{InvalidTls, TLS_RELOAD_INTERVAL, TlsIdentity};
pub use traces::{InvalidTraces, TraceSettings, Traces};
