//! What was there before APIs were bound, and what a binding made: what it takes to undo one, and to finish one
//! that was interrupted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::account::{
    Account, Authorization, AuthorizationKind, Deployed, Protocol, RouteRef, Stage,
};

/// The format that this program writes.
const VERSION: u32 = 1;

/// Every binding of one account and region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindingState {
    /// The format of the file.
    version: u32,
    /// Twelve digits.
    account: String,
    /// Such as `eu-central-1`.
    region: String,
    /// What was bound, by the id of the API.
    pub apis: BTreeMap<String, ApiBinding>,
}

/// One API that was bound, in whole or in part. What it takes to undo a step is written before the step, so what is
/// recorded may not have come about, and nothing has come about that could not be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiBinding {
    /// Its name at the time, for people.
    pub name: String,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// ARN of the function that it was bound to.
    pub function: String,
    /// Name of the authorizer.
    pub authorizer_name: String,
    /// Id of the authorizer; none before it is known.
    pub authorizer: Option<String>,
    /// Whether the authorizer was made by a binding.
    pub authorizer_created: bool,
    /// Id of the statement that was added to the function's policy.
    pub permission: Option<String>,
    /// Whether the API was tagged.
    pub tagged: bool,
    /// The routes, by method and path.
    pub routes: BTreeMap<String, RouteBinding>,
    /// Stages that do not serve yet what was changed.
    pub undeployed: BTreeSet<String>,
}

/// One route that was bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteBinding {
    /// How AWS names it.
    pub reference: RouteRef,
    /// Who authorized it before.
    pub before: Authorization,
}

/// What a stage is asked to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The routes with the authorizer.
    Bound,
    /// What was there before.
    Before,
}

impl ApiBinding {
    /// Whether AWS tells that a stage serves every route as wanted, whoever deployed it. It never does where another
    /// Lambda authorizer was replaced, as it does not tell which one is deployed.
    pub(crate) fn is_served(&self, stage: &Stage, wanted: Wanted) -> bool {
        let Deployed::Routes(served) = &stage.deployed else {
            return false;
        };
        self.routes.iter().all(|(key, route)| {
            let before = route.before.kind;
            let kind = match wanted {
                Wanted::Bound => AuthorizationKind::Custom,
                Wanted::Before => before,
            };
            before != AuthorizationKind::Custom && served.get(key) == Some(&Some(kind))
        })
    }
}

impl BindingState {
    /// No bindings.
    #[must_use]
    pub fn new(account: &Account) -> Self {
        Self {
            version: VERSION,
            account: account.id.clone(),
            region: account.region.clone(),
            apis: BTreeMap::new(),
        }
    }

    /// Whether it was written for that account and region, in a format that this program knows.
    pub fn check(&self, account: &Account) -> Result<(), StateMismatch> {
        if self.version != VERSION {
            return Err(StateMismatch::Version(self.version));
        }
        if (&self.account, &self.region) != (&account.id, &account.region) {
            return Err(StateMismatch::Elsewhere {
                recorded: format!("{} in {}", self.account, self.region),
                here: format!("{} in {}", account.id, account.region),
            });
        }
        Ok(())
    }
}

/// A state that is not about this account.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StateMismatch {
    /// Another program wrote it.
    #[error(
        "the state file has version {0}, this program knows version 1: use the program that wrote it"
    )]
    Version(u32),
    /// Another account or region.
    #[error(
        "the state file is about account {recorded}, and you are in {here}: give another --state file, or other credentials"
    )]
    Elsewhere {
        /// What it is about.
        recorded: String,
        /// Where the caller is.
        here: String,
    },
}
