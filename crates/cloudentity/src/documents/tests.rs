//! What becomes of configurations, and that nothing in them opens more than it says.

use super::*;

fn aws(id: &str) -> Value {
    json!({ "type": "aws", "aws": { "api_id": id, "api_name": "x", "stage": "dev" } })
}

fn api(id: &str, service: &str, method: &str, path: &str, position: u32, policy: &str) -> Value {
    json!({ "id": id, "service_id": service, "api_type": "rest", "method": method, "path": path, "position": position, "policy_id": policy })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is written where it is used"
)]
fn configuration(services: Value, apis: Value) -> GatewayConfiguration {
    let sent = json!({
        "tenant_id": "t", "issuer_url": "https://acp.example.com/t/default", "jwks_url": null, "new_member": 1,
        "services": services, "apis": apis,
        "policies": [
            { "id": "p1", "policy_name": "MFA", "language": "cloudentity", "type": "api", "validators": [
                { "name": "identity-context", "conf": { "fields": [{ "field": "amr", "comparator": "contains_all", "value": ["pwd"] }] }, "recovery": null } ] },
            { "id": "p2", "language": "rego", "definition": "package acp.authz" },
            { "id": "p3", "language": "wasm" },
        ],
    });
    serde_json::from_value(sent).unwrap()
}

fn one_service(apis: Value) -> GatewayConfiguration {
    configuration(
        json!([{ "id": "s1", "name": "PetStore", "api_group_metadata": aws("a1") }]),
        apis,
    )
}

fn convert(configuration: &GatewayConfiguration, unusable: &Unusable) -> Converted {
    let options = ConvertOptions {
        allow_unknown: true,
        rego: false,
        introspection_endpoint: None,
    };
    configuration.convert(&options, unusable)
}

fn services(converted: &Converted) -> Vec<&Value> {
    let files = converted
        .documents
        .iter()
        .filter(|one| one.path.starts_with("services/"));
    files.map(|one| &one.document).collect()
}

fn text<'a>(converted: &'a Converted, operation: &Value) -> &'a str {
    let path = format!("policies/{}", operation["policy"].as_str().unwrap());
    let file = converted
        .documents
        .iter()
        .find(|one| one.path == path)
        .unwrap();
    file.document.as_str().unwrap_or_default()
}

#[test]
fn a_configuration_becomes_documents() {
    let converted = convert(
        &one_service(json!([
            api("2", "s1", "GET", "/pets/{id}", 2, "p1"),
            api("1", "s1", "any", "/pets.*", 1, ""),
            api("3", "s1", "GET", "/pets/{id}", 3, "p2"),
            api("4", "s1", "PUT", "/a", 4, "p3"),
            api("5", "s1", "PUT", "/b", 5, "none"),
        ])),
        &Unusable::default(),
    );
    let paths: Vec<_> = converted
        .documents
        .iter()
        .map(|one| one.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "policies/0.yaml",
            "policies/1.unusable",
            "policies/2.unusable",
            "services/3.yaml"
        ]
    );
    assert_eq!(
        services(&converted),
        [&json!({
            "name": "PetStore", "aws": [{ "api_id": "a1", "stage": "dev" }], "order": "file", "unmatched": "open",
            "tokens": [{ "issuer": "https://acp.example.com/t/default", "profile": "generic", "any_audience": true }],
            "operations": [
                { "name": "ANY /pets.*", "paths": ["/pets*", "/pets*/**"], "public": true },
                { "name": "GET /pets/{id}", "methods": ["GET"], "paths": ["/pets/{id}", "/pets/{id}/"], "policy": "0.yaml", "token": "optional" },
                { "name": "PUT /a", "methods": ["PUT"], "paths": ["/a", "/a/"], "policy": "1.unusable", "token": "optional" },
                { "name": "PUT /b", "methods": ["PUT"], "paths": ["/b", "/b/"], "policy": "2.unusable", "token": "optional" },
            ],
        })]
    );
    let warnings = converted.warnings.join("\n");
    for says in ["API 3 has the method and the path", "\"wasm\"", "(none)"] {
        assert!(warnings.contains(says), "{says}: {warnings}");
    }
    let key = ("PetStore".to_owned(), "GET /pets/{id}".to_owned());
    assert_eq!(
        converted.apis[&key],
        ApiRef {
            api_id: "2".into(),
            policy_id: "p1".into()
        }
    );
}

#[test]
fn what_cannot_be_read_denies_where_it_stood() {
    for (unreadable, paths) in [
        (
            api("1", "s1", "GET", "/admin/[a-z]+", 1, "p1"),
            json!(["/admin/**"]),
        ),
        (
            api("1", "s1", "GET", "/pets/.+", 1, ""),
            json!(["/pets/**"]),
        ),
        (
            api("1", "s1", "NO METHOD", "/x", 1, "p1"),
            json!(["/x", "/x/"]),
        ),
        (
            json!({ "id": "1", "service_id": "s1", "api_type": "graphql", "method": "POST", "path": "/graphql", "position": 1 }),
            json!(["/graphql", "/graphql/"]),
        ),
    ] {
        let converted = convert(
            &one_service(json!([api("2", "s1", "ANY", "/.*", 2, ""), unreadable])),
            &Unusable::default(),
        );
        let service = services(&converted)[0];
        let first = &service["operations"][0];
        assert_eq!(first["paths"], paths);
        assert!(
            first.get("methods").is_none() && first.get("public").is_none(),
            "{first}"
        );
        assert!(
            text(&converted, first).contains("API 1 cannot be read"),
            "{first}"
        );
        assert_eq!(
            (&service["operations"][1]["public"], &service["unmatched"]),
            (&json!(true), &json!("deny"))
        );
    }
}

#[test]
fn long_paths_are_told_apart() {
    let long = |end: &str| format!("/{}{end}", "a".repeat(400));
    let converted = convert(
        &one_service(json!([
            api("1", "s1", "GET", &long("x"), 1, ""),
            api("2", "s1", "GET", &long("y"), 2, "p1"),
        ])),
        &Unusable::default(),
    );
    let operations = services(&converted)[0]["operations"].as_array().unwrap();
    assert_eq!((operations.len(), converted.apis.len()), (2, 2));
    assert!(
        operations
            .iter()
            .all(|one| one["name"].as_str().unwrap().len() <= 256)
    );
}

#[test]
fn a_service_that_is_ambiguous_or_does_not_compile_denies_everything() {
    let both = configuration(
        json!([
            { "id": "s1", "name": "One", "api_group_metadata": aws("a1") }, { "id": "s2", "name": "Two", "api_group_metadata": aws("a1") },
            { "id": "s3", "name": "Good", "api_group_metadata": aws("a3") }, { "id": "s4", "name": "Azure", "api_group_metadata": { "type": "azure" } },
        ]),
        json!([
            api("1", "s1", "GET", "/x", 1, ""),
            api("2", "s2", "GET", "/y", 1, "p1"),
            api("3", "s3", "GET", "/z", 1, "")
        ]),
    );
    let mut unusable = Unusable::default();
    unusable
        .services
        .insert("s3".to_owned(), "too many".to_owned());
    let converted = convert(&both, &unusable);
    let found = services(&converted);
    assert_eq!(found.len(), 2);
    for service in found {
        assert_eq!(
            (&service["operations"][0]["paths"], &service["unmatched"]),
            (&json!(["/**"]), &json!("deny"))
        );
        assert_eq!(service["operations"].as_array().unwrap().len(), 1);
    }
    assert!(converted.services.values().any(|id| id == "s3"));
}

#[test]
fn nothing_is_open_for_being_unknown_while_apis_belong_to_nobody() {
    let converted = convert(
        &one_service(json!([
            api("1", "s1", "GET", "/x", 1, ""),
            api("2", "gone", "GET", "/y", 1, "p1")
        ])),
        &Unusable::default(),
    );
    assert_eq!(services(&converted)[0]["unmatched"], "deny");
}

#[test]
fn a_custom_audience_is_asked_of_every_token() {
    let mut sent = one_service(json!([]));
    sent.services[0].custom_audience = "pets".into();
    let options = ConvertOptions {
        introspection_endpoint: Some("https://acp.example.com/i".into()),
        ..ConvertOptions::default()
    };
    let converted = sent.convert(&options, &Unusable::default());
    let tokens = &services(&converted)[0]["tokens"][0];
    assert_eq!(
        (&tokens["audiences"], &tokens["introspection"]["audience"]),
        (&json!(["pets"]), &json!("required"))
    );
}

#[test]
fn a_policy_that_turned_out_not_to_compile_denies() {
    let mut unusable = Unusable::default();
    unusable
        .policies
        .insert("p1".to_owned(), "comparator \"x\" is not known".to_owned());
    let converted = convert(
        &one_service(json!([api("1", "s1", "GET", "/x", 1, "p1")])),
        &unusable,
    );
    let file = &converted.documents[0];
    assert!(
        file.path.ends_with(".unusable") && file.document.as_str().unwrap().contains("comparator")
    );
    assert_eq!(converted.policies["policies/0.unusable"], "p1");
}

#[test]
fn null_and_absent_are_empty() {
    for text in [
        "{}",
        r#"{"apis":null,"policies":null,"services":null,"issuer_url":null}"#,
    ] {
        let read: GatewayConfiguration = serde_json::from_str(text).unwrap();
        assert_eq!(read, GatewayConfiguration::default());
    }
}
