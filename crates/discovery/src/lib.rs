//! What APIs an AWS account has, who authorizes each of their routes, and how they are bound to an authorizer
//! and freed again.
//!
//! Floor 3. One value leads to the next: [`read_account`] asks AWS through [`AwsApis`] and gives an [`Account`];
//! [`plan`] and [`plan_unbinding`] compare it with what is wanted and give a [`Plan`], and [`doctor`] gives
//! [`Finding`]s, all without asking anybody; [`apply`] carries a plan out and keeps [`BindingState`], so that what
//! was there before can be put back. Everything but the readers of AWS (`sdk`, a feature) and the state file is
//! free of I/O.

mod account;
mod apis;
mod apply;
mod arn;
mod doctor;
mod permission;
mod plan;
mod policy_view;
mod read;
mod selection;
mod state;
mod state_file;
mod target;
mod unbind;

#[cfg(feature = "sdk")]
mod pace;
#[cfg(feature = "sdk")]
mod sdk;

pub use account::{
    Account, Api, Authorization, AuthorizationKind, Authorizer, AuthorizerKind, Deployed, Protocol,
    Route, RouteRef, Stage,
};
pub use apis::{Answer, ApiHead, AwsApis, AwsError, Identity, Page};
pub use apply::{ApplyError, apply};
pub use arn::{FunctionArn, InvalidArn};
pub use doctor::{Finding, FindingCode, Severity, doctor};
pub use permission::{FunctionView, InvokePermission};
pub use plan::{ApiPlan, Change, Plan, plan};
pub use policy_view::PolicyView;
pub use read::{MAX_APIS, Progress, ReadError, read_account, read_function};
pub use selection::{Include, Selection};
pub use state::{ApiBinding, BindingState, RouteBinding, StateMismatch};
pub use state_file::{StateFile, StateFileError, StateLock};
pub use target::{AuthorizerSpec, InvalidTarget, RestAuthorizerType, Target};
pub use unbind::plan_unbinding;

#[cfg(feature = "sdk")]
pub use sdk::{ConnectError, Connection, SdkApis};
