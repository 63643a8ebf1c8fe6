//! `POST /policies/test` and `POST /apis/test`: what a policy says to an input, and whether a path is one of an API.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use portcullis_cloudentity::{Api, Policy, path_patterns};
use portcullis_engine::{SourceFile, compile};
use portcullis_jose::{AwsLc, JsonObject};
use portcullis_model::{
    ApiRequest, CheckOutcome, Decision, HeaderMap as Fields, Method, PathPattern, RequestUrl,
    Source,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::policy_text::{extension, to_file};
use super::refusal::Refusal;
use super::{Admitted, MAX_ADMIN_BYTES, answer, read_json};
use crate::app::AppState;
use crate::error::ApiError;
use crate::management::Management;
use crate::management::yaml;

/// Where the policy under test stands guard.
const BASE: &str = "https://policy-test.invalid";

/// A policy with an input.
#[derive(Deserialize)]
pub(super) struct PolicyTest {
    policy: Policy,
    #[serde(default)]
    input: Input,
}

/// What a policy is asked. Scopes come from the context, as they do with a token.
#[derive(Default, Deserialize)]
struct Input {
    #[serde(default)]
    authn_ctx: Option<JsonObject>,
    #[serde(default)]
    request: Option<TestRequest>,
}

#[derive(Default, Deserialize)]
struct TestRequest {
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    headers: Option<Map<String, Value>>,
    #[serde(default)]
    query_params: Option<Map<String, Value>>,
    #[serde(default)]
    path_params: Option<Map<String, Value>>,
    #[serde(default)]
    body: Option<Value>,
}

/// A route with a request.
#[derive(Deserialize)]
pub(super) struct RouteTest {
    api: Api,
    test_request: RouteRequest,
}

#[derive(Deserialize)]
struct RouteRequest {
    method: String,
    path: String,
}

/// Says what a policy answers, without storing it.
pub(super) async fn policy(
    State(state): State<AppState>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    // Compiling takes time that a viewer has no claim to.
    let needed = portcullis_store::AdminRole::Editor;
    let admitted = Admitted::with(&state, &tenant, &headers, needed).await?;
    let mut sent: PolicyTest = read_json(&headers, body, MAX_ADMIN_BYTES).await?;
    if sent.policy.policy_name.is_empty() {
        "test".clone_into(&mut sent.policy.policy_name);
    }
    let name = format!("test.{}", extension(&sent.policy.language));
    let file = to_file(&sent.policy, &name)?;
    let request = sent.input.request.unwrap_or_default();
    let (pattern, request) = rehearsed(&request)?;
    let service = json!({
        "name": "test", "base_urls": [BASE], "order": "file",
        "tokens": [{ "issuer": "https://policy-test.invalid", "profile": "generic", "any_audience": true }],
        "operations": [{ "name": "test", "paths": [pattern], "policy": name, "token": "optional" }],
    });
    let sources = vec![
        SourceFile {
            path: "services/test.yaml".to_owned(),
            text: yaml::write(&service),
        },
        SourceFile {
            path: format!("policies/{name}"),
            text: file.text,
        },
    ];
    let management = Arc::clone(&admitted.plane.management);
    let now = state.clock.unix_now();
    let claims = sent.input.authn_ctx.filter(|claims| !claims.is_empty());
    let decision = tokio::task::spawn_blocking(move || {
        decide(&management, &sources, &request, claims.as_ref(), now)
    })
    .await
    .map_err(|_| ApiError::unavailable())??;
    Ok(answer(StatusCode::OK, &result(&decision)))
}

fn decide(
    management: &Management,
    sources: &[SourceFile],
    request: &ApiRequest,
    claims: Option<&JsonObject>,
    now: u64,
) -> Result<Decision, Refusal> {
    let wrong = |why: String| Refusal::unprocessable(format!("the policy does not compile: {why}"));
    let tried = management.worker.try_out(sources);
    tried.map_err(|error| wrong(error.to_string()))?;
    let policy =
        compile(sources, &management.languages).map_err(|problems| wrong(problems.to_string()))?;
    let decision = policy.rehearse(request, claims, &AwsLc, now);
    decision.ok_or_else(|| Refusal::unprocessable("input.request.path is no path that can be sent"))
}

fn result(decision: &Decision) -> Value {
    let status = decision.is_permit();
    let failed = decision
        .trace
        .checks
        .iter()
        .filter(|check| check.outcome == CheckOutcome::Failed);
    let failures: Vec<Value> = failed
        .map(|check| {
            json!({
                "validator": check.name, "message": check.detail,
                "details": decision.trace.nearest_miss.clone().unwrap_or_default(),
            })
        })
        .collect();
    json!({
        "status": status,
        "result": if status { "AUTHORIZED" } else { "UNAUTHORIZED" },
        "failures": failures, "output": decision.context, "recovery": [],
    })
}

/// The request of a test, and the path pattern that gives it its parameters.
fn rehearsed(sent: &TestRequest) -> Result<(String, ApiRequest), Refusal> {
    let refuse = |what: &str| Refusal::unprocessable(format!("input.request.{what}"));
    let method = sent.method.as_deref().unwrap_or("GET");
    let method = Method::parse(method).map_err(|error| refuse(&format!("method: {error}")))?;
    let path = sent.path.as_deref().filter(|path| !path.is_empty());
    let path = path.unwrap_or("/");
    if !path.starts_with('/') {
        return Err(refuse("path begins with /"));
    }
    let mut query = String::new();
    for (name, value) in sent.query_params.iter().flatten() {
        for one in texts(value) {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.extend([encoded(name).as_str(), "=", &encoded(&one)]);
        }
    }
    let escaped: Vec<String> = path.split('/').map(encoded).collect();
    let url = format!("{BASE}{}{query}", escaped.join("/"));
    let mut headers = Fields::new();
    for (name, value) in sent.headers.iter().flatten() {
        for one in texts(value) {
            headers
                .append(name, &one)
                .map_err(|_| refuse("headers are names with lists of values"))?;
        }
    }
    let request = ApiRequest {
        method,
        url: RequestUrl::parse(&url).map_err(|error| refuse(&format!("path: {error}")))?,
        http_version: "1.1".to_owned(),
        headers,
        source: Source {
            ip: None,
            port: None,
        },
        client_certificate: None,
        body: sent.body.as_ref().map(|body| match body {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }),
        entry: None,
    };
    Ok((pattern(path, sent.path_params.as_ref()), request))
}

/// The pattern of a path in which each parameter stands where its value is.
fn pattern(path: &str, parameters: Option<&Map<String, Value>>) -> String {
    let mut left: Vec<(&String, String)> = parameters
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name, texts(value).into_iter().next()?)))
        .collect();
    let mut named = false;
    let segments: Vec<String> = path
        .split('/')
        .map(|segment| {
            let at = left.iter().position(|(_, value)| value == segment);
            match at.map(|at| left.remove(at)) {
                Some((name, _)) => {
                    named = true;
                    format!("{{{name}}}")
                }
                None => segment.to_owned(),
            }
        })
        .collect();
    let pattern = segments.join("/");
    if named && PathPattern::infer(&pattern).is_ok() {
        pattern
    } else {
        "/**".to_owned()
    }
}

fn texts(value: &Value) -> Vec<String> {
    let one = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Array(list) => list.iter().map(one).collect(),
        Value::Null => Vec::new(),
        value => vec![one(value)],
    }
}

/// A text as a part of a URL (RFC 3986 section 2.3).
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Says whether an API covers a request.
pub(super) async fn route(
    State(state): State<AppState>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let needed = portcullis_store::AdminRole::Viewer;
    Admitted::with(&state, &tenant, &headers, needed).await?;
    let sent: RouteTest = read_json(&headers, body, MAX_ADMIN_BYTES).await?;
    let patterns = path_patterns(&sent.api.path)
        .ok_or_else(|| Refusal::unprocessable("api.path is a template such as /pets/{petId}"))?;
    let method = &sent.api.method;
    let any = method.is_empty() || method == "*" || method.eq_ignore_ascii_case("ANY");
    let path = sent.test_request.path.split('?').next().unwrap_or_default();
    let covers =
        |pattern: &String| PathPattern::infer(pattern).is_ok_and(|pattern| pattern.matches(path));
    let matches = (any || method.eq_ignore_ascii_case(&sent.test_request.method))
        && patterns.iter().any(covers);
    let policy = if matches {
        sent.api.policy_id
    } else {
        String::new()
    };
    Ok(answer(
        StatusCode::OK,
        &json!({ "match": matches, "policy_id": policy, "graphql_types": [] }),
    ))
}
