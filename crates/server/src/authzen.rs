//! `OpenID` `AuthZEN` Authorization API 1.0: evaluation, evaluations, action search and metadata, for
//! enforcement points that have verified who asks.
//!
//! As in the API gateway scenario of the working group, the action is a method and the resource a route: the
//! template of an operation's path, or a path. The properties of the subject are taken for its claims.
//! Nothing is shared between the items of a batch, and the public URL is a setting, never the `Host` header.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use portcullis_engine::Question;
use portcullis_model::{ChallengeError, Decision, Method, Outcome, Source};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::app::{AppState, MAX_BODY_BYTES};
use crate::call::{is_kind, read};
use crate::credentials::Caller;
use crate::error::ApiError;
use crate::revision::MinimumRevision;
use crate::sideband::authenticate_bearer;

/// Most items of a batch.
const MAX_ITEMS: usize = 1000;
/// Longest name or id, in bytes.
const MAX_TEXT_BYTES: usize = 4096;
/// How long metadata may be kept, as `Cache-Control` says it.
const METADATA_LIFETIME: &str = "max-age=3600";

/// One request for an evaluation, or the defaults of a batch. Unknown members are ignored (section 2).
#[derive(Debug, Clone, Default, Deserialize)]
struct Evaluation {
    subject: Option<Subject>,
    action: Option<Action>,
    resource: Option<Resource>,
    context: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Subject {
    #[serde(rename = "type")]
    _kind: String,
    id: String,
    #[serde(default)]
    properties: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
struct Action {
    name: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Resource {
    #[serde(rename = "type")]
    _kind: String,
    id: String,
    #[serde(default)]
    properties: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Batch {
    #[serde(flatten)]
    defaults: Evaluation,
    #[serde(default)]
    evaluations: Vec<Evaluation>,
    #[serde(default)]
    options: Options,
}

#[derive(Debug, Default, Deserialize)]
struct Options {
    #[serde(default)]
    evaluations_semantic: Semantic,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Semantic {
    #[default]
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

/// `POST /access/v1/evaluation` (section 6).
pub(crate) async fn evaluation(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (caller, asked): (_, Evaluation) = open(&state, &headers, body).await?;
    let question = asked.question()?;
    Ok(answer(
        &headers,
        &decide(&state, &headers, &caller, &question)?,
    ))
}

/// `POST /access/v1/evaluations` (section 7): without items, one evaluation.
pub(crate) async fn evaluations(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (caller, batch): (_, Batch) = open(&state, &headers, body).await?;
    if batch.evaluations.is_empty() {
        let question = batch.defaults.question()?;
        return Ok(answer(
            &headers,
            &decide(&state, &headers, &caller, &question)?,
        ));
    }
    if batch.evaluations.len() > MAX_ITEMS {
        let message = format!("evaluations has at most {MAX_ITEMS} items");
        return Err(ApiError::invalid_request(message));
    }
    // What is missing anywhere is a fault of the whole call, found before anything is decided.
    let questions = batch
        .evaluations
        .into_iter()
        .map(|item| item.or(&batch.defaults).question())
        .collect::<Result<Vec<_>, _>>()?;
    let semantic = batch.options.evaluations_semantic;
    let mut decisions = Vec::new();
    for question in &questions {
        let decision = decide(&state, &headers, &caller, question)?;
        let permit = decision.get("decision") == Some(&Value::Bool(true));
        decisions.push(decision);
        let ends = match semantic {
            Semantic::ExecuteAll => false,
            Semantic::DenyOnFirstDeny => !permit,
            Semantic::PermitOnFirstPermit => permit,
        };
        if ends {
            break;
        }
    }
    Ok(answer(&headers, &json!({ "evaluations": decisions })))
}

/// `POST /access/v1/search/action` (section 8): the methods that the subject may use on the route.
pub(crate) async fn search_action(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (_, asked): (_, Evaluation) = open(&state, &headers, body).await?;
    let question = Evaluation {
        action: Some(Action {
            name: Method::get().as_str().to_owned(),
        }),
        ..asked
    }
    .question()?;
    let methods = state.decision_point.permitted_methods(&question);
    let results: Vec<Value> = methods.iter().map(|name| json!({ "name": name })).collect();
    let found = json!({ "results": results, "page": { "next_token": "", "count": methods.len() } });
    Ok(answer(&headers, &found))
}

/// `GET /.well-known/authzen-configuration` (section 9), where the public URL is known.
///
/// The path of the URL stands behind the well-known one (section 9.1).
pub(crate) async fn metadata(
    State(state): State<AppState>,
    asked: Uri,
) -> Result<Response, ApiError> {
    const WELL_KNOWN: &str = "/.well-known/authzen-configuration";
    let url = state.public_url.as_ref().ok_or_else(ApiError::not_found)?;
    let path = url
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)))
        .unwrap_or_default();
    if asked.path().strip_prefix(WELL_KNOWN) != Some(path) {
        return Err(ApiError::not_found());
    }
    let at = |path: &str| format!("{url}{path}");
    let document = json!({
        "policy_decision_point": &**url,
        "access_evaluation_endpoint": at("/access/v1/evaluation"),
        "access_evaluations_endpoint": at("/access/v1/evaluations"),
        "search_action_endpoint": at("/access/v1/search/action"),
        "supported_obligations": ["step-up"],
    });
    let cached = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, METADATA_LIFETIME),
    ];
    Ok((cached, document.to_string()).into_response())
}

/// Reads a call of somebody who may make it.
async fn open<T: for<'de> Deserialize<'de>>(
    state: &AppState,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Caller, T), ApiError> {
    let caller = authenticate_bearer(state, headers)?;
    if !is_kind(headers, "application/json") {
        return Err(ApiError::unsupported_media_type("application/json"));
    }
    let body = read(body, MAX_BODY_BYTES).await?;
    // A structure would be read from a list, too.
    let begin = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if begin != Some(&b'{') {
        return Err(not_an_object(&body));
    }
    // What is not read has to be text all the same (RFC 8259 section 8.1).
    let text = std::str::from_utf8(&body)
        .map_err(|_| ApiError::invalid_request("the body is no JSON: it is not UTF-8"))?;
    let asked = serde_json::from_str(text).map_err(|error| {
        // The message of the reader may quote values; where it stops says enough.
        let category = if error.is_data() {
            "a member is missing, of another type, or there twice"
        } else {
            "it is no JSON"
        };
        ApiError::invalid_request(format!(
            "{category}: line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    Ok((caller, asked))
}

/// What is wrong with a body that does not begin as an object does.
fn not_an_object(body: &[u8]) -> ApiError {
    ApiError::invalid_request(match serde_json::from_slice::<Value>(body) {
        Ok(_) => "the body is a JSON object".to_owned(),
        Err(error) => format!(
            "the body is no JSON: line {}, column {}",
            error.line(),
            error.column()
        ),
    })
}

impl Evaluation {
    /// With what is missing taken from the defaults, member by member (section 7.1).
    fn or(self, defaults: &Self) -> Self {
        Self {
            subject: self.subject.or_else(|| defaults.subject.clone()),
            action: self.action.or_else(|| defaults.action.clone()),
            resource: self.resource.or_else(|| defaults.resource.clone()),
            context: self.context.or_else(|| defaults.context.clone()),
        }
    }

    fn question(self) -> Result<Question, ApiError> {
        let missing = |name: &str| ApiError::invalid_request(format!("{name} is missing"));
        let subject = self.subject.ok_or_else(|| missing("subject"))?;
        let action = self.action.ok_or_else(|| missing("action"))?;
        let resource = self.resource.ok_or_else(|| missing("resource"))?;
        let context = self.context.unwrap_or_default();
        for text in [&subject.id, &action.name, &resource.id] {
            if text.is_empty() || text.len() > MAX_TEXT_BYTES {
                let message = format!("ids and names have 1 to {MAX_TEXT_BYTES} bytes");
                return Err(ApiError::invalid_request(message));
            }
        }
        let method = Method::parse(&action.name)
            .map_err(|error| ApiError::invalid_request(format!("action.name: {error}")))?;
        let service = resource.properties.get("service").and_then(Value::as_str);
        let ip = context.get("ip").and_then(Value::as_str);
        Ok(Question {
            subject: subject.id,
            claims: subject.properties,
            method,
            service: service.map(str::to_owned),
            route: resource.id,
            headers: fields(context.get("headers"))?,
            source: Source {
                ip: ip.and_then(|ip| ip.parse().ok()),
                port: None,
            },
        })
    }
}

/// Header fields from `context.headers`: names with a text or a list of texts.
fn fields(headers: Option<&Value>) -> Result<portcullis_model::HeaderMap, ApiError> {
    let mut fields = portcullis_model::HeaderMap::new();
    let members = headers.and_then(Value::as_object);
    for (name, value) in members.into_iter().flatten() {
        let values = match value {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values.iter().filter_map(Value::as_str) {
            fields
                .append(name, value)
                .map_err(|error| ApiError::invalid_request(format!("context.headers: {error}")))?;
        }
    }
    Ok(fields)
}

fn decide(
    state: &AppState,
    headers: &HeaderMap,
    caller: &Caller,
    question: &Question,
) -> Result<Value, ApiError> {
    let demanded = MinimumRevision::of(headers)?;
    let id = Uuid::new_v4().to_string();
    let started = state.clock.monotonic();
    let decision = state.decision_point.evaluate(question);
    let elapsed = state.clock.monotonic().saturating_duration_since(started);
    demanded.check(&decision.trace)?;
    tracing::info!(
        decision_id = id,
        decision = decision.as_str(),
        reason = decision.reason.code.as_str(),
        status = decision.status(),
        service = decision.trace.service.as_deref(),
        operation = decision.trace.operation.as_deref(),
        gateway = caller.gateway.as_deref(),
        protocol = "authzen",
        "decided"
    );
    let answer = described(&id, &decision);
    let decisions = &state.decisions;
    decisions.evaluation(&id, caller.gateway.clone(), question, decision, elapsed);
    Ok(answer)
}

/// The decision and its context. A permit that changes the request is one only for whoever makes the
/// changes, which an obligation says (obligations profile, section 2).
fn described(id: &str, decision: &Decision) -> Value {
    let mut context = json!({
        "id": id,
        "reason": decision.reason.code.as_str(),
        "revision": decision.trace.revision.as_deref(),
    });
    let mut obligations = Vec::new();
    match &decision.outcome {
        Outcome::Permit(edits) if !edits.is_empty() => {
            let headers: Map<String, Value> = edits
                .headers
                .iter()
                .map(|edit| (edit.name.clone(), json!(edit.values)))
                .collect();
            obligations.push(json!({
                "id": "request-edits", "type": "custom",
                "properties": { "headers": headers, "url": edits.url, "body": edits.body.is_some() },
            }));
        }
        Outcome::Permit(_) => {}
        Outcome::Deny(deny) => {
            let mut reasons = Map::new();
            reasons.insert(deny.status.to_string(), json!(decision.reason.message));
            if let Some(members) = context.as_object_mut() {
                members.insert("reason_admin".to_owned(), Value::from(reasons));
            }
            let step_up = deny.challenges.iter().find(|challenge| {
                challenge.error == Some(ChallengeError::InsufficientUserAuthentication)
            });
            if let Some(acr) = step_up.and_then(|challenge| challenge.acr_values.as_deref()) {
                obligations.push(json!({
                    "id": "step-up", "type": "step-up", "properties": { "acr_value": acr },
                }));
            }
        }
    }
    if let Some(members) = context.as_object_mut().filter(|_| !obligations.is_empty()) {
        members.insert("obligations".to_owned(), Value::from(obligations));
    }
    json!({ "decision": decision.is_permit(), "context": context })
}

/// 200 with the identifier of the request, where it has one (section 10.1.3).
fn answer(headers: &HeaderMap, body: &Value) -> Response {
    const REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-request-id");
    let kind = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (kind, body.to_string()).into_response();
    if let Some(id) = headers.get(&REQUEST_ID) {
        let id: HeaderValue = id.clone();
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
