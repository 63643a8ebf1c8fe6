//! The same question in each language has the same answer, and what is missing is missing, not an error.

use serde_json::{Value, json};

use crate::outcome;

struct Question {
    name: &'static str,
    validators: &'static str,
    rego: &'static str,
    cedar: &'static str,
    /// Claims, and whether they satisfy it.
    answers: &'static [(&'static str, bool)],
}

const QUESTIONS: &[Question] = &[
    Question {
        name: "a claim equals a text",
        validators: "[{ name: identity-context, conf: { fields: [{ field: department, comparator: equals, value: ops }] } }]",
        rego: "input.authn_ctx.department == \"ops\"",
        cedar: "principal.claims has department && principal.claims.department == \"ops\"",
        answers: &[
            (r#"{ "department": "ops" }"#, true),
            (r#"{ "department": "Ops" }"#, false),
            (r#"{ "department": null }"#, false),
            (r#"{ "department": 1 }"#, false),
            ("{}", false),
        ],
    },
    Question {
        name: "a claim exists",
        validators: "[{ name: identity-context, conf: { fields: [{ field: level, comparator: exists }] } }]",
        rego: "input.authn_ctx.level",
        cedar: "principal.claims has level",
        answers: &[(r#"{ "level": 3 }"#, true), ("{}", false)],
    },
    Question {
        name: "a claim does not exist",
        validators: "[{ name: identity-context, conf: { fields: [{ field: level, comparator: not_exists }] } }]",
        rego: "not input.authn_ctx.level",
        cedar: "!(principal.claims has level)",
        answers: &[(r#"{ "level": 3 }"#, false), ("{}", true)],
    },
    Question {
        name: "a list has all",
        validators: "[{ name: identity-context, conf: { fields: [{ field: amr, comparator: contains_all, value: [pwd, mfa] }] } }]",
        rego: "{\"pwd\", \"mfa\"} & {x | x := input.authn_ctx.amr[_]} == {\"pwd\", \"mfa\"}",
        cedar: "principal.claims has amr && principal.claims.amr.containsAll([\"pwd\", \"mfa\"])",
        answers: &[
            (r#"{ "amr": ["mfa", "x", "pwd"] }"#, true),
            (r#"{ "amr": ["pwd"] }"#, false),
            ("{}", false),
        ],
    },
    Question {
        name: "a number is greater",
        validators: "[{ name: identity-context, conf: { fields: [{ field: level, comparator: greater, value: 2 }] } }]",
        rego: "input.authn_ctx.level > 2",
        cedar: "principal.claims has level && principal.claims.level > 2",
        answers: &[
            (r#"{ "level": 3 }"#, true),
            (r#"{ "level": 2 }"#, false),
            ("{}", false),
        ],
    },
    Question {
        name: "an address is in a block, a header has a value, or a path parameter",
        validators: "[{ name: attributes, conf: { fields: [{ field: request.source_ip, comparator: cidr, value: 10.0.0.0/8 }, { field: request.path_params.moon, comparator: equals, value: io }] } }, { name: header, conf: { fields: [{ field: x-app, comparator: equals, value: web }] } }]",
        rego: "net.cidr_contains(\"10.0.0.0/8\", input.request.source_ip)\n  input.request.path_params.moon == \"io\"\n  input.request.headers[\"X-App\"] == [\"web\"]",
        cedar: "context has source_ip && context.source_ip.isInRange(ip(\"10.0.0.0/8\")) && resource.parameters has moon && resource.parameters.moon == \"io\" && context.headers.hasTag(\"x-app\") && context.headers.getTag(\"x-app\") == [\"web\"]",
        answers: &[("{}", true)],
    },
];

#[test]
fn every_language_gives_the_same_answer() {
    for question in QUESTIONS {
        for (claims, expected) in question.answers {
            let claims: Value = serde_json::from_str(claims).unwrap_or(json!({}));
            let answers = [
                ("yaml", format!("validators: {}", question.validators)),
                (
                    "rego",
                    format!("package acp.authz\nallow if {{\n  {}\n}}", question.rego),
                ),
                (
                    "cedar",
                    format!(
                        "permit(principal, action, resource) when {{ {} }};",
                        question.cedar
                    ),
                ),
            ];
            for (extension, text) in answers {
                let found = outcome(extension, &text, &claims);
                let permit = found == "permit";
                assert!(
                    permit || found.starts_with("403 denied_by_policy"),
                    "{extension}: {found}"
                );
                assert_eq!(
                    permit, *expected,
                    "{}, {extension}, {claims}: {found}",
                    question.name
                );
            }
        }
    }
}
