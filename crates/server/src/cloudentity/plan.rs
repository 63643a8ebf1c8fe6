//! Changes that take effect at once: drafts are edited in memory, the deployment that follows from them is compiled,
//! and all of it is stored together, or nothing is.
//!
//! Cloudentity has no step between editing and deploying. Here each change is a deployment like any other.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_engine::SourceFile;
use portcullis_store::{
    ApiGroup, Change, Draft, DraftChange, DraftKind, Id, Name, NewDraft, StoreError, UnixMillis,
    Workspace,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Plane;
use super::refusal::Refusal;
use crate::error::ApiError;
use crate::management::Management;
use crate::management::deployments::{compiled, files, new_deployment, put};
use crate::management::resources::{PolicyFile, Resource, body, read};
use crate::management::sources::{Drafts, policy_path, service_path};
use crate::management::yaml;

/// How often a change is worked out anew that others came before.
const TRIES: u32 = 5;

/// A change in the making.
pub(super) struct Plan {
    workspace: Workspace,
    /// The drafts as they are to be, by position.
    drafts: Vec<Draft>,
    /// The API groups as they are to be.
    groups: Vec<ApiGroup>,
    change: Change,
    /// Services whose files follow from their drafts anew.
    services: BTreeSet<Id>,
    /// Whether policies follow anew, and the paths of those that are no more.
    policies: bool,
    removed: Vec<String>,
}

/// Makes a change. `edit` is called again where somebody else was faster.
pub(super) async fn commit<T>(
    plane: &Plane,
    by: &Name,
    note: &str,
    edit: impl FnMut(&mut Plan) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    commit_with(&plane.management, plane.now, by, note, edit).await
}

/// The same for the management API, which is there without a control plane, too.
pub(super) async fn commit_with<T>(
    management: &Arc<Management>,
    now: UnixMillis,
    by: &Name,
    note: &str,
    mut edit: impl FnMut(&mut Plan) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    for _ in 0..TRIES {
        let mut plan = Plan::of(management.store.workspace().await?);
        let value = edit(&mut plan)?;
        plan.deploy(management, now, by, note).await?;
        if plan.change.is_empty() {
            return Ok(value);
        }
        let outcome = management
            .store
            .apply(&plan.workspace, &plan.change, now)
            .await;
        match outcome {
            Err(StoreError::Conflict { .. }) => {}
            other => {
                other?;
                if plan.change.deployment.is_some() {
                    tracing::info!(by = by.as_str(), note, "deployed");
                }
                return Ok(value);
            }
        }
    }
    Err(ApiError::busy().into())
}

impl Plan {
    fn of(workspace: Workspace) -> Self {
        Self {
            drafts: workspace.drafts.clone(),
            groups: workspace.groups.clone(),
            workspace,
            change: Change::default(),
            services: BTreeSet::new(),
            policies: false,
            removed: Vec::new(),
        }
    }

    /// The draft of an id, where it is of that kind.
    pub(super) fn draft(&self, kind: DraftKind, id: &Id) -> Option<&Draft> {
        self.drafts
            .iter()
            .find(|draft| draft.kind == kind && draft.id == *id)
    }

    /// What a draft says.
    pub(super) fn get<R: Resource>(&self, id: &Id) -> Result<Option<R>, Refusal> {
        let draft = self.draft(R::KIND, id);
        Ok(draft
            .map(|draft| read::<R>(draft.body.clone()))
            .transpose()?
            .map(|(resource, _)| resource))
    }

    /// Every draft of a kind, by position.
    pub(super) fn of_kind(&self, kind: DraftKind) -> impl Iterator<Item = &Draft> {
        self.drafts.iter().filter(move |draft| draft.kind == kind)
    }

    /// The operations of a service, by position.
    pub(super) fn operations(&self, service: &Id) -> impl Iterator<Item = &Draft> {
        let service = service.clone();
        self.of_kind(DraftKind::Operation)
            .filter(move |draft| draft.parent.as_ref() == Some(&service))
    }

    /// The API groups.
    pub(super) fn groups(&self) -> &[ApiGroup] {
        &self.groups
    }

    /// Makes a draft, or puts another document in the place of its own.
    pub(super) fn put<R: Resource>(
        &mut self,
        id: &Id,
        parent: Option<&Id>,
        resource: &R,
    ) -> Result<(), Refusal> {
        let name: Name = resource.name().parse().map_err(StoreError::from)?;
        let body = body(resource)?;
        self.follow(R::KIND, parent.unwrap_or(id));
        if let Some(draft) = self.drafts.iter_mut().find(|draft| draft.id == *id) {
            draft.name = name.clone();
            draft.body = body.clone();
            self.change.create.retain(|one| one.id != *id);
            let is_stored = self.workspace.drafts.iter().any(|one| one.id == *id)
                && !self.change.delete.contains(id);
            if is_stored {
                self.change.update.retain(|(other, _)| other != id);
                let change = DraftChange { name, body };
                self.change.update.push((id.clone(), change));
                return Ok(());
            }
        } else {
            self.drafts.push(Draft {
                id: id.clone(),
                kind: R::KIND,
                parent: parent.cloned(),
                name: name.clone(),
                body: body.clone(),
                version: 0,
                position: 0,
                created_at: UnixMillis(0),
                updated_at: UnixMillis(0),
            });
        }
        self.change.create.push(NewDraft {
            id: id.clone(),
            kind: R::KIND,
            parent: parent.cloned(),
            name,
            body,
        });
        Ok(())
    }

    /// Deletes an operation or a policy.
    pub(super) fn delete(&mut self, id: &Id) -> Result<(), Refusal> {
        let Some(at) = self.drafts.iter().position(|draft| draft.id == *id) else {
            return Ok(());
        };
        let draft = self.drafts.remove(at);
        self.follow(draft.kind, draft.parent.as_ref().unwrap_or(id));
        if draft.kind == DraftKind::Policy {
            let (policy, _) = read::<PolicyFile>(draft.body)?;
            self.removed.push(policy_path(&policy));
        }
        self.change.create.retain(|one| one.id != *id);
        self.change.update.retain(|(other, _)| other != id);
        if self.workspace.drafts.iter().any(|one| one.id == *id) {
            self.change.delete.push(id.clone());
        }
        Ok(())
    }

    /// Stores an API group.
    pub(super) fn put_group(&mut self, group: ApiGroup) {
        let is_it = |other: &ApiGroup| other.gateway_id == group.gateway_id && other.id == group.id;
        if self.groups.contains(&group) {
            return;
        }
        self.groups.retain(|other| !is_it(other));
        self.change.groups.retain(|other| !is_it(other));
        self.groups.push(group.clone());
        self.change.groups.push(group);
    }

    /// Forgets an API group.
    pub(super) fn forget_group(&mut self, group: &ApiGroup) {
        self.groups.retain(|other| other != group);
        let key = (group.gateway_id.clone(), group.id.clone());
        self.change.forget.push(key);
    }

    /// Deletes a gateway, with its API groups.
    pub(super) fn delete_gateway(&mut self, gateway: &Id) {
        self.groups.retain(|group| group.gateway_id != *gateway);
        self.change
            .groups
            .retain(|group| group.gateway_id != *gateway);
        self.change.delete_gateway = Some(gateway.clone());
    }

    fn follow(&mut self, kind: DraftKind, service: &Id) {
        match kind {
            DraftKind::Policy => self.policies = true,
            DraftKind::ApiService | DraftKind::Operation => {
                self.services.insert(service.clone());
            }
            _ => {}
        }
    }

    /// Works out the deployment that follows, and compiles it.
    async fn deploy(
        &mut self,
        management: &Arc<Management>,
        now: UnixMillis,
        by: &Name,
        note: &str,
    ) -> Result<(), Refusal> {
        if self.services.is_empty() && !self.policies {
            return Ok(());
        }
        let drafts = Drafts::read(self.drafts.clone())?;
        let before = self.workspace.deployment.clone();
        let after = before.as_ref().map_or(0, |one| one.summary.number);
        let before = before.map(files).unwrap_or_default();
        let mut sources = before.clone();
        sources.retain(|file| !self.removed.contains(&file.path));
        for policy in &drafts.policies {
            put(&mut sources, policy_path(policy), policy.text.clone());
        }
        for id in &self.services {
            let path = service_path(id);
            let reachable = drafts.services.get(id.as_str()).filter(|service| {
                let apis = service.portcullis.get("aws").and_then(Value::as_array);
                !service.base_urls.is_empty() || apis.is_some_and(|apis| !apis.is_empty())
            });
            match reachable {
                Some(_) => {
                    let text = drafts.service_file(id)?.unwrap_or_default();
                    put(&mut sources, path, text);
                }
                None => sources.retain(|file| file.path != path),
            }
        }
        let is_service = |file: &SourceFile| file.path.starts_with("services/");
        let had_services = before.iter().any(is_service);
        if !sources.iter().any(is_service) {
            // A policy set has a service. This one is reached by nobody.
            sources.push(SourceFile {
                path: "services/nobody.yaml".to_owned(),
                text: yaml::write(&json!({
                    "name": "Nobody", "base_urls": ["https://nobody.invalid"],
                    "tokens": [{ "issuer": "https://nobody.invalid", "audiences": ["nobody"] }],
                })),
            });
            if !had_services {
                compiled(management, sources).await?;
                return Ok(());
            }
        }
        let same = |one: &SourceFile| {
            let twin = before.iter().find(|other| other.path == one.path);
            twin.is_some_and(|other| other.text == one.text)
        };
        if sources.len() == before.len() && sources.iter().all(same) {
            return Ok(());
        }
        let sources = compiled(management, sources).await?;
        let note = note.to_owned();
        let deployment = new_deployment(sources, note, by.clone(), now, Some(after))?;
        self.change.deployment = Some(deployment);
        Ok(())
    }
}

/// An id that nothing else has.
pub(super) fn new_id() -> Result<Id, Refusal> {
    Ok(Uuid::new_v4()
        .to_string()
        .parse()
        .map_err(StoreError::from)?)
}
