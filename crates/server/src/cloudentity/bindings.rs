//! API groups, bound and unbound, and the APIs of services with the policies that guard them.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_cloudentity::Api;
use portcullis_store::{AdminRole, ApiGroup, Draft, DraftKind, Id, Name, Workspace};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::binding::{Outcome, bind as bind_group, discovered, guard, unbind as unbind_group};
use super::gateways::{find, policy_id};
use super::plan::{Plan, commit};
use super::refusal::Refusal;
use super::{Admitted, MAX_ADMIN_BYTES, answer, read_json, tagged};
use crate::app::AppState;
use crate::management::conditions;
use crate::management::resources::{ApiOperation, read};

/// What to bind a group to; a new service where it is empty.
#[derive(Deserialize)]
pub(super) struct Binding {
    #[serde(default)]
    service_id: Option<String>,
}

/// What guards an API from now on; none where it is empty.
#[derive(Deserialize)]
pub(super) struct ChangedApi {
    policy_id: String,
}

/// Lists the API groups that a gateway has discovered.
pub(super) async fn groups(
    State(state): State<AppState>,
    Path((tenant, gateway)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let admitted = Admitted::with(&state, &tenant, &headers, AdminRole::Viewer).await?;
    let gateway = find(&admitted, &gateway).await?;
    let workspace = admitted.store().workspace().await?;
    let mut shown = Vec::new();
    for group in of_gateway(&workspace.groups, &gateway.gateway.id) {
        let found = discovered(group)?;
        shown.push(json!({
            "id": group.id, "name": group.name, "metadata": found.metadata, "apis": found.apis,
            "service_id": group.service_id.as_ref().map_or("", Id::as_str),
            "gateway_id": group.gateway_id, "server_id": gateway.server_id,
            "tenant_id": admitted.tenant,
        }));
    }
    Ok(answer(StatusCode::OK, &json!({ "groups": shown })))
}

/// Binds an API group to a service, or to a new one. What the service had of operations goes.
pub(super) async fn bind(
    State(state): State<AppState>,
    Path((tenant, gateway, group)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let admitted = Admitted::with(&state, &tenant, &headers, AdminRole::Deployer).await?;
    let sent: Binding = read_json(&headers, body, MAX_ADMIN_BYTES).await?;
    let gateway = find(&admitted, &gateway).await?;
    let service = match sent.service_id.filter(|id| !id.is_empty()) {
        Some(id) => Some(
            id.parse::<Id>()
                .map_err(|_| Refusal::not_found("service"))?,
        ),
        None => None,
    };
    let by = admitted.administrator.as_name()?;
    let id: Name = group.parse().map_err(|_| Refusal::not_found("API group"))?;
    let outcome = commit(&admitted.plane, &by, &format!("API group {id}"), |plan| {
        let group = stored(plan, &gateway.gateway.id, &id)?;
        bind_group(plan, &gateway, &group, service.clone())
    })
    .await?;
    Ok(answer(StatusCode::OK, &removed(&outcome)))
}

/// Unbinds an API group. What it stood for is denied from then on.
pub(super) async fn unbind(
    State(state): State<AppState>,
    Path((tenant, gateway, group)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let admitted = Admitted::with(&state, &tenant, &headers, AdminRole::Deployer).await?;
    let gateway = find(&admitted, &gateway).await?;
    let by = admitted.administrator.as_name()?;
    let id: Name = group.parse().map_err(|_| Refusal::not_found("API group"))?;
    let note = format!("without API group {id}");
    let outcome = commit(&admitted.plane, &by, &note, |plan| {
        let group = stored(plan, &gateway.gateway.id, &id)?;
        unbind_group(plan, &group)
    })
    .await?;
    Ok(answer(StatusCode::OK, &removed(&outcome)))
}

/// Lists the APIs of a service, in the order in which they count.
pub(super) async fn apis(
    State(state): State<AppState>,
    Path((tenant, service)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let admitted = Admitted::with(&state, &tenant, &headers, AdminRole::Viewer).await?;
    let workspace = admitted.store().workspace().await?;
    let drafts = &workspace.drafts;
    let mut services = drafts
        .iter()
        .filter(|draft| draft.kind == DraftKind::ApiService);
    let found = services.find(|draft| draft.id.as_str() == service);
    let found = found.ok_or_else(|| Refusal::not_found("service"))?;
    let of = drafts
        .iter()
        .filter(|draft| draft.kind == DraftKind::Operation)
        .filter(|draft| draft.parent.as_ref() == Some(&found.id));
    let apis = of
        .enumerate()
        .map(|(at, draft)| shown(&admitted, &workspace, draft, at))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(answer(StatusCode::OK, &json!({ "apis": apis })))
}

/// Reads an API.
pub(super) async fn api(
    State(state): State<AppState>,
    Path((tenant, api)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let admitted = Admitted::with(&state, &tenant, &headers, AdminRole::Viewer).await?;
    let workspace = admitted.store().workspace().await?;
    let (draft, at) = operation(&workspace, &api)?;
    let tag = conditions::etag(draft.version);
    if conditions::is_known(&headers, draft.version)? {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let shown = shown(&admitted, &workspace, draft, at)?;
    Ok(tagged(StatusCode::OK, &tag, &shown))
}

/// Assigns a policy to an API, or none. It takes effect with the deployment that this makes.
pub(super) async fn put_api(
    State(state): State<AppState>,
    Path((tenant, api)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let admitted = Admitted::with(&state, &tenant, &headers, AdminRole::Deployer).await?;
    let sent: ChangedApi = read_json(&headers, body, MAX_ADMIN_BYTES).await?;
    let policy = policy_id(Some(&sent.policy_id))?;
    let by = admitted.administrator.as_name()?;
    let id: Id = api.parse().map_err(|_| Refusal::not_found("API"))?;
    commit(&admitted.plane, &by, &format!("policy of API {id}"), |plan| {
        let missing = || Refusal::not_found("API");
        let draft = plan
            .draft(DraftKind::Operation, &id)
            .ok_or_else(missing)?
            .clone();
        conditions::check(&headers, draft.version)?;
        let (mut operation, _) = read::<ApiOperation>(draft.body)?;
        if is_ruled_otherwise(&operation) {
            return Err(Refusal::conflict(
                "the operation has rules that this protocol does not know; change it with the management API",
            ));
        }
        operation.portcullis = guard(plan, policy.as_ref())?;
        plan.put(&id, draft.parent.as_ref(), &operation)
    })
    .await?;
    let workspace = admitted.store().workspace().await?;
    let (draft, at) = operation(&workspace, &api)?;
    let tag = conditions::etag(draft.version);
    let shown = shown(&admitted, &workspace, draft, at)?;
    Ok(tagged(StatusCode::OK, &tag, &shown))
}

/// Whether something else guards an operation than a policy alone or nothing at all: a policy in its place would take
/// that away. An operation that says nothing asks for a valid token.
fn is_ruled_otherwise(operation: &ApiOperation) -> bool {
    let settings = &operation.portcullis;
    let known = ["policy", "token", "public"];
    let is_other = |key: &String| !known.contains(&key.as_str());
    let is_open = settings.get("public") == Some(&json!(true)) && !settings.contains_key("policy");
    let is_policy = settings.contains_key("policy")
        && settings.get("token") == Some(&json!("optional"))
        && settings.get("public") != Some(&json!(true));
    operation.access_control.is_some() || settings.keys().any(is_other) || is_open == is_policy
}

fn of_gateway<'g>(groups: &'g [ApiGroup], gateway: &Id) -> impl Iterator<Item = &'g ApiGroup> {
    let gateway = gateway.clone();
    groups
        .iter()
        .filter(move |group| group.gateway_id == gateway)
}

fn stored(plan: &Plan, gateway: &Id, id: &Name) -> Result<ApiGroup, Refusal> {
    let mut groups = of_gateway(plan.groups(), gateway);
    let found = groups.find(|group| group.id == *id);
    found
        .cloned()
        .ok_or_else(|| Refusal::not_found("API group"))
}

/// An operation, and where it stands in its service.
fn operation<'w>(workspace: &'w Workspace, id: &str) -> Result<(&'w Draft, usize), Refusal> {
    let mut drafts = workspace.drafts.iter();
    let draft = drafts
        .find(|draft| draft.kind == DraftKind::Operation && draft.id.as_str() == id)
        .ok_or_else(|| Refusal::not_found("API"))?;
    let siblings = workspace
        .drafts
        .iter()
        .filter(|one| one.kind == DraftKind::Operation && one.parent == draft.parent);
    let at = siblings.take_while(|one| one.id != draft.id).count();
    Ok((draft, at))
}

/// An operation as an API. Its first method and path stand for all.
fn shown(
    admitted: &Admitted,
    workspace: &Workspace,
    draft: &Draft,
    at: usize,
) -> Result<Value, Refusal> {
    let (operation, _) = read::<ApiOperation>(draft.body.clone())?;
    let policy = operation.portcullis.get("policy").and_then(Value::as_str);
    let policy_id = policy.map_or(String::new(), |file| {
        let mut drafts = workspace.drafts.iter();
        let found = drafts.find(|one| one.kind == DraftKind::Policy && one.name.as_str() == file);
        found.map_or(String::new(), |one| one.id.as_str().to_owned())
    });
    let named = draft.name.as_str().split_once(' ');
    let (method, path) = match named {
        Some((method, path)) if path.starts_with('/') => (method.to_owned(), path.to_owned()),
        _ => {
            let methods = operation.methods.as_ref().and_then(|all| all.first());
            let path = operation.paths.first();
            (
                methods.cloned().unwrap_or_default(),
                path.map(|one| one.pattern.clone()).unwrap_or_default(),
            )
        }
    };
    let parent = draft.parent.as_ref().map_or("", Id::as_str);
    let api = Api {
        id: draft.id.as_str().to_owned(),
        api_type: "rest".to_owned(),
        method,
        path,
        policy_id,
        position: i64::try_from(at).unwrap_or_default(),
        can_have_policy: !is_ruled_otherwise(&operation),
        service_id: parent.to_owned(),
        server_id: String::new(),
        tenant_id: admitted.tenant.clone(),
    };
    serde_json::to_value(api).map_err(|_| Refusal::unprocessable("the API cannot be written"))
}

fn removed(outcome: &Outcome) -> Value {
    let mut shown = Map::new();
    let apis: Vec<Value> = outcome
        .removed
        .iter()
        .map(|id| json!({ "id": id }))
        .collect();
    shown.insert("removed_apis".to_owned(), json!(apis));
    // Policies are there for every service, and stay.
    shown.insert("removed_policies".to_owned(), json!([]));
    shown.insert("not_removed_policies".to_owned(), json!([]));
    if let Some(service) = &outcome.service {
        shown.insert("service_id".to_owned(), json!(service));
    }
    Value::Object(shown)
}
