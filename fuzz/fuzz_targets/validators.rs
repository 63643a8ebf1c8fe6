//! The validators language: reading and evaluating never panics and has the same outcome twice, and the words of the
//! language mean what they say: a branch, an embedded file, and comparators that are each other's opposites.
//!
//! An input is a policy, behind a NUL the claims of a token, and behind another one header fields, one a line.
//! Or it is the name of a claim, a JSON value to compare it with, and the claims, on a line each.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use portcullis_engine::{DocumentFile, PolicySet, SourceFile, compile_documents, documents};
use portcullis_fuzz::{rehearse, request, valid_claims};
use portcullis_jose::JsonObject;
use portcullis_model::{ApiRequest, Decision, ReasonCode};
use serde_json::{Value, json};

const ISSUER: &str = "https://idp.example.com";
/// Comparators that take any literal.
const COMPARATORS: [&str; 12] = [
    "equals",
    "not_equals",
    "contains",
    "not_contains",
    "contains_all",
    "contains_any",
    "starts_with",
    "ends_with",
    "greater",
    "greater_or_equal",
    "less",
    "less_or_equal",
];

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut parts = text.splitn(3, '\0');
    let policy = parts.next().unwrap_or_default();
    let claims = claims(parts.next().unwrap_or("{}"));
    let fields = parts.next().unwrap_or_default();
    branches(policy, &claims, fields);
    let mut lines = text.splitn(3, '\n');
    if let (Some(name), Some(value), Some(given)) = (lines.next(), lines.next(), lines.next())
        && let Ok(value) = serde_json::from_str(value)
    {
        comparators(name, &value, given);
    }
});

/// Those of a valid token with what is given, but for what makes it valid.
fn claims(given: &str) -> JsonObject {
    let mut claims = valid_claims(ISSUER, "api");
    if let Ok(Value::Object(given)) = serde_json::from_str(given) {
        for (name, value) in given {
            claims.entry(name).or_insert(value);
        }
    }
    claims
}

/// Whether the policy permits; `None` where it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answer(Option<bool>);

impl Answer {
    /// `None` where the policy was not asked: such a token is bound to a key, or not good yet.
    fn of(decision: &Decision) -> Option<Self> {
        let mut checks = decision.trace.checks.iter();
        checks.find(|check| check.name == "policy")?;
        Some(Self(match decision.reason.code {
            ReasonCode::PolicyFailed | ReasonCode::PolicyLimitExceeded => {
                assert!(!decision.is_permit());
                None
            }
            _ => Some(decision.is_permit()),
        }))
    }
}

/// What is said of a policy by policies that embed it.
fn branches(text: &str, claims: &JsonObject, fields: &str) {
    let file = SourceFile {
        path: "policies/p.yaml".to_owned(),
        text: text.to_owned(),
    };
    let Ok(policy) = documents(std::slice::from_ref(&file)) else {
        return;
    };
    let headers: Vec<_> = fields
        .lines()
        .filter_map(|line| line.split_once(": "))
        .collect();
    let url = "https://api.example.com/a/7?x=1&y=%20";
    let Some(request) = request("GET", url, &headers) else {
        return;
    };
    let embedded = |file: &str| json!({ "name": "policy", "conf": { "policy": file } });
    let branch = |holds: &Value, fails: &Value| {
        let conf = json!({ "if": [embedded("p.yaml")], "then": [holds], "else": [fails] });
        json!({ "name": "if", "conf": conf })
    };
    let (yes, no) = (json!({ "name": "true" }), json!({ "name": "false" }));
    let Some(plain) = answer(&policy, &json!([embedded("p.yaml")]), &request, claims) else {
        return;
    };
    for (validators, expected) in [
        (json!([branch(&no, &yes)]), plain.0.map(|holds| !holds)),
        (json!([branch(&yes, &no)]), plain.0),
        (json!([embedded("p.yaml"), embedded("p.yaml")]), plain.0),
        (
            json!([embedded("p.yaml"), branch(&no, &yes)]),
            plain.0.map(|_| false),
        ),
        (json!([branch(&yes, &yes)]), plain.0.map(|_| true)),
    ] {
        // What embeds a large or deep policy may be too large or too deep itself, and run into the limit of steps.
        if let Some(found) = answer(&policy, &validators, &request, claims)
            && found.0.is_some()
        {
            assert_eq!(found.0, expected, "{validators}");
        }
    }
}

/// What a policy of these validators answers; `None` where it cannot be one.
fn answer(
    policy: &[DocumentFile],
    validators: &Value,
    request: &ApiRequest,
    claims: &JsonObject,
) -> Option<Answer> {
    let operation = json!({ "name": "all", "paths": ["/**"], "policy": "whole.yaml" });
    let mut files = policy.to_vec();
    files.push(document(
        "policies/whole.yaml",
        json!({ "validators": validators }),
    ));
    let policy = policy_set(files, &[operation])?;
    let decision = rehearse(&policy, request, claims)?;
    assert!(rehearse(&policy, request, claims).as_ref() == Some(&decision));
    let _ = format!("{decision:?}");
    Answer::of(&decision)
}

/// Each comparator by itself, on one claim and one literal.
fn comparators(name: &str, value: &Value, given: &str) {
    let mut files = Vec::new();
    let mut operations = Vec::new();
    let mut add = |comparator: &str, field: Value| {
        let validators = json!([{ "name": "identity-context", "conf": { "fields": [field] } }]);
        let file = format!("policies/{comparator}.yaml");
        files.push(document(&file, json!({ "validators": validators })));
        operations.push(json!({
            "name": comparator, "paths": [format!("/{comparator}")], "policy": format!("{comparator}.yaml"),
        }));
    };
    for comparator in COMPARATORS {
        add(
            comparator,
            json!({ "field": name, "comparator": comparator, "value": value }),
        );
    }
    for comparator in ["exists", "not_exists"] {
        add(
            comparator,
            json!({ "field": name, "comparator": comparator }),
        );
    }
    let Some(policy) = policy_set(files, &operations) else {
        return;
    };
    let claims = claims(given);
    let holds: HashMap<&str, bool> = COMPARATORS
        .iter()
        .chain(&["exists", "not_exists"])
        .filter_map(|comparator| {
            let url = format!("https://api.example.com/{comparator}");
            let decision = rehearse(&policy, &request("GET", &url, &[])?, &claims)?;
            Some((*comparator, Answer::of(&decision)?.0?))
        })
        .collect();
    // With a reference, the other side may be missing; with a limit, an answer.
    let is_literal = !value.as_str().is_some_and(|text| text.starts_with('$'));
    if !is_literal || holds.len() != COMPARATORS.len() + 2 {
        return;
    }
    let holds = |comparator: &str| holds[comparator];
    let exists = holds("exists");
    assert_ne!(exists, holds("not_exists"));
    for comparator in COMPARATORS {
        assert!(exists || !holds(comparator), "{comparator} of nothing");
    }
    assert!(!exists || holds("equals") != holds("not_equals"));
    assert!(!exists || holds("contains") != holds("not_contains"));
    assert!(!holds("contains_all") || holds("contains_any"));
    assert!(!holds("greater") || holds("greater_or_equal"));
    assert!(!holds("less") || holds("less_or_equal"));
    let are_numbers = holds("greater_or_equal") || holds("less_or_equal");
    assert_eq!(are_numbers, holds("greater") != holds("less_or_equal"));
    assert_eq!(are_numbers, holds("less") != holds("greater_or_equal"));
}

fn document(path: &str, document: Value) -> DocumentFile {
    DocumentFile {
        path: path.to_owned(),
        document,
    }
}

/// A policy set of one service with these operations.
fn policy_set(mut files: Vec<DocumentFile>, operations: &[Value]) -> Option<PolicySet> {
    let service = json!({
        "name": "S", "base_urls": ["https://api.example.com"],
        "tokens": [{ "issuer": ISSUER, "audiences": ["api"] }], "operations": operations,
    });
    files.push(document("services/s.yaml", service));
    compile_documents(&files, &[]).ok()
}
