//! The storage of the decision service, on SQLite or PostgreSQL: drafts of the policy that people edit, the
//! deployments made of them, the credentials of gateways, the tokens of administrators, and recent decisions.
//!
//! Ids, times and digests of secrets are arguments: nothing here reads the clock or makes randomness, and no
//! secret is ever stored, only its SHA-256. Every statement is a constant with bound values.

mod admin_token;
mod change;
mod cloudentity;
mod decision;
mod deployment;
mod draft;
mod error;
mod gateway;
mod migrations;
mod options;
mod secret;
mod store;
mod url;
mod values;
mod watch;

pub use admin_token::{AdminRole, AdminToken, MAX_ADMIN_TOKENS, NewAdminToken};
pub use change::{ApiGroup, Change, MAX_API_GROUPS, Moment, Workspace};
pub use cloudentity::{CloudentityGateway, GatewaySettings, NewCloudentityGateway};
pub use decision::{
    DecisionAbout, DecisionFilter, MAX_DECISION_BATCH, MAX_DECISION_BYTES, MAX_DECISION_PAGE,
    NewDecision, StoredDecision,
};
pub use deployment::{
    Deployment, DeploymentSummary, MAX_NOTE_BYTES, MAX_SOURCES, MAX_SOURCES_BYTES, NewDeployment,
    NewRollback, Source,
};
pub use draft::{
    Draft, DraftChange, DraftKind, MAX_BODY_BYTES, MAX_BODY_DEPTH, MAX_DRAFTS, MAX_DRAFTS_BYTES,
    NewDraft, Within,
};
pub use error::StoreError;
pub use gateway::{
    FoundCredential, Gateway, GatewayCredential, MAX_GATEWAYS, MAX_LIVE_CREDENTIALS,
    NewGatewayCredential,
};
pub use options::Options;
pub use secret::{MAX_USES, Standing};
pub use store::{MAX_PAGE, Store};
pub use values::{Id, InvalidValue, Name, Sha256, UnixMillis};
pub use watch::DeploymentWatch;
