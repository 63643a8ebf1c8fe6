//! What binding would change, exactly and in order, before anything is changed.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::account::{
    Account, Api, Authorization, AuthorizationKind, Deployed, Protocol, Route, RouteRef, Stage,
};
use crate::arn::FunctionArn;
use crate::selection::{Include, Selection};
use crate::state::{ApiBinding, BindingState, Wanted};
use crate::target::{AuthorizerSpec, Target};

/// The tag of an API that is bound; its value is the name of the authorizer.
pub(crate) const TAG: &str = "portcullis:bound";

/// Changes, API by API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The account that it was made for.
    pub account: String,
    /// The region.
    pub region: String,
    /// The APIs, also those that nothing is changed of.
    pub apis: Vec<ApiPlan>,
}

impl Plan {
    /// How many changes there are.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.apis.iter().map(|api| api.changes.len()).sum()
    }

    /// Whether an API cannot be changed as asked.
    #[must_use]
    pub fn has_conflict(&self) -> bool {
        self.apis.iter().any(|api| api.conflict.is_some())
    }
}

/// What is changed of one API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiPlan {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// The function that it is bound to, or was.
    pub function: FunctionArn,
    /// The name of the authorizer.
    pub authorizer_name: String,
    /// Its id, where there is one.
    pub authorizer: Option<String>,
    /// In the order in which they are carried out.
    pub changes: Vec<Change>,
    /// Routes that are bound already.
    pub bound: Vec<String>,
    /// Routes that are left alone, with the reason.
    pub skipped: Vec<(String, String)>,
    /// What whoever reads the plan should know.
    pub notes: Vec<String>,
    /// Why nothing is changed although it was asked for.
    pub conflict: Option<String>,
    /// Stages that a change of a route does not reach before they are deployed.
    pub manual_stages: BTreeSet<String>,
}

/// One step. Carrying one out twice does the same as once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Makes the authorizer.
    CreateAuthorizer {
        /// How it is set up.
        spec: AuthorizerSpec,
    },
    /// Lets the authorizer, and nothing else, invoke the function.
    AddPermission,
    /// Puts the authorizer in front of a route.
    Bind {
        /// Method and path.
        route: String,
        /// How AWS names it.
        reference: RouteRef,
        /// Who authorizes it now.
        before: Authorization,
    },
    /// Puts back what was there before.
    Restore {
        /// Method and path.
        route: String,
        /// How AWS names it.
        reference: RouteRef,
        /// Who authorizes it now.
        from: Authorization,
        /// Who did before.
        to: Authorization,
    },
    /// Tags the API.
    Tag,
    /// Makes a stage serve the draft.
    Deploy {
        /// The stage.
        stage: String,
        /// What else goes live with it.
        also: Vec<String>,
    },
    /// Takes the tag away.
    Untag,
    /// Removes the authorizer.
    DeleteAuthorizer {
        /// Its id.
        id: String,
    },
    /// Takes a permission away.
    RemovePermission {
        /// Its statement id.
        statement: String,
    },
    /// Forgets what was recorded, as everything is as it was.
    Forget,
}

impl Change {
    /// What it does, for people.
    #[must_use]
    pub fn sentence(&self, api: &ApiPlan) -> String {
        let name = &api.authorizer_name;
        match self {
            Self::CreateAuthorizer { spec } => {
                let sources = spec.identity_sources(api.protocol);
                let sources = match sources.as_slice() {
                    [] => "no identity source".to_owned(),
                    list => format!("identity source {}", list.join(", ")),
                };
                let cache = match (api.protocol, spec.ttl) {
                    (Protocol::WebSocket, _) => String::new(),
                    (_, 0) => ", no cache".to_owned(),
                    (_, ttl) => format!(", cached for {ttl} s"),
                };
                format!(
                    "create authorizer {name}: {}, {sources}{cache}",
                    api.function
                )
            }
            Self::AddPermission => format!(
                "let authorizer {name} of this API, and nothing else, invoke {}",
                api.function.name()
            ),
            Self::Bind { route, before, .. } => match before.kind {
                AuthorizationKind::None => format!("authorize {route} by {name}"),
                kind => format!("authorize {route} by {name} instead of {kind}"),
            },
            Self::Restore { route, to, .. } => match to.kind {
                AuthorizationKind::None => format!("leave {route} open, as it was"),
                kind => format!("authorize {route} by {kind}, as it was"),
            },
            Self::Tag => format!("tag the API {TAG} = {name}"),
            Self::Untag => format!("remove the tag {TAG}"),
            Self::Deploy { stage, also } if also.is_empty() => format!("deploy stage {stage}"),
            Self::Deploy { stage, also } => {
                format!("deploy stage {stage}, and with it: {}", also.join("; "))
            }
            Self::DeleteAuthorizer { id } => format!("delete authorizer {name} ({id})"),
            Self::RemovePermission { statement } => format!(
                "take permission {statement} away from {}",
                api.function.name()
            ),
            Self::Forget => "forget what was recorded of this API".to_owned(),
        }
    }
}

/// Plans to bind the selected APIs of an account. `state` is what earlier bindings recorded. Deployments are
/// planned where `deploy` says so; otherwise the notes say what is not live.
#[must_use]
pub fn plan(
    account: &Account,
    selection: &Selection,
    include: Include,
    target: &Target,
    deploy: bool,
    state: &BindingState,
) -> Plan {
    let wanted = account.apis.iter().filter(|api| selection.takes_api(api));
    let question = Question {
        account,
        selection,
        include,
        target,
        deploy,
        state,
    };
    Plan {
        account: account.id.clone(),
        region: account.region.clone(),
        apis: wanted.map(|api| question.of_api(api)).collect(),
    }
}

struct Question<'a> {
    account: &'a Account,
    selection: &'a Selection,
    include: Include,
    target: &'a Target,
    deploy: bool,
    state: &'a BindingState,
}

impl Question<'_> {
    fn of_api(&self, api: &Api) -> ApiPlan {
        let name = &self.target.authorizer().name;
        let existing = api.authorizers.iter().find(|one| one.name == *name);
        let mut plan = ApiPlan {
            id: api.id.clone(),
            name: api.name.clone(),
            protocol: api.protocol,
            function: self.target.function().clone(),
            authorizer_name: name.clone(),
            authorizer: existing.map(|one| one.id.clone()),
            changes: Vec::new(),
            bound: Vec::new(),
            skipped: Vec::new(),
            notes: Vec::new(),
            conflict: self.conflict(api),
            manual_stages: manual_stages(api),
        };
        let mut wanted = Vec::new();
        for route in &api.routes {
            if plan.authorizer.is_some() && route.authorization.authorizer == plan.authorizer {
                plan.bound.push(route.key());
                continue;
            }
            let by = api.authorizer_of(route).map(|one| one.name.as_str());
            match self.include.skips(route, api.protocol, by) {
                Some(why) => plan.skipped.push((route.key(), why)),
                None => wanted.push(route),
            }
        }
        if plan.conflict.is_some() || (wanted.is_empty() && plan.bound.is_empty()) {
            return plan;
        }
        self.steps(api, &wanted, &mut plan);
        notes(api, &wanted, &mut plan);
        plan
    }

    fn conflict(&self, api: &Api) -> Option<String> {
        let spec = self.target.authorizer();
        let name = &spec.name;
        if let Some(binding) = self.state.apis.get(&api.id)
            && (binding.function != self.target.function().as_str()
                || binding.authorizer_name != *name)
        {
            return Some(format!(
                "it is bound to {} by authorizer {}: unbind it first",
                binding.function, binding.authorizer_name
            ));
        }
        if !self.account.functions.contains_key(self.target.function()) {
            return Some(format!("there is no function {}", self.target.function()));
        }
        let existing = api.authorizers.iter().find(|one| one.name == *name)?;
        if existing.function.as_ref() != Some(self.target.function()) {
            let other = existing.function.as_ref().map(FunctionArn::as_str);
            return Some(format!(
                "its authorizer {name} calls {}: choose another --authorizer-name",
                other.unwrap_or("no function")
            ));
        }
        if existing.has_role {
            return Some(format!(
                "its authorizer {name} calls the function with a role of its own: choose another --authorizer-name"
            ));
        }
        let differences = spec.differences(existing, api.protocol);
        (!differences.is_empty()).then(|| {
            format!(
                "its authorizer {name} is set up otherwise: {}. Give the options that it was made with, change it, \
                 or choose another --authorizer-name",
                differences.join("; ")
            )
        })
    }

    fn steps(&self, api: &Api, wanted: &[&Route], plan: &mut ApiPlan) {
        let spec = self.target.authorizer();
        if plan.authorizer.is_none() {
            let spec = spec.clone();
            plan.changes.push(Change::CreateAuthorizer { spec });
        }
        // A permission that covers whatever id the new authorizer gets is one for all of the API's.
        let id = plan.authorizer.as_deref().unwrap_or("NEW");
        let source = self.account.authorizer_arn(&api.id, id);
        let view = self.account.functions.get(self.target.function());
        let permitted =
            view.is_some_and(|view| view.permissions.iter().any(|one| one.covers(&source)));
        if !permitted {
            plan.changes.push(Change::AddPermission);
        }
        plan.changes.extend(wanted.iter().map(|route| Change::Bind {
            route: route.key(),
            reference: route.reference.clone(),
            before: route.authorization.clone(),
        }));
        let recorded = self.state.apis.get(&api.id);
        // What was tagged stays so, also where the list of APIs does not show it yet.
        let tagged =
            api.tags.get(TAG) == Some(&spec.name) || recorded.is_some_and(|one| one.tagged);
        if !tagged && (recorded.is_some() || !wanted.is_empty()) {
            plan.changes.push(Change::Tag);
        }
        let ours: BTreeSet<_> = plan.bound.iter().cloned().collect();
        let ours: BTreeSet<_> = ours
            .into_iter()
            .chain(wanted.iter().map(|route| route.key()))
            .collect();
        for stage in api
            .stages
            .iter()
            .filter(|one| self.selection.takes_stage(&one.name))
        {
            let lags = lags(stage, &plan.bound);
            self.stage(
                api,
                stage,
                recorded,
                &ours,
                !wanted.is_empty() || lags,
                plan,
            );
        }
    }

    fn stage(
        &self,
        api: &Api,
        stage: &Stage,
        recorded: Option<&ApiBinding>,
        ours: &BTreeSet<String>,
        changed: bool,
        plan: &mut ApiPlan,
    ) {
        let pending = recorded.is_some_and(|one| {
            one.undeployed.contains(&stage.name) && !one.is_served(stage, Wanted::Bound)
        });
        if !changed && !pending {
            return;
        }
        let name = &stage.name;
        if stage.auto_deploy {
            let note = format!("stage {name} deploys by itself: the routes are authorized at once");
            plan.notes.push(note);
        } else if stage.deployed == Deployed::Nothing && self.selection.stages.is_empty() {
            plan.notes.push(format!(
                "nothing is deployed to stage {name}, and it stays so (--stage {name} --deploy deploys it)"
            ));
        } else if self.deploy {
            let stage = name.clone();
            let also = also(api, name, ours);
            plan.changes.push(Change::Deploy { stage, also });
        } else {
            plan.notes.push(format!(
                "stage {name} serves what was deployed before, unauthorized, until it is deployed (--deploy)"
            ));
        }
    }
}

/// The stages that serve what was deployed to them, not the draft.
pub(crate) fn manual_stages(api: &Api) -> BTreeSet<String> {
    let manual = api
        .stages
        .iter()
        .filter(|stage| !stage.auto_deploy && stage.deployed != Deployed::Nothing);
    manual.map(|stage| stage.name.clone()).collect()
}

/// Whether a stage is known to serve one of these routes without a Lambda authorizer.
fn lags(stage: &Stage, bound: &[String]) -> bool {
    let Deployed::Routes(deployed) = &stage.deployed else {
        return false;
    };
    bound.iter().any(|key| match deployed.get(key) {
        Some(Some(kind)) => *kind != AuthorizationKind::Custom,
        // One that AWS does not tell the kind of may be right.
        Some(None) => false,
        None => true,
    })
}

/// What a deployment brings along that is not part of the plan: somebody else's changes.
pub(crate) fn also(api: &Api, stage: &str, ours: &BTreeSet<String>) -> Vec<String> {
    let stage = api.stages.iter().find(|one| one.name == stage);
    let Some(stage) = stage else {
        return Vec::new();
    };
    match api.undeployed(stage) {
        None => vec!["whatever else was changed since its last deployment".to_owned()],
        Some(all) => all
            .into_iter()
            .filter(|change| {
                !ours.iter().any(|key| {
                    change.strip_prefix(key.as_str()).is_some_and(|rest| {
                        rest.starts_with(" changes") || rest.starts_with(" is new")
                    })
                })
            })
            .collect(),
    }
}

fn notes(api: &Api, wanted: &[&Route], plan: &mut ApiPlan) {
    if wanted.is_empty() {
        return;
    }
    if let Some(stack) = api.stack() {
        plan.notes.push(format!(
            "CloudFormation stack {stack} made this API and may undo the binding: better change its template"
        ));
    }
    if api.stages.is_empty() {
        plan.notes
            .push("it has no stage, so nobody can call it yet".to_owned());
    }
    let any: Vec<_> = wanted
        .iter()
        .filter(|route| route.method == "ANY")
        .collect();
    if api.protocol == Protocol::Rest && !any.is_empty() {
        let keys: Vec<_> = any.iter().map(|route| route.key()).collect();
        plan.notes.push(format!(
            "{} also takes OPTIONS, which browsers send without credentials: give those resources an OPTIONS method \
             if browsers call them from other origins",
            keys.join(", ")
        ));
    }
    let elsewhere = api.authorizers.iter().find(|one| {
        one.function.as_ref() == Some(&plan.function) && one.name != plan.authorizer_name
    });
    if let Some(other) = elsewhere {
        plan.notes.push(format!(
            "its authorizer {} calls the same function (--authorizer-name {} uses it)",
            other.name, other.name
        ));
    }
}
