//! Routes that nobody authorizes, and stages that do not serve the draft.

use std::collections::BTreeSet;

use crate::account::{AuthorizationKind, Deployed, Protocol, Route, Stage};
use crate::doctor::{Finding, FindingCode, Patient, Severity};
use crate::policy_view::PolicyView;

pub(super) fn examine(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    unprotected(patient, findings);
    for stage in &patient.api.stages {
        undeployed(patient, stage, findings);
    }
}

fn unprotected(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let api = patient.api;
    for route in &api.routes {
        let open = route.authorization.kind == AuthorizationKind::None;
        if !open || !counts(api.protocol, route) {
            continue;
        }
        let live: Vec<&Stage> = api.stages.iter().filter(|one| serves(one, route)).collect();
        // A stage whose policy says that everything on the route is public is as it should be.
        let wrong: Vec<&str> = live
            .iter()
            .filter(|stage| !is_public(patient, stage, route))
            .map(|stage| stage.name.as_str())
            .collect();
        let key = route.key();
        if !wrong.is_empty() {
            let key_note = if route.api_key_required {
                " (an API key is asked for, which tells nothing about the caller)"
            } else {
                ""
            };
            findings.push(patient.finding(
                Severity::Error,
                FindingCode::UnprotectedRoute,
                format!(
                    "nobody authorizes {key}, and stage {} serves it{key_note}",
                    wrong.join(", ")
                ),
                format!("portcullis aws plan --api {} --function ARN", api.id),
            ));
        } else if live.is_empty() {
            findings.push(patient.finding(
                Severity::Warning,
                FindingCode::UnprotectedRoute,
                format!("nobody authorizes {key}, which is not deployed yet"),
                format!("portcullis aws plan --api {} --function ARN", api.id),
            ));
        }
    }
}

/// Whether a route needs an authorizer: `OPTIONS` is sent without credentials, and of a WebSocket API only
/// `$connect` can have one.
fn counts(protocol: Protocol, route: &Route) -> bool {
    match protocol {
        Protocol::WebSocket => route.path == "$connect",
        Protocol::Rest | Protocol::Http => route.method != "OPTIONS",
    }
}

/// Whether a stage may serve a route without an authorizer: it says so, or nobody knows.
fn serves(stage: &Stage, route: &Route) -> bool {
    match &stage.deployed {
        Deployed::Nothing => false,
        Deployed::Draft | Deployed::Unknown => true,
        Deployed::Routes(routes) => match routes.get(&route.key()) {
            None => false,
            Some(kind) => kind.is_none_or(|kind| kind == AuthorizationKind::None),
        },
    }
}

fn is_public(patient: &Patient<'_>, stage: &Stage, route: &Route) -> bool {
    patient.service(&stage.name).is_some_and(|service| {
        let says = PolicyView::route(service, route);
        !says.other && !says.public.is_empty()
    })
}

fn undeployed(patient: &Patient<'_>, stage: &Stage, findings: &mut Vec<Finding>) {
    let api = patient.api;
    let advice = format!("deploy stage {}, or bind with --deploy", stage.name);
    let mut open = BTreeSet::new();
    if let Deployed::Routes(deployed) = &stage.deployed {
        for route in api.routes.iter().filter(|one| counts(api.protocol, one)) {
            let authorized = route.authorization.kind != AuthorizationKind::None;
            let served = deployed.get(&route.key());
            if authorized && served == Some(&Some(AuthorizationKind::None)) {
                open.insert(route.key());
            }
        }
    }
    if !open.is_empty() {
        let routes: Vec<_> = open.iter().map(String::as_str).collect();
        findings.push(patient.finding(
            Severity::Error,
            FindingCode::UndeployedAuthorization,
            format!(
                "stage {} still serves {} without authorization, which the draft has",
                stage.name,
                routes.join(", ")
            ),
            advice.clone(),
        ));
    }
    let is_open = |change: &str| {
        open.iter()
            .any(|key| change.starts_with(&format!("{key} changes")))
    };
    let rest: Vec<_> = api.undeployed(stage).into_iter().flatten().collect();
    let rest: Vec<_> = rest.into_iter().filter(|change| !is_open(change)).collect();
    if !rest.is_empty() {
        findings.push(patient.finding(
            Severity::Warning,
            FindingCode::UndeployedChange,
            format!(
                "stage {} does not serve the draft: {}",
                stage.name,
                rest.join("; ")
            ),
            advice,
        ));
    }
}
