//! Each comparator with what satisfies it and what does not.

use super::*;
use crate::policy::validators::steps::Steps;
use serde_json::json;

fn compare(name: &str, attribute: Option<&Value>, operand: &Value) -> bool {
    let comparator = Comparator::named(name, Some(operand)).unwrap();
    comparator
        .compare(attribute, Some(operand), true, &mut Steps::of(1000))
        .unwrap()
}

#[test]
fn each_comparator_holds_and_does_not() {
    let cases = [
        ("equals", json!("a"), json!("a"), json!("b")),
        ("equals", json!(["a"]), json!("a"), json!("b")),
        ("equals", json!(1), json!(1.0), json!("1")),
        (
            "equals",
            json!("admin-eu"),
            json!("admin-*"),
            json!(r"admin-\*"),
        ),
        ("not_equals", json!("a"), json!("b"), json!("a")),
        ("contains", json!("abc"), json!("b"), json!("x")),
        ("contains", json!(["a", "bc"]), json!("b*"), json!("b")),
        ("not_contains", json!(["a"]), json!("b"), json!("a")),
        (
            "contains_all",
            json!(["a", "b", "c"]),
            json!(["a", "c"]),
            json!(["a", "d"]),
        ),
        ("contains_all", json!(["a"]), json!("a"), json!([])),
        (
            "contains_any",
            json!(["a", "b"]),
            json!(["x", "b"]),
            json!(["x"]),
        ),
        ("starts_with", json!("abc"), json!("ab"), json!("bc")),
        ("ends_with", json!(["abc"]), json!("bc"), json!("ab")),
        ("greater", json!(3), json!(2), json!(3)),
        ("greater_or_equal", json!(["3"]), json!(3), json!(4)),
        ("less", json!(1.5), json!(2), json!("x")),
        ("less_or_equal", json!(2), json!(2), json!(1)),
        (
            "regex",
            json!("u-17"),
            json!("^u-[0-9]+$"),
            json!("^[0-9]+$"),
        ),
        (
            "cidr",
            json!("10.1.2.3"),
            json!("10.0.0.0/8"),
            json!(["11.0.0.0/8", "fd00::/8"]),
        ),
        (
            "cidr",
            json!("::ffff:10.1.2.3"),
            json!("10.1.2.3/32"),
            json!("10.1.2.4/32"),
        ),
        (
            "cidr",
            json!("2001:db8::1"),
            json!("::/0"),
            json!("0.0.0.0/0"),
        ),
    ];
    for (name, attribute, holds, fails) in cases {
        assert!(
            compare(name, Some(&attribute), &holds),
            "{attribute} {name} {holds}"
        );
        assert!(
            !compare(name, Some(&attribute), &fails),
            "{attribute} {name} {fails}"
        );
    }
}

#[test]
fn what_is_missing_satisfies_nothing_but_not_exists() {
    for (name, _) in NAMES {
        let operand = match name {
            "cidr" => json!("10.0.0.0/8"),
            _ => json!("x"),
        };
        for attribute in [None, Some(&Value::Null)] {
            assert_eq!(
                compare(name, attribute, &operand),
                name == "not_exists",
                "{name}"
            );
        }
    }
    assert!(compare("exists", Some(&json!("")), &Value::Null));
}

#[test]
fn steps_are_bounded() {
    let many: Value = (0..100).collect();
    let comparator = Comparator::named("contains_all", Some(&many)).unwrap();
    let outcome = comparator.compare(Some(&many), Some(&many), true, &mut Steps::of(1000));
    assert_eq!(outcome, Err(PolicyFailure::Limit("steps")));
    let long = json!("a".repeat(MAX_REGEX_INPUT + 1));
    let regex = Comparator::named("regex", Some(&json!("b"))).unwrap();
    assert!(
        regex
            .compare(Some(&long), None, true, &mut Steps::of(1_000_000))
            .is_err()
    );
}

#[test]
fn what_takes_long_takes_more_steps() {
    let text = |length: usize| json!("a".repeat(length));
    let body = json!([{ "a": vec!["x"; 500] }, text(100_000)]);
    let networks: Value = (0..=255)
        .map(|one| format!("10.{one}.0.0/16"))
        .collect::<Vec<_>>()
        .into();
    for (name, attribute, operand, wildcards, least) in [
        // 16 KiB of text with an expression of less than 1 KiB, and with one of more than 16 KiB.
        ("regex", text(MAX_REGEX_INPUT), json!("^b"), true, 256),
        (
            "regex",
            text(MAX_REGEX_INPUT),
            json!("^b{900}"),
            true,
            16 * 256,
        ),
        ("equals", text(64 * 256), json!("*b"), true, 64),
        ("equals", text(64 * 256), text(64 * 256), false, 64),
        ("equals", body.clone(), body, false, 500 + 390),
        ("not_contains", text(64 * 256), json!("b"), true, 64),
        ("starts_with", text(64 * 256), text(64 * 256), true, 64),
        ("greater", text(64 * 256), json!(1), true, 64),
        ("cidr", json!("11.0.0.1"), networks, true, 16),
        // Each item counts, whether it is a text or not.
        ("regex", json!(vec![1; 100]), json!("b"), true, 100),
    ] {
        let comparator = Comparator::named(name, Some(&operand)).unwrap();
        let compare = |steps: u32| {
            comparator.compare(
                Some(&attribute),
                Some(&operand),
                wildcards,
                &mut Steps::of(steps),
            )
        };
        let failure = Err(PolicyFailure::Limit("steps"));
        assert_eq!(compare(least - 1), failure, "{name} {least}");
        assert!(compare(least * 3).is_ok(), "{name} {least}");
    }
    // What people write and send is a step or two.
    let claim = json!("7f6d1a52-2f0e-4c63-9a0e-0d6b4f6f1c11");
    for (name, operand) in [("regex", "^[0-9a-f-]{36}$"), ("equals", "7f6d*")] {
        let operand = json!(operand);
        let comparator = Comparator::named(name, Some(&operand)).unwrap();
        let found = comparator.compare(Some(&claim), Some(&operand), true, &mut Steps::of(3));
        assert_eq!(found, Ok(true), "{name}");
    }
}

#[test]
fn values_are_the_same_in_every_part() {
    let one = json!({ "a": [1, { "b": null }], "c": "d" });
    for (other, same) in [
        (one.clone(), true),
        (json!({ "c": "d", "a": [1, { "b": null }] }), true),
        (json!({ "a": [1, { "b": false }], "c": "d" }), false),
        (json!({ "a": [1, {}], "c": "d" }), false),
        (json!({ "a": [1.0, { "b": null }], "c": "d" }), false),
        (json!({ "a": [1], "c": "d" }), false),
        (json!({ "a": [1, { "b": null }], "x": "d" }), false),
        (json!([one]), false),
        (json!("d"), false),
    ] {
        assert_eq!(identical(&one, &other, &mut Steps::all()), Ok(same));
        assert_eq!(one == other, same, "as serde_json says: {other}");
    }
}

#[test]
fn patterns_are_those_of_shells() {
    for (pattern, text, fits) in [
        ("*", "", true),
        ("a*", "a", true),
        ("a*b*c", "aXbYc", true),
        ("a*b*c", "acb", false),
        ("*a", "xa", true),
        ("ab*bc", "abc", false),
        (r"\*", "*", true),
        (r"\*", "x", false),
        ("", "x", false),
    ] {
        assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
    }
}

#[test]
fn what_cannot_be_compared_is_refused_at_load() {
    for (name, value) in [
        ("equal", json!("x")),
        ("regex", json!("(")),
        ("regex", json!(1)),
        ("cidr", json!("10.0.0.0")),
        ("cidr", json!("10.0.0.0/33")),
        ("cidr", json!([])),
    ] {
        assert!(
            Comparator::named(name, Some(&value)).is_err(),
            "{name} {value}"
        );
    }
}
