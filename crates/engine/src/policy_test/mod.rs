//! Tests of policies: a request and the claims of its token in, a decision out, without signatures.
//!
//! A test file is YAML in `tests/`; each test names what it expects, and only that is compared. What no
//! test has asked for is reported as not covered.

mod document;
mod recorded;

use std::collections::{BTreeMap, BTreeSet};

use portcullis_jose::{CryptoProvider, JsonObject};
use portcullis_model::{ApiRequest, CheckOutcome, Decision, Level, Outcome};
use serde_json::{Value, json};

use crate::decide::Progress;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::directory::SourceFile;
use crate::policy_set::{ApiService, PolicySet, Requirement};
use crate::profile::Profile;
use crate::rehearsal::Rehearsal;
use document::{Expectation, TestDocument, TestFile};
pub use recorded::{InvalidRecord, NotReplayable, RecordedDecision};

/// The time of a test that says nothing else, in seconds since 1970: 2023-11-14T22:13:20Z.
const DEFAULT_NOW: u64 = 1_700_000_000;
/// How long a token of a test is valid that says nothing else, in seconds.
const DEFAULT_LIFETIME: u64 = 300;
/// Most tests of a directory.
const MAX_TESTS: usize = 100_000;

/// The tests of a policy directory.
#[derive(Debug)]
pub struct PolicyTests {
    tests: Vec<(String, TestDocument, ApiRequest)>,
}

/// What came of one test.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// The file, such as `tests/moons.yaml`.
    pub file: String,
    /// The test's name.
    pub name: String,
    /// The decision.
    pub decision: Decision,
    /// What was expected and what came, one entry for each difference; empty where the test holds.
    pub differences: Vec<String>,
}

/// What the tests have touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyCoverage {
    /// How many operations there are.
    pub operations: usize,
    /// How many rules and policies there are, each counted at each operation that asks for it.
    pub checks: usize,
    /// Operations that no test reached, as `service: operation`.
    pub untested_operations: Vec<String>,
    /// Rules and policies that no test saw hold, or saw refuse.
    pub untested_checks: Vec<String>,
}

impl PolicyTests {
    /// Reads the test files of a directory; other files are left alone.
    pub fn parse(files: &[SourceFile]) -> Result<Self, Diagnostics> {
        let mut problems = Vec::new();
        let mut tests = Vec::new();
        for file in files.iter().filter(|file| file.path.starts_with("tests/")) {
            match crate::directory::document::parse::<TestFile>(file) {
                Ok(parsed) => {
                    for test in parsed.tests {
                        match test.request.to_request() {
                            Ok(request) => tests.push((file.path.clone(), test, request)),
                            Err(message) => problems.push(Diagnostic::new(
                                &file.path,
                                crate::directory::document::place(test.name.referenced),
                                format!("test \"{}\": {message}", test.name.value.escape_debug()),
                            )),
                        }
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        if tests.len() > MAX_TESTS {
            problems.push(Diagnostic::new(
                "tests",
                None,
                format!("more than {MAX_TESTS} tests"),
            ));
        }
        if tests.is_empty() && problems.is_empty() {
            problems.push(
                Diagnostic::new("tests", None, "the policy directory has no tests")
                    .help("write some into tests/<name>.yaml"),
            );
        }
        if problems.is_empty() {
            Ok(Self { tests })
        } else {
            Err(Diagnostics(problems))
        }
    }

    /// Runs every test on a policy set.
    #[must_use]
    pub fn run(&self, policy: &PolicySet, crypto: &dyn CryptoProvider) -> Vec<TestResult> {
        self.tests
            .iter()
            .map(|(file, test, request)| {
                let now = test.now.unwrap_or(DEFAULT_NOW);
                let presented = |service: Option<&ApiService>| match (&test.token, service) {
                    (None, _) => Presented::Nothing,
                    (Some(token), Some(service)) => claims(service, token, now),
                    (Some(_), None) => Presented::Unknown,
                };
                let decision = decide(policy, request, presented, now, crypto);
                TestResult {
                    file: file.clone(),
                    name: test.name.value.clone(),
                    differences: test.expect.differences(&decision),
                    decision,
                }
            })
            .collect()
    }
}

/// What the results have touched of a policy set.
#[must_use]
pub fn policy_coverage(policy: &PolicySet, results: &[TestResult]) -> PolicyCoverage {
    let mut reached: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut seen: BTreeMap<(&str, &str, Level, String), (bool, bool)> = BTreeMap::new();
    for result in results {
        let trace = &result.decision.trace;
        let (Some(service), Some(operation)) =
            (trace.service.as_deref(), trace.operation.as_deref())
        else {
            continue;
        };
        reached.insert((service, operation));
        for check in &trace.checks {
            let name = match check.name {
                // The file of a policy stands before the colon.
                "policy" => check
                    .detail
                    .split(": ")
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
                other => other.to_owned(),
            };
            let (held, refused) = seen
                .entry((service, operation, check.level, name))
                .or_default();
            *held |= check.outcome == CheckOutcome::Passed;
            *refused |= check.outcome == CheckOutcome::Failed;
        }
    }
    let mut coverage = PolicyCoverage::default();
    for service in policy.services() {
        for operation in service.operations() {
            coverage.operations += 1;
            let key = (&*service.name, &*operation.name);
            let title = format!("{}: {}", service.name, operation.name);
            if !reached.contains(&key) {
                coverage.untested_operations.push(title.clone());
            }
            let Some(steps) = operation.guard.steps() else {
                continue;
            };
            for step in steps {
                coverage.checks += 1;
                let name = match &step.requirement {
                    Requirement::Rule(rule) => rule.name().to_owned(),
                    Requirement::Policy(policy) => policy.file.to_string(),
                };
                let found = seen.get(&(key.0, key.1, step.level, name.clone()));
                let missing = match found.copied().unwrap_or_default() {
                    (true, true) => continue,
                    (true, false) => "never refused",
                    (false, true) => "never held",
                    (false, false) => "never asked",
                };
                coverage
                    .untested_checks
                    .push(format!("{title}: {name} {missing}"));
            }
        }
    }
    coverage
}

/// What a request of a test or a record brings along.
enum Presented {
    /// No token.
    Nothing,
    /// A token that is not genuine.
    Unknown,
    /// A token with those claims, of an issuer of that profile.
    Claims(JsonObject, Profile),
    /// A token about which its issuer says that.
    Introspected(JsonObject),
}

/// What is not the token of a rehearsal.
const UNKNOWN_TOKEN: &str = "a-token-that-nobody-knows";

fn decide(
    policy: &PolicySet,
    request: &ApiRequest,
    presented: impl FnOnce(Option<&ApiService>) -> Presented,
    now: u64,
    crypto: &dyn CryptoProvider,
) -> Decision {
    let mut request = request.clone();
    let path = request.url.decoded_path();
    let service = path
        .as_ref()
        .ok()
        .and_then(|path| policy.service_for(&request, path))
        .map(|(service, _)| service);
    let (token, host) = match presented(service) {
        Presented::Nothing => (None, Rehearsal::new(JsonObject::new(), None, crypto)),
        Presented::Unknown => {
            let nobody = Rehearsal::new(JsonObject::new(), None, crypto);
            (Some(UNKNOWN_TOKEN), nobody)
        }
        Presented::Claims(claims, profile) => {
            let typ = if profile == Profile::Rfc9068 {
                "at+jwt"
            } else {
                "JWT"
            };
            let host = Rehearsal::new(claims, Some(typ.to_owned()), crypto);
            (Some(Rehearsal::TOKEN), host)
        }
        Presented::Introspected(claims) => {
            let host = Rehearsal::introspected(claims, crypto);
            (Some(Rehearsal::TOKEN), host)
        }
    };
    if let Some(token) = token {
        // A constant can stand in a header field.
        let _ = request
            .headers
            .append("Authorization", &format!("Bearer {token}"));
    }
    match policy.decide(&request, &host, now) {
        Progress::Decided(decision)
        | Progress::NeedsKeys {
            otherwise: Some(decision),
            ..
        } => decision,
        Progress::NeedsKeys { .. } | Progress::NeedsIntrospection { .. } => {
            // INVARIANT: a rehearsal has keys for every issuer, and an answer about every token.
            crate::screen::refuse(
                portcullis_model::ReasonCode::MalformedToken,
                "the token of the test is not known".to_owned(),
            )
        }
    }
}

/// What a token of the first issuer of a service has to say to be valid, with what the test says. Null
/// takes a claim away.
fn claims(service: &ApiService, token: &JsonObject, now: u64) -> Presented {
    let named = token.get("iss").and_then(Value::as_str);
    let issuer = named
        .and_then(|name| service.issuer(name))
        .or_else(|| service.tokens.first());
    let mut claims = JsonObject::new();
    let profile = issuer.map_or_else(Profile::default, |issuer| issuer.profile);
    if let Some(issuer) = issuer {
        claims.insert("iss".to_owned(), json!(issuer.issuer.as_str()));
        if let Some(audience) = issuer.audiences.first() {
            claims.insert("aud".to_owned(), json!(audience));
        }
    }
    claims.insert("iat".to_owned(), json!(now));
    claims.insert("exp".to_owned(), json!(now + DEFAULT_LIFETIME));
    for name in profile.required().iter().chain(&["sub"]) {
        claims.insert((*name).to_owned(), json!("test"));
    }
    if let Some((name, mark)) = profile.access_token_mark() {
        claims.insert(name.to_owned(), json!(mark));
    }
    for (name, value) in token {
        if value.is_null() {
            claims.remove(name);
        } else {
            claims.insert(name.clone(), value.clone());
        }
    }
    Presented::Claims(claims, profile)
}

impl Expectation {
    /// What was expected and is otherwise.
    fn differences(&self, decision: &Decision) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |what: &str, expected: &str, found: &str| {
            if expected != found {
                differences.push(format!("{what}: expected {expected}, got {found}"));
            }
        };
        if let Some(expected) = &self.decision {
            compare("decision", expected, decision.as_str());
        }
        if let Some(expected) = &self.reason {
            compare("reason", expected, decision.reason.code.as_str());
        }
        if let Some(expected) = self.status {
            let found = decision
                .status()
                .map_or("none".to_owned(), |status| status.to_string());
            compare("status", &expected.to_string(), &found);
        }
        if let Some(expected) = &self.operation {
            let found = decision.trace.operation.as_deref().unwrap_or("none");
            compare("operation", expected, found);
        }
        if let Some(expected) = &self.challenge {
            let found: Vec<String> = match &decision.outcome {
                Outcome::Permit(_) => Vec::new(),
                Outcome::Deny(deny) => deny.www_authenticate().collect(),
            };
            if !found
                .iter()
                .any(|challenge| challenge.contains(expected.as_str()))
            {
                let found = found.join(", ");
                differences.push(format!(
                    "challenge: expected one with {expected}, got {found}"
                ));
            }
        }
        for (name, expected) in &self.headers {
            let found: Vec<&str> = match &decision.outcome {
                Outcome::Permit(edits) => edits
                    .headers
                    .iter()
                    .filter(|edit| edit.name.eq_ignore_ascii_case(name))
                    .flat_map(|edit| edit.values.iter().map(String::as_str))
                    .collect(),
                Outcome::Deny(deny) => deny.headers.values(name).collect(),
            };
            let found = found.join(", ");
            let expected = expected.as_deref().unwrap_or_default();
            if found != expected {
                differences.push(format!(
                    "header {name}: expected \"{expected}\", got \"{found}\""
                ));
            }
        }
        differences
    }
}
