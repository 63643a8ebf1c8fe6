//! Validators, rules of the service, permissions and places of claims, as decisions show them.

use insta::assert_snapshot;
use portcullis_engine::{PolicySet, Progress, Rehearsal, compile};
use portcullis_jose::AwsLc;
use portcullis_model::{CheckOutcome, Decision};
use serde_json::{Value, json};

use crate::issuer::{AUDIENCE, ISSUER, NOW, request, source, summary};

const SERVICE: &str = "
name: Shop
base_urls: [https://api.example.com]
tokens:
  - issuer: https://idp.example.com/oauth2/default
    audiences: [api://default]
    claims: { groups: /realm_access/roles, permissions: https://shop.example/permissions }
unmatched: token
rules: { scopes: { any_of: [shop] } }
policy: office.yaml
operations:
  - { name: Cancel, methods: [DELETE], paths: ['/orders/{id}'], rules: { permission: 'orders:cancel' } }
  - { name: Report, methods: [GET], paths: [/report], rules: { groups: { any_of: [staff] } }, policy: report.yaml }
  - { name: Health, paths: [/health], public: true }
";
const OFFICE: &str = "
validators:
  - name: attributes
    conf: { fields: [{ field: request.headers.x-forwarded-office, comparator: not_exists }] }
";
const REPORT: &str = "
validators:
  - name: if
    conf:
      if: [{ name: identity-context, conf: { fields: [{ field: department, comparator: equals, value: 'fin*' }] } }]
      then: [{ name: 'true' }]
      else:
        - name: identity-context
          conf: { fields: [{ field: amr, comparator: contains_all, value: [pwd, mfa] }] }
          recovery: [{ type: mfa }]
  - name: policy
    conf: { policy: office.yaml }
";

fn shop() -> PolicySet {
    let files = [
        source("services/shop.yaml", SERVICE),
        source("policies/office.yaml", OFFICE),
        source("policies/report.yaml", REPORT),
    ];
    compile(&files, &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

fn decide(method: &str, path: &str, claims: &Value, headers: &[(&str, &str)]) -> Decision {
    let mut all = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "client_id": "c1", "jti": "j1",
        "iat": NOW, "exp": NOW + 300, "scope": "shop",
    });
    let all = all.as_object_mut().unwrap();
    all.extend(claims.as_object().unwrap().clone());
    let host = Rehearsal::new(all.clone(), Some("at+jwt".to_owned()), &AwsLc);
    let authorization = format!("Bearer {}", Rehearsal::TOKEN);
    let mut headers = headers.to_vec();
    headers.push(("authorization", &authorization));
    let request = request(method, &format!("https://api.example.com{path}"), &headers);
    match shop().decide(&request, &host, NOW) {
        Progress::Decided(decision) => decision,
        other => panic!("{other:?}"),
    }
}

/// The decision and its trace, a line a check.
fn told(decision: &Decision) -> String {
    let mut lines = vec![summary(decision)];
    for check in &decision.trace.checks {
        let mark = if check.outcome == CheckOutcome::Passed {
            "+"
        } else {
            "-"
        };
        let attributes: Vec<_> = check
            .attributes
            .iter()
            .map(|attribute| format!("{} is {}", attribute.name, attribute.value))
            .collect();
        lines.push(format!(
            "{mark} {} {}: {} [{}]",
            check.level.as_str(),
            check.name,
            check.detail,
            attributes.join("; ")
        ));
    }
    lines.extend(
        decision
            .trace
            .nearest_miss
            .iter()
            .map(|miss| format!("nearest: {miss}")),
    );
    lines.join("\n")
}

#[test]
fn rules_of_the_service_come_before_those_of_the_operation() {
    let claims = json!({ "https://shop.example/permissions": ["orders:cancel"] });
    assert_snapshot!(told(&decide("DELETE", "/orders/7", &claims, &[])), @r"
    permit permitted
    + request token: signature and claims hold []
    + service scopes: holds [scope is a text]
    + service policy: office.yaml: every validator holds [request.headers.x-forwarded-office is missing]
    + operation permission: holds [permissions is a list of 1]
    ");
    assert_snapshot!(told(&decide("DELETE", "/orders/7", &json!({}), &[])), @r"
    403 missing_permission
    + request token: signature and claims hold []
    + service scopes: holds [scope is a text]
    + service policy: office.yaml: every validator holds [request.headers.x-forwarded-office is missing]
    - operation permission: the subject does not hold the permission orders:cancel [permissions is missing]
    ");
    assert_snapshot!(told(&decide("DELETE", "/orders/7", &json!({ "scope": "other" }), &[])), @r#"
    403 insufficient_scope Bearer realm="https://api.example.com", error="insufficient_scope", error_description="the token has none of the scopes of which one is needed: shop", scope="shop"
    + request token: signature and claims hold []
    - service scopes: the token has none of the scopes of which one is needed: shop [scope is a text]
    "#);
}

#[test]
fn rules_of_the_service_guard_what_no_operation_covers() {
    assert_snapshot!(summary(&decide("GET", "/other", &json!({}), &[])), @"permit token_only");
    assert_snapshot!(summary(&decide("GET", "/other", &json!({ "scope": "other" }), &[])), @r#"403 insufficient_scope Bearer realm="https://api.example.com", error="insufficient_scope", error_description="the token has none of the scopes of which one is needed: shop", scope="shop""#);
    assert_snapshot!(summary(&decide("GET", "/other", &json!({}), &[("X-Forwarded-Office", "1")])), @"403 denied_by_policy");
    assert_snapshot!(summary(&decide("GET", "/health", &json!({ "scope": "other" }), &[])), @"permit public");
}

#[test]
fn validators_branch_embed_and_offer_a_recovery() {
    let staff = |more: &Value| {
        let mut claims = json!({ "realm_access": { "roles": ["staff"] } });
        claims
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        claims
    };
    let report = |claims: &Value| told(&decide("GET", "/report", claims, &[]));
    assert_snapshot!(report(&staff(&json!({ "department": "finance" }))), @r"
    permit permitted
    + request token: signature and claims hold []
    + service scopes: holds [scope is a text]
    + service policy: office.yaml: every validator holds [request.headers.x-forwarded-office is missing]
    + operation groups: holds [groups is a list of 1]
    + operation policy: report.yaml: every validator holds [department is a text; request.headers.x-forwarded-office is missing]
    ");
    assert_snapshot!(report(&staff(&json!({ "amr": ["pwd"] }))), @r#"
    401 insufficient_user_authentication Bearer realm="https://api.example.com", error="insufficient_user_authentication", error_description="A different authentication level is required", acr_values="mfa"
    + request token: signature and claims hold []
    + service scopes: holds [scope is a text]
    + service policy: office.yaml: every validator holds [request.headers.x-forwarded-office is missing]
    + operation groups: holds [groups is a list of 1]
    - operation policy: report.yaml: a validator does not hold [department is missing; amr is a list of 1]
    nearest: validator identity-context: amr contains_all ["pwd","mfa"] does not hold
    "#);
    assert_snapshot!(report(&json!({ "groups": ["staff"], "department": "finance" })), @r"
    403 missing_group
    + request token: signature and claims hold []
    + service scopes: holds [scope is a text]
    + service policy: office.yaml: every validator holds [request.headers.x-forwarded-office is missing]
    - operation groups: the subject is in none of the groups staff [groups is missing]
    ");
    // What is expected to be a list of groups and is none is no token that is understood.
    assert_snapshot!(report(&json!({ "realm_access": { "roles": "staff" } })), @r#"
    401 invalid_claim Bearer realm="https://api.example.com", error="invalid_token", error_description="claim groups is not a text or a list of texts"
    - request token: claim groups is not a text or a list of texts []
    "#);
}

#[test]
fn a_path_that_no_operation_covers_names_the_nearest_one() {
    let strict = SERVICE.replace("unmatched: token", "unmatched: deny");
    let files = [
        source("services/shop.yaml", &strict),
        source("policies/office.yaml", OFFICE),
        source("policies/report.yaml", REPORT),
    ];
    let policy = compile(&files, &[]).unwrap();
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "client_id": "c1", "jti": "j1", "iat": NOW, "exp": NOW + 300,
    });
    let host = Rehearsal::new(
        claims.as_object().unwrap().clone(),
        Some("at+jwt".to_owned()),
        &AwsLc,
    );
    let authorization = format!("Bearer {}", Rehearsal::TOKEN);
    let misses: Vec<_> = [("GET", "/orders/7"), ("GET", "/report/"), ("GET", "/x")]
        .map(|(method, path)| {
            let headers = [("authorization", authorization.as_str())];
            let request = request(method, &format!("https://api.example.com{path}"), &headers);
            match policy.decide(&request, &host, NOW) {
                Progress::Decided(decision) => decision.trace.nearest_miss.unwrap_or_default(),
                other => panic!("{other:?}"),
            }
        })
        .into();
    assert_snapshot!(misses.join("\n"), @r#"
    operation "Cancel" covers the path with DELETE, not with GET
    operation "Report" covers the path without a slash at its end
    "#);
}

#[test]
fn mistakes_in_validators_have_a_place() {
    let problems = |text: &str| {
        let service = "name: S\nbase_urls: [https://a.example]\noperations: [{ name: x, paths: [/x], public: true }]\n";
        let files = [
            source("services/s.yaml", service),
            source("policies/p.yaml", text),
        ];
        compile(&files, &[]).map_or_else(|problems| problems.to_string(), |_| "none".to_owned())
    };
    let all = [
        "validators:\n  - name: identity-contest\n",
        "validators:\n  - name: identity-context\n",
        "validators:\n  - name: 'true'\n    conf: { policy: x }\n",
        "validators:\n  - name: attributes\n    conf: { fields: [{ field: env.HOME, comparator: exists }] }\n",
        "validators:\n  - name: header\n    conf: { fields: [{ field: X, comparator: equal, value: 1 }] }\n",
        "validators:\n  - name: header\n    conf: { fields: [{ field: X, comparator: equals }] }\n",
        "validators:\n  - name: header\n    conf: { fields: [{ field: X, comparator: exists, value: 1 }] }\n",
        "validators:\n  - name: header\n    conf: { fields: [{ field: X, comparator: regex, value: '(' }] }\n",
        "validators:\n  - name: header\n    conf: { fields: [{ field: X, comparator: cidr, value: '$request.source_ip' }] }\n",
        "validators:\n  - name: policy\n    conf: { policy: p.yaml }\n",
        "validators:\n  - name: policy\n    conf: { policy: q.yaml }\n",
        "validators: []\n",
        "validators:\n  - name: true\n",
        "validator: []\n",
    ];
    let found: Vec<_> = all.iter().map(|text| problems(text)).collect();
    assert_snapshot!(found.join("\n"), @r#"
    policies/p.yaml:2:11: there is no validator "identity-contest"; did you mean "identity-context"?
    policies/p.yaml:2:11: validator "identity-context" needs "fields" in its conf
    policies/p.yaml:2:11: validator "true" has no "policy"
    policies/p.yaml:3:31: "env.HOME": an attribute begins with authnCtx, request or contexts
    policies/p.yaml:3:46: there is no comparator "equal"; did you mean "equals"?
    policies/p.yaml:3:46: comparator "equals" needs a value
    policies/p.yaml:3:46: comparator "exists" takes no value
    policies/p.yaml:3:46: the regular expression: found open group without closing ')'
    policies/p.yaml:3:46: cidr needs one block of addresses or several that stand in the policy, such as 10.0.0.0/8
    policies/p.yaml:3:21: policy "p.yaml" would embed itself
    policies/p.yaml:3:21: there is no validators policy "q.yaml"; did you mean "p.yaml"?
    policies/p.yaml: a policy without validators permits everyone; write a validator "true" where that is meant
    none
    policies/p.yaml:1:1: unknown key "validator"; did you mean "validators"?
    "#);
}

/// Files of which each embeds the one before so many times, under names that sort as they are embedded or the
/// other way round: files are compiled by name, and one that was compiled before must count as well.
fn chain(length: usize, times: usize, name: fn(usize) -> String) -> Result<PolicySet, String> {
    let mut files = vec![source("services/shop.yaml", SERVICE)];
    files.push(source("policies/office.yaml", OFFICE));
    files.push(source("policies/report.yaml", REPORT));
    let embed = |file: usize| {
        format!(
            "  - {{ name: policy, conf: {{ policy: {} }} }}\n",
            name(file)
        )
    };
    for number in 0..length {
        let list = match number.checked_sub(1) {
            None => "  - name: 'true'\n".to_owned(),
            Some(before) => embed(before).repeat(times),
        };
        let path = format!("policies/{}", name(number));
        files.push(source(&path, &format!("validators:\n{list}")));
    }
    compile(&files, &[]).map_err(|problems| problems.to_string())
}

#[test]
fn files_that_embed_each_other_are_bounded_in_every_order() {
    let rising: fn(usize) -> String = |number| format!("v{number:03}.yaml");
    let falling: fn(usize) -> String = |number| format!("v{:03}.yaml", 999 - number);
    for name in [rising, falling] {
        chain(8, 1, name).unwrap();
        chain(8, 2, name).unwrap();
        let deep = chain(9, 1, name).unwrap_err();
        assert!(deep.contains("nested deeper than 8"), "{deep}");
        // The deepest file would be looked at 3 to the power of 6 times, and be one of 1,093 validators.
        let many = chain(7, 3, name).unwrap_err();
        assert!(many.contains("more than 1000 validators"), "{many}");
        assert_eq!(many.lines().count(), 1, "{many}");
        // What nobody would live to see decided: 2 to the power of 899 looks.
        chain(900, 2, name).unwrap_err();
    }
}
