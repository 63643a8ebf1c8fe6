//! How large policies of validators may be, how much they may do, and which file is named where that is too much.

use portcullis_engine::{PolicySet, compile};

use crate::issuer::source;

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

/// A policy that embeds that file so many times, after so many validators that always hold.
fn embedding(file: &str, times: usize, plain: usize) -> String {
    let plain = "  - name: 'true'\n".repeat(plain);
    let embed = format!("  - {{ name: policy, conf: {{ policy: {file} }} }}\n").repeat(times);
    format!("validators:\n{plain}{embed}")
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
