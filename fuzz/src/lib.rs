//! What several targets need: requests, and what must hold of every decision on them whatever the policy set says.

use std::sync::Arc;

use portcullis_engine::{
    Host, IssuerUrl, KeySource, PolicySet, Progress, ProofId, ProofUse, Rehearsal, Unmatched,
};
use portcullis_jose::{AwsLc, CryptoProvider, JsonObject, Jwks};
use portcullis_model::{
    ApiRequest, ApiResponse, AwsEntry, BodyEdit, Check, ClientCertificate, Decision, Deny,
    HeaderEdit, HeaderMap, Method, Outcome, RequestUrl, ResponseOutcome, Source,
};
use serde_json::{Value, json};

/// When everything is decided, in seconds since 1970.
pub const NOW: u64 = 1_800_000_000;
/// A certificate in PEM, and its `x5t#S256` as `openssl` tells it. The private key was thrown away.
pub const CERTIFICATE: &str = include_str!("../certificate.pem");
pub const THUMBPRINT: &str = "QM0CzdnzS_S9D0tMMuAmkIbUvCVJ3WFjec_kAozNLAk";
/// Largest body that comes out of statements, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A request; `None` where there can be none like that.
#[must_use]
pub fn request(method: &str, url: &str, headers: &[(&str, &str)]) -> Option<ApiRequest> {
    let mut fields = HeaderMap::new();
    for (name, value) in headers {
        fields.append(name, value).ok()?;
    }
    Some(ApiRequest {
        method: Method::parse(method).ok()?,
        url: RequestUrl::parse(url).ok()?,
        http_version: "1.1".to_owned(),
        headers: fields,
        source: Source {
            ip: "192.0.2.7".parse().ok(),
            port: Some(56782),
        },
        client_certificate: None,
        body: None,
        entry: None,
    })
}

/// The claims of a token that the first issuer of a service vouches for, in every profile.
#[must_use]
pub fn valid_claims(issuer: &str, audience: &str) -> JsonObject {
    let Value::Object(claims) = json!({
        "iss": issuer, "aud": audience, "sub": "u1", "client_id": "c1", "azp": "c1", "jti": "j1", "iat": NOW,
        "exp": NOW + 300, "scope": "a b", "token_use": "access", "typ": "Bearer",
    }) else {
        unreachable!()
    };
    claims
}

/// The decision, where one needs neither keys nor an issuer's word.
#[must_use]
pub fn decided(progress: Progress) -> Option<Decision> {
    match progress {
        Progress::Decided(decision)
        | Progress::NeedsKeys {
            otherwise: Some(decision),
            ..
        } => Some(decision),
        Progress::NeedsKeys { .. } | Progress::NeedsIntrospection { .. } => None,
    }
}

/// Decides as if a token with those claims were genuine.
#[must_use]
pub fn rehearse(policy: &PolicySet, request: &ApiRequest, claims: &JsonObject) -> Option<Decision> {
    let mut request = request.clone();
    let credential = format!("Bearer {}", Rehearsal::TOKEN);
    request.headers.append("Authorization", &credential).ok()?;
    let host = Rehearsal::new(claims.clone(), Some("at+jwt".to_owned()), &AwsLc);
    decided(policy.decide(&request, &host, NOW))
}

/// Decides on a request as it is, where no key of any issuer is known.
#[must_use]
pub fn decide_bare(policy: &PolicySet, request: &ApiRequest) -> Option<Decision> {
    decided(policy.decide(request, &Nobody, NOW))
}

/// What goes over the wire beside method and URL: that of a request and, with a status, that of a response.
#[derive(Debug, Clone)]
pub struct Message {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Option<String>,
}

impl Message {
    /// Reads a status and header fields, a line each, and behind an empty line the body; what has no empty line is the
    /// body. What cannot be sent is left out.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or(("", text));
        let mut lines = head.lines();
        let status = lines.next().and_then(|status| status.parse().ok());
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let _ = headers.append(name, value);
        }
        Self {
            status: status
                .filter(|one| (100..=599).contains(one))
                .unwrap_or(200),
            headers,
            body: Some(body.to_owned()).filter(|body| !body.is_empty()),
        }
    }

    /// That request with these header fields and this body.
    #[must_use]
    pub fn in_request(&self, request: &ApiRequest) -> ApiRequest {
        ApiRequest {
            headers: self.headers.clone(),
            body: self.body.clone(),
            ..request.clone()
        }
    }
}

/// What is sent to a policy set and what its backends answer.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// Of a request, and of the response to it.
    pub message: Message,
    /// A client certificate in PEM.
    pub certificate: String,
    /// Whether the policy set may tell a client that is turned away what the backend has answered.
    pub tells_response: bool,
}

/// What must hold of every policy set: a request that no operation covers is let through only where the service says
/// so, one without a token only where its operation does; the same question has the same answer, and a cache is
/// told no other one. What is changed of requests and responses is changed by statements, and can be sent; of a response
/// that is denied nothing is left.
///
/// # Panics
///
/// Where that does not hold.
pub fn check_decisions(policy: &PolicySet, traffic: &Traffic) {
    for bare in requests(policy) {
        check_request(policy, &bare, traffic);
        let full = ApiRequest {
            client_certificate: Some(ClientCertificate {
                pem: traffic.certificate.clone(),
            }),
            ..traffic.message.in_request(&bare)
        };
        check_request(policy, &full, traffic);
    }
}

fn check_request(policy: &PolicySet, request: &ApiRequest, traffic: &Traffic) {
    let place = policy.place(request);
    let operation = place.as_ref().and_then(|place| place.operation);
    let unmatched = place.as_ref().map(|place| place.service.unmatched);
    let bare = decide_bare(policy, request);
    assert!(bare == decide_bare(policy, request));
    if let Some(decision) = bare {
        check_carried_out(policy, request, &decision, traffic);
        let may_be_bare = match operation {
            Some(operation) => {
                operation.is_public() || operation.guard_summary().starts_with("token optional")
            }
            None => unmatched == Some(Unmatched::Open),
        };
        assert!(
            may_be_bare || !decision.is_permit(),
            "{}",
            request.url.as_str()
        );
        let cached = decided(policy.decide_for_cache(request, &Nobody, NOW));
        assert!(cached.is_some_and(|cached| cached.is_permit() == decision.is_permit()));
    }
    let issuer = place.and_then(|place| place.service.tokens.first());
    let issuer = issuer.map(|one| (one.issuer.as_str(), one.audiences.first()));
    let (issuer, audience) = issuer.unwrap_or_default();
    let mut claims = valid_claims(issuer, audience.map_or("", String::as_str));
    let decision = rehearse(policy, request, &claims);
    assert!(decision == rehearse(policy, request, &claims));
    if let Some(decision) = decision {
        check_carried_out(policy, request, &decision, traffic);
        let is_denied = operation.is_none() && unmatched.is_none_or(|one| one == Unmatched::Deny);
        assert!(
            !(is_denied && decision.is_permit()),
            "{}",
            request.url.as_str()
        );
    }
    // A token that is bound to a certificate is worth something beside that certificate only.
    claims.insert("cnf".to_owned(), json!({ "x5t#S256": THUMBPRINT }));
    if let Some(decision) = rehearse(policy, request, &claims) {
        check(&decision);
        let asks = operation.map_or(unmatched == Some(Unmatched::Token), |one| {
            !one.is_public() && !one.guard_summary().starts_with("token optional")
        });
        let shown = request.client_certificate.as_ref();
        let is_shown = shown.is_some_and(|shown| holds_certificate(&shown.pem));
        assert!(!(asks && decision.is_permit()) || is_shown);
    }
}

/// Whether the text of [`CERTIFICATE`] is somewhere in a text, however it is broken into lines.
#[must_use]
pub fn holds_certificate(text: &str) -> bool {
    let flat = |text: &str| text.split_whitespace().collect::<String>();
    let body = CERTIFICATE.lines().filter(|line| !line.starts_with('-'));
    flat(text).contains(&flat(&body.collect::<String>()))
}

/// Of a decision, and of that on the response where the request went on.
fn check_carried_out(
    policy: &PolicySet,
    request: &ApiRequest,
    decision: &Decision,
    traffic: &Traffic,
) {
    check(decision);
    let Outcome::Permit(edits) = &decision.outcome else {
        return;
    };
    let by_statements = has_statement(&decision.trace.checks);
    assert!(by_statements || edits.is_empty(), "{edits:?}");
    check_edits(&edits.headers, edits.body.as_ref(), request.body.as_deref());
    if let Some(url) = &edits.url {
        // Only the query is another one.
        let before = |url: &str| url.split('?').next().unwrap_or_default().to_owned();
        assert_eq!(before(url), before(request.url.as_str()));
        assert!(url.is_ascii() && !url.contains(['#', ' ']), "{url}");
    }
    check_response(policy, request, decision, traffic);
}

fn check_response(
    policy: &PolicySet,
    request: &ApiRequest,
    decision: &Decision,
    traffic: &Traffic,
) {
    let Message {
        status,
        headers,
        body,
    } = traffic.message.clone();
    let response = ApiResponse {
        status,
        headers,
        body,
    };
    let known = decision.follow_up.as_ref();
    let answered = policy.decide_response(request, known, &response, NOW);
    assert!(answered == policy.decide_response(request, known, &response, NOW));
    let _ = format!("{answered:?}");
    match &answered.outcome {
        ResponseOutcome::Permit(edits) => {
            let is_edited = !edits.headers.is_empty() || edits.body.is_some();
            assert!(has_statement(&answered.trace.checks) || !is_edited);
            assert!(known.is_some() || !is_edited);
            check_edits(
                &edits.headers,
                edits.body.as_ref(),
                response.body.as_deref(),
            );
        }
        ResponseOutcome::Deny(deny) => {
            assert!(
                known.is_some(),
                "nobody was to ask: {}",
                answered.reason.message
            );
            check_deny(deny);
            assert!(deny.challenges.is_empty());
            // Whatever else the backend had answered, the client would be told the same.
            let empty = ApiResponse {
                headers: HeaderMap::new(),
                body: None,
                ..response.clone()
            };
            let other = policy.decide_response(request, known, &empty, NOW).outcome;
            if let ResponseOutcome::Deny(other) = other
                && !traffic.tells_response
                && other.status == deny.status
            {
                assert_eq!(*deny, other);
            }
        }
    }
    // Where what was known is lost, nothing goes through that something was to be done with.
    if known.is_some() {
        let lost = policy.decide_response(request, None, &response, NOW);
        assert!(matches!(lost.outcome, ResponseOutcome::Deny(_)));
    }
}

fn has_statement(checks: &[Check]) -> bool {
    checks.iter().any(|check| check.name == "statement")
}

/// What a permit changes can be sent, and a body goes on being JSON of a bounded size.
fn check_edits(headers: &[HeaderEdit], body: Option<&BodyEdit>, sent: Option<&str>) {
    let framing = ["connection", "host", "transfer-encoding", "te", "upgrade"];
    let mut names = Vec::new();
    for edit in headers {
        let name = edit.name.to_ascii_lowercase();
        assert!(!framing.contains(&name.as_str()), "{name}");
        assert!(HeaderMap::new().append(&edit.name, "").is_ok(), "{name:?}");
        for value in &edit.values {
            assert!(HeaderMap::new().append(&edit.name, value).is_ok());
        }
        if name == "content-length" {
            let Some(BodyEdit::Replace(body)) = body else {
                panic!("the length of a body that stays as it was");
            };
            assert_eq!(edit.values, [body.len().to_string()]);
        }
        names.push(name);
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(count, names.len(), "a header field is edited twice");
    if let Some(BodyEdit::Replace(body)) = body {
        assert!(sent.is_some(), "a body that nobody sent");
        assert!(body.len() <= MAX_BODY_BYTES, "{} bytes", body.len());
        if let Err(error) = serde_json::from_str::<Value>(body) {
            // Values that a policy sets are deeper than what a reader takes.
            assert!(
                error.to_string().starts_with("recursion limit exceeded"),
                "{error}"
            );
        }
    }
}

fn check_deny(deny: &Deny) {
    assert!((200..=599).contains(&deny.status), "{}", deny.status);
    for challenge in deny.www_authenticate() {
        assert!(!challenge.contains(['\r', '\n', '\0']), "{challenge:?}");
    }
}

/// The decisions on requests that a policy set is about: to see whether another one decides likewise.
#[must_use]
pub fn decisions(policy: &PolicySet) -> Vec<Option<Decision>> {
    let claims = valid_claims("https://idp.example.com", "api");
    let of = |request: &ApiRequest| {
        [
            decide_bare(policy, request),
            rehearse(policy, request, &claims),
        ]
    };
    requests(policy).iter().flat_map(of).collect()
}

/// What must hold of every decision.
///
/// # Panics
///
/// Where that does not hold.
pub fn check(decision: &Decision) {
    let _ = format!("{decision:?}");
    if let Outcome::Deny(deny) = &decision.outcome {
        check_deny(deny);
    }
}

/// Requests to the first operations of the first services, and to what none covers.
fn requests(policy: &PolicySet) -> Vec<ApiRequest> {
    let mut found = Vec::new();
    for service in policy.services().iter().take(3) {
        let mut calls = vec![
            ("GET", "/".to_owned()),
            ("DELETE", "/no/such/path".to_owned()),
        ];
        for operation in service.operations().iter().take(4) {
            let method = operation.methods.first().map_or("GET", Method::as_str);
            for pattern in operation.paths.iter().take(2) {
                calls.push((method, path_of(pattern.as_str())));
                calls.push(("OPTIONS", path_of(pattern.as_str())));
            }
        }
        for (method, path) in calls {
            if let Some(base) = service.base_urls.first() {
                found.extend(request(method, &format!("{}{path}", base.as_str()), &[]));
            }
            if let Some((api_id, stage)) = service.aws.first() {
                let entry = AwsEntry {
                    api_id: api_id.clone(),
                    stage: stage.clone(),
                    path: path.clone(),
                };
                let asked = request(method, &format!("https://gateway.example.com{path}"), &[]);
                found.extend(asked.map(|asked| ApiRequest {
                    entry: Some(entry),
                    ..asked
                }));
            }
        }
    }
    found
}

/// A path that a pattern covers, where it is an easy one.
fn path_of(pattern: &str) -> String {
    let segments = pattern.split('/').map(|segment| match segment {
        "**" => "rest/of/it".to_owned(),
        parameter if parameter.starts_with('{') => "7".to_owned(),
        other => other.replace('*', "x").replace('\\', ""),
    });
    segments.collect::<Vec<_>>().join("/")
}

/// A host that knows no key.
pub struct Nobody;

impl KeySource for Nobody {
    fn keys(&self, _: &IssuerUrl) -> Option<Arc<Jwks>> {
        Some(Arc::default())
    }
}

impl Host for Nobody {
    fn crypto(&self) -> &dyn CryptoProvider {
        &AwsLc
    }

    fn note_proof(&self, _: ProofId, _: u64, _: u64) -> ProofUse {
        ProofUse::First
    }
}
