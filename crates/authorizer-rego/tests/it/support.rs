//! Functions with and without Rego, and events for them.

use std::path::Path;

use portcullis_test_support::lambda::Function;
use serde_json::{Value, json};

pub(crate) const WITH_REGO: &str = env!("CARGO_BIN_EXE_bootstrap-rego");

/// A function that is ready for events.
pub(crate) fn function(settings: &[(&str, &str)]) -> Function {
    let mut function = Function::start(Path::new(WITH_REGO), settings);
    function.ready();
    function
}

/// A REST REQUEST event for that path.
pub(crate) fn event(path: &str, token: Option<&str>) -> String {
    let headers = token.map_or_else(
        || json!({}),
        |token| json!({ "Authorization": format!("Bearer {token}") }),
    );
    json!({
        "type": "REQUEST",
        "methodArn": format!("arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET{path}"),
        "resource": path, "path": path, "httpMethod": "GET", "headers": headers,
        "requestContext": {
            "path": format!("/prod{path}"), "stage": "prod", "apiId": "abc", "httpMethod": "GET",
            "domainName": "abc.execute-api.us-east-1.amazonaws.com",
            "identity": { "sourceIp": "192.0.2.7" },
        },
    })
    .to_string()
}

/// Whether it was let through, and the reason.
pub(crate) fn decided(function: &mut Function, path: &str, token: Option<&str>) -> (bool, String) {
    let answer = match function.invoke(&event(path, token)).outcome {
        Ok(answer) => answer,
        Err(error) => return (false, error),
    };
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let effect = &answer["policyDocument"]["Statement"][0]["Effect"];
    let reason = answer["context"]["reason"].as_str().unwrap_or_default();
    (effect == "Allow", reason.to_owned())
}
