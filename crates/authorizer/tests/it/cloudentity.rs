//! Cloudentity mode: the function as Lambda runs it, with its extension, and a control plane that does as it is told.
//!
//! The control plane here is made by hand, to misbehave; `tests/e2e` runs the function with the decision service of
//! this workspace in its place.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

#[test]
fn unrestricted_unbound_and_unknown_are_three_things() {
    let plane = ControlPlane::start();
    let secret = plane.token();
    let mut function = plane.function(&[]);
    let token = Some(secret.as_str());
    assert_eq!(
        decided(&mut function, "/pets/7", token),
        is(true, "permitted")
    );
    assert_eq!(
        decided(&mut function, "/pets/7", None),
        is(false, "denied_by_policy")
    );
    assert_eq!(
        decided(&mut function, "/pets/7", Some("nonsense.token.x")),
        is(false, "denied_by_policy")
    );
    assert_eq!(
        decided(&mut function, "/pets/7", Some("opaque-good")),
        is(true, "permitted")
    );
    assert_eq!(
        decided(&mut function, "/pets/7", Some("opaque-bad")),
        is(false, "denied_by_policy")
    );
    assert_eq!(
        decided(&mut function, "/open", None),
        is(true, "unrestricted")
    );
    assert_eq!(
        decided(&mut function, "/blocked", token),
        is(false, "denied_by_policy")
    );
    assert_eq!(
        decided(&mut function, "/strange", token),
        is(false, "policy_failed")
    );
    assert_eq!(
        decided(&mut function, "/rego", token),
        is(false, "policy_failed")
    );
    assert_eq!(
        decided(&mut function, "/elsewhere", token),
        is(false, "unknown_api")
    );
    for nobody in [None, Some("nonsense.token.x")] {
        assert_eq!(
            decided(&mut function, "/elsewhere", nobody),
            is(false, "unknown_api")
        );
    }
    let mut other = event("/pets/7", token);
    other["methodArn"] = json!("arn:aws:execute-api:us-east-1:123456789012:other/prod/GET/pets/7");
    other["requestContext"]["apiId"] = json!("other");
    other["requestContext"]["domainName"] = json!("other.execute-api.us-east-1.amazonaws.com");
    let answer = function.invoke(&other.to_string()).outcome;
    assert!(
        !allows(&answer) && answer.as_ref().unwrap().contains("unbound"),
        "{answer:?}"
    );

    let mut lenient = plane.function(&[("ENFORCEMENT_ALLOW_UNKNOWN", "true")]);
    assert_eq!(
        decided(&mut lenient, "/elsewhere", None),
        is(true, "unmatched")
    );
    assert_eq!(
        decided(&mut lenient, "/blocked", token),
        is(false, "denied_by_policy")
    );
    let answer = lenient.invoke(&other.to_string()).outcome;
    assert!(!allows(&answer), "{answer:?}");
    let log = function.stop();
    assert!(log.contains("tea-leaves"), "{log}");
    assert!(log.contains("deploy bootstrap-rego"), "{log}");
    assert!(!log.contains("s3cret") && !log.contains(&secret), "{log}");
}

#[test]
fn a_change_decides_after_the_interval_and_no_request_waits_for_it() {
    let plane = ControlPlane::start();
    let token = plane.token();
    let mut function = plane.function(&[]);
    assert_eq!(
        decided(&mut function, "/pets/7", Some(&token)),
        is(true, "permitted")
    );
    plane.change(|state| state.configuration["apis"][0]["policy_id"] = json!("block"));
    std::thread::sleep(Duration::from_millis(1100));
    // The request that comes first is decided with what is there; its answer is followed by the reload.
    decided(&mut function, "/pets/7", Some(&token));
    assert_eq!(
        decided(&mut function, "/pets/7", Some(&token)),
        is(false, "denied_by_policy")
    );
    // A schedule reloads at once.
    plane.change(|state| state.configuration["apis"][0]["policy_id"] = json!("pwd"));
    let answer = function.invoke(&scheduled()).outcome;
    assert_eq!(answer.as_deref(), Ok("null"));
    assert_eq!(
        decided(&mut function, "/pets/7", Some(&token)),
        is(true, "permitted")
    );
    // What has not changed is not sent again, and not asked for more often than the interval says.
    let before = plane.count("configuration");
    for _ in 0..20 {
        decided(&mut function, "/open", None);
    }
    assert!(
        plane.count("configuration") <= before + 2,
        "{:?}",
        plane.asked()
    );
}

#[test]
fn while_the_control_plane_is_away_the_last_good_configuration_decides() {
    let plane = ControlPlane::start();
    let token = plane.token();
    let mut function = plane.function(&[]);
    assert!(decided(&mut function, "/pets/7", Some(&token)).0);
    for broken in [500, 429, 403, 0] {
        plane.change(|state| state.status = broken);
        function.invoke(&scheduled());
        assert_eq!(
            decided(&mut function, "/pets/7", Some(&token)),
            is(true, "permitted"),
            "{broken}"
        );
    }
    // Another instance starts with the copy; one without it does not decide, and one whose age is over does not.
    let mut second = plane.function(&[]);
    assert_eq!(
        decided(&mut second, "/pets/7", Some(&token)),
        is(true, "permitted")
    );
    let nowhere = plane.root.path().join("none.json");
    let mut without =
        plane.function(&[("PORTCULLIS_CONFIGURATION_COPY", nowhere.to_str().unwrap())]);
    let (allowed, error) = decided(&mut without, "/open", None);
    assert!(!allowed && error.contains("no configuration"), "{error}");
    std::thread::sleep(Duration::from_millis(2100));
    let mut old = plane.function(&[("PORTCULLIS_CONFIGURATION_MAX_AGE", "1s")]);
    assert!(!decided(&mut old, "/open", None).0);
    let other = [("ACP_CLIENT_ID", "other")];
    assert!(!decided(&mut plane.function(&other), "/open", None).0);
    // It comes back, with a configuration that is cut short, and with a good one.
    plane.change(|state| {
        state.status = 200;
        state.configuration = json!("cut");
    });
    function.invoke(&scheduled());
    assert_eq!(
        decided(&mut function, "/pets/7", Some(&token)),
        is(true, "permitted")
    );
    let url = plane.issuer.url().to_owned();
    plane.change(|state| state.configuration = configuration(&url));
    let mut again = plane.function(&[("PORTCULLIS_CONFIGURATION_COPY", nowhere.to_str().unwrap())]);
    assert!(decided(&mut again, "/open", None).0);
}

#[test]
fn a_token_that_is_refused_is_renewed_once() {
    let plane = ControlPlane::start();
    plane.change(|state| state.wants_post = true);
    // What is told after answers would renew it, too.
    let mut function = plane.function(&[("ANALYTICS_ENABLED", "false")]);
    assert!(decided(&mut function, "/open", None).0);
    plane.change(|state| state.token = 2);
    let before = plane.count("configuration");
    function.invoke(&scheduled());
    assert_eq!(plane.count("configuration"), before + 2);
    plane.change(|state| state.status = 401);
    let before = plane.count("configuration");
    function.invoke(&scheduled());
    assert_eq!(plane.count("configuration"), before + 2);
}

#[test]
fn the_backend_is_told_the_authentication_context() {
    let plane = ControlPlane::start();
    let token = plane.token();
    let mut function = plane.function(&[("AWS_INJECT_CONTEXT", "true")]);
    let answer = function
        .invoke(&event("/pets/7", Some(&token)).to_string())
        .outcome
        .unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["principalId"], "carl");
    let context = answer["context"]["authnCtx"].as_str().unwrap();
    let context: Value = serde_json::from_slice(&BASE64_STANDARD.decode(context).unwrap()).unwrap();
    assert_eq!(
        (&context["sub"], &context["amr"]),
        (&json!("carl"), &json!(["pwd"]))
    );
    let opaque = function
        .invoke(&event("/pets/7", Some("opaque-good")).to_string())
        .outcome
        .unwrap();
    assert!(
        opaque.contains("authnCtx") && opaque.contains("carla"),
        "{opaque}"
    );
    let anonymous = function
        .invoke(&event("/open", Some(&token)).to_string())
        .outcome
        .unwrap();
    assert!(!anonymous.contains("authnCtx"), "{anonymous}");
    let mut plain = plane.function(&[]);
    let answer = plain
        .invoke(&event("/pets/7", Some(&token)).to_string())
        .outcome
        .unwrap();
    assert!(!answer.contains("authnCtx"), "{answer}");
}

#[test]
fn decisions_are_told_after_the_answers_without_tokens() {
    let plane = ControlPlane::start();
    let token = plane.token();
    let mut function = plane.function(&[]);
    decided(&mut function, "/pets/7", Some(&token));
    decided(&mut function, "/blocked", Some(&token));
    function.invoke(&scheduled());
    std::thread::sleep(Duration::from_millis(1100));
    function.invoke(&scheduled());
    let events = plane.state.lock().unwrap().events.clone();
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(
        (&events[0]["api_id"], &events[0]["result"]["result"]),
        (&json!("a1"), &json!("AUTHORIZED"))
    );
    assert_eq!(
        (&events[1]["api_id"], &events[1]["result"]["result"]),
        (&json!("a3"), &json!("UNAUTHORIZED"))
    );
    assert_eq!(
        events[1]["result"]["failure"][0]["validator"],
        "denied_by_policy"
    );
    let text = json!(events).to_string();
    assert!(!text.contains(&token) && text.contains("sha256:"), "{text}");

    let mut raw = plane.function(&[("PORTCULLIS_ANALYTICS_RAW_TOKENS", "true")]);
    decided(&mut raw, "/pets/7", Some(&token));
    std::thread::sleep(Duration::from_millis(1100));
    raw.invoke(&scheduled());
    assert!(
        json!(plane.state.lock().unwrap().events)
            .to_string()
            .contains(&token)
    );
    let before = plane.state.lock().unwrap().events.len();
    let mut silent = plane.function(&[("ANALYTICS_ENABLED", "false")]);
    decided(&mut silent, "/pets/7", Some(&token));
    std::thread::sleep(Duration::from_millis(1100));
    silent.invoke(&scheduled());
    assert_eq!(plane.state.lock().unwrap().events.len(), before);
}

#[test]
fn settings_that_cannot_be_are_named() {
    let plane = ControlPlane::start();
    for (name, value, says) in [
        (
            "ACP_ISSUER_URL",
            "https://acp.example.com/system",
            "ACP_TENANT_ID",
        ),
        ("ACP_RELOAD_INTERVAL", "0s", "ACP_RELOAD_INTERVAL"),
        ("ACP_RELOAD_INTERVAL", "fast", "1m0s"),
        ("ENFORCEMENT_ALLOW_UNKNOWN", "perhaps", "true or false"),
        (
            "HTTP_CLIENT_INSECURE_SKIP_VERIFY",
            "true",
            "HTTP_CLIENT_ROOT_CA",
        ),
        ("PORTCULLIS_CACHE_TTL", "300s", "PORTCULLIS_CACHE_TTL"),
        (
            "PORTCULLIS_CONFIGURATION_MAX_AGE",
            "1y",
            "PORTCULLIS_CONFIGURATION_MAX_AGE",
        ),
    ] {
        let issuer = format!("{}/t1/system", plane.url);
        let mut settings = vec![
            ("ACP_ISSUER_URL", issuer.as_str()),
            ("ACP_CLIENT_ID", "gateway"),
            ("ACP_CLIENT_SECRET", SECRET),
        ];
        settings.retain(|(known, _)| *known != name);
        settings.push((name, value));
        let (code, log) = Function::start(Path::new(BOOTSTRAP), &settings).wait();
        assert_eq!(code, Some(2), "{name}={value}: {log}");
        assert!(
            log.contains(says) && !log.contains("s3cret"),
            "{name}={value}: {log}"
        );
    }
}

/// API Gateway's answers, as its SDKs read them; throttled now and then. MiniStack answers in `tests/e2e`.
fn api_gateway(throttled: Arc<Mutex<u32>>) -> String {
    let address = http::listen(move |mut connection| {
        while let Some(request) = connection.read()? {
            let authorization = request.header("authorization").unwrap_or_default();
            assert!(
                authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"),
                "{authorization}"
            );
            assert!(
                authorization.contains("/eu-west-1/apigateway/aws4_request"),
                "{authorization}"
            );
            assert_eq!(
                request.header("x-amz-security-token"),
                Some("session-s3cret")
            );
            let mut left = throttled.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                connection.write("429 Too Many Requests", "", b"{}")?;
                continue;
            }
            let body = match request.line.as_str() {
                "GET /restapis" => {
                    json!({ "item": [{ "id": "abc", "name": "PetStore" }], "position": "next page" })
                }
                "GET /restapis?position=next%20page" => json!({ "item": [] }),
                "GET /restapis/abc/stages" => {
                    json!({ "item": [{ "stageName": "prod", "deploymentId": "d1" }] })
                }
                "GET /restapis/abc/deployments/d1?embed=apisummary" => {
                    json!({ "id": "d1", "apiSummary": { "/pets/{petId}": { "GET": {}, "OPTIONS": {} }, "/open": { "ANY": {} } } })
                }
                "GET /v2/apis" => json!({ "items": [
                    { "apiId": "h1", "name": "Http", "protocolType": "HTTP" }, { "apiId": "w1", "name": "Ws", "protocolType": "WEBSOCKET" } ] }),
                "GET /v2/apis/h1/routes" => {
                    json!({ "items": [{ "routeKey": "GET /x" }, { "routeKey": "$default" }] })
                }
                "GET /v2/apis/h1/stages" => json!({ "items": [{ "stageName": "$default" }] }),
                other => panic!("{other}"),
            };
            connection.write("200 OK", "", body.to_string().as_bytes())?;
        }
        Ok(())
    });
    format!("http://{address}")
}

#[test]
fn the_apis_of_the_account_are_told_when_a_schedule_says_so() {
    let plane = ControlPlane::start();
    let endpoint = api_gateway(Arc::new(Mutex::new(2)));
    let mut function = plane.function(&[
        ("PORTCULLIS_DISCOVERY", "true"),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "key-s3cret"),
        ("AWS_SESSION_TOKEN", "session-s3cret"),
    ]);
    // What has not changed is told once.
    function.invoke(&scheduled());
    function.invoke(&scheduled());
    let told = plane.state.lock().unwrap().groups.clone();
    let api =
        |method: &str, path: &str| json!({ "api_type": "rest", "method": method, "path": path });
    let group = |id: &str, name: &str, stage: &str, apis: [Value; 2]| {
        json!({
            "id": format!("aws:{id}:{stage}"), "name": format!("{name} ({stage})"), "apis": apis,
            "metadata": { "type": "aws", "aws": { "api_id": id, "api_name": name, "stage": stage } },
        })
    };
    assert_eq!(
        told,
        [json!({ "api_groups": [
        group("abc", "PetStore", "prod", [api("ANY", "/open"), api("GET", "/pets/{petId}")]),
        group("h1", "Http", "$default", [api("ANY", "/{proxy+}"), api("GET", "/x")]),
    ] })]
    );
    let log = function.stop();
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn an_api_gateway_that_throttles_for_ever_is_given_up_and_the_polling_goes_on() {
    let plane = ControlPlane::start();
    let throttled = Arc::new(Mutex::new(1000));
    let endpoint = api_gateway(Arc::clone(&throttled));
    let mut function = plane.function(&[
        ("PORTCULLIS_DISCOVERY", "true"),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "key-s3cret"),
        ("AWS_SESSION_TOKEN", "session-s3cret"),
    ]);
    assert!(decided(&mut function, "/open", None).0);
    plane.change(|state| state.configuration["apis"][1]["policy_id"] = json!("block"));
    let answer = function.invoke(&scheduled()).outcome;
    assert_eq!(answer.as_deref(), Ok("null"));
    assert_eq!(
        1000 - *throttled.lock().unwrap(),
        4,
        "one call, four times, paced"
    );
    assert!(
        plane.state.lock().unwrap().groups.is_empty(),
        "all or nothing"
    );
    assert_eq!(
        decided(&mut function, "/open", None),
        is(false, "denied_by_policy")
    );
    let log = function.stop();
    assert!(
        log.contains("could not be found") && log.contains("429"),
        "{log}"
    );
    assert!(!log.contains("s3cret"), "{log}");
}
