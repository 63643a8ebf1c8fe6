//! `GET` and `POST /api/system/{tid}/gateways/configuration`: what a gateway decides with, and what it has
//! discovered.

use std::collections::HashSet;

use axum::body::Body;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_cloudentity::{ApiGroup as Discovered, ApiGroups};
use portcullis_store::{ApiGroup, CloudentityGateway, DraftKind, Name, StoreError};
use serde_json::{Value, json};

use super::access::Caller;
use super::binding::{aws_of, bind, is_taken, refresh};
use super::issuer::{READ_CONFIGURATION, WRITE_CONFIGURATION};
use super::plan::{Plan, commit};
use super::refusal::Refusal;
use super::{Plane, answer, read_json};
use crate::app::AppState;

/// Largest list of API groups, in bytes.
pub(super) const MAX_DISCOVERED_BYTES: usize = 8 * 1024 * 1024;
/// Most API groups and most APIs of one call.
const MAX_GROUPS: usize = 500;
const MAX_APIS: usize = 5000;
/// How old the stored time of the last configuration may be, in milliseconds, before it is stored again.
const ACTIVITY_RESOLUTION: i64 = 10_000;

/// Gives a gateway its configuration, with a strong entity tag.
pub(super) async fn configuration(
    State(state): State<AppState>,
    path: RawPathParams,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let caller = Caller::with(&state, &path, &headers, READ_CONFIGURATION).await?;
    let plane = &caller.plane;
    let made = caller.configuration().await?;
    let tag = made.tag.as_str();
    let id = &caller.gateway.gateway.id;
    let touched = plane
        .store()
        .touch_cloudentity_gateway(id, plane.now, ACTIVITY_RESOLUTION)
        .await;
    if let Err(error) = touched {
        tracing::warn!(%error, "when a gateway was last active could not be stored");
    }
    let kept = [
        (header::ETAG, tag),
        // For the gateway alone, and asked about every time.
        (header::CACHE_CONTROL, "private, no-cache"),
    ];
    if is_known(&headers, tag) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((StatusCode::OK, kept, kind, made.body.clone()).into_response())
}

/// Whether the client has what is tagged so (RFC 9110 section 13.1.2: compared weakly).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let sent = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut tags = sent
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    tags.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// Takes the API groups that a gateway has discovered: all of them, every time. Those that it no longer names and
/// that nobody has bound are forgotten.
pub(super) async fn discovered(
    State(state): State<AppState>,
    path: RawPathParams,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let caller = Caller::with(&state, &path, &headers, WRITE_CONFIGURATION).await?;
    let sent: ApiGroups = read_json(&headers, body, MAX_DISCOVERED_BYTES).await?;
    let groups = checked(sent.api_groups)?;
    let by: Name = format!("gateway {}", caller.gateway.gateway.id)
        .parse()
        .map_err(StoreError::from)?;
    let (plane, gateway) = (&caller.plane, &caller.gateway);
    let added = commit(plane, &by, "", |plan| Ok(remember(plan, gateway, &groups))).await?;
    follow(plane, gateway, &by, &groups).await?;
    Ok(answer(
        StatusCode::OK,
        &json!({ "number_of_added_api_groups": added }),
    ))
}

/// Groups with their ids, each once.
fn checked(groups: Vec<Discovered>) -> Result<Vec<(Name, Discovered)>, Refusal> {
    let apis: usize = groups.iter().map(|group| group.apis.len()).sum();
    if groups.len() > MAX_GROUPS || apis > MAX_APIS {
        return Err(Refusal::unprocessable(format!(
            "at most {MAX_GROUPS} API groups with {MAX_APIS} APIs in all"
        )));
    }
    let mut ids = HashSet::new();
    let mut checked = Vec::new();
    for group in groups {
        let id: Name = group.id.parse().map_err(|_| {
            Refusal::unprocessable(
                "the id of an API group has 1 to 256 bytes and no control characters",
            )
        })?;
        if !ids.insert(id.clone()) {
            return Err(Refusal::unprocessable("an API group is there twice"));
        }
        checked.push((id, group));
    }
    Ok(checked)
}

/// Stores what was discovered and returns how many groups are new.
fn remember(plan: &mut Plan, gateway: &CloudentityGateway, groups: &[(Name, Discovered)]) -> usize {
    let own: Vec<ApiGroup> = plan
        .groups()
        .iter()
        .filter(|group| group.gateway_id == gateway.gateway.id)
        .cloned()
        .collect();
    for old in &own {
        if old.service_id.is_none() && !groups.iter().any(|(id, _)| *id == old.id) {
            plan.forget_group(old);
        }
    }
    let mut added = 0;
    for (id, group) in groups {
        let old = own.iter().find(|old| old.id == *id);
        // What is bound changes with its service, in a step of its own.
        if old.is_some_and(|old| old.service_id.is_some()) {
            continue;
        }
        added += usize::from(old.is_none());
        plan.put_group(ApiGroup {
            gateway_id: gateway.gateway.id.clone(),
            id: id.clone(),
            name: name(group).unwrap_or_else(|| id.clone()),
            body: body(group),
            service_id: None,
        });
    }
    added
}

/// Binds what is new where the gateway says so, and brings the services of what is bound up to date: all in one
/// deployment, or, where that does not compile, one by one, so that one group does not stop the others.
async fn follow(
    plane: &Plane,
    gateway: &CloudentityGateway,
    by: &Name,
    groups: &[(Name, Discovered)],
) -> Result<(), Refusal> {
    let of = |groups: &[(Name, Discovered)]| match groups {
        [(id, _)] => format!("API group {id}"),
        _ => format!("API groups of gateway {}", gateway.gateway.name),
    };
    let together = commit(plane, by, &of(groups), |plan| {
        for (id, group) in groups {
            leave_out(gateway, id, step(plan, gateway, id, group))?;
        }
        Ok(())
    })
    .await;
    match together {
        Err(refusal) if !refusal.is_unavailable() => {}
        other => return other,
    }
    for one in groups.chunks(1) {
        for (id, group) in one {
            let alone = commit(plane, by, &of(one), |plan| step(plan, gateway, id, group)).await;
            leave_out(gateway, id, alone)?;
        }
    }
    Ok(())
}

/// A group that cannot be bound is left as it is, and the others go on.
fn leave_out(
    gateway: &CloudentityGateway,
    id: &Name,
    outcome: Result<(), Refusal>,
) -> Result<(), Refusal> {
    match outcome {
        Err(refusal) if !refusal.is_unavailable() => {
            tracing::warn!(
                gateway = gateway.gateway.name.as_str(),
                group = id.as_str(),
                reason = refusal.message(),
                "an API group was not bound or brought up to date"
            );
            Ok(())
        }
        other => other,
    }
}

/// What follows from one group. Where that is an error, the plan is as it was.
fn step(
    plan: &mut Plan,
    gateway: &CloudentityGateway,
    id: &Name,
    group: &Discovered,
) -> Result<(), Refusal> {
    let mut groups = plan.groups().iter();
    let stored = groups.find(|one| one.gateway_id == gateway.gateway.id && one.id == *id);
    let Some(stored) = stored.cloned() else {
        return Ok(());
    };
    let Some(service) = stored.service_id.clone() else {
        if !gateway.auto_bind {
            return Ok(());
        }
        if is_taken(plan, aws_of(group)?) {
            return Err(Refusal::conflict(
                "another service is bound to this API and stage",
            ));
        }
        return bind(plan, gateway, &stored, None).map(drop);
    };
    if plan.draft(DraftKind::ApiService, &service).is_none() {
        // Somebody has deleted it.
        plan.put_group(ApiGroup {
            service_id: None,
            ..stored
        });
        return Ok(());
    }
    let old: Discovered = serde_json::from_value(stored.body.clone()).unwrap_or_default();
    if old == *group {
        return Ok(());
    }
    if key(&old) != key(group) {
        // What it stands for is not what somebody has bound.
        return Err(Refusal::conflict(
            "the bound API group has become another API or stage",
        ));
    }
    refresh(plan, gateway, &service, &group.apis)?;
    plan.put_group(ApiGroup {
        name: name(group).unwrap_or_else(|| id.clone()),
        body: body(group),
        ..stored
    });
    Ok(())
}

fn key(group: &Discovered) -> Option<(&str, &str)> {
    group
        .metadata
        .aws
        .as_ref()
        .map(|aws| (aws.api_id.as_str(), aws.stage.as_str()))
}

fn body(group: &Discovered) -> Value {
    serde_json::to_value(group).unwrap_or_default()
}

/// What people call a group: its own name, or that of the API with its stage.
fn name(group: &Discovered) -> Option<Name> {
    let of_api = || {
        let aws = group.metadata.aws.as_ref()?;
        (!aws.api_name.is_empty()).then(|| format!("{} ({})", aws.api_name, aws.stage))
    };
    let given = Some(group.name.clone()).filter(|name| !name.trim().is_empty());
    given.or_else(of_api)?.parse().ok()
}
