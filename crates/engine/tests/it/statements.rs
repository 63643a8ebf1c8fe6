//! Statements on both ways: what they change, what they need, and what is refused.

use insta::assert_snapshot;
use portcullis_engine::{PolicySet, Progress, Rehearsal, compile};
use portcullis_jose::AwsLc;
use portcullis_model::{
    ApiRequest, ApiResponse, AwsEntry, BodyEdit, ClientCertificate, Decision, FollowUp, HeaderEdit,
    HeaderMap, Outcome, ResponseOutcome, Reuse,
};
use serde_json::{Value, json};

use crate::issuer::{AUDIENCE, ISSUER, NOW, request, source};

fn policy(statements: &str) -> PolicySet {
    let service = format!(
        "name: Shop\nbase_urls: [https://api.example.com]\ntokens: [{{ issuer: '{ISSUER}', audiences: ['{AUDIENCE}'] }}]\n\
         statements:\n  - {{ code: set-headers, payload: {{ X-User: '{{{{authnCtx.sub}}}}' }}, obligatory: false }}\n\
         operations:\n  - name: Orders\n    paths: ['/orders/{{id}}']\n    policy: p.yaml\n    statements:\n{statements}\n  \
         - {{ name: Open, paths: [/open], public: true }}\n"
    );
    let rule = "validators: [{ name: identity-context, conf: { fields: [{ field: blocked, comparator: not_exists }] } }]";
    let files = [
        source("services/s.yaml", &service),
        source("policies/p.yaml", rule),
    ];
    compile(&files, &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

fn sent(path: &str, body: Option<&str>) -> ApiRequest {
    let authorization = format!("Bearer {}", Rehearsal::TOKEN);
    let headers = [
        ("authorization", authorization.as_str()),
        ("x-user", "forged"),
        ("X-App", "web"),
        ("content-length", "9"),
    ];
    ApiRequest {
        body: body.map(str::to_owned),
        ..request("PUT", &format!("https://api.example.com{path}"), &headers)
    }
}

fn decide(policy: &PolicySet, claims: &Value, request: &ApiRequest) -> Decision {
    let mut all = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "client_id": "c1", "jti": "j1",
        "iat": NOW, "exp": NOW + 300, "roles": ["a", "b"],
    });
    let all = all.as_object_mut().unwrap();
    all.extend(claims.as_object().unwrap().clone());
    let host = Rehearsal::new(all.clone(), Some("at+jwt".to_owned()), &AwsLc);
    match policy.decide(request, &host, NOW) {
        Progress::Decided(decision) => decision,
        other => panic!("{other:?}"),
    }
}

fn edits_to_text(headers: &[HeaderEdit], body: Option<&BodyEdit>) -> String {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|edit| format!("{}: {}", edit.name, edit.values.join(" | ")))
        .collect();
    lines.extend(body.map(|body| match body {
        BodyEdit::Remove => "no body".to_owned(),
        BodyEdit::Replace(body) => body.clone(),
    }));
    lines.join("\n")
}

/// What becomes of `PUT /orders/7?name=sedan&operator=contains` with a body.
fn told(statements: &str, claims: &Value) -> String {
    let body = r#"{"audit":{"by":"x"},"card":"4111-1111","list":[{"n":1,"s":2}]}"#;
    let request = sent("/orders/7?name=sedan&operator=contains", Some(body));
    let decision = decide(&policy(statements), claims, &request);
    match &decision.outcome {
        Outcome::Permit(edits) => {
            let url = edits.url.as_deref().unwrap_or("same url");
            format!(
                "{url}\n{}",
                edits_to_text(&edits.headers, edits.body.as_ref())
            )
        }
        Outcome::Deny(deny) => {
            let challenges: Vec<_> = deny.www_authenticate().collect();
            format!(
                "{} {}\n{}\n{}",
                deny.status,
                decision.reason,
                challenges.join("\n"),
                deny.body.as_deref().unwrap_or("-")
            )
        }
    }
}

#[test]
fn a_permitted_request_is_changed() {
    assert_snapshot!(told("      - { code: set-headers, payload: { X-Order: '{{request.path_params.id}}', X-App: null, X-Many: [a, '{{authnCtx.sub}}'] } }", &json!({})), @r"
    same url
    X-User: u1
    X-Order: 7
    X-App: 
    X-Many: a | u1
    ");
    assert_snapshot!(told("      - { code: modify-query, payload: { operator: null, compare: co, by: ['{{authnCtx.sub}}', 'a b'] } }", &json!({})), @r"
    https://api.example.com/orders/7?name=sedan&compare=co&by=u1&by=a%20b
    X-User: u1
    ");
    assert_snapshot!(told("      - { code: exclude-attributes, payload: [audit, '$.list[*].s'] }", &json!({})), @r#"
    same url
    X-User: u1
    content-length: 37
    {"card":"4111-1111","list":[{"n":1}]}
    "#);
    assert_snapshot!(told("      - { code: include-attributes, payload: [card] }", &json!({})), @r#"
    same url
    X-User: u1
    content-length: 20
    {"card":"4111-1111"}
    "#);
    assert_snapshot!(told("      - { code: set-attributes, payload: { '$.who.id': '{{authnCtx.sub}}', roles: '{{authnCtx.roles}}', audit: null, n: 1 } }", &json!({})), @r#"
    same url
    X-User: u1
    content-length: 85
    {"card":"4111-1111","list":[{"n":1,"s":2}],"who":{"id":"u1"},"roles":["a","b"],"n":1}
    "#);
    assert_snapshot!(told(r"      - { code: regex-replace-attributes, payload: { path: card, regex: '(\d{4})-\d{4}', replace: '$1-****' } }", &json!({})), @r#"
    same url
    X-User: u1
    content-length: 62
    {"audit":{"by":"x"},"card":"4111-****","list":[{"n":1,"s":2}]}
    "#);
}

#[test]
fn what_cannot_be_carried_out_is_an_error_or_left_out() {
    let missing =
        "{ code: set-headers, name: level, payload: { X-Level: '{{authnCtx.level}}', X-Other: a }";
    assert_snapshot!(told(&format!("      - {missing} }}"), &json!({})), @r"
    500 statement_unfulfilled: the statement level could not be carried out: the attribute authnCtx.level is missing, or no single text

    -
    ");
    assert_snapshot!(told(&format!("      - {missing}, obligatory: false }}"), &json!({})), @r"
    same url
    X-User: u1
    X-Level: 
    X-Other: 
    ");
    let injected = json!({ "level": "a\r\nX-Admin: 1" });
    assert_snapshot!(told(&format!("      - {missing} }}"), &injected), @r"
    500 statement_unfulfilled: the statement level could not be carried out: X-Level: the value cannot stand in a header field

    -
    ");
    let list = "      - { code: set-headers, payload: { X-Roles: '{{authnCtx.roles}}' } }";
    assert_snapshot!(told(list, &json!({})), @r"
    500 statement_unfulfilled: the statement set-headers could not be carried out: the attribute authnCtx.roles is missing, or no single text

    -
    ");
    let body = sent("/orders/7", Some("not json"));
    let decision = decide(
        &policy("      - { code: exclude-attributes, payload: [a] }"),
        &json!({}),
        &body,
    );
    assert_snapshot!(decision.reason.to_string(), @"statement_unfulfilled: the statement exclude-attributes could not be carried out: there is no body that is JSON");
}

#[test]
fn a_body_that_grows_beyond_its_bound_is_an_error() {
    // 3,000 elements with a text of 3,000 bytes each, and 3,000 letters that become 400 bytes each.
    let list = format!("[{}{{}}]", "{},".repeat(2999));
    let letters = format!("\"{}\"", "a".repeat(3000));
    let long = "b".repeat(400);
    let replace = format!(
        "{{ code: regex-replace-attributes, PHASE, payload: {{ regex: a, replace: {long} }} }}"
    );
    for (statement, body) in [
        (
            "{ code: set-attributes, PHASE, payload: { '$[*].x': '{{authnCtx.long}}', y: 1 } }",
            &list,
        ),
        (replace.as_str(), &letters),
    ] {
        let claims = json!({ "long": "l".repeat(3000) });
        let statement = format!("      - {statement}");
        let of_request = policy(&statement.replace("PHASE", "phase: request"));
        let decision = decide(&of_request, &claims, &sent("/orders/7", Some(body)));
        assert_eq!(decision.status(), Some(500), "{statement}");
        let said = decision.reason.to_string();
        assert!(said.starts_with("statement_unfulfilled: "), "{said}");
        assert!(
            said.ends_with("the body is larger than 1048576 bytes"),
            "{said}"
        );
        let of_response = policy(&statement.replace("PHASE", "phase: response"));
        let permitted = decide(&of_response, &claims, &sent("/orders/7", None));
        let known = permitted.follow_up.as_ref();
        let request = sent("/orders/7", None);
        let decision = of_response.decide_response(&request, known, &answer(body), NOW);
        let ResponseOutcome::Deny(deny) = decision.outcome else {
            panic!("{statement}");
        };
        assert_eq!(deny.status, 500);
        assert_eq!(decision.reason.to_string(), said);
    }
}

#[test]
fn a_denied_request_is_told_why() {
    let blocked = json!({ "blocked": true });
    assert_snapshot!(told("      - { code: denied-reason, payload: { status: 451, message: Restricted, detail: 'not for {{authnCtx.sub}}' } }", &blocked), @r#"
    451 denied_by_policy: the policy p.yaml denied

    {"status":451,"message":"Restricted","detail":"not for u1"}
    "#);
    assert_snapshot!(told("      - { code: auth-challenge, payload: { httpStatus: 401, error: insufficient_user_authentication, acr_values: strong, max_age: 300 } }", &blocked), @r#"
    401 denied_by_policy: the policy p.yaml denied
    Bearer realm="https://api.example.com", error="insufficient_user_authentication", acr_values="strong", max_age=300
    -
    "#);
    assert_snapshot!(told("      - { code: set-headers, applies_to: deny, payload: { X-Why: '{{authnCtx.none}}' } }", &blocked), @r"
    403 denied_by_policy: the policy p.yaml denied

    -
    ");
    // A statement for denies says nothing of a request that is let through, nor of one without a token.
    assert_snapshot!(told("      - { code: denied-reason, payload: { status: 451 } }", &json!({})), @r"
    same url
    X-User: u1
    ");
}

fn answer(body: &str) -> ApiResponse {
    let mut headers = HeaderMap::new();
    headers.append("Content-Type", "application/json").unwrap();
    headers.append("X-Powered-By", "PHP").unwrap();
    ApiResponse {
        status: 200,
        headers,
        body: Some(body.to_owned()),
    }
}

fn responded(statements: &str, known: Option<&FollowUp>, path: &str) -> String {
    let request = sent(path, None);
    let response = answer(r#"{"owner":"u1","secret":1}"#);
    let decision = policy(statements).decide_response(&request, known, &response, NOW);
    match &decision.outcome {
        ResponseOutcome::Permit(edits) => format!(
            "permit\n{}",
            edits_to_text(&edits.headers, edits.body.as_ref())
        ),
        ResponseOutcome::Deny(deny) => {
            format!(
                "{} {} {}",
                deny.status,
                decision.reason,
                deny.body.as_deref().unwrap_or("-")
            )
        }
    }
}

#[test]
fn a_response_is_changed_with_what_is_known_of_its_request() {
    let statements = "      - { code: exclude-attributes, phase: response, payload: [secret] }\n      \
        - { code: set-headers, phase: response, payload: { X-Powered-By: null, X-For: '{{authnCtx.sub}}', X-Status: '{{response.status}}' } }";
    let permitted = decide(&policy(statements), &json!({}), &sent("/orders/7", None));
    let known = permitted.follow_up.unwrap();
    assert_snapshot!(responded(statements, Some(&known), "/orders/7"), @r#"
    permit
    X-Powered-By: 
    X-For: u1
    X-Status: 200
    {"owner":"u1"}
    "#);
    assert_snapshot!(responded(statements, None, "/orders/7"), @"403 missing_token: what was known of the token of the request was lost on the way -");
    // Nothing is to be done with the responses of another operation, whatever is known.
    assert_snapshot!(responded(statements, None, "/open"), @"permit");
    let other = FollowUp::Token {
        issuer: "https://evil.example".to_owned(),
        claims: serde_json::Map::new(),
    };
    assert_snapshot!(responded(statements, Some(&other), "/orders/7"), @"403 unknown_issuer: the API service does not trust the issuer of the token any more -");
    // Where nothing is to be done when the backend has answered, nothing is kept for it.
    let request_only = "      - { code: set-headers, payload: { X-A: b } }";
    let permitted = decide(&policy(request_only), &json!({}), &sent("/orders/7", None));
    assert_eq!(permitted.follow_up, None);
}

#[test]
fn a_public_operation_has_statements_too() {
    let decision = decide(
        &policy("      - { code: set-headers, payload: { X-A: b } }"),
        &json!({}),
        &sent("/open", None),
    );
    let Outcome::Permit(edits) = decision.outcome else {
        panic!("{decision:?}")
    };
    // There is no subject, and what the client says of itself is not believed.
    assert_snapshot!(edits_to_text(&edits.headers, None), @"X-User: ");
}

#[test]
fn a_public_operation_is_told_the_client_certificate() {
    let statement =
        "{ code: set-headers, payload: { X-Certificate: '{{request.mtls.x5t#S256}}' } }";
    let service = format!(
        "name: S\nbase_urls: [https://api.example.com]\nunmatched: open\nstatements: [{statement}]\n\
         operations: [{{ name: Open, paths: [/open], public: true }}]\n"
    );
    let policy = compile(&[source("services/s.yaml", &service)], &[]).unwrap();
    // Only the digest of what is in it counts.
    let pem = "-----BEGIN CERTIFICATE-----\nMIIBLjCB\n-----END CERTIFICATE-----\n";
    for path in ["/open", "/unmatched"] {
        let request = ApiRequest {
            client_certificate: Some(ClientCertificate {
                pem: pem.to_owned(),
            }),
            ..sent(path, None)
        };
        let Outcome::Permit(edits) = decide(&policy, &json!({}), &request).outcome else {
            panic!("{path}");
        };
        assert_eq!(
            edits_to_text(&edits.headers, None),
            "X-Certificate: Std0YVHOPybLG3_4qxoG_ZJVF_lNHDgaVTCJg_jpY9A"
        );
    }
}

#[test]
fn mistakes_have_a_place() {
    let problems = |statement: &str| {
        let service = format!(
            "name: S\nbase_urls: [https://a.example]\nstatements:\n  - {statement}\noperations: [{{ name: x, paths: [/x], public: true }}]\n"
        );
        compile(&[source("services/s.yaml", &service)], &[]).map_or_else(
            |problems| problems.to_string(),
            |_| format!("accepted: {statement}"),
        )
    };
    let all = [
        "{ code: set-header, payload: { A: b } }",
        "{ code: set-headers, payload: { 'A b': c } }",
        "{ code: set-headers, payload: { Content-Length: '1' } }",
        "{ code: set-headers, payload: { A: 1 } }",
        "{ code: set-headers, payload: { A: '{{env.X}}' } }",
        "{ code: set-headers, phase: outbound, payload: { A: b } }",
        "{ code: modify-query, phase: response, payload: { a: b } }",
        "{ code: modify-query, applies_to: deny, payload: { a: b } }",
        "{ code: denied-reason, applies_to: permit, payload: { status: 403 } }",
        "{ code: denied-reason, payload: { status: 200 } }",
        "{ code: auth-challenge, phase: response, payload: { httpStatus: 401 } }",
        "{ code: auth-challenge, payload: { error: teapot } }",
        "{ code: auth-challenge, payload: { scope: 'a\"b' } }",
        "{ code: exclude-attributes, payload: [] }",
        "{ code: exclude-attributes, payload: ['a..b'] }",
        "{ code: regex-replace-attributes, payload: { regex: '(', replace: x } }",
        "{ code: regex-replace-attributes, payload: { regex: a, replace: x, flags: c } }",
        "{ code: set-headers }",
    ];
    let found: Vec<_> = all.iter().map(|statement| problems(statement)).collect();
    assert_snapshot!(found.join("\n"), @r#"
    services/s.yaml:4:13: there is no statement "set-header"; did you mean "set-headers"?
    services/s.yaml:4:13: set-headers: "A b" is no name of a header field
    services/s.yaml:4:13: set-headers: Content-Length says how the message travels and cannot be set
    services/s.yaml:4:13: set-headers: A: expected a text, a list of texts, or null
    services/s.yaml:4:13: set-headers: A: an attribute begins with authnCtx, request or contexts
    services/s.yaml:4:13: phase is request or response
    services/s.yaml:4:13: modify-query is for requests: a response has no query
    services/s.yaml:4:13: modify-query applies to permit only
    services/s.yaml:4:13: denied-reason applies to deny only
    services/s.yaml:4:13: denied-reason: the status is a number from 400 to 599
    services/s.yaml:4:13: auth-challenge is for requests: a response has nobody to challenge
    services/s.yaml:4:13: auth-challenge: error is invalid_request, invalid_token, insufficient_scope or insufficient_user_authentication
    services/s.yaml:4:13: auth-challenge: scope is a text of printable ASCII characters without quotes and backslashes
    services/s.yaml:4:13: exclude-attributes: expected a list of 1 to 100 paths
    services/s.yaml:4:13: exclude-attributes: "a..b": expected a path such as data.private, $.items[0].price or $.items[*].price
    services/s.yaml:4:13: regex-replace-attributes: regex: found open group without closing ')'
    services/s.yaml:4:13: regex-replace-attributes: flag "c" is not supported: i ignores case, l takes the expression as a plain text
    services/s.yaml:4:7: key "payload" is missing
    "#);
}

/// What a cache may make of a permit: a policy or a statement may look at anything in the request.
#[test]
fn nothing_with_policies_or_statements_is_reused() {
    let reuse = |service: &str, path: &str| {
        let files = [
            source(
                "services/s.yaml",
                &format!(
                    "name: S\naws: [{{ api_id: a, stage: prod }}]\ntokens: [{{ issuer: '{ISSUER}', audiences: ['{AUDIENCE}'] }}]\n{service}"
                ),
            ),
            source("policies/p.yaml", "validators: [{ name: 'true' }]"),
        ];
        let policy = compile(&files, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let mut request = sent(path, None);
        request.entry = Some(AwsEntry {
            api_id: "a".to_owned(),
            stage: "prod".to_owned(),
            path: path.to_owned(),
        });
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "client_id": "c1", "jti": "j1", "iat": NOW, "exp": NOW + 300,
        });
        let host = Rehearsal::new(
            claims.as_object().unwrap().clone(),
            Some("at+jwt".to_owned()),
            &AwsLc,
        );
        match policy.decide_for_cache(&request, &host, NOW) {
            Progress::Decided(decision) => {
                assert!(decision.is_permit(), "{}", decision.reason);
                decision.reuse != Reuse::ThisRequest
            }
            other => panic!("{other:?}"),
        }
    };
    let statement = "statements: [{ code: set-headers, payload: { X-A: b } }]";
    for (service, reused) in [
        ("operations: [{ name: x, paths: [/x] }]".to_owned(), true),
        (
            "operations: [{ name: x, paths: [/x], public: true }]".to_owned(),
            true,
        ),
        (
            format!("operations: [{{ name: x, paths: [/x], {statement} }}]"),
            false,
        ),
        (
            format!("operations: [{{ name: x, paths: [/x], public: true, {statement} }}]"),
            false,
        ),
        (
            "operations: [{ name: x, paths: [/x], policy: p.yaml }]".to_owned(),
            false,
        ),
        (
            "policy: p.yaml\noperations: [{ name: x, paths: [/x] }]".to_owned(),
            false,
        ),
        (
            "unmatched: token\noperations: [{ name: y, paths: [/y] }]".to_owned(),
            true,
        ),
        ("unmatched: token\npolicy: p.yaml".to_owned(), false),
        (format!("unmatched: token\n{statement}"), false),
        // Another operation of the same cache entry is as good a reason.
        (
            format!(
                "operations: [{{ name: x, paths: [/x] }}, {{ name: y, paths: [/y], {statement} }}]"
            ),
            false,
        ),
    ] {
        assert_eq!(reuse(&service, "/x"), reused, "{service}");
    }
}
