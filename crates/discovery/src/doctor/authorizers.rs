//! Authorizers whose cache, identity sources or answers do not fit the function, the policy or each other.

use crate::account::{Authorizer, AuthorizerKind, Protocol, Route};
use crate::doctor::{Finding, FindingCode, Patient, Severity};
use crate::permission::FunctionView;
use crate::policy_view::PolicyView;

/// Decision points whose answers are for one request (docs/caching.md): services that are asked, and a configuration
/// that may be another one at any time.
const FOR_ONE_REQUEST: [&str; 3] = ["sideband", "authzen", "cloudentity"];

pub(super) fn examine(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    for authorizer in &patient.api.authorizers {
        let lambda = matches!(
            authorizer.kind,
            AuthorizerKind::Token | AuthorizerKind::Request
        );
        let routes = used_by(patient, authorizer);
        if routes.is_empty() {
            findings.push(patient.finding(
                Severity::Note,
                FindingCode::AuthorizerUnused,
                format!("no route uses authorizer {}", authorizer.name),
                "delete it, unless a deployed stage still does",
            ));
        }
        if !lambda {
            continue;
        }
        let function = authorizer.function.as_ref();
        let view = function.and_then(|function| patient.account.functions.get(function));
        permission(patient, authorizer, findings);
        if let Some(view) = view.filter(|view| view.is_portcullis) {
            cache(patient, authorizer, view, findings);
            response(patient, authorizer, view, findings);
            if !routes.is_empty() {
                policy(patient, authorizer, findings);
            }
        }
        if !authorizer.identity_sources.is_empty() {
            blocked(patient, authorizer, &routes, findings);
        }
    }
}

fn used_by<'a>(patient: &Patient<'a>, authorizer: &Authorizer) -> Vec<&'a Route> {
    let used = |route: &&Route| route.authorization.authorizer.as_ref() == Some(&authorizer.id);
    patient.api.routes.iter().filter(used).collect()
}

fn permission(patient: &Patient<'_>, authorizer: &Authorizer, findings: &mut Vec<Finding>) {
    let Some(function) = &authorizer.function else {
        return;
    };
    let account = patient.account;
    if account.unread_functions.contains(function) {
        return;
    }
    let name = &authorizer.name;
    let Some(view) = account.functions.get(function) else {
        findings.push(patient.finding(
            Severity::Error,
            FindingCode::FunctionMissing,
            format!(
                "authorizer {name} calls {function}, which is not there: every request gets 500"
            ),
            "deploy the function, or bind the routes to another one",
        ));
        return;
    };
    let source = account.authorizer_arn(&patient.api.id, &authorizer.id);
    if !authorizer.has_role && !view.permissions.iter().any(|one| one.covers(&source)) {
        findings.push(patient.finding(
            Severity::Error,
            FindingCode::InvokePermissionMissing,
            format!(
                "authorizer {name} may not invoke {}: every request gets 500",
                function.name()
            ),
            format!(
                "add a permission for apigateway.amazonaws.com with source ARN {source}; bind does"
            ),
        ));
    }
}

fn cache(
    patient: &Patient<'_>,
    authorizer: &Authorizer,
    view: &FunctionView,
    findings: &mut Vec<Finding>,
) {
    let (name, ttl) = (&authorizer.name, authorizer.ttl);
    if patient.api.protocol == Protocol::WebSocket {
        return;
    }
    let mut add = |severity, code, message, advice: &str| {
        findings.push(patient.finding(severity, code, message, advice));
    };
    let told = view.cache_ttl.unwrap_or(0);
    if told > ttl {
        add(
            Severity::Warning,
            FindingCode::CacheTtlMismatch,
            format!(
                "authorizer {name} caches for {ttl} s, and its function is told {told} s (PORTCULLIS_CACHE_TTL)"
            ),
            "set both to the same: the function refuses (500) what it thinks would be cached wrongly",
        );
    }
    if ttl == 0 {
        return;
    }
    let for_one_request = view
        .decision_point
        .as_deref()
        .filter(|one| FOR_ONE_REQUEST.contains(one));
    if let Some(decision_point) = for_one_request {
        add(
            Severity::Error,
            FindingCode::CacheContradictsDecisionPoint,
            format!(
                "authorizer {name} caches for {ttl} s what its decision point ({decision_point}) says of one request"
            ),
            "set the TTL to 0",
        );
    } else if told == 0 {
        add(
            Severity::Error,
            FindingCode::CacheTtlMismatch,
            format!(
                "authorizer {name} caches for {ttl} s, and its function is not told (PORTCULLIS_CACHE_TTL)"
            ),
            "set PORTCULLIS_CACHE_TTL to the TTL: the function then refuses what must not be cached",
        );
    } else if told < ttl {
        add(
            Severity::Warning,
            FindingCode::CacheTtlMismatch,
            format!(
                "authorizer {name} caches for {ttl} s, and its function is told {told} s (PORTCULLIS_CACHE_TTL)"
            ),
            "set both to the same",
        );
    }
    let by_credential = authorizer.identity_sources.iter().any(|source| {
        let header = source.rsplit_once(".header.").map(|(_, header)| header);
        header.is_some_and(|header| header.eq_ignore_ascii_case("authorization"))
    });
    if !by_credential {
        add(
            Severity::Error,
            FindingCode::CacheWithoutCredential,
            format!(
                "authorizer {name} caches for {ttl} s, and not by the Authorization header: callers get each other's answers"
            ),
            "make the Authorization header an identity source, or set the TTL to 0",
        );
    }
    let by_route = authorizer
        .identity_sources
        .iter()
        .any(|one| one == "$context.routeKey");
    if authorizer.simple_responses && !by_route {
        add(
            Severity::Error,
            FindingCode::CachedSimpleResponse,
            format!(
                "authorizer {name} caches a simple response for {ttl} s: one yes opens every route"
            ),
            "use IAM responses, set the TTL to 0, or add $context.routeKey to the identity sources",
        );
    }
}

fn policy(patient: &Patient<'_>, authorizer: &Authorizer, findings: &mut Vec<Finding>) {
    if authorizer.ttl == 0 || patient.api.protocol == Protocol::WebSocket {
        return;
    }
    for stage in &patient.api.stages {
        let Some(service) = patient.service(&stage.name) else {
            continue;
        };
        for obstacle in service.cache_obstacles() {
            findings.push(patient.finding(
                Severity::Error,
                FindingCode::CacheContradictsPolicy,
                format!(
                    "authorizer {} caches for {} s, and answers of service \"{}\" are for one request: operation \
                     \"{}\": {}",
                    authorizer.name, authorizer.ttl, service.name, obstacle.operation, obstacle.why
                ),
                "set the TTL to 0 (docs/caching.md)",
            ));
        }
    }
}

fn response(
    patient: &Patient<'_>,
    authorizer: &Authorizer,
    view: &FunctionView,
    findings: &mut Vec<Finding>,
) {
    let payload_2 = authorizer.payload_format.as_deref() == Some("2.0");
    if patient.api.protocol != Protocol::Http || !payload_2 {
        return;
    }
    let simple = view.http_response.as_deref() == Some("simple");
    if simple != authorizer.simple_responses {
        let (form, setting) = if authorizer.simple_responses {
            ("simple responses", "simple")
        } else {
            ("policies", "iam")
        };
        findings.push(patient.finding(
            Severity::Error,
            FindingCode::HttpResponseMismatch,
            format!(
                "authorizer {} takes {form}, and its function answers otherwise: every request gets 500",
                authorizer.name
            ),
            format!("set PORTCULLIS_HTTP_RESPONSE of the function to {setting}"),
        ));
    }
}

/// A request without an identity source is refused (401) before the function is asked
/// (API Gateway developer guide, "Configure a Lambda authorizer").
fn blocked(
    patient: &Patient<'_>,
    authorizer: &Authorizer,
    routes: &[&Route],
    findings: &mut Vec<Finding>,
) {
    for stage in &patient.api.stages {
        let Some(service) = patient.service(&stage.name) else {
            continue;
        };
        for route in routes {
            let says = PolicyView::route(service, route);
            for operation in says.public {
                findings.push(patient.finding(
                    Severity::Error,
                    FindingCode::IdentitySourceBlocksPublic,
                    format!(
                        "operation \"{operation}\" is public, and {} refuses requests without {} (401) before anyone \
                         is asked",
                        route.key(),
                        authorizer.identity_sources.join(", ")
                    ),
                    "use an authorizer without identity source (--no-identity-source, no cache), or give the \
                     operation a route of its own without authorizer",
                ));
            }
        }
    }
}
