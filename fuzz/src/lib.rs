//! What several targets need: requests, and what must hold of every decision on them whatever the policy set says.

use std::sync::Arc;

use portcullis_engine::{
    Host, IssuerUrl, KeySource, PolicySet, Progress, ProofId, ProofUse, Rehearsal, Unmatched,
};
use portcullis_jose::{AwsLc, CryptoProvider, JsonObject, Jwks};
use portcullis_model::{
    ApiRequest, AwsEntry, Decision, HeaderMap, Method, Outcome, RequestUrl, Source,
};
use serde_json::{Value, json};

/// When everything is decided, in seconds since 1970.
pub const NOW: u64 = 1_800_000_000;

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

/// What must hold of every policy set: a request that no operation covers is let through only where the service says
/// so, one without a token only where its operation does; the same question has the same answer, and a cache is
/// told no other one.
///
/// # Panics
///
/// Where that does not hold.
pub fn check_decisions(policy: &PolicySet) {
    for request in requests(policy) {
        let place = policy.place(&request);
        let operation = place.as_ref().and_then(|place| place.operation);
        let unmatched = place.as_ref().map(|place| place.service.unmatched);
        let bare = decide_bare(policy, &request);
        assert!(bare == decide_bare(policy, &request));
        if let Some(decision) = bare {
            check(&decision);
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
            let cached = decided(policy.decide_for_cache(&request, &Nobody, NOW));
            assert!(cached.is_some_and(|cached| cached.is_permit() == decision.is_permit()));
        }
        let issuer = place.and_then(|place| place.service.tokens.first());
        let issuer = issuer.map(|one| (one.issuer.as_str(), one.audiences.first()));
        let (issuer, audience) = issuer.unwrap_or_default();
        let claims = valid_claims(issuer, audience.map_or("", String::as_str));
        let decision = rehearse(policy, &request, &claims);
        assert!(decision == rehearse(policy, &request, &claims));
        if let Some(decision) = decision {
            check(&decision);
            let is_denied =
                operation.is_none() && unmatched.is_none_or(|one| one == Unmatched::Deny);
            assert!(
                !(is_denied && decision.is_permit()),
                "{}",
                request.url.as_str()
            );
        }
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

fn check(decision: &Decision) {
    let _ = format!("{decision:?}");
    if let Outcome::Deny(deny) = &decision.outcome {
        assert!((200..=599).contains(&deny.status), "{}", deny.status);
        for challenge in deny.www_authenticate() {
            assert!(!challenge.contains(['\r', '\n', '\0']), "{challenge:?}");
        }
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
struct Nobody;

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
