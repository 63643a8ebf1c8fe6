//! Cedar: the vocabulary, slices, errors in `forbid`, and what is refused.

use insta::assert_snapshot;
use serde_json::json;

use crate::{compiled, decide, outcome, problems, request};

#[test]
fn principal_action_resource_and_context_are_there() {
    let policy = r#"
permit(principal == Subject::"u1", action == Action::"Move a moon", resource)
when {
  principal.claims has department && principal.claims.department == "ops" &&
  principal.claims has level && principal.claims.level >= 3 &&
  principal.scopes.contains("moons:write") &&
  principal.groups.contains("astronomers") &&
  resource.service == "S" && resource.path == "/moons/io" &&
  resource.parameters has moon && resource.parameters.moon == "io" &&
  context.method == "PUT" && context.now > 1600000000 &&
  context.headers.hasTag("x-app") && context.headers.getTag("x-app").contains("web") &&
  context.query.hasTag("dry") &&
  context has source_ip && context.source_ip.isInRange(ip("10.0.0.0/8")) &&
  context has body && !(context has certificate)
};"#;
    let claims = json!({ "department": "ops", "level": 3, "groups": ["astronomers"] });
    assert_eq!(outcome("cedar", policy, &claims), "permit");
    for wrong in [
        json!({ "department": "ops", "level": 2, "groups": ["astronomers"] }),
        json!({ "department": "ops", "level": "3", "groups": ["astronomers"] }),
        json!({ "level": 3, "groups": ["astronomers"] }),
        json!({ "department": "ops", "level": 3 }),
    ] {
        assert_eq!(
            outcome("cedar", policy, &wrong),
            "403 denied_by_policy about the operation, but with conditions that do not hold: permit policy0"
        );
    }
}

#[test]
fn only_policies_that_can_be_about_the_operation_are_asked() {
    let policy = r#"
permit(principal, action == Action::"List moons", resource);
forbid(principal, action in [Action::"List moons"], resource);
"#;
    assert_eq!(
        outcome("cedar", policy, &json!({})),
        "403 denied_by_policy no permit is about the operation"
    );
    let policy = compiled(
        "cedar",
        "permit(principal, action in [Action::\"Move a moon\", Action::\"List moons\"], resource);",
    );
    let decision = decide(&policy.unwrap(), &json!({}), &request(&[]));
    assert!(decision.is_permit());
    assert_eq!(
        decision.trace.checks.last().unwrap().detail,
        "p.cedar: permit policy0 applies"
    );
}

#[test]
fn an_error_in_a_forbid_is_a_deny() {
    let policy = |effect: &str| {
        format!(
            "@id(\"everyone\")\npermit(principal, action, resource);\n@id(\"risky\")\n{effect}(principal, action, resource) \
             when {{ principal.claims has level && principal.claims.level * 9223372036854775807 > 5 }};"
        )
    };
    let overflow = json!({ "level": 2 });
    assert_eq!(
        outcome("cedar", &policy("forbid"), &overflow),
        "403 policy_failed -"
    );
    assert_eq!(outcome("cedar", &policy("permit"), &overflow), "permit");
    assert_eq!(outcome("cedar", &policy("forbid"), &json!({})), "permit");
    assert_eq!(
        outcome("cedar", &policy("forbid"), &json!({ "level": 1 })),
        "403 denied_by_policy -"
    );
}

#[test]
fn what_does_not_exist_is_an_error_with_a_place() {
    let all = [
        "permit(principal, action == Action::\"Move a mon\", resource);",
        "permit(principal, action, resource) when { principal.claims.department == \"ops\" };",
        "permit(principal, action, resource) when { principal.claims has shoe_size };",
        "permit(principal, action, resource)\nwhen { principal.claims has level &&\n  principal.claims.level == \"x\" };",
        "permit(principal, action, resource) when { resource.parameters has planet };",
        "permit(principal, action, resource)\n  when { context.risk > 80 };",
        "permit(principal, action, resource",
        "permit(principal == ?principal, action, resource);",
        "",
        "// nothing\n",
    ];
    let found: Vec<_> = all.iter().map(|text| problems("cedar", text)).collect();
    assert_snapshot!(found.join("\n"), @r#"
    policies/p.cedar:1:29: for policy `policy0`, unrecognized action `Action::"Move a mon"`; did you mean `Action::"Move a moon"`?
    policies/p.cedar:1:44: for policy `policy0`, unable to guarantee safety of access to optional attribute `claims.department` on entity type `Subject`; try testing for the attribute's presence with `e.claims has department && ..`
    policies/p.cedar:1:1: for policy `policy0`, policy is impossible: the policy expression evaluates to false for all valid requests
    policies/p.cedar:3:3: the types Long and String are not compatible; for policy `policy0`, both operands to a `==` expression must have compatible types. Types must be exactly equal to be compatible
    policies/p.cedar:1:1: for policy `policy0`, policy is impossible: the policy expression evaluates to false for all valid requests
    policies/p.cedar:2:10: for policy `policy0`, attribute `risk` in context for Action::"List moons" not found; did you mean `body`?
    policies/p.cedar:1:35: unexpected end of input
    policies/p.cedar: policy0 is a template, and nothing links it
    policies/p.cedar: the file has no policy, so it would deny everyone
    policies/p.cedar: the file has no policy, so it would deny everyone
    "#);
}
