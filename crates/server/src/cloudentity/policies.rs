//! Policies: made, read, changed and deleted. Each change makes a deployment, so that it takes effect at once, or is
//! refused with what does not compile.

use axum::body::Body;
use axum::extract::{Path, RawPathParams, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_cloudentity::Policy;
use portcullis_store::{AdminRole, Draft, DraftKind, Id};
use serde_json::{Value, json};

use super::plan::{Plan, commit, new_id};
use super::policy_text::{BLOCK_ID, extension, file_name, seed, to_file, to_policy};
use super::refusal::Refusal;
use super::{Admitted, MAX_ADMIN_BYTES, answer, read_json, tagged};
use crate::app::AppState;
use crate::management::conditions;
use crate::management::resources::{PolicyFile, read};

/// Keys that name policies, of services and of operations.
const POLICY_KEYS: [&str; 2] = ["policy", "response_policy"];

/// Lists the policies.
pub(super) async fn list(
    State(state): State<AppState>,
    path: RawPathParams,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let tenant = path.iter().find(|(name, _)| *name == "tid");
    let tenant = tenant.map_or("", |(_, value)| value);
    let admitted = Admitted::with(&state, tenant, &headers, AdminRole::Viewer).await?;
    let drafts = admitted.store().all_drafts().await?;
    let policies = drafts.iter().filter(|one| one.kind == DraftKind::Policy);
    let policies = policies
        .map(|draft| shown(&admitted, draft))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(answer(StatusCode::OK, &json!({ "policies": policies })))
}

/// Makes a policy.
pub(super) async fn create(
    State(state): State<AppState>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let admitted = Admitted::with(&state, &tenant, &headers, AdminRole::Deployer).await?;
    let sent: Policy = read_json(&headers, body, MAX_ADMIN_BYTES).await?;
    let id = new_id()?;
    let file = to_file(&sent, &file_name(&sent, &id))?;
    let by = admitted.administrator.as_name()?;
    let note = format!("policy {}", sent.policy_name);
    commit(&admitted.plane, &by, &note, |plan| {
        seed(plan)?;
        plan.put(&id, None, &file)
    })
    .await?;
    one(&admitted, StatusCode::CREATED, &id).await
}

/// Reads a policy.
pub(super) async fn get(
    State(state): State<AppState>,
    Path((tenant, policy)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let admitted = Admitted::with(&state, &tenant, &headers, AdminRole::Viewer).await?;
    let draft = find(&admitted, &id(&policy)?).await?;
    if conditions::is_known(&headers, draft.version)? {
        let tag = [(header::ETAG, conditions::etag(draft.version))];
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    let tag = conditions::etag(draft.version);
    Ok(tagged(StatusCode::OK, &tag, &shown(&admitted, &draft)?))
}

/// Puts another policy in its place, for every API that has it; with `If-Match`, only where nobody has changed it
/// since.
pub(super) async fn put(
    State(state): State<AppState>,
    Path((tenant, policy)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let admitted = Admitted::with(&state, &tenant, &headers, AdminRole::Deployer).await?;
    let sent: Policy = read_json(&headers, body, MAX_ADMIN_BYTES).await?;
    let id = id(&policy)?;
    refuse_block(&id)?;
    let by = admitted.administrator.as_name()?;
    let note = format!("policy {}", sent.policy_name);
    commit(&admitted.plane, &by, &note, |plan| {
        let draft = draft_of(plan, &id)?;
        conditions::check(&headers, draft.version)?;
        let name = draft.name.as_str();
        let same = name
            .rsplit_once('.')
            .is_some_and(|(_, written)| written == extension(&sent.language));
        if !same {
            return Err(Refusal::unprocessable(
                "the language of a policy does not change; make another one",
            ));
        }
        let file = to_file(&sent, name)?;
        plan.put(&id, None, &file)
    })
    .await?;
    one(&admitted, StatusCode::OK, &id).await
}

/// Deletes a policy that nothing names.
pub(super) async fn delete(
    State(state): State<AppState>,
    Path((tenant, policy)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let admitted = Admitted::with(&state, &tenant, &headers, AdminRole::Deployer).await?;
    let id = id(&policy)?;
    refuse_block(&id)?;
    let gateways = admitted.store().cloudentity_gateways().await?;
    let mut defaults = gateways
        .iter()
        .filter_map(|one| one.settings.default_policy_id.as_ref());
    if defaults.any(|one| *one == id) {
        return Err(Refusal::conflict(
            "a gateway has this policy as its default; give it another one first",
        ));
    }
    let by = admitted.administrator.as_name()?;
    commit(
        &admitted.plane,
        &by,
        &format!("without policy {id}"),
        |plan| {
            let draft = draft_of(plan, &id)?;
            conditions::check(&headers, draft.version)?;
            let name = draft.name.as_str().to_owned();
            let mut users = [DraftKind::Operation, DraftKind::ApiService]
                .into_iter()
                .flat_map(|kind| plan.of_kind(kind));
            if users.any(|draft| names(draft, &name)) {
                return Err(Refusal::conflict(
                    "an API or a service has this policy; give it another one first",
                ));
            }
            drop(users);
            plan.delete(&id)
        },
    )
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Whether a draft names a policy file.
fn names(draft: &Draft, file: &str) -> bool {
    let settings = draft.body.get("portcullis");
    POLICY_KEYS.iter().any(|key| {
        let named = settings.and_then(|settings| settings.get(key));
        named.and_then(Value::as_str) == Some(file)
    })
}

fn id(text: &str) -> Result<Id, Refusal> {
    text.parse().map_err(|_| Refusal::not_found("policy"))
}

fn refuse_block(id: &Id) -> Result<(), Refusal> {
    if id.as_str() == BLOCK_ID {
        return Err(Refusal::conflict(
            "the policy that denies everything stays as it is",
        ));
    }
    Ok(())
}

fn draft_of<'p>(plan: &'p Plan, id: &Id) -> Result<&'p Draft, Refusal> {
    plan.draft(DraftKind::Policy, id)
        .ok_or_else(|| Refusal::not_found("policy"))
}

async fn find(admitted: &Admitted, id: &Id) -> Result<Draft, Refusal> {
    let draft = admitted.store().draft(id).await?;
    draft
        .filter(|draft| draft.kind == DraftKind::Policy)
        .ok_or_else(|| Refusal::not_found("policy"))
}

async fn one(admitted: &Admitted, status: StatusCode, id: &Id) -> Result<Response, Refusal> {
    let draft = find(admitted, id).await?;
    let tag = conditions::etag(draft.version);
    Ok(tagged(status, &tag, &shown(admitted, &draft)?))
}

fn shown(admitted: &Admitted, draft: &Draft) -> Result<Policy, Refusal> {
    let (file, _) = read::<PolicyFile>(draft.body.clone())?;
    Ok(Policy {
        tenant_id: admitted.tenant.clone(),
        ..to_policy(draft.id.as_str(), &file.name, &file.text)
    })
}
