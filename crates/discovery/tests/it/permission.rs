//! What a function's policy says about API Gateway, and the names of functions.

use portcullis_discovery::{FunctionArn, Identity, InvokePermission};
use serde_json::{Value, json};

const SOURCE: &str = "arn:aws:execute-api:eu-central-1:123456789012:orders/authorizers/a1";

fn covers(statement: &Value) -> bool {
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    InvokePermission::read(&policy)
        .iter()
        .any(|one| one.covers(SOURCE))
}

fn statement(change: &Value) -> Value {
    let mut statement = json!({
        "Sid": "one", "Effect": "Allow", "Principal": { "Service": "apigateway.amazonaws.com" },
        "Action": "lambda:InvokeFunction", "Resource": "arn:aws:lambda:eu-central-1:123456789012:function:f",
        "Condition": { "ArnLike": { "AWS:SourceArn": SOURCE } }
    });
    for (name, value) in change.as_object().unwrap() {
        statement[name] = value.clone();
    }
    statement
}

#[test]
fn a_statement_lets_the_authorizer_in() {
    for change in [
        json!({}),
        json!({ "Principal": "*" }),
        json!({ "Principal": { "Service": ["events.amazonaws.com", "apigateway.amazonaws.com"] } }),
        json!({ "Action": ["lambda:GetFunction", "lambda:*"] }),
        json!({ "Condition": null }),
        json!({ "Condition": { "StringEquals": { "aws:SourceArn": [SOURCE] } } }),
        json!({ "Condition": { "ArnLike": { "AWS:SourceArn": "arn:aws:execute-api:*:*:orders/*" } } }),
        json!({ "Condition": { "StringEquals": { "AWS:SourceAccount": "123456789012" } } }),
    ] {
        assert!(covers(&statement(&change)), "{change}");
    }
}

#[test]
fn a_statement_does_not() {
    for change in [
        json!({ "Effect": "Deny" }),
        json!({ "Principal": { "Service": "events.amazonaws.com" } }),
        json!({ "Principal": { "AWS": "arn:aws:iam::123456789012:root" } }),
        json!({ "Action": "lambda:GetFunction" }),
        json!({ "Condition": { "ArnLike": { "AWS:SourceArn": "arn:aws:execute-api:*:*:other/*" } } }),
        // What a condition means that is not known here, nobody can rely on.
        json!({ "Condition": { "ArnLike": { "AWS:SourceArn": SOURCE }, "Bool": { "aws:SecureTransport": "true" } } }),
        json!({ "Condition": { "ArnNotLike": { "AWS:SourceArn": "arn:aws:execute-api:*:*:other/*" } } }),
    ] {
        assert!(!covers(&statement(&change)), "{change}");
    }
    for policy in [
        "",
        "[]",
        "{}",
        r#"{"Statement": 1}"#,
        r#"{"Statement": [1, null]}"#,
    ] {
        assert_eq!(InvokePermission::read(policy), [], "{policy}");
    }
}

#[test]
fn wide_is_what_any_other_api_could_use() {
    for (sources, expected) in [
        (vec![SOURCE], false),
        (
            vec!["arn:aws:execute-api:eu-central-1:123456789012:orders/*"],
            false,
        ),
        (
            vec!["arn:aws:execute-api:eu-central-1:123456789012:*/authorizers/*"],
            true,
        ),
        (
            vec!["arn:aws:execute-api:eu-central-1:123456789012:*"],
            true,
        ),
        (vec![], true),
    ] {
        let permission = InvokePermission {
            statement: None,
            sources: sources.iter().map(|one| (*one).to_owned()).collect(),
            one_account: false,
            anyone: false,
        };
        assert_eq!(
            permission.is_wide("aws", "eu-central-1", "123456789012"),
            expected,
            "{sources:?}"
        );
    }
}

#[test]
fn functions_are_named_by_name_or_arn() {
    let identity = Identity {
        account: "123456789012".to_owned(),
        region: "cn-north-1".to_owned(),
        partition: "aws-cn".to_owned(),
    };
    let named = FunctionArn::within(&identity, "authorizer:live").unwrap();
    assert_eq!(
        named.as_str(),
        "arn:aws-cn:lambda:cn-north-1:123456789012:function:authorizer:live"
    );
    assert_eq!(
        (named.name(), named.qualifier()),
        ("authorizer", Some("live"))
    );
    assert_eq!(
        named.unqualified(),
        "arn:aws-cn:lambda:cn-north-1:123456789012:function:authorizer"
    );
    assert_eq!(FunctionArn::of_uri(&named.uri()), Some(named.clone()));
    assert_eq!(FunctionArn::parse(named.as_str()), Ok(named));
    for wrong in [
        "",
        "a b",
        "a:b:c",
        "arn:aws:lambda:eu-central-1:1:function:f",
        "arn:aws:s3:::bucket",
        "arn:aws:lambda:eu-central-1:123456789012:function:",
    ] {
        assert!(FunctionArn::within(&identity, wrong).is_err(), "{wrong}");
    }
    for uri in [
        "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/${stageVariables.f}/invocations",
        "https://example.com",
    ] {
        assert_eq!(FunctionArn::of_uri(uri), None);
    }
}
