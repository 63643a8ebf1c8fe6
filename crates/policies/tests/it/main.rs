//! Custom policies as they are used: in a policy set, asked by a decision.
#![expect(clippy::unwrap_used, reason = "test support: a surprise ends the test")]

mod cedar;
mod hazards;
mod parity;
mod rego;
mod worker;

use portcullis_engine::{Diagnostics, PolicySet, Progress, Rehearsal, SourceFile, compile};
use portcullis_jose::AwsLc;
use portcullis_model::{ApiRequest, Decision, HeaderMap, Method, Outcome, RequestUrl, Source};
use serde_json::{Value, json};

const NOW: u64 = 1_700_000_000;

/// A service that asks the policy `p.EXTENSION` on `PUT /moons/{moon}`, and nothing on `GET /moons`.
fn sources(extension: &str, text: &str) -> Vec<SourceFile> {
    let service = format!(
        "name: S\nbase_urls: [https://api.example.com]\ntokens:\n  - issuer: https://idp.example.com\n    \
         audiences: [api]\n    claims: {{ types: {{ department: text, level: number, tags: list }} }}\noperations:\n  \
         - {{ name: Move a moon, methods: [PUT], paths: ['/moons/{{moon}}'], policy: p.{extension} }}\n  \
         - {{ name: List moons, methods: [GET], paths: [/moons] }}\n"
    );
    let file = |path: String, text: &str| SourceFile {
        path,
        text: text.to_owned(),
    };
    vec![
        file("services/s.yaml".to_owned(), &service),
        file(format!("policies/p.{extension}"), text),
    ]
}

fn compiled(extension: &str, text: &str) -> Result<PolicySet, Diagnostics> {
    compile(&sources(extension, text), &portcullis_policies::languages())
}

/// What is wrong with a policy, a line a problem.
fn problems(extension: &str, text: &str) -> String {
    compiled(extension, text).map_or_else(|problems| problems.to_string(), |_| "none".to_owned())
}

fn request(headers: &[(&str, &str)]) -> ApiRequest {
    let mut fields = HeaderMap::new();
    for (name, value) in headers {
        fields.append(name, value).unwrap();
    }
    let token = format!("Bearer {}", Rehearsal::TOKEN);
    fields.append("authorization", &token).unwrap();
    ApiRequest {
        method: Method::parse("PUT").unwrap(),
        url: RequestUrl::parse("https://api.example.com/moons/io?dry=yes&x=a%20b").unwrap(),
        http_version: "1.1".into(),
        headers: fields,
        source: Source {
            ip: Some("10.1.2.3".parse().unwrap()),
            port: None,
        },
        client_certificate: None,
        body: Some("{}".to_owned()),
        entry: None,
    }
}

/// The decision of a policy set on a request whose token has these claims beside those that every token
/// has.
fn decide(policy: &PolicySet, claims: &Value, request: &ApiRequest) -> Decision {
    let mut all = json!({
        "iss": "https://idp.example.com", "aud": "api", "sub": "u1", "client_id": "c1", "jti": "j1",
        "iat": NOW, "exp": NOW + 300, "scope": "moons:read moons:write",
    });
    let all = all.as_object_mut().unwrap();
    all.extend(claims.as_object().unwrap().clone());
    let host = Rehearsal::new(all.clone(), Some("at+jwt".to_owned()), &AwsLc);
    match policy.decide(request, &host, NOW) {
        Progress::Decided(decision) => decision,
        other => panic!("{other:?}"),
    }
}

/// `permit`, or the reason and what came nearest to a permit.
fn outcome(extension: &str, text: &str, claims: &Value) -> String {
    let policy = compiled(extension, text).unwrap_or_else(|problems| panic!("{problems}"));
    let decision = decide(&policy, claims, &request(&[("X-App", "web")]));
    match &decision.outcome {
        Outcome::Permit(_) => "permit".to_owned(),
        Outcome::Deny(deny) => {
            let miss = decision.trace.nearest_miss.as_deref().unwrap_or("-");
            format!("{} {} {miss}", deny.status, decision.reason.code)
        }
    }
}
