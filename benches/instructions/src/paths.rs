//! The hot paths: verifying a token, deciding on a request, and the whole way from an event to its answer.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use portcullis_aws::{
    AuthorizerEvent, EdgeOptions, EventOptions, HttpV2Form, ViewerRequest, answer, edge_answer,
};
use portcullis_engine::{
    AccessToken, Host, IssuerUrl, PolicySet, Profile, Progress, SourceFile, TokenIssuer, compile,
};
use portcullis_jose::{AwsLc, CompactJws, Jwks, SymmetricKeys};
use portcullis_model::{ApiRequest, Decision, HeaderMap, Method, RequestUrl, Source};
use portcullis_sideband::{SidebandReply, SidebandRequest};
use serde::Deserialize;

use crate::events;
use crate::host::Kept;

const ISSUER: &str = "https://idp.example.com/oauth2/default";
const AUDIENCE: &str = "https://api.example.com";
/// The host that the events name, which the policy protects, too.
const GATEWAY: &str = "https://v4npdwpiab.execute-api.us-east-1.amazonaws.com";

/// A path, run so many times.
type Run = fn(&Stage, u32) -> Result<()>;

/// Every path that is counted, by its name in counts.json.
pub(crate) const PATHS: [(&str, Run); 12] = [
    ("verify: RS256", |stage, times| stage.verify("RS256", times)),
    ("verify: ES256", |stage, times| stage.verify("ES256", times)),
    ("verify: EdDSA", |stage, times| stage.verify("EdDSA", times)),
    ("decide: public", |stage, times| {
        stage.decide("/resource99/count", None, "public", times)
    }),
    ("decide: scope, the same token again", |stage, times| {
        stage.decide("/resource99/7", Some(&stage.kept), "permitted", times)
    }),
    ("decide: scope, another RS256 token", |stage, times| {
        stage.decide("/resource99/7", Some(&stage.fresh), "permitted", times)
    }),
    ("decide: no operation", |stage, times| {
        stage.decide("/nothing", Some(&stage.kept), "no_operation", times)
    }),
    ("event to answer: REST, the policy here", Stage::rest),
    ("event to answer: HTTP 2.0, the policy here", Stage::http_v2),
    ("event to answer: REST, sideband", Stage::rest_sideband),
    (
        "event to answer: viewer request, the policy here",
        Stage::viewer_request,
    ),
    (
        "sideband request to answer, the policy here",
        Stage::service,
    ),
];

/// Tokens and keys that are the same in every run.
#[derive(Deserialize)]
struct Fixed {
    now: u64,
    jwks: serde_json::Value,
    tokens: HashMap<String, Vec<String>>,
}

/// What the paths work with.
pub(crate) struct Stage {
    now: u64,
    tokens: HashMap<String, Vec<String>>,
    keys: Arc<Jwks>,
    kept: Kept,
    fresh: Kept,
    policy: PolicySet,
}

impl Stage {
    pub(crate) fn new() -> Result<Self> {
        let Fixed { now, jwks, tokens } = serde_json::from_str(include_str!("../tokens.json"))?;
        let keys = Jwks::from_json(jwks.to_string().as_bytes(), SymmetricKeys::Refuse, &AwsLc)?;
        let keys = Arc::new(keys);
        Ok(Self {
            now,
            tokens,
            kept: Kept::remembering(Arc::clone(&keys)),
            fresh: Kept::forgetful(Arc::clone(&keys)),
            keys,
            policy: policy()?,
        })
    }

    fn token(&self, algorithm: &str) -> Result<&str> {
        let tokens = self.tokens.get(algorithm).and_then(|tokens| tokens.first());
        Ok(tokens.with_context(|| format!("no {algorithm} token"))?)
    }

    /// A token until it is one whose claims hold.
    fn verify(&self, algorithm: &str, times: u32) -> Result<()> {
        let token = self.token(algorithm)?;
        let issuer = IssuerUrl::parse(ISSUER)?;
        let issuer = TokenIssuer::new(issuer, vec![AUDIENCE.to_owned()], Profile::Rfc9068);
        repeat(times, || {
            let compact = CompactJws::parse(black_box(token))?;
            let verified = compact.verify_with(&self.keys)?;
            let findings =
                AccessToken::findings(verified.payload(), verified.typ(), &issuer, self.now);
            ensure!(findings.is_empty(), "the claims do not hold");
            black_box(&verified);
            Ok(())
        })
    }

    /// A decision on a request; `host` where it has a token.
    fn decide(&self, path: &str, host: Option<&Kept>, code: &str, times: u32) -> Result<()> {
        let mut headers = HeaderMap::new();
        headers.append("Accept", "application/json")?;
        headers.append("Host", "api.example.com")?;
        headers.append("X-Forwarded-For", "203.0.113.7")?;
        if host.is_some() {
            headers.append("Authorization", &format!("Bearer {}", self.token("RS256")?))?;
        }
        let request = ApiRequest {
            method: Method::parse("GET")?,
            url: RequestUrl::parse(&format!("{AUDIENCE}{path}"))?,
            http_version: "1.1".into(),
            headers,
            source: Source::default(),
            client_certificate: None,
            body: None,
            entry: None,
        };
        repeat(times, || {
            let decision = self.decision(black_box(&request), host.unwrap_or(&self.kept))?;
            ensure!(
                decision.reason.code.as_str() == code,
                "expected {code}, got {:?}",
                decision.reason
            );
            Ok(())
        })
    }

    fn decision(&self, request: &ApiRequest, host: &dyn Host) -> Result<Decision> {
        match self.policy.decide(request, host, self.now) {
            Progress::Decided(decision) => Ok(decision),
            other => bail!("everything is there, but {other:?}"),
        }
    }

    fn rest(&self, times: u32) -> Result<()> {
        let event = events::rest(self.token("RS256")?, "/resource99/7");
        self.authorizer(&event, times)
    }

    fn http_v2(&self, times: u32) -> Result<()> {
        let event = events::http_v2(self.token("RS256")?, "/resource99/7");
        self.authorizer(&event, times)
    }

    /// The authorizer with a policy of its own, which has seen the token.
    fn authorizer(&self, event: &str, times: u32) -> Result<()> {
        let options = EventOptions::default();
        repeat(times, || {
            let event = AuthorizerEvent::parse(black_box(event).as_bytes(), &options)?;
            let decision = self.decision(event.request(), &self.kept)?;
            let answer = answer(&event, &decision, HttpV2Form::Iam)?;
            ensure!(answer.is_allow(), "the answer is not an allow");
            black_box(serde_json::to_vec(&answer)?);
            Ok(())
        })
    }

    /// The authorizer's part where a sideband service decides.
    fn rest_sideband(&self, times: u32) -> Result<()> {
        let event = events::rest(self.token("RS256")?, "/resource99/7");
        let options = EventOptions::default();
        let parsed = AuthorizerEvent::parse(event.as_bytes(), &options)?;
        // A permit is an echo of the request.
        let reply = serde_json::to_vec(&SidebandRequest::from_api_request(parsed.request()))?;
        repeat(times, || {
            let event = AuthorizerEvent::parse(black_box(&event).as_bytes(), &options)?;
            let sent = SidebandRequest::from_api_request(event.request());
            black_box(serde_json::to_vec(&sent)?);
            let decision = SidebandReply::read(black_box(&reply), &sent)?;
            let answer = answer(&event, &decision, HttpV2Form::Iam)?;
            ensure!(answer.is_allow(), "the answer is not an allow");
            black_box(serde_json::to_vec(&answer)?);
            Ok(())
        })
    }

    fn viewer_request(&self, times: u32) -> Result<()> {
        let event = events::viewer_request(self.token("RS256")?, "/resource99/7");
        let options = EdgeOptions::default();
        repeat(times, || {
            let event = ViewerRequest::parse(black_box(&event).as_bytes(), &options)?;
            let decision = self.decision(event.request(), &self.kept)?;
            ensure!(decision.is_permit(), "the answer is not a permit");
            let answer = edge_answer(&event, &decision, &options)?;
            black_box(serde_json::to_vec(&answer)?);
            Ok(())
        })
    }

    /// The decision service's part of a sideband call.
    fn service(&self, times: u32) -> Result<()> {
        let event = events::rest(self.token("RS256")?, "/resource99/7");
        let event = AuthorizerEvent::parse(event.as_bytes(), &EventOptions::default())?;
        let body = serde_json::to_vec(&SidebandRequest::from_api_request(event.request()))?;
        repeat(times, || {
            let asked = SidebandRequest::parse(black_box(&body))?;
            let request = asked.to_api_request()?;
            let decision = self.decision(&request, &self.kept)?;
            ensure!(decision.is_permit(), "the answer is not a permit");
            let reply = SidebandReply::from_decision(&asked, &decision, None);
            black_box(serde_json::to_vec(&reply)?);
            Ok(())
        })
    }
}

fn repeat(times: u32, mut once: impl FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..times {
        once()?;
    }
    Ok(())
}

/// A service of 300 operations.
fn policy() -> Result<PolicySet> {
    let mut text = format!(
        "name: Counted\nbase_urls: ['{AUDIENCE}', '{GATEWAY}', '{GATEWAY}/prod']\n\
         tokens: [{{ issuer: '{ISSUER}', audiences: ['{AUDIENCE}'] }}]\noperations:\n"
    );
    let read = "rules: { scopes: { any_of: [planets.read, planets.admin] } }";
    let write = "rules: { scopes: { all_of: [planets.write] } }";
    for number in 0..100 {
        for (method, below, guard) in [
            ("GET", "/count", "public: true"),
            ("GET", "/{id}", read),
            ("PUT", "/{id}", write),
        ] {
            let path = format!("/resource{number}{below}");
            writeln!(
                text,
                "  - {{ name: '{method} {path}', methods: [{method}], paths: ['{path}'], {guard} }}"
            )?;
        }
    }
    let path = "services/counted.yaml".to_owned();
    compile(&[SourceFile { path, text }], &[]).map_err(|problems| anyhow::anyhow!("{problems}"))
}
