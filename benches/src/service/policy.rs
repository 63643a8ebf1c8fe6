//! One policy in the words of both servers, and the calls that ask about it.
//!
//! Every resource has two operations, reading and writing, each with a scope of its own. Portcullis tells
//! operations by method and path; for Cerbos, a resource is a kind and a method an action of it, so that each finds
//! the rule in the way it is made for. The AuthZEN question is the same text for both.

use std::net::SocketAddr;

use anyhow::Result;
use portcullis_engine::{PolicySet, Question, SourceFile, compile};
use portcullis_model::{ApiRequest, HeaderMap, Method, RequestUrl, Source};
use portcullis_sideband::SidebandRequest;
use serde_json::json;

use super::load::{Calls, Permit, Post};
use crate::decision_service::{AUDIENCE, CREDENTIAL};

/// What the callers may do.
pub(crate) const SCOPES: &str = "read write openid";
/// How many different calls are made at most, spread over all operations.
const CALLS: usize = 100;
/// The policy of Cerbos for one resource: `$` is its number.
const CERBOS_POLICY: &str = r#"apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: r$
  version: default
  rules:
    - { actions: [GET], effect: EFFECT_ALLOW, roles: ["*"], condition: { match: { expr: '"read" in P.attr.scope.split(" ")' } } }
    - { actions: [PUT], effect: EFFECT_ALLOW, roles: ["*"], condition: { match: { expr: '"write" in P.attr.scope.split(" ")' } } }
"#;

/// A policy of so many operations: an even number of at least 10.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operations(pub(crate) usize);

impl Operations {
    const fn resources(self) -> usize {
        self.0 / 2
    }

    /// The one service of the policy directory.
    pub(crate) fn for_portcullis(self, issuer: &str) -> String {
        let resources = 0..self.resources();
        let operations = resources.map(|number| {
            format!(
                "  - {{ name: G{number}, methods: [GET], paths: ['/r{number}/{{id}}'], rules: {{ scopes: {{ any_of: [read] }} }} }}\n  \
                   - {{ name: P{number}, methods: [PUT], paths: ['/r{number}/{{id}}'], rules: {{ scopes: {{ any_of: [write] }} }} }}\n"
            )
        });
        let head = format!(
            "name: Benchmark\nbase_urls: [{AUDIENCE}]\n\
             tokens: [{{ issuer: '{issuer}', audiences: ['{AUDIENCE}'] }}]\noperations:\n"
        );
        head + &operations.collect::<String>()
    }

    /// The same for Cerbos: the number of each resource and its policy.
    pub(crate) fn for_cerbos(self) -> impl Iterator<Item = (usize, String)> {
        (0..self.resources())
            .map(|number| (number, CERBOS_POLICY.replace('$', &number.to_string())))
    }

    /// Methods and resources that are asked for, from all over the policy.
    fn asked(self) -> impl Iterator<Item = (&'static str, usize)> {
        let calls = self.0.min(CALLS);
        let resources = self.resources();
        (0..calls).map(move |number| {
            let method = if number % 2 == 0 { "GET" } else { "PUT" };
            // Not one after the other: 37 has no factor in common with the numbers of calls.
            (method, (number * 37 % calls) * resources / calls)
        })
    }

    /// Questions in AuthZEN, in the one text for both. Only Portcullis wants a credential.
    pub(crate) fn authzen(self, address: SocketAddr) -> Calls {
        self.authzen_for(address, SCOPES)
    }

    /// The same for somebody with other scopes.
    pub(crate) fn authzen_for(self, address: SocketAddr, scopes: &str) -> Calls {
        let header = format!("Authorization: Bearer {CREDENTIAL}\r\n");
        let calls = self.asked().map(|(method, number)| {
            let body = json!({
                "subject": { "type": "user", "id": "carl", "properties": { "scope": scopes } },
                "action": { "name": method },
                "resource": { "type": format!("r{number}"), "id": format!("/r{number}/42") },
            });
            let post = Post {
                path: "/access/v1/evaluation",
                header: &header,
                body: &body.to_string(),
            };
            post.to_bytes(address)
        });
        Calls::new(address, calls.collect(), Permit::With("\"decision\":true"))
    }

    /// The same questions in the API of Cerbos.
    pub(crate) fn check_resources(self, address: SocketAddr) -> Calls {
        let calls = self.asked().map(|(method, number)| {
            let body = json!({
                "principal": { "id": "carl", "roles": ["user"], "attr": { "scope": SCOPES } },
                "resources": [{
                    "actions": [method],
                    "resource": { "kind": format!("r{number}"), "id": format!("/r{number}/42") },
                }],
            });
            let post = Post {
                path: "/api/check/resources",
                header: "",
                body: &body.to_string(),
            };
            post.to_bytes(address)
        });
        Calls::new(address, calls.collect(), Permit::With("EFFECT_ALLOW"))
    }

    /// Sideband calls about requests with these tokens in turn.
    pub(crate) fn sideband(self, address: SocketAddr, tokens: &[String]) -> Result<Calls> {
        let asked: Vec<_> = self.asked().collect();
        let number = asked.len().max(tokens.len());
        let header = format!("CLIENT-TOKEN: {CREDENTIAL}\r\n");
        let both = asked.iter().cycle().zip(tokens.iter().cycle()).take(number);
        let calls = both.map(|((method, number), token)| {
            let mut headers = HeaderMap::new();
            headers.append("Accept", "application/json")?;
            headers.append("Authorization", &format!("Bearer {token}"))?;
            headers.append("Host", "api.example.com")?;
            headers.append("User-Agent", "benchmark/1")?;
            let request = ApiRequest {
                method: Method::parse(method)?,
                url: RequestUrl::parse(&format!("{AUDIENCE}/r{number}/42"))?,
                http_version: "1.1".into(),
                headers,
                source: Source::default(),
                client_certificate: None,
                body: None,
                entry: None,
            };
            let body = serde_json::to_string(&SidebandRequest::from_api_request(&request))?;
            let post = Post {
                path: "/sideband/request",
                header: &header,
                body: &body,
            };
            Ok(post.to_bytes(address))
        });
        let calls = calls.collect::<Result<Vec<_>>>()?;
        Ok(Calls::new(address, calls, Permit::Without("\"response\":")))
    }

    /// The policy as the engine has it, and the questions that AuthZEN asks it.
    pub(crate) fn in_process(self) -> Result<(PolicySet, Vec<Question>)> {
        let file = SourceFile {
            path: "services/benchmark.yaml".to_owned(),
            text: self.for_portcullis("https://idp.example.com"),
        };
        let policy = compile(&[file], &[]).map_err(|problems| anyhow::anyhow!("{problems}"))?;
        let questions = self.asked().map(|(method, number)| {
            let claims = json!({ "scope": SCOPES });
            Ok(Question {
                subject: "carl".to_owned(),
                claims: claims.as_object().cloned().unwrap_or_default(),
                method: Method::parse(method)?,
                service: None,
                route: format!("/r{number}/42"),
                headers: HeaderMap::new(),
                source: Source::default(),
            })
        });
        Ok((policy, questions.collect::<Result<_>>()?))
    }
}
