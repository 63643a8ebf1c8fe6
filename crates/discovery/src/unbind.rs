//! What it takes to put back what was there before APIs were bound.

use std::collections::BTreeSet;

use crate::account::{Account, Api, Deployed};
use crate::arn::FunctionArn;
use crate::plan::{ApiPlan, Change, Plan, TAG, also, manual_stages};
use crate::selection::Selection;
use crate::state::{ApiBinding, BindingState, Wanted};

/// Plans to free the selected APIs. A route that something else authorizes by now is left as it is; an authorizer
/// and its permission stay for as long as a stage may still serve a route with them.
#[must_use]
pub fn plan_unbinding(
    account: &Account,
    selection: &Selection,
    deploy: bool,
    state: &BindingState,
) -> Plan {
    let planned = state.apis.iter().filter_map(|(id, binding)| {
        let Ok(function) = FunctionArn::parse(&binding.function) else {
            return None;
        };
        let mut plan = ApiPlan {
            id: id.clone(),
            name: binding.name.clone(),
            protocol: binding.protocol,
            function,
            authorizer_name: binding.authorizer_name.clone(),
            authorizer: binding.authorizer.clone(),
            changes: Vec::new(),
            bound: Vec::new(),
            skipped: Vec::new(),
            notes: Vec::new(),
            conflict: None,
            manual_stages: BTreeSet::new(),
        };
        match account.api(id) {
            Some(api) if selection.takes_api(api) => {
                Unbinding {
                    selection,
                    deploy,
                    binding,
                }
                .of_api(api, &mut plan);
                Some(plan)
            }
            // It was not read because it was not meant.
            Some(_) => None,
            None if selection.is_narrow() && !selection.ids.contains(id) => None,
            None => {
                plan.notes.push("the API is gone".to_owned());
                forget(binding, &mut plan);
                Some(plan)
            }
        }
    });
    Plan {
        account: account.id.clone(),
        region: account.region.clone(),
        apis: planned.collect(),
    }
}

struct Unbinding<'a> {
    selection: &'a Selection,
    deploy: bool,
    binding: &'a ApiBinding,
}

impl Unbinding<'_> {
    fn of_api(&self, api: &Api, plan: &mut ApiPlan) {
        plan.manual_stages = manual_stages(api);
        let made = api.authorizers.iter().find(|one| {
            Some(&one.id) == self.binding.authorizer.as_ref()
                || (self.binding.authorizer.is_none()
                    && one.name == plan.authorizer_name
                    && one.function.as_ref() == Some(&plan.function))
        });
        plan.authorizer = made.map(|one| one.id.clone());
        let freed = self.restore(api, plan);
        let in_use: Vec<_> = api
            .routes
            .iter()
            .filter(|route| {
                plan.authorizer.is_some()
                    && route.authorization.authorizer == plan.authorizer
                    && !freed.contains(&route.key())
            })
            .map(crate::Route::key)
            .collect();
        let all_live = self.stages(api, &freed, plan);
        if in_use.is_empty() && all_live {
            if self.binding.tagged || api.tags.contains_key(TAG) {
                plan.changes.push(Change::Untag);
            }
            if let Some(id) = plan
                .authorizer
                .clone()
                .filter(|_| self.binding.authorizer_created)
            {
                plan.changes.push(Change::DeleteAuthorizer { id });
            }
            forget(self.binding, plan);
        } else if !in_use.is_empty() {
            plan.notes.push(format!(
                "authorizer {} stays: it authorizes {}",
                plan.authorizer_name,
                in_use.join(", ")
            ));
        }
    }

    /// Plans what is put back, and answers with the routes.
    fn restore(&self, api: &Api, plan: &mut ApiPlan) -> BTreeSet<String> {
        let mut freed = BTreeSet::new();
        for (key, recorded) in &self.binding.routes {
            let found = api
                .routes
                .iter()
                .find(|one| one.reference == recorded.reference);
            let Some(route) = found else {
                plan.skipped.push((key.clone(), "it is gone".to_owned()));
                continue;
            };
            let now = &route.authorization;
            if *now == recorded.before {
                continue;
            }
            if plan.authorizer.is_none() || now.authorizer != plan.authorizer {
                let why = format!("{} was put in front of it since", now.kind);
                plan.skipped.push((key.clone(), why));
                continue;
            }
            let gone = recorded
                .before
                .authorizer
                .as_deref()
                .filter(|id| api.authorizer(id).is_none());
            if let Some(id) = gone {
                plan.skipped.push((
                    key.clone(),
                    format!("authorizer {id}, which was there before, is gone: it stays bound instead of open"),
                ));
                continue;
            }
            freed.insert(key.clone());
            plan.changes.push(Change::Restore {
                route: route.key(),
                reference: route.reference.clone(),
                from: now.clone(),
                to: recorded.before.clone(),
            });
        }
        freed
    }

    /// Plans deployments, and answers whether no stage serves the authorizer any longer after them.
    fn stages(&self, api: &Api, freed: &BTreeSet<String>, plan: &mut ApiPlan) -> bool {
        let mut all_live = true;
        for stage in &api.stages {
            let pending = self.binding.undeployed.contains(&stage.name);
            let changed = !freed.is_empty() || pending;
            let needs_none = stage.auto_deploy || stage.deployed == Deployed::Nothing;
            if needs_none || !changed || self.binding.is_served(stage, Wanted::Before) {
                continue;
            }
            if self.deploy && self.selection.takes_stage(&stage.name) {
                let ours = self.binding.routes.keys().cloned().collect();
                plan.changes.push(Change::Deploy {
                    stage: stage.name.clone(),
                    also: also(api, &stage.name, &ours),
                });
            } else {
                all_live = false;
                plan.notes.push(format!(
                    "stage {} may serve the routes with authorizer {} until it is deployed, so that and its \
                     permission stay (unbind --deploy finishes it)",
                    stage.name, plan.authorizer_name
                ));
            }
        }
        all_live
    }
}

fn forget(binding: &ApiBinding, plan: &mut ApiPlan) {
    if let Some(statement) = binding.permission.clone() {
        plan.changes.push(Change::RemovePermission { statement });
    }
    plan.changes.push(Change::Forget);
}
