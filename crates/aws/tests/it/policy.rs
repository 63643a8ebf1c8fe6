//! The IAM policies of answers: partitions, wildcards of clients, long paths.

use portcullis_aws::{Effect, MAX_RESOURCE_CHARS, MethodArn, PolicyDocument};
use serde_json::{Value, json};

use crate::iam::allows;
use crate::support::recorded;

fn document(arns: &[&str]) -> PolicyDocument {
    let arns: Vec<MethodArn> = arns
        .iter()
        .map(|arn| MethodArn::parse(arn).unwrap())
        .collect();
    PolicyDocument::for_requests(Effect::Allow, &arns)
}

fn resource(arn: &str) -> String {
    document(&[arn]).statements()[0].resources().join("\n")
}

#[test]
fn a_resource_is_the_arn_in_every_partition() {
    for arn in [
        "arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/",
        "arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET",
        "arn:aws-cn:execute-api:cn-north-1:123456789012:abc/prod/GET/planets/1",
        "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:abc/$default/POST/a:b,c/d//e",
        "arn:aws-eusc:execute-api:eusc-de-east-1:123456789012:abc/$default/$default",
        "arn:aws:execute-api:us-east-1:123456789012:abc/prod/$connect",
    ] {
        assert_eq!(resource(arn), arn);
        let policy = serde_json::to_value(document(&[arn])).unwrap();
        assert!(allows(&policy, arn));
        assert!(!allows(&policy, &format!("{arn}x")));
    }
}

#[test]
fn the_wildcards_of_a_client_match_one_character() {
    for (arn, expected) in [
        ("GET/*", "GET/?"),
        ("GET/a*b?c", "GET/a?b?c"),
        ("GET/${aws:username}", "GET/?{aws:username}"),
        ("GET/a/$connect", "GET/a/?connect"),
        ("*/a", "?/a"),
        ("GET/a\u{0}b\u{7f}", "GET/a?b?"),
    ] {
        let prefix = "arn:aws:execute-api:us-east-1:123456789012:abc/prod/";
        let arn = format!("{prefix}{arn}");
        assert_eq!(resource(&arn), format!("{prefix}{expected}"));
        let policy = serde_json::to_value(document(&[&arn])).unwrap();
        assert!(allows(&policy, &arn));
        assert!(!allows(&policy, &format!("{prefix}GET/admin/delete")));
    }
}

#[test]
fn the_stage_of_the_console_tester_is_no_wildcard() {
    assert_eq!(
        resource("arn:aws:execute-api:us-west-2:123456789012:abc/*/GET/"),
        "arn:aws:execute-api:us-west-2:123456789012:abc/?/GET/"
    );
}

#[test]
fn a_long_path_is_cut_as_late_as_it_can_be() {
    let prefix = "arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/";
    let exact = format!("{prefix}{}", "x".repeat(MAX_RESOURCE_CHARS - prefix.len()));
    assert_eq!(resource(&exact), exact);
    let mut cut = exact.clone();
    cut.pop();
    assert_eq!(resource(&format!("{exact}yz")), format!("{cut}*"));
    // Never in the middle of a character.
    let wide = format!("{prefix}{}", "\u{fc}".repeat(600));
    let collapsed = resource(&wide);
    assert!(collapsed.len() <= MAX_RESOURCE_CHARS && collapsed.len() >= MAX_RESOURCE_CHARS - 1);
    assert!(collapsed.ends_with("\u{fc}*"));
}

#[test]
fn the_longest_of_everything_else_still_leaves_room() {
    let arn = format!(
        "arn:aws-{}:execute-api:{}:{}:{}/{}/{}/{}",
        "p".repeat(12),
        "r".repeat(32),
        "a".repeat(64),
        "i".repeat(64),
        "s".repeat(128),
        "M".repeat(32),
        "x".repeat(1000)
    );
    let resource = resource(&arn);
    assert!(resource.len() <= MAX_RESOURCE_CHARS);
    assert!(resource.contains(&format!("/{}/x", "M".repeat(32))));
    assert!(resource.ends_with("x*"));
}

#[test]
fn an_arn_is_listed_once() {
    let one = "arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/a";
    let other = "arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/b";
    let document = document(&[one, other, one]);
    assert_eq!(document.statements()[0].resources(), [one, other]);
    assert_eq!(document.statements()[0].effect(), Effect::Allow);
}

#[test]
fn the_shape_is_that_of_the_recorded_answers() {
    let arn = "arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/a";
    let written = serde_json::to_value(document(&[arn])).unwrap();
    for file in [
        "rest_response.go.json",
        "rest_response_single_action.rust.json",
        "rest_response_single_resource.rust.json",
        "rest_response_with_condition.rust.json",
    ] {
        let recorded: Value = serde_json::from_str(&recorded(file)).unwrap();
        let mut policy = recorded["policyDocument"].clone();
        // The samples show every form that AWS takes; one statement with these keys is common.
        let statement = policy["Statement"][0].as_object_mut().unwrap();
        statement.remove("Condition");
        statement["Action"] = json!("execute-api:Invoke");
        statement["Effect"] = json!("Allow");
        statement["Resource"] = json!([arn]);
        assert_eq!(written, policy, "{file}");
    }
}
