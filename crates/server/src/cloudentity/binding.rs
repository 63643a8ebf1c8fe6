//! API groups as API services: what a gateway has discovered becomes operations that are denied, open or guarded by a
//! policy.

use std::cmp::Reverse;
use std::collections::HashMap;

use portcullis_cloudentity::{ApiGroup as Discovered, AwsApi, GroupApi, path_patterns};
use portcullis_model::{Method, PathPattern as Pattern};
use portcullis_store::{ApiGroup, CloudentityGateway, DraftKind, Id};
use serde_json::{Map, Value, json};

use super::plan::{Plan, new_id};
use super::policy_text::BLOCK_ID;
use super::refusal::Refusal;
use crate::management::resources::{
    ApiOperation, ApiServer, AuthorizationServer, ExternalReference, ExternalType, PathKind,
    PathPattern, PolicyFile, read,
};

/// Longest path of an API, in bytes: with its method it is the name of an operation.
const MAX_PATH_BYTES: usize = 240;
/// Every method.
const ANY: &str = "ANY";

/// What binding took away, in the words of Cloudentity.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) service: Option<Id>,
    pub(super) removed: Vec<Id>,
}

/// What was discovered of a group.
pub(super) fn discovered(group: &ApiGroup) -> Result<Discovered, Refusal> {
    serde_json::from_value(group.body.clone())
        .map_err(|_| Refusal::unprocessable("the stored API group cannot be read"))
}

/// The API and stage that a group is; only those of API Gateway can be bound.
pub(super) fn aws_of(group: &Discovered) -> Result<&AwsApi, Refusal> {
    group
        .metadata
        .aws
        .as_ref()
        .filter(|aws| !aws.api_id.is_empty() && !aws.stage.is_empty())
        .ok_or_else(|| {
            Refusal::unprocessable(
                "an API group can be bound whose metadata has aws.api_id and aws.stage",
            )
        })
}

/// Binds a group to a service: one that is there, whose operations go, or a new one. Every API gets the default
/// policy of the gateway.
pub(super) fn bind(
    plan: &mut Plan,
    gateway: &CloudentityGateway,
    group: &ApiGroup,
    service: Option<Id>,
) -> Result<Outcome, Refusal> {
    if group.service_id.is_some() {
        return Err(Refusal::conflict(
            "the API group is bound already; unbind it first",
        ));
    }
    let found = discovered(group)?;
    let aws = aws_of(&found)?;
    let prepared = prepare(plan, gateway, &found.apis)?;
    let mut outcome = Outcome::default();
    let (id, mut resource) = match service {
        Some(id) => {
            let resource = plan
                .get::<ApiServer>(&id)?
                .ok_or_else(|| Refusal::not_found("service"))?;
            let others: Vec<ApiGroup> = plan
                .groups()
                .iter()
                .filter(|other| other.service_id.as_ref() == Some(&id))
                .cloned()
                .collect();
            for other in others {
                plan.put_group(ApiGroup {
                    service_id: None,
                    ..other
                });
            }
            outcome.removed = remove_operations(plan, &id)?;
            (id, resource)
        }
        None => (new_id()?, new_service(plan, group, aws)),
    };
    let server = gateway.server_id.as_str();
    match &resource.authorization_server {
        Some(other) if other.external.id != server => {
            return Err(Refusal::conflict(
                "the service takes tokens of another authorization server than the gateway",
            ));
        }
        Some(_) => {}
        None => {
            resource.authorization_server = Some(AuthorizationServer {
                kind: ExternalType::External,
                external: ExternalReference {
                    id: server.to_owned(),
                    audience: None,
                    any_audience: true,
                },
            });
        }
    }
    let settings = &mut resource.portcullis;
    let api = json!([{ "api_id": aws.api_id, "stage": aws.stage }]);
    settings.insert("aws".to_owned(), api);
    settings.insert("order".to_owned(), json!("file"));
    settings.insert("unmatched".to_owned(), json!("deny"));
    plan.put(&id, None, &resource)?;
    add_operations(plan, &id, prepared, &HashMap::new())?;
    plan.put_group(ApiGroup {
        service_id: Some(id.clone()),
        ..group.clone()
    });
    outcome.service = Some(id);
    Ok(outcome)
}

/// Brings a service to what was discovered anew: what is still there keeps its policy, what is new gets the default
/// one, what is gone goes.
pub(super) fn refresh(
    plan: &mut Plan,
    gateway: &CloudentityGateway,
    service: &Id,
    apis: &[GroupApi],
) -> Result<(), Refusal> {
    let prepared = prepare(plan, gateway, apis)?;
    let mut known = HashMap::new();
    for draft in plan.operations(service) {
        known.insert(
            draft.name.as_str().to_owned(),
            (draft.id.clone(), draft.body.clone()),
        );
    }
    remove_operations(plan, service)?;
    add_operations(plan, service, prepared, &known)
}

/// Unbinds a group: its service keeps neither operations nor the API, and what it had is not let through any more.
pub(super) fn unbind(plan: &mut Plan, group: &ApiGroup) -> Result<Outcome, Refusal> {
    let Some(id) = &group.service_id else {
        return Err(Refusal::conflict("the API group is not bound"));
    };
    let mut outcome = Outcome::default();
    if let Some(mut resource) = plan.get::<ApiServer>(id)? {
        outcome.removed = remove_operations(plan, id)?;
        resource.portcullis.shift_remove("aws");
        plan.put(id, None, &resource)?;
    }
    plan.put_group(ApiGroup {
        service_id: None,
        ..group.clone()
    });
    Ok(outcome)
}

/// The guard of an operation, as `portcullis` of its draft says it.
pub(super) fn guard(plan: &Plan, policy: Option<&Id>) -> Result<Map<String, Value>, Refusal> {
    let mut guard = Map::new();
    let Some(id) = policy else {
        guard.insert("public".to_owned(), json!(true));
        return Ok(guard);
    };
    let file = plan
        .get::<PolicyFile>(id)?
        .ok_or_else(|| Refusal::unprocessable("there is no policy of that policy_id"))?;
    guard.insert("policy".to_owned(), json!(file.name));
    guard.insert("token".to_owned(), json!("optional"));
    Ok(guard)
}

/// Whether a service is bound to that API and stage already.
pub(super) fn is_taken(plan: &Plan, aws: &AwsApi) -> bool {
    plan.of_kind(DraftKind::ApiService).any(|draft| {
        let apis = draft.body.pointer("/portcullis/aws");
        let apis = apis.and_then(Value::as_array);
        apis.into_iter().flatten().any(|one| {
            one.get("api_id").and_then(Value::as_str) == Some(&aws.api_id)
                && one.get("stage").and_then(Value::as_str) == Some(&aws.stage)
        })
    })
}

fn new_service(plan: &Plan, group: &ApiGroup, aws: &AwsApi) -> ApiServer {
    let is_free = |name: &str| {
        !plan
            .of_kind(DraftKind::ApiService)
            .any(|draft| draft.name.as_str() == name)
    };
    let given = group.name.as_str();
    let mut name = given.to_owned();
    if !is_free(&name) {
        let short: String = given.chars().take(32).collect();
        name = format!("{short} ({} {})", aws.api_id, aws.stage);
    }
    ApiServer {
        name,
        base_urls: Vec::new(),
        authorization_server: None,
        directory: None,
        access_control: None,
        portcullis: Map::new(),
    }
}

fn remove_operations(plan: &mut Plan, service: &Id) -> Result<Vec<Id>, Refusal> {
    let removed: Vec<Id> = plan
        .operations(service)
        .map(|draft| draft.id.clone())
        .collect();
    for id in &removed {
        plan.delete(id)?;
    }
    Ok(removed)
}

/// Operations to make, and what guards those that are new.
struct Prepared {
    operations: Vec<Operation>,
    guard: Map<String, Value>,
}

/// Works out operations, the most specific first, because the first that covers a request counts. What cannot be is
/// found out here, before anything has changed.
fn prepare(
    plan: &Plan,
    gateway: &CloudentityGateway,
    apis: &[GroupApi],
) -> Result<Prepared, Refusal> {
    let mut operations = apis.iter().map(operation).collect::<Result<Vec<_>, _>>()?;
    operations.sort_by(|one, other| one.rank.cmp(&other.rank));
    operations.dedup_by(|one, other| one.name == other.name);
    Ok(Prepared {
        operations,
        guard: guard(plan, gateway.settings.default_policy_id.as_ref())?,
    })
}

/// Makes operations. One that was there before stays what it was.
fn add_operations(
    plan: &mut Plan,
    service: &Id,
    prepared: Prepared,
    known: &HashMap<String, (Id, Value)>,
) -> Result<(), Refusal> {
    for operation in prepared.operations {
        if let Some((id, body)) = known.get(&operation.name) {
            let (resource, _) = read::<ApiOperation>(body.clone())?;
            plan.put(id, Some(service), &resource)?;
            continue;
        }
        let resource = ApiOperation {
            name: operation.name,
            methods: operation.method.map(|method| vec![method]),
            paths: operation.paths,
            access_control: None,
            portcullis: prepared.guard.clone(),
        };
        plan.put(&new_id()?, Some(service), &resource)?;
    }
    Ok(())
}

/// An API as an operation, but for what guards it.
struct Operation {
    name: String,
    method: Option<String>,
    paths: Vec<PathPattern>,
    rank: Rank,
}

/// The most specific path first, then one method before all, then by name.
type Rank = (Reverse<portcullis_model::Specificity>, bool, bool, String);

/// What cannot be said is an error: were it left out, a wider path could let it through.
fn operation(api: &GroupApi) -> Result<Operation, Refusal> {
    let shown = || api.path.escape_debug().to_string();
    let refuse = |why: &str| {
        let shown: String = shown().chars().take(100).collect();
        Refusal::unprocessable(format!("the API with the path \"{shown}\": {why}"))
    };
    if !matches!(api.api_type.as_str(), "" | "rest") {
        return Err(refuse("api_type is rest"));
    }
    if api.path.len() > MAX_PATH_BYTES {
        return Err(refuse("a path has at most 240 bytes"));
    }
    let method = match api.method.to_ascii_uppercase() {
        method if method.is_empty() || method == "*" || method == ANY => None,
        method => {
            let parsed = Method::parse(&method).map_err(|error| refuse(&error.to_string()))?;
            let text = parsed.as_str().to_owned();
            if text.len() > 10 {
                return Err(refuse("its method is none that API Gateway has"));
            }
            Some(text)
        }
    };
    let patterns = path_patterns(&api.path)
        .ok_or_else(|| refuse("a path is a template such as /pets/{petId}"))?;
    let first = patterns.first().cloned().unwrap_or_default();
    let specificity = Pattern::infer(&first)
        .map_err(|error| refuse(&error.to_string()))?
        .specificity();
    let name = format!("{} {}", method.as_deref().unwrap_or(ANY), api.path);
    let paths = patterns.into_iter().map(|pattern| PathPattern {
        kind: if pattern.contains(['*', '{']) {
            PathKind::Parameter
        } else {
            PathKind::Exact
        },
        pattern,
    });
    Ok(Operation {
        rank: (
            Reverse(specificity),
            first.ends_with('*'),
            method.is_none(),
            name.clone(),
        ),
        name,
        method,
        paths: paths.collect(),
    })
}

/// The policy that APIs get where nobody says otherwise.
pub(super) fn block() -> Result<Id, Refusal> {
    BLOCK_ID.parse().map_err(|_| Refusal::not_found("policy"))
}
