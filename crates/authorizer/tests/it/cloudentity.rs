//! Cloudentity mode: the function as Lambda runs it, with its extension, and a control plane that does as it is told.
//!
//! The control plane here is made by hand, to misbehave; `tests/e2e` runs the function with the decision service of
//! this workspace in its place.

mod configuration;
mod reports;

use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use portcullis_pdp::clock::{Clock, SystemClock};
use portcullis_test_support::http;
use portcullis_test_support::issuer::Issuer;
use portcullis_test_support::lambda::Function;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{BOOTSTRAP, allows, rest_event};

const SECRET: &str = "gateway s3cret/+";

/// What the control plane does, and what it was asked.
struct State {
    configuration: Value,
    version: u32,
    /// The status of every answer but those with tokens; 0 hangs up.
    status: u16,
    /// Whether clients have to post their secret.
    wants_post: bool,
    token: u32,
    asked: Vec<String>,
    events: Vec<Value>,
    groups: Vec<Value>,
}

struct ControlPlane {
    url: String,
    issuer: Issuer,
    state: Arc<Mutex<State>>,
    root: TempDir,
}

impl ControlPlane {
    fn start() -> Self {
        let issuer = Issuer::start();
        let state = Arc::new(Mutex::new(State {
            configuration: configuration(issuer.url()),
            version: 1,
            status: 200,
            wants_post: false,
            token: 1,
            asked: Vec::new(),
            events: Vec::new(),
            groups: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        let address = http::listen(move |mut connection| {
            while let Some(request) = connection.read()? {
                let answer = answer(&mut shared.lock().unwrap(), &request);
                let Some((status, headers, body)) = answer else {
                    return Ok(());
                };
                connection.write(&status, &headers, body.as_bytes())?;
            }
            Ok(())
        });
        Self {
            url: format!("http://{address}"),
            issuer,
            state,
            root: tempfile::tempdir().unwrap(),
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap();
        change(&mut state);
        state.version += 1;
    }

    fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    fn count(&self, what: &str) -> usize {
        self.asked().iter().filter(|one| one.contains(what)).count()
    }

    fn function(&self, settings: &[(&str, &str)]) -> Function {
        let issuer = format!("{}/t1/system", self.url);
        let copy = self.root.path().join("copy.json");
        let own = [
            ("ACP_ISSUER_URL", issuer.as_str()),
            ("ACP_CLIENT_ID", "gateway"),
            ("ACP_CLIENT_SECRET", SECRET),
            ("ACP_RELOAD_INTERVAL", "1s"),
            ("PORTCULLIS_CONFIGURATION_COPY", copy.to_str().unwrap()),
        ];
        let mut function = Function::start(Path::new(BOOTSTRAP), &[&own[..], settings].concat());
        function.ready();
        function
    }

    fn token(&self) -> String {
        let now = SystemClock.unix_now();
        self.issuer
            .token_with("anybody", &json!({ "amr": ["pwd"], "sub": "carl" }), now)
    }
}

fn answer(state: &mut State, request: &http::Request) -> Option<(String, String, String)> {
    state.asked.push(request.line.clone());
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let authorization = request.header("authorization").unwrap_or_default();
    let reply = |status: &str, body: Value| {
        Some((
            status.to_owned(),
            "Content-Type: application/json\r\n".to_owned(),
            body.to_string(),
        ))
    };
    if request.line == "POST /t1/system/oauth2/token" {
        let basic = format!(
            "Basic {}",
            BASE64_STANDARD.encode("gateway:gateway%20s3cret%2F%2B")
        );
        let posted = body.contains("client_id=gateway&client_secret=gateway%20s3cret%2F%2B");
        let good = if state.wants_post {
            posted
        } else {
            authorization == basic
        };
        return if good {
            let token = format!("t{}", state.token);
            reply(
                "200 OK",
                json!({ "access_token": token, "token_type": "bearer", "expires_in": 600 }),
            )
        } else {
            reply("401 Unauthorized", json!({ "error": "invalid_client" }))
        };
    }
    match state.status {
        200 => {}
        0 => return None,
        status => {
            return reply(
                &format!("{status} x"),
                json!({ "error": "broken", "error_code": "" }),
            );
        }
    }
    if authorization != format!("Bearer t{}", state.token) {
        return reply(
            "401 Unauthorized",
            json!({ "error": "no", "status_code": 401 }),
        );
    }
    if request
        .line
        .starts_with("GET /api/system/t1/gateways/configuration")
    {
        let etag = format!("\"{}\"", state.version);
        if request.header("if-none-match") == Some(&etag) {
            return reply("304 Not Modified", Value::Null)
                .map(|(status, _, _)| (status, String::new(), String::new()));
        }
        let headers = format!("ETag: {etag}\r\n");
        return Some((
            "200 OK".to_owned(),
            headers,
            state.configuration.to_string(),
        ));
    }
    if request
        .line
        .starts_with("POST /api/system/t1/gateways/requests")
    {
        let sent: Value = serde_json::from_str(&body).unwrap();
        let events = sent["events"].as_array().unwrap().clone();
        let count = events.len();
        state.events.extend(events);
        return reply("200 OK", json!({ "number_of_pushed_events": count }));
    }
    if request
        .line
        .starts_with("POST /api/system/t1/gateways/configuration")
    {
        state.groups.push(serde_json::from_str(&body).unwrap());
        return reply("200 OK", json!({ "number_of_added_api_groups": 1 }));
    }
    if request.line == "POST /api/system/t1/gateways/introspect" {
        let active = body.starts_with("token=opaque-good&");
        let exp = 4_000_000_000_u64;
        return reply(
            "200 OK",
            json!({ "active": active, "sub": "carla", "exp": exp, "amr": ["pwd"], "iss": state.configuration["issuer_url"] }),
        );
    }
    reply("404 Not Found", json!({ "error": "nothing here" }))
}

fn configuration(issuer: &str) -> Value {
    let api = |id: &str, path: &str, policy: &str, position: u32| json!({ "id": id, "service_id": "s1", "api_type": "rest", "method": "GET", "path": path, "policy_id": policy, "position": position });
    json!({
        "issuer_url": issuer, "jwks_url": format!("{issuer}/jwks"), "unknown_member": {},
        "services": [{ "id": "s1", "name": "PetStore", "api_group_metadata": { "type": "aws", "aws": { "api_id": "abc", "api_name": "PetStore", "stage": "prod" } } }],
        "apis": [
            api("a1", "/pets/{petId}", "pwd", 1), api("a2", "/open", "", 2), api("a3", "/blocked", "block", 3),
            api("a4", "/strange", "strange", 4), api("a5", "/rego", "rego", 5),
        ],
        "policies": [
            { "id": "pwd", "policy_name": "PWD", "language": "cloudentity", "type": "api", "validators": [
                { "name": "identity-context", "conf": { "fields": [{ "field": "amr", "comparator": "contains_all", "value": ["pwd"] }] } }] },
            { "id": "block", "policy_name": "Block API", "language": "cloudentity", "validators": [{ "name": "false" }] },
            { "id": "strange", "policy_name": "Strange", "language": "cloudentity", "validators": [{ "name": "tea-leaves" }] },
            { "id": "rego", "policy_name": "Rego", "language": "rego", "definition": "package acp.authz\nallow := true" },
        ],
    })
}

fn event(path: &str, token: Option<&str>) -> Value {
    let mut event = rest_event(path);
    let headers = token.map_or_else(
        || json!({}),
        |token| json!({ "Authorization": format!("Bearer {token}") }),
    );
    event["headers"] = headers;
    event["multiValueHeaders"] = token.map_or_else(
        || json!({}),
        |token| json!({ "Authorization": [format!("Bearer {token}")] }),
    );
    event
}

/// Whether it was let through, and the reason.
fn decided(function: &mut Function, path: &str, token: Option<&str>) -> (bool, String) {
    let answer = function.invoke(&event(path, token).to_string()).outcome;
    let allowed = allows(&answer);
    let reason = match &answer {
        Ok(text) => {
            let answer: Value = serde_json::from_str(text).unwrap();
            answer["context"]["reason"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        }
        Err(error) => error.clone(),
    };
    (allowed, reason)
}

fn scheduled() -> String {
    json!({ "version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}, "resources": ["arn:aws:events:us-east-1:123456789012:rule/x"] }).to_string()
}

fn is(allowed: bool, reason: &str) -> (bool, String) {
    (allowed, reason.to_owned())
}
