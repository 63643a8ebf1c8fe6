//! How large policies of validators may be, how much they may do, and which file is named where that is too much.

use std::fmt::Write as _;

use portcullis_engine::{
    DocumentFile, MAX_POLICY_BYTES, PolicySet, Progress, Rehearsal, compile, compile_documents,
    documents,
};
use portcullis_jose::AwsLc;
use portcullis_model::{Check, Decision};
use serde_json::{Value, json};

use crate::issuer::{AUDIENCE, ISSUER, NOW, request, source, summary};

const SERVICE: &str = "
name: S
base_urls: [https://api.example.com]
tokens: [{ issuer: https://idp.example.com/oauth2/default, audiences: [api://default] }]
operations: [{ name: all, paths: [/**], policy: a.yaml }]
";

/// The service with these files of policies; the request is asked `a.yaml`.
fn policy(files: &[(&str, &str)]) -> Result<PolicySet, String> {
    let mut sources = vec![source("services/s.yaml", SERVICE)];
    for (name, text) in files {
        sources.push(source(&format!("policies/{name}"), text));
    }
    compile(&sources, &[]).map_err(|problems| problems.to_string())
}

/// The same, as a bundle carries it.
fn bundled(files: &[(&str, &str)]) -> Result<PolicySet, String> {
    let mut sources = vec![source("services/s.yaml", SERVICE)];
    for (name, text) in files {
        sources.push(source(&format!("policies/{name}"), text));
    }
    let documents = documents(&sources).map_err(|problems| problems.to_string())?;
    compile_documents(&documents, &[]).map_err(|problems| problems.to_string())
}

fn decide(policy: &PolicySet, headers: &[(&str, &str)]) -> Decision {
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "client_id": "c1", "jti": "j1",
        "iat": NOW, "exp": NOW + 300,
    });
    let claims = claims.as_object().unwrap().clone();
    let host = Rehearsal::new(claims, Some("at+jwt".to_owned()), &AwsLc);
    let authorization = format!("Bearer {}", Rehearsal::TOKEN);
    let mut headers = headers.to_vec();
    headers.push(("authorization", &authorization));
    let request = request("GET", "https://api.example.com/x", &headers);
    match policy.decide(&request, &host, NOW) {
        Progress::Decided(decision) => decision,
        other => panic!("{other:?}"),
    }
}

/// The step of the trace in which the policy was asked.
fn asked(decision: &Decision) -> &Check {
    let mut checks = decision.trace.checks.iter();
    checks.find(|check| check.name == "policy").unwrap()
}

/// A policy of one validator with so many of these tests.
fn tests(count: usize, field: &str) -> String {
    let mut text = "validators:\n- name: attributes\n  conf:\n   fields:\n".to_owned();
    for _ in 0..count {
        writeln!(text, "   - {field}").unwrap();
    }
    text
}

/// A policy that embeds that file so many times, after so many validators that always hold.
fn embedding(file: &str, times: usize, plain: usize) -> String {
    let plain = "  - name: 'true'\n".repeat(plain);
    let embed = format!("  - {{ name: policy, conf: {{ policy: {file} }} }}\n").repeat(times);
    format!("validators:\n{plain}{embed}")
}

const MISSING: &str = "{ field: login, comparator: not_exists }";

#[test]
fn each_test_is_a_step_whatever_it_compares() {
    for test in [
        MISSING,
        "{ field: request.method, comparator: exists }",
        "{ field: request.method, comparator: starts_with, value: G }",
        "{ field: request.method, comparator: ends_with, value: T }",
        "{ field: request.now, comparator: not_exists }",
    ] {
        let many = tests(1000, test);
        let within = policy(&[("a.yaml", &embedding("b.yaml", 98, 0)), ("b.yaml", &many)]);
        let decision = decide(&within.unwrap(), &[]);
        assert_eq!(summary(&decision), "permit permitted", "{test}");
        let beyond = policy(&[("a.yaml", &embedding("b.yaml", 499, 0)), ("b.yaml", &many)]);
        let decision = decide(&beyond.unwrap(), &[]);
        assert_eq!(summary(&decision), "403 policy_limit_exceeded", "{test}");
        let check = asked(&decision);
        assert_eq!(
            check.detail,
            "a.yaml: the policy was stopped at its limit of steps"
        );
        assert_eq!(check.attributes, []);
    }
}

#[test]
fn a_trace_notes_the_first_thousand_attributes() {
    for (times, noted, more) in [
        (2, 1000, ""),
        (3, 1000, "; only the first 1000 attributes are noted"),
    ] {
        let many = tests(500, MISSING);
        let files = [
            ("a.yaml", &*embedding("b.yaml", times, 0)),
            ("b.yaml", &many),
        ];
        let decision = decide(&policy(&files).unwrap(), &[]);
        let check = asked(&decision);
        assert_eq!(check.attributes.len(), noted);
        assert_eq!(check.detail, format!("a.yaml: every validator holds{more}"));
    }
}

#[test]
fn long_texts_take_more_steps() {
    let test = "{ field: request.headers.X-Long, comparator: regex, value: '^a' }";
    let files = [
        ("a.yaml", &*embedding("b.yaml", 10, 0)),
        ("b.yaml", &tests(100, test)),
    ];
    let policy = policy(&files).unwrap();
    let long = "a".repeat(15 * 1024);
    for (value, expected) in [
        ("abc", "permit permitted"),
        (&long, "403 policy_limit_exceeded"),
    ] {
        let decision = decide(&policy, &[("X-Long", value)]);
        assert_eq!(summary(&decision), expected);
    }
}

#[test]
fn policies_of_validators_are_as_large_as_those_of_other_languages() {
    let refused = format!(
        "policies/a.yaml: the policy is larger than {MAX_POLICY_BYTES} bytes; put a part of it into another file, and embed that with a validator \"policy\""
    );
    // In YAML, with and without comments.
    let large = tests(20_000, MISSING);
    assert_eq!(policy(&[("a.yaml", &large)]).unwrap_err(), refused);
    let small = tests(1, MISSING);
    let padded = |bytes: usize| format!("{small}#{}", "x".repeat(bytes - small.len() - 1));
    let fits = padded(MAX_POLICY_BYTES);
    let decision = decide(&policy(&[("a.yaml", &fits)]).unwrap(), &[]);
    assert_eq!(summary(&decision), "permit permitted");
    let beyond = padded(MAX_POLICY_BYTES + 1);
    assert_eq!(policy(&[("a.yaml", &beyond)]).unwrap_err(), refused);
    // In a bundle.
    assert_eq!(bundled(&[("a.yaml", &large)]).unwrap_err(), refused);
    // An alias is as large as what it stands for.
    let long = format!("[&v {}]", "x".repeat(30_000));
    let value = |alias: &str| {
        format!("{{ field: request.method, comparator: not_equals, value: {alias} }}")
    };
    let aliased = |times: usize| {
        let first = tests(1, &value(&long));
        let more = format!("   - {}\n", value("[*v]")).repeat(times);
        format!("{first}{more}")
    };
    policy(&[("a.yaml", &aliased(3))]).unwrap();
    bundled(&[("a.yaml", &aliased(3))]).unwrap();
    assert_eq!(policy(&[("a.yaml", &aliased(4))]).unwrap_err(), refused);
    assert_eq!(bundled(&[("a.yaml", &aliased(4))]).unwrap_err(), refused);
}

#[test]
fn what_fits_as_yaml_fits_into_a_bundle() {
    // JSON has quotes that YAML does not need.
    let field = "{field: login, comparator: not_exists},";
    let fields = field.repeat((MAX_POLICY_BYTES - 100) / field.len());
    let text = format!("validators: [{{ name: attributes, conf: {{ fields: [{fields}] }} }}]");
    let files = [("a.yaml", text.as_str())];
    policy(&files).unwrap();
    bundled(&files).unwrap();
    let documents = documents(&[source("policies/a.yaml", &text)]).unwrap();
    assert!(documents[0].document.to_string().len() > MAX_POLICY_BYTES);
}

#[test]
fn a_document_is_bounded_by_itself() {
    let fields = vec![json!({ "field": "login", "comparator": "not_exists" }); 20_000];
    let validators = json!([{ "name": "attributes", "conf": { "fields": fields } }]);
    let file = |path: &str, document: Value| DocumentFile {
        path: path.to_owned(),
        document,
    };
    let files = [
        file(
            "services/s.yaml",
            json!({
                "name": "S", "base_urls": ["https://api.example.com"],
                "operations": [{ "name": "all", "paths": ["/**"], "public": true }],
            }),
        ),
        file("policies/a.yaml", json!({ "validators": validators })),
    ];
    let problems = compile_documents(&files, &[]).unwrap_err();
    let only = problems.0.iter().map(|one| one.message.as_str());
    let expected = format!("the policy is larger than {MAX_POLICY_BYTES} bytes");
    assert_eq!(only.collect::<Vec<_>>(), [expected]);
}

#[test]
fn the_file_that_is_too_large_with_what_it_embeds_is_the_one_that_is_named() {
    let small = "validators:\n".to_owned() + &"  - name: 'true'\n".repeat(20);
    // Files are asked for by name: the one that embeds comes first, or the one that is embedded.
    for (outer, inner) in [("a.yaml", "b.yaml"), ("a.yaml", "B.yaml")] {
        let fits = [(outer, &*embedding(inner, 1, 979)), (inner, &small)];
        policy(&fits).unwrap();
        let beyond = [(outer, &*embedding(inner, 1, 990)), (inner, &small)];
        assert_eq!(
            policy(&beyond).unwrap_err(),
            format!("policies/{outer}:992:37: more than 1000 validators")
        );
    }
}

#[test]
fn the_file_that_is_nested_too_deep_with_what_it_embeds_is_the_one_that_is_named() {
    let rising: fn(usize) -> String = |number| format!("v{number}.yaml");
    let falling: fn(usize) -> String = |number| format!("v{}.yaml", 9 - number);
    for name in [rising, falling] {
        let mut files = vec![(name(0), "validators:\n  - name: 'true'\n".to_owned())];
        for number in 1..9 {
            files.push((name(number), embedding(&name(number - 1), 1, 0)));
        }
        files.push((
            "a.yaml".to_owned(),
            "validators: [{ name: 'true' }]".to_owned(),
        ));
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        assert_eq!(
            policy(&files).unwrap_err(),
            format!(
                "policies/{}:2:37: validators are nested deeper than 8",
                name(8)
            )
        );
    }
}

#[test]
fn what_embeds_a_file_that_is_wrong_says_nothing_more() {
    for (outer, inner) in [("a.yaml", "b.yaml"), ("a.yaml", "B.yaml")] {
        let files = [
            (outer, &*embedding(inner, 2, 1)),
            (inner, "validators: [{ name: 'maybe' }]"),
        ];
        let problems = policy(&files).unwrap_err();
        assert!(
            problems.starts_with(&format!("policies/{inner}:1:")),
            "{problems}"
        );
        assert_eq!(problems.lines().count(), 1, "{problems}");
    }
    // Nor what embeds or asks for one that cannot be read.
    let unread = [
        ("a.yaml", &*embedding("b.yaml", 2, 1)),
        ("b.yaml", "validator: []"),
    ];
    assert_eq!(
        policy(&unread).unwrap_err(),
        "policies/b.yaml:1:1: unknown key \"validator\"; did you mean \"validators\"?"
    );
    assert_eq!(
        policy(&[("a.yaml", "validator: []")]).unwrap_err(),
        "policies/a.yaml:1:1: unknown key \"validator\"; did you mean \"validators\"?"
    );
    let circle = [
        ("a.yaml", &*embedding("b.yaml", 1, 0)),
        ("b.yaml", &*embedding("c.yaml", 1, 0)),
        ("c.yaml", &*embedding("a.yaml", 1, 0)),
    ];
    assert_eq!(
        policy(&circle).unwrap_err(),
        "policies/c.yaml:2:37: policy \"a.yaml\" would embed itself"
    );
}
