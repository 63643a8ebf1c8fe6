//! The part of IAM that API Gateway evaluates an authorizer's policy with, for the other modules:
//! `*` is any number of characters, `/` among them, `?` is one, deny wins (IAM User Guide, "IAM
//! JSON policy elements: Resource"; "Policy evaluation logic").

use serde_json::Value;

/// Whether a policy document lets an ARN be invoked.
pub(crate) fn allows(policy: &Value, arn: &str) -> bool {
    assert_eq!(policy["Version"], "2012-10-17");
    let statements = policy["Statement"].as_array().unwrap();
    let covers = |effect: &str| {
        statements.iter().any(|statement| {
            assert_eq!(statement["Action"], "execute-api:Invoke");
            let resources = statement["Resource"].as_array().unwrap();
            statement["Effect"] == effect
                && resources
                    .iter()
                    .any(|resource| matches(resource.as_str().unwrap(), arn))
        })
    };
    covers("Allow") && !covers("Deny")
}

fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // Which beginnings of the text the pattern so far covers.
    let mut covered = vec![false; text.len() + 1];
    covered[0] = true;
    for character in pattern {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match character {
                '*' => covered[at] || (at > 0 && next[at - 1]),
                '?' => at > 0 && covered[at - 1],
                literal => at > 0 && covered[at - 1] && text[at - 1] == literal,
            };
        }
        covered = next;
    }
    covered[text.len()]
}

#[test]
fn wildcards_are_those_of_iam() {
    for (pattern, text, expected) in [
        ("a/*", "a/b/c", true),
        ("a/*", "a/", true),
        ("a/*", "ab", false),
        ("a/*/c", "a/b/b/c", true),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("a?c", "a\u{fc}c", true),
        ("a.c", "abc", false),
        ("", "", true),
        ("**", "", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}
