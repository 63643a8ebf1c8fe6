//! A control plane on loopback that does as it is told, also wrong, and a decision point that polls it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use portcullis_model::{ApiRequest, AwsEntry, Decision, HeaderMap, RequestUrl};
use portcullis_pdp::Unavailable;
use portcullis_pdp::clock::{Clock, Moment, Sleep, SystemClock};
use portcullis_pdp::cloudentity::{
    CloudentityOptions, CloudentityPoint, ControlPlane, ControlPlaneSettings, SystemIssuer,
};
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::sideband::GatewayCredential;
use portcullis_test_support::http::{self, Connection};
use portcullis_test_support::issuer::Issuer;
use serde_json::{Value, json};

use crate::fake_clock::START;
use crate::support::api_request;

/// How old a configuration may be before another one is asked for, and to decide at all.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);
pub(crate) const MAX_AGE: Duration = Duration::from_mins(30);
/// For how long an access token of the system issuer is good, in seconds.
pub(crate) const TOKEN_LIFETIME: u64 = 600;

/// A clock that also goes back.
#[derive(Debug)]
pub(crate) struct HandClock(AtomicU64);

impl HandClock {
    pub(crate) fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, time: Duration) {
        self.0.fetch_add(time.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn unix_now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Moment {
        SystemClock.monotonic()
    }

    fn sleep(&self, time: Duration) -> Sleep {
        SystemClock.sleep(time)
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No answer, until something else goes wrong or nothing.
    Silence,
    /// The connection is closed.
    Closed,
    Status(u16),
    /// The head promises more than comes.
    CutShort,
    /// Whole by its length, and not by its brackets.
    TruncatedJson,
    /// Something that is no HTTP.
    NoHttp,
    /// An error page with status 200.
    ErrorPage,
    /// JSON with status 200 that is something else.
    OtherJson,
    Redirect,
    /// Not changed, which nobody has asked.
    Unasked304,
}

impl Fault {
    pub(crate) const ALL: [Self; 16] = [
        Self::Silence,
        Self::Closed,
        Self::Status(400),
        Self::Status(401),
        Self::Status(403),
        Self::Status(404),
        Self::Status(429),
        Self::Status(500),
        Self::Status(503),
        Self::CutShort,
        Self::TruncatedJson,
        Self::NoHttp,
        Self::ErrorPage,
        Self::OtherJson,
        Self::Redirect,
        Self::Unasked304,
    ];
}

/// The part of the control plane that something is wrong with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Token,
    Configuration,
    Introspection,
}

#[derive(Debug)]
struct State {
    configuration: Value,
    version: u32,
    fault: Option<(Part, Fault)>,
    secret: String,
    /// Which access token is good, and how many were given.
    token: u32,
    asked: Vec<String>,
}

/// A control plane with the issuer of the tokens that clients of the APIs have.
pub(crate) struct Plane {
    pub(crate) url: String,
    pub(crate) issuer: Issuer,
    pub(crate) clock: Arc<HandClock>,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Plane {
    pub(crate) fn start() -> Self {
        let issuer = Issuer::start();
        let state = State {
            configuration: configuration(issuer.url()),
            version: 1,
            fault: None,
            secret: "first s3cret".to_owned(),
            token: 0,
            asked: Vec::new(),
        };
        let state = Arc::new((Mutex::new(state), Condvar::new()));
        let shared = Arc::clone(&state);
        let address = http::listen(move |mut connection| {
            while let Some(request) = connection.read()? {
                answer(&shared, &request, &mut connection)?;
            }
            Ok(())
        });
        Self {
            url: format!("http://{address}"),
            issuer,
            clock: Arc::new(HandClock(AtomicU64::new(START))),
            state,
        }
    }

    /// From now on this is wrong, or nothing is.
    pub(crate) fn fault(&self, fault: Option<(Part, Fault)>) {
        self.state.0.lock().unwrap().fault = fault;
        self.state.1.notify_all();
    }

    /// Changes the configuration.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut Value)) {
        let mut state = self.state.0.lock().unwrap();
        change(&mut state.configuration);
        state.version += 1;
    }

    /// From now on this is the secret of the client.
    pub(crate) fn rotate(&self, secret: &str) {
        secret.clone_into(&mut self.state.0.lock().unwrap().secret);
    }

    /// No access token that was given is good any more.
    pub(crate) fn revoke(&self) {
        self.state.0.lock().unwrap().token += 1;
    }

    pub(crate) fn count(&self, part: Part) -> usize {
        let state = self.state.0.lock().unwrap();
        state.asked.iter().filter(|line| is(part, line)).count()
    }

    /// Waits until it has been asked once more than `before`.
    pub(crate) async fn asked_after(&self, part: Part, before: usize) {
        while self.count(part) <= before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// A decision point that knows the client by that secret.
    pub(crate) fn point(&self, secret: &str, options: CloudentityOptions) -> CloudentityPoint {
        self.impatient_point(secret, options, Duration::from_mins(1))
    }

    /// The same, and how long it waits for an answer.
    pub(crate) fn impatient_point(
        &self,
        secret: &str,
        options: CloudentityOptions,
        timeout: Duration,
    ) -> CloudentityPoint {
        let settings = ControlPlaneSettings {
            issuer: SystemIssuer::parse(&format!("{}/t1/system", self.url), false).unwrap(),
            client_id: "gateway".to_owned(),
            client_secret: GatewayCredential::header_value(secret).unwrap(),
            tenant_id: None,
            server_id: None,
            timeout,
        };
        let http = Arc::new(HttpClient::new(&TlsRoots::public()).unwrap());
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let plane = ControlPlane::new(settings, http.clone(), Arc::clone(&clock));
        CloudentityPoint::new(Arc::new(plane), http, clock, "gateway".to_owned(), options)
    }

    /// A token whose times are off by so many seconds.
    pub(crate) fn token(&self, more: &Value) -> String {
        self.issuer
            .token_with("anybody", more, self.clock.unix_now())
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        // Whoever waits in silence is let go.
        self.fault(None);
    }
}

pub(crate) fn options() -> CloudentityOptions {
    CloudentityOptions {
        reload_interval: INTERVAL,
        max_age: MAX_AGE,
        ..CloudentityOptions::default()
    }
}

/// `/pets` has a policy that permits whoever has signed in with a password, `/open` none, `/blocked` one that denies.
pub(crate) fn configuration(issuer: &str) -> Value {
    json!({
        "issuer_url": issuer, "jwks_url": format!("{issuer}/jwks"),
        "services": [{ "id": "s1", "name": "PetStore", "api_group_metadata": { "type": "aws", "aws": { "api_id": "abc", "stage": "prod" } } }],
        "apis": [api("a1", "/pets", "pwd", 1), api("a2", "/open", "", 2), api("a3", "/blocked", "block", 3)],
        "policies": [
            { "id": "pwd", "policy_name": "PWD", "language": "cloudentity", "validators": [
                { "name": "identity-context", "conf": { "fields": [{ "field": "amr", "comparator": "contains_all", "value": ["pwd"] }] } }] },
            { "id": "block", "policy_name": "Block API", "language": "cloudentity", "validators": [{ "name": "false" }] },
        ],
    })
}

pub(crate) fn api(id: &str, path: &str, policy: &str, position: u32) -> Value {
    json!({ "id": id, "service_id": "s1", "api_type": "rest", "method": "GET", "path": path, "policy_id": policy, "position": position })
}

/// What is decided on a request: the reason, and whether it is let through.
pub(crate) async fn decided(point: &CloudentityPoint, path: &str, token: Option<&str>) -> String {
    match ask(point, path, token).await {
        Ok(decision) => {
            let word = if decision.is_permit() {
                "allow"
            } else {
                "deny"
            };
            format!("{word} {}", decision.reason.code.as_str())
        }
        Err(error) => format!("no decision: {error}"),
    }
}

pub(crate) async fn ask(
    point: &CloudentityPoint,
    path: &str,
    token: Option<&str>,
) -> Result<Decision, Unavailable> {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        headers
            .append("Authorization", &format!("Bearer {token}"))
            .unwrap();
    }
    let url = format!("https://abc.execute-api.us-east-1.amazonaws.com/prod{path}");
    let request = ApiRequest {
        url: RequestUrl::parse(&url).unwrap(),
        headers,
        entry: Some(AwsEntry {
            api_id: "abc".into(),
            stage: "prod".into(),
            path: path.into(),
        }),
        ..api_request()
    };
    Ok(point.decide(&request).await?.decision)
}

fn is(part: Part, line: &str) -> bool {
    line.contains(match part {
        Part::Token => "/oauth2/token",
        Part::Configuration => "/gateways/configuration",
        Part::Introspection => "/gateways/introspect",
    })
}

fn answer(
    shared: &(Mutex<State>, Condvar),
    request: &http::Request,
    connection: &mut Connection,
) -> std::io::Result<()> {
    let (lock, changed) = shared;
    let mut state = lock.lock().unwrap();
    state.asked.push(request.line.clone());
    let fault = |state: &State| {
        let (part, fault) = state.fault?;
        is(part, &request.line).then_some(fault)
    };
    while fault(&state) == Some(Fault::Silence) {
        state = changed.wait(state).unwrap();
    }
    let (status, headers, body) = good_answer(&mut state, request);
    let fault = fault(&state);
    drop(state);
    let json = "Content-Type: application/json\r\n";
    match fault {
        None | Some(Fault::Silence) => connection.write(&status, &headers, body.as_bytes()),
        Some(Fault::Closed) => Err(std::io::ErrorKind::ConnectionAborted.into()),
        Some(Fault::Status(status)) => {
            connection.write(&format!("{status} x"), json, br#"{"error":"broken"}"#)
        }
        Some(Fault::CutShort) => {
            let (half, _) = body.split_at(body.len() / 2);
            let length = body.len();
            let text = format!("HTTP/1.1 200 OK\r\n{json}Content-Length: {length}\r\n\r\n{half}");
            connection.write_raw(text.as_bytes())?;
            Err(std::io::ErrorKind::ConnectionAborted.into())
        }
        Some(Fault::TruncatedJson) => {
            let (half, _) = body.split_at(body.len() / 2);
            connection.write("200 OK", json, half.as_bytes())
        }
        Some(Fault::NoHttp) => {
            connection.write_raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")?;
            Err(std::io::ErrorKind::ConnectionAborted.into())
        }
        Some(Fault::ErrorPage) => {
            connection.write("200 OK", "Content-Type: text/html\r\n", b"<h1>Sorry</h1>")
        }
        Some(Fault::OtherJson) => connection.write("200 OK", json, br#"{"error":"try later"}"#),
        Some(Fault::Redirect) => {
            connection.write("302 Found", "Location: http://127.0.0.1:1/\r\n", b"")
        }
        Some(Fault::Unasked304) => connection.write("304 Not Modified", "", b""),
    }
}

fn good_answer(state: &mut State, request: &http::Request) -> (String, String, String) {
    let json = "Content-Type: application/json\r\n".to_owned();
    let reply = |status: &str, body: Value| (status.to_owned(), json.clone(), body.to_string());
    if is(Part::Token, &request.line) {
        let sent = String::from_utf8_lossy(&request.body);
        let secret = state.secret.replace(' ', "%20");
        let basic = format!("gateway:{secret}");
        let basic = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, basic);
        let is_basic = request.header("authorization") == Some(&format!("Basic {basic}"));
        if !is_basic && !sent.contains(&format!("client_secret={secret}")) {
            return reply("401 Unauthorized", json!({ "error": "invalid_client" }));
        }
        state.token += 1;
        let token = format!("t{}", state.token);
        return reply(
            "200 OK",
            json!({ "access_token": token, "token_type": "bearer", "expires_in": TOKEN_LIFETIME }),
        );
    }
    if request.header("authorization") != Some(&format!("Bearer t{}", state.token)) {
        return reply(
            "401 Unauthorized",
            json!({ "error": "no", "status_code": 401 }),
        );
    }
    if is(Part::Introspection, &request.line) {
        return reply(
            "200 OK",
            json!({ "active": true, "sub": "carla", "exp": START + 86_400 * 30, "amr": ["pwd"], "iss": state.configuration["issuer_url"] }),
        );
    }
    let etag = format!("\"{}\"", state.version);
    if request.header("if-none-match") == Some(&etag) {
        return ("304 Not Modified".to_owned(), String::new(), String::new());
    }
    let headers = format!("ETag: {etag}\r\n");
    (
        "200 OK".to_owned(),
        headers,
        state.configuration.to_string(),
    )
}
