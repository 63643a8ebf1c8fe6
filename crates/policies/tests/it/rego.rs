//! Rego: both dialects, the input, outputs, limits, and what is refused.

use insta::assert_snapshot;
use serde_json::json;

use crate::{compiled, decide, outcome, problems, request};

fn rego(body: &str) -> String {
    format!("package acp.authz\n{body}\n")
}

#[test]
fn both_dialects_decide() {
    let v0 = rego("default allow = false\nallow { input.authn_ctx.department == \"ops\" }");
    let v1 = rego("default allow := false\nallow if input.authn_ctx.department == \"ops\"");
    let v1_imported = rego("import rego.v1\nallow if input.authn_ctx.department == \"ops\"");
    for policy in [v0, v1, v1_imported] {
        assert_eq!(
            outcome("rego", &policy, &json!({ "department": "ops" })),
            "permit"
        );
        for claims in [json!({ "department": "hr" }), json!({})] {
            assert_eq!(
                outcome("rego", &policy, &claims),
                "403 denied_by_policy no body of the rule allow holds"
            );
        }
    }
}

#[test]
fn the_input_is_the_documented_one() {
    let policy = rego(
        r#"
allow if {
    input.authn_ctx.sub == "u1"
    input.authn_ctx.scp == ["moons:read", "moons:write"]
    input.contexts.scopes["moons:read"][_].requested_name == "moons:read"
    input.scopes["moons:write"][0].params == []
    input.request.headers["X-App"][_] == "web"
    input.request.method == "PUT"
    input.request.path == "/moons/io"
    input.request.path_params.moon == "io"
    input.request.query_params.dry == ["yes"]
    input.request.query_params.x == ["a b"]
    input.request.body == "{}"
    net.cidr_contains("10.0.0.0/8", input.request.source_ip)
    not input.request.mtls
}"#,
    );
    assert_eq!(outcome("rego", &policy, &json!({})), "permit");
}

#[test]
fn values_of_other_rules_go_to_the_decision() {
    let policy = rego(
        "allow := true\ntier := \"gold\"\nlimit := 5\nmissing if false\n_hidden := 1\ndouble(x) := x * 2",
    );
    let policy = compiled("rego", &policy).unwrap();
    let decision = decide(&policy, &json!({}), &request(&[]));
    assert_eq!(
        serde_json::Value::from(decision.context),
        json!({ "tier": "gold", "limit": 5 })
    );
}

#[test]
fn policies_are_stopped_at_their_limits() {
    let long = "[x | some i in input.authn_ctx.tags; some j in input.authn_ctx.tags; some k in input.authn_ctx.tags; x := i]";
    let steps = rego(&format!("allow if count({long}) > 0"));
    let tags: Vec<_> = (0..300).map(|number| format!("t{number}")).collect();
    let found = outcome("rego", &steps, &json!({ "tags": tags }));
    assert!(found.starts_with("403 policy_limit_exceeded"), "{found}");

    let mut memory = "x0 := \"0123456789abcdef\"\n".to_owned();
    for number in 1..40 {
        let before = number - 1;
        let rule = format!("x{number} := concat(\"\", [x{before}, x{before}])\n");
        memory.push_str(&rule);
    }
    let found = outcome(
        "rego",
        &rego(&format!("{memory}allow if count(x39) > 0")),
        &json!({}),
    );
    assert!(found.starts_with("403 policy_limit_exceeded"), "{found}");
}

#[test]
fn an_answer_that_is_no_answer_is_a_deny() {
    for allow in [
        "allow := \"true\"",
        "allow := 1",
        "allow contains \"x\" if true",
    ] {
        let found = outcome("rego", &rego(allow), &json!({}));
        assert!(found.starts_with("403 policy_failed"), "{allow}: {found}");
    }
}

#[test]
fn mistakes_have_a_place() {
    let all = [
        "package other\nallow := true\n",
        "package acp.authz\n\nallow if {\n  input.x ==\n}\n",
        "package acp.authz\nallow { input.x == }\n",
        "package acp.authz\nallow if nosuch.function(1)\n",
        "package acp.authz\ndeny := true\n",
        "package acp.authz\nallow if count(numbers.range(1, 1000000000000)) > 0\n",
        "package acp.authz\nallow if http.send({\"url\": \"https://x\"}).status == 200\n",
        "",
    ];
    let found: Vec<_> = all.iter().map(|text| problems("rego", text)).collect();
    assert_snapshot!(found.join("\n"), @r"
    policies/p.rego:1:1: the policy is not in the package acp.authz; begin it with `package acp.authz`
    policies/p.rego:5:1: expecting expression
    policies/p.rego:2:7: expecting }
    policies/p.rego:2:10: Unknown function: 'nosuch.function'
    policies/p.rego: the policy has no rule allow; a request is let through where allow is true
    policies/p.rego:2:16: the functions numbers.* are not available to policies
    policies/p.rego:2:19: Unknown function: 'http.send'
    policies/p.rego:1:1: expecting `package` Missing package declaration.
    ");
}
