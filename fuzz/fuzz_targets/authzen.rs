//! Calls to the AuthZEN endpoints (`/access/v1/evaluation`, `evaluations`, `search/action`): reading never panics, takes
//! JSON objects only, and says of others nothing that they hold; a question has the same answer alone, in a batch
//! and in a search, and only what a policy lets through is permitted.
//!
//! An input is the body of a call.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis_engine::{PolicySet, Question, SourceFile, compile};
use portcullis_fuzz::{NOW, check};
use portcullis_jose::AwsLc;
use portcullis_model::Decision;
use portcullis_pdp::authzen::{AskedEvaluation, AskedEvaluations, InvalidCall, Questions};
use serde_json::Value;

const SERVICES: [(&str, &str); 3] = [
    (
        "services/a.yaml",
        "
name: A
base_urls: [https://api.example.com/v1]
tokens: [{ issuer: https://idp.example.com, audiences: [api] }]
operations:
  - { name: List, methods: [GET], paths: ['/todos'], rules: { scopes: { any_of: [read] } } }
  - { name: Put, methods: [PUT, PATCH], paths: ['/todos/{todoId}'], policy: owner.yaml }
  - { name: Public, methods: [GET], paths: ['/health'], public: true }
",
    ),
    (
        "services/b.yaml",
        "
name: B
base_urls: [https://b.example.com]
tokens: [{ issuer: https://idp.example.com, audiences: [api], profile: okta }]
operations: [{ name: All, paths: ['/todos', '/b/**'], rules: { groups: { any_of: [staff] } } }]
",
    ),
    (
        "policies/owner.yaml",
        "
validators:
  - name: attributes
    conf: { fields: [{ field: authnCtx.owner, comparator: equals, value: true }, { field: request.headers.x-app, comparator: exists }] }
    recovery: [{ type: mfa }]
",
    ),
];

static POLICY: LazyLock<PolicySet> = LazyLock::new(|| {
    let files = SERVICES.map(|(path, text)| SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    });
    compile(&files, &[]).unwrap()
});

fuzz_target!(|data: &[u8]| {
    let policy = &*POLICY;
    let one = AskedEvaluation::read(data);
    let read = match &one {
        Ok(asked) => {
            // Numbers without bounds, and what is nested too deep, in members that nobody reads.
            let value = serde_json::from_slice::<Value>(data);
            assert!(value.is_err() || value.is_ok_and(|value| value.is_object()));
            let _ = format!("{asked:?}");
            asked.clone().question()
        }
        Err(error) => Err(error.clone()),
    };
    match &read {
        Ok(question) => {
            let decision = evaluate(policy, question);
            in_batch(policy, data, &decision);
            in_search(policy, one.unwrap(), question, &decision);
        }
        Err(error) => check_message(error),
    }
    let batch = AskedEvaluations::read(data).and_then(AskedEvaluations::questions);
    match batch {
        Ok(Questions::One(question)) => {
            let decision = evaluate(policy, &question);
            assert!(read.is_ok_and(|alone| evaluate(policy, &alone) == decision));
        }
        Ok(Questions::Several(questions, _)) => {
            assert!((1..=1000).contains(&questions.len()));
            for question in questions.iter().take(4) {
                evaluate(policy, question);
            }
        }
        Err(error) => check_message(&error),
    }
});

fn evaluate(policy: &PolicySet, question: &Question) -> Decision {
    assert!(!question.subject.is_empty() && !question.route.is_empty());
    let decision = policy.evaluate(question, &AwsLc, NOW);
    assert!(decision == policy.evaluate(question, &AwsLc, NOW));
    check(&decision);
    if decision.is_permit() {
        let text = |name: &str| question.claims.get(name).cloned();
        match decision.trace.operation.as_deref() {
            Some("Public") => assert_eq!(question.method.as_str(), "GET"),
            Some("List") => assert!(text("scope").is_some()),
            Some("Put") => {
                assert_eq!(text("owner"), Some(Value::Bool(true)));
                assert!(question.headers.contains("x-app"));
            }
            Some("All") => assert!(text("groups").is_some()),
            other => panic!("{other:?}"),
        }
        assert!(question.route.starts_with('/'));
    }
    decision
}

/// The only item of a batch.
fn in_batch(policy: &PolicySet, data: &[u8], decision: &Decision) {
    let text = String::from_utf8_lossy(data);
    let batch = format!(r#"{{"evaluations":[{text}],"context":{{}}}}"#);
    let read = match AskedEvaluations::read(batch.as_bytes()) {
        Ok(read) => read,
        // It is deeper by two, and where it was flattened, every member is looked at.
        Err(error) => return assert!(error.to_string().starts_with("it is no JSON"), "{error}"),
    };
    let Ok(Questions::Several(questions, _)) = read.questions() else {
        panic!("{text}");
    };
    let [question] = questions.as_slice() else {
        panic!("{text}");
    };
    // The defaults have a context; where the item has none either, that is empty as well.
    assert!(policy.evaluate(question, &AwsLc, NOW) == *decision);
}

/// A method is found where it is permitted.
fn in_search(policy: &PolicySet, asked: AskedEvaluation, question: &Question, decision: &Decision) {
    let methods = policy.permitted_methods(&asked.search().unwrap(), &AwsLc, NOW);
    let name = question.method.as_str();
    if ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&name) {
        let is_found = methods.iter().any(|method| method == name);
        assert_eq!(is_found, decision.is_permit(), "{methods:?}");
    }
}

fn check_message(error: &InvalidCall) {
    let shown = error.to_string();
    assert!(
        !shown.contains(char::is_control) && shown.len() < 300,
        "{shown:?}"
    );
}
