//! Carries a plan out, step by step, recording each before it is taken.

use std::collections::{BTreeMap, BTreeSet};

use crate::account::Authorization;
use crate::apis::{ApiHead, AwsApis, AwsError};
use crate::plan::{ApiPlan, Change, Plan, TAG};
use crate::state::{ApiBinding, BindingState, RouteBinding};
use crate::state_file::StateFileError;
use crate::target::AuthorizerSpec;

/// A plan that was carried out in part.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// AWS did not do a step.
    #[error("{api}: could not {step}: {error}")]
    Aws {
        /// Id of the API.
        api: String,
        /// The step.
        step: String,
        /// What AWS says.
        error: AwsError,
    },
    /// A statement has the id that a binding would give it, and is for something else.
    #[error(
        "{api}: {function} has a permission {statement} that does not let the authorizer in: remove that statement"
    )]
    Permission {
        /// Id of the API.
        api: String,
        /// The function.
        function: String,
        /// The statement.
        statement: String,
    },
    /// A step needs the authorizer, and no step made it.
    #[error("{0}: the authorizer is not known: make a new plan")]
    NoAuthorizer(String),
    /// The record cannot be kept.
    #[error(transparent)]
    State(#[from] StateFileError),
}

/// Carries out the changes of a plan in their order, and stops at the first that fails. `save` keeps the state before
/// each step; `told` hears of each step with its number, from 1.
pub async fn apply<A: AwsApis>(
    apis: &A,
    plan: &Plan,
    state: &mut BindingState,
    mut save: impl FnMut(&BindingState) -> Result<(), StateFileError>,
    mut told: impl FnMut(usize, &str),
) -> Result<(), ApplyError> {
    let mut number = 0;
    for api in &plan.apis {
        for change in &api.changes {
            number += 1;
            told(number, &change.sentence(api));
            let mut step = Step {
                apis,
                plan,
                api,
                state,
                save: &mut save,
            };
            step.take(change).await?;
        }
    }
    Ok(())
}

struct Step<'a, A, S> {
    apis: &'a A,
    plan: &'a Plan,
    api: &'a ApiPlan,
    state: &'a mut BindingState,
    save: &'a mut S,
}

impl<A: AwsApis, S: FnMut(&BindingState) -> Result<(), StateFileError>> Step<'_, A, S> {
    async fn take(&mut self, change: &Change) -> Result<(), ApplyError> {
        let (protocol, id) = (self.api.protocol, self.api.id.as_str());
        let done = match change {
            Change::CreateAuthorizer { spec } => {
                self.record(|binding| {
                    binding.authorizer = None;
                    binding.authorizer_created = true;
                })?;
                let function = &self.api.function;
                let made = self.apis.create_authorizer(protocol, id, spec, function);
                let made = match made.await {
                    // Perhaps an answer was lost, and the call was made again.
                    Err(error @ AwsError::Conflict { .. }) => {
                        self.made_before(spec).await.ok_or(error)
                    }
                    made => made,
                };
                match made {
                    Ok(made) => {
                        self.record(|binding| binding.authorizer = Some(made))?;
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            }
            Change::AddPermission => return self.permit(change).await,
            Change::Bind {
                route,
                reference,
                before,
            } => {
                let ours = Authorization::custom(self.authorizer()?);
                let stages = &self.api.manual_stages;
                self.record(|binding| {
                    let recorded = RouteBinding {
                        reference: reference.clone(),
                        before: before.clone(),
                    };
                    binding.routes.insert(route.clone(), recorded);
                    binding.undeployed.extend(stages.iter().cloned());
                })?;
                self.apis.authorize(id, reference, before, &ours).await
            }
            Change::Restore {
                reference,
                from,
                to,
                ..
            } => {
                let stages = &self.api.manual_stages;
                self.record(|binding| binding.undeployed.extend(stages.iter().cloned()))?;
                self.apis.authorize(id, reference, from, to).await
            }
            Change::Tag => {
                let name = &self.api.authorizer_name;
                let done = self.apis.tag(protocol, id, TAG, name).await;
                self.then(done, |binding| binding.tagged = true)?
            }
            Change::Deploy { stage, .. } => {
                let why = "portcullis aws: authorization changed";
                let done = self.apis.deploy(protocol, id, stage, why).await;
                self.then(done, |binding| {
                    binding.undeployed.remove(stage);
                })?
            }
            Change::Untag => {
                let done = self.apis.untag(protocol, id, TAG).await;
                self.then(done, |binding| binding.tagged = false)?
            }
            Change::DeleteAuthorizer { id: authorizer } => {
                let done = self.apis.delete_authorizer(protocol, id, authorizer).await;
                self.then(done, |binding| {
                    binding.authorizer = None;
                    binding.authorizer_created = false;
                })?
            }
            Change::RemovePermission { statement } => {
                let function = &self.api.function;
                let done = self.apis.remove_permission(function, statement).await;
                self.then(done, |binding| binding.permission = None)?
            }
            Change::Forget => {
                self.state.apis.remove(id);
                (self.save)(self.state)?;
                Ok(())
            }
        };
        done.map_err(|error| self.failed(change, error))
    }

    /// An authorizer of that name that is set up as a new one would be.
    async fn made_before(&self, spec: &AuthorizerSpec) -> Option<String> {
        let head = ApiHead {
            id: self.api.id.clone(),
            name: self.api.name.clone(),
            protocol: self.api.protocol,
            tags: BTreeMap::new(),
            endpoint_disabled: false,
        };
        let page = self.apis.authorizers(&head, None).await.ok()?;
        let same = page.items.into_iter().find(|one| {
            one.name == spec.name
                && one.function.as_ref() == Some(&self.api.function)
                && spec.differences(one, self.api.protocol).is_empty()
        });
        same.map(|one| one.id)
    }

    async fn permit(&mut self, change: &Change) -> Result<(), ApplyError> {
        let authorizer = self.authorizer()?;
        let (id, function) = (self.api.id.as_str(), &self.api.function);
        let statement = format!("portcullis-{id}-{authorizer}");
        self.record(|binding| binding.permission = Some(statement.clone()))?;
        let (partition, rest) = (function.as_str().split(':').nth(1), self.plan);
        let partition = partition.unwrap_or("aws");
        let (region, account) = (&rest.region, &rest.account);
        let source =
            format!("arn:{partition}:execute-api:{region}:{account}:{id}/authorizers/{authorizer}");
        match self
            .apis
            .add_permission(function, &statement, &source)
            .await
        {
            Err(AwsError::Conflict { .. }) => {
                // Perhaps it was added before by a step that was interrupted.
                let view = self.apis.function(function).await;
                let view = view.map_err(|error| self.failed(change, error))?;
                let there =
                    view.is_some_and(|view| view.permissions.iter().any(|one| one.covers(&source)));
                if there {
                    return Ok(());
                }
                Err(ApplyError::Permission {
                    api: id.to_owned(),
                    function: function.to_string(),
                    statement,
                })
            }
            done => done.map_err(|error| self.failed(change, error)),
        }
    }

    /// The authorizer that the plan found or an earlier step made.
    fn authorizer(&self) -> Result<String, ApplyError> {
        let recorded = self.state.apis.get(&self.api.id);
        let made = recorded.and_then(|binding| binding.authorizer.clone());
        let known = self.api.authorizer.clone().or(made);
        known.ok_or_else(|| ApplyError::NoAuthorizer(self.api.id.clone()))
    }

    /// Writes something down of the API.
    fn record(&mut self, write: impl FnOnce(&mut ApiBinding)) -> Result<(), ApplyError> {
        let api = self.api;
        let entry = self.state.apis.entry(api.id.clone());
        let binding = entry.or_insert_with(|| ApiBinding {
            name: api.name.clone(),
            protocol: api.protocol,
            function: api.function.to_string(),
            authorizer_name: api.authorizer_name.clone(),
            authorizer: None,
            authorizer_created: false,
            permission: None,
            tagged: false,
            routes: BTreeMap::new(),
            undeployed: BTreeSet::new(),
        });
        if binding.authorizer.is_none() {
            binding.authorizer.clone_from(&api.authorizer);
        }
        write(binding);
        (self.save)(self.state)?;
        Ok(())
    }

    /// Writes something down once AWS has done its part.
    fn then(
        &mut self,
        done: Result<(), AwsError>,
        write: impl FnOnce(&mut ApiBinding),
    ) -> Result<Result<(), AwsError>, ApplyError> {
        if done.is_ok() {
            self.record(write)?;
        }
        Ok(done)
    }

    fn failed(&self, change: &Change, error: AwsError) -> ApplyError {
        ApplyError::Aws {
            api: self.api.id.clone(),
            step: change.sentence(self.api),
            error,
        }
    }
}
