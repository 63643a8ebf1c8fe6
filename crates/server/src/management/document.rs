//! What the `OpenAPI` document says beside the types that handlers read: what answers look like, which values
//! parameters may have, and which call has the ids that another one needs.
//!
//! Answers are written member by member and not from a type, so nothing but a test keeps this in step: schemathesis
//! (`tests/e2e/test_openapi.py`) calls every operation and compares.

use serde_json::{Map, Value, json};

use super::gateways::INTEGRATION;

/// The resources that are sent and kept as drafts.
const DRAFTS: [&str; 4] = [
    "ApiServer",
    "ApiOperation",
    "ExternalOAuthServer",
    "PolicyFile",
];

/// Which answer each operation gives: its id, the status, and the schema.
const ANSWERS: [(&str, &str, &str); 28] = [
    ("listApiServers", "200", "ListOfApiServers"),
    ("createApiServer", "201", "StoredApiServer"),
    ("getApiServer", "200", "StoredApiServer"),
    ("putApiServer", "200", "StoredApiServer"),
    ("getDeploymentOfApiServer", "200", "DeploymentOfApiServer"),
    ("deployApiServer", "200", "DeploymentOfApiServer"),
    ("listOperations", "200", "ListOfOperations"),
    ("createOperation", "201", "StoredApiOperation"),
    ("getOperation", "200", "StoredApiOperation"),
    ("putOperation", "200", "StoredApiOperation"),
    (
        "listExternalOAuthServers",
        "200",
        "ListOfExternalOAuthServers",
    ),
    (
        "createExternalOAuthServer",
        "201",
        "StoredExternalOAuthServer",
    ),
    ("getExternalOAuthServer", "200", "StoredExternalOAuthServer"),
    ("putExternalOAuthServer", "200", "StoredExternalOAuthServer"),
    ("listPolicies", "200", "ListOfPolicies"),
    ("createPolicy", "201", "StoredPolicyFile"),
    ("getPolicy", "200", "StoredPolicyFile"),
    ("putPolicy", "200", "StoredPolicyFile"),
    ("listDeployments", "200", "ListOfDeployments"),
    ("createDeployment", "201", "Deployment"),
    ("getDeployment", "200", "DeploymentWithSources"),
    ("listGateways", "200", "ListOfGateways"),
    ("createGateway", "201", "Gateway"),
    ("getGateway", "200", "Gateway"),
    ("listCredentials", "200", "ListOfCredentials"),
    ("createCredential", "201", "CredentialWithSecret"),
    ("listDecisions", "200", "ListOfDecisions"),
    ("getDecision", "200", "Decision"),
];

/// Which operation makes what which others ask for: the operation, the status, the others, and under which name they
/// want the id.
const LINKS: [(&str, &str, &[&str], &str); 6] = [
    (
        "createApiServer",
        "201",
        &[
            "getApiServer",
            "putApiServer",
            "deployApiServer",
            "getDeploymentOfApiServer",
            "deleteApiServer",
        ],
        "id",
    ),
    (
        "createApiServer",
        "201",
        &["createOperation", "listOperations"],
        "service",
    ),
    (
        "createExternalOAuthServer",
        "201",
        &[
            "getExternalOAuthServer",
            "putExternalOAuthServer",
            "deleteExternalOAuthServer",
        ],
        "id",
    ),
    (
        "createPolicy",
        "201",
        &["getPolicy", "putPolicy", "deletePolicy"],
        "id",
    ),
    (
        "createGateway",
        "201",
        &[
            "getGateway",
            "listCredentials",
            "createCredential",
            "deleteGateway",
        ],
        "id",
    ),
    ("createDeployment", "201", &["getDeployment"], "number"),
];

/// Operations on an operation or a credential, which need the id of what is around it, too: who makes it, the
/// operation, the name of its own id and that of the other.
const NESTED: [(&str, &str, &str, &str); 4] = [
    ("createOperation", "getOperation", "id", "service"),
    ("createOperation", "putOperation", "id", "service"),
    ("createOperation", "deleteOperation", "id", "service"),
    ("createCredential", "revokeCredential", "credential", "id"),
];

/// Completes the document that was made of the types.
pub(super) fn complete(document: &mut Value) {
    let Some(schemas) = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    for name in DRAFTS {
        kept(schemas, name);
    }
    if let Value::Object(answers) = answers() {
        schemas.extend(answers);
    }
    for operation in operations(document) {
        for parameter in list(operation.get_mut("parameters")) {
            bound(parameter);
        }
        let id = operation.get("operationId").and_then(Value::as_str);
        let id = id.unwrap_or_default().to_owned();
        for (_, status, schema) in ANSWERS.iter().filter(|(named, ..)| *named == id) {
            if let Some(answer) = operation.pointer_mut(&format!("/responses/{status}")) {
                let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
                set(
                    answer,
                    "content",
                    json!({ "application/json": { "schema": schema } }),
                );
            }
        }
        link(operation, &id);
        let bodies = operation.pointer_mut("/requestBody/content");
        let bodies = bodies.and_then(Value::as_object_mut).into_iter();
        for (body, example) in bodies.flat_map(Map::values_mut).zip(example(&id)) {
            set(body, "example", example);
        }
    }
}

/// Adds to a resource what it has once it is kept. A client may send that back, and nothing depends on it.
fn kept(schemas: &mut Map<String, Value>, name: &str) {
    let Some(sent) = schemas.get_mut(name) else {
        return;
    };
    let mut stored = sent.clone();
    let anything =
        json!({ "description": "Not looked at: clients send back what they have read." });
    for member in super::resources::READ_ONLY {
        set_in(sent, "properties", member, anything.clone());
    }
    set_in(
        sent,
        "properties",
        "policy",
        json!({ "type": "object", "description": "That of PingOne; not looked at." }),
    );
    let mut members = vec![
        ("_links", reference("Links")),
        ("id", json!({ "type": "string" })),
        ("createdAt", time()),
        ("updatedAt", time()),
    ];
    if name == "ApiOperation" {
        let id = json!({ "id": { "type": "string" } });
        members.push(("apiServer", object(&id, &["id"])));
    }
    for (member, schema) in members {
        set_in(&mut stored, "properties", member, schema);
        if let Some(required) = stored.get_mut("required").and_then(Value::as_array_mut) {
            required.push(json!(member));
        }
    }
    schemas.insert(format!("Stored{name}"), stored);
}

/// The values that a parameter of the query may have. One that may be left out is never null.
fn bound(parameter: &mut Value) {
    if parameter.get("in") != Some(&json!("query")) {
        return;
    }
    let bounds = match parameter.get("name").and_then(Value::as_str) {
        Some("outcome") => json!({ "enum": ["permit", "deny"] }),
        Some("since" | "until") => json!({ "format": "date-time" }),
        Some("service" | "operation" | "reason" | "gateway") => {
            json!({ "minLength": 1, "maxLength": 512 })
        }
        _ => json!({}),
    };
    let Some(schema) = parameter.get_mut("schema").and_then(Value::as_object_mut) else {
        return;
    };
    if let Some(Value::Array(types)) = schema.get("type") {
        let one = types.iter().find(|one| *one != "null").cloned();
        schema.insert("type".to_owned(), one.unwrap_or_default());
    }
    if let Value::Object(bounds) = bounds {
        schema.extend(bounds);
    }
}

/// Says where the id is that another operation asks for.
fn link(operation: &mut Value, id: &str) {
    let mut links = Map::new();
    let mut add = |to: &str, parameters: Value| {
        links.insert(
            to.to_owned(),
            json!({ "operationId": to, "parameters": parameters }),
        );
    };
    let (environment, made) = ("$request.path.environment", "$response.body#/id");
    for (_, _, others, name) in LINKS.iter().filter(|(from, ..)| *from == id) {
        for other in *others {
            add(other, json!({ "environment": environment, *name: made }));
        }
    }
    for (_, to, own, around) in NESTED.iter().filter(|(from, ..)| *from == id) {
        let outer = format!("$request.path.{around}");
        add(
            to,
            json!({ "environment": environment, *own: made, *around: outer }),
        );
    }
    if let (false, Some(answer)) = (links.is_empty(), operation.pointer_mut("/responses/201")) {
        set(answer, "links", Value::Object(links));
    }
}

/// A body for an operation, which can be sent as it is.
fn example(id: &str) -> Option<Value> {
    let health = json!([{ "type": "EXACT", "pattern": "/health" }]);
    let issuer = "https://idp.example.com";
    let moons = "name: Moons\nbase_urls: [https://moons.example.com]\noperations: [{ name: Health, paths: [/health], public: true }]\n";
    Some(match id {
        "createApiServer" | "putApiServer" => {
            json!({ "name": "Planets", "baseUrls": ["https://planets.example.com"] })
        }
        "createOperation" | "putOperation" => {
            json!({ "name": "Health", "methods": ["GET"], "paths": health, "portcullis": { "public": true } })
        }
        "createExternalOAuthServer" | "putExternalOAuthServer" => {
            json!({ "name": "Corporate", "type": "EXTERNAL", "issuers": [issuer], "portcullis": { "profile": "generic" } })
        }
        "createPolicy" | "putPolicy" => {
            json!({ "name": "nobody.yaml", "text": "validators: [{ name: 'false' }]\n" })
        }
        "createGateway" => json!({ "name": "Kong", "type": INTEGRATION }),
        "createCredential" => json!({ "expiresAt": "2099-12-31T12:00:00Z" }),
        "createDeployment" => {
            json!({ "sources": [{ "path": "services/moons.yaml", "text": moons }], "note": "the first" })
        }
        "deployApiServer" => json!({}),
        _ => return None,
    })
}

/// The answers that no type stands for.
fn answers() -> Value {
    let text = json!({ "type": "string" });
    let maybe = json!({ "type": ["string", "null"] });
    let maybe_time = json!({ "type": ["string", "null"], "format": "date-time" });
    let href = object(&json!({ "href": text }), &["href"]);
    let links = object(&json!({ "self": href, "next": href }), &["self"]);
    let deployment = json!({
        "id": { "type": "string", "description": "Its number." }, "sha256": text, "note": text,
        "createdBy": text, "createdAt": time(), "rollbackOf": maybe,
    });
    let of_deployment = [
        "id",
        "sha256",
        "note",
        "createdBy",
        "createdAt",
        "rollbackOf",
    ];
    let with = |members: &Value, name: &str, schema: Value| {
        let mut members = members.clone();
        set(&mut members, name, schema);
        members
    };
    let sources = json!({ "type": "array", "items": reference("SourceBody") });
    let credential = json!({
        "id": text, "createdAt": time(), "expiresAt": maybe_time, "revokedAt": maybe_time, "lastUsedAt": maybe_time,
    });
    let of_credential = ["id", "createdAt", "expiresAt", "revokedAt", "lastUsedAt"];
    let gateway = json!({
        "_links": reference("Links"), "id": text, "type": text, "name": text, "createdAt": time(),
    });
    let status = object(&json!({ "code": text }), &["code"]);
    let version =
        json!({ "type": ["object", "null"], "properties": { "id": text }, "required": ["id"] });
    let of_service = json!({
        "authorizationVersion": version, "deployedAt": maybe_time, "status": status,
        "accessControl": reference("ServiceAccessControl"), "upToDate": { "type": "boolean" },
    });
    let of_service_needed = [
        "authorizationVersion",
        "deployedAt",
        "status",
        "accessControl",
        "upToDate",
    ];
    let decision = json!({
        "type": "object", "description": "What was decided (docs/decisions.md).",
        "properties": {
            "id": text, "time": time(), "outcome": { "enum": ["permit", "deny"] }, "reason": text,
            "method": text, "path": text, "status": { "type": ["integer", "null"] },
        },
        "required": ["id", "time", "outcome", "reason", "method", "path", "status"],
    });
    json!({
        "Links": links,
        "Deployment": object(&deployment, &of_deployment),
        "DeploymentWithSources":
            object(&with(&deployment, "sources", sources), &[&of_deployment[..], &["sources"]].concat()),
        "DeploymentOfApiServer": object(&of_service, &of_service_needed),
        "Gateway": object(&gateway, &["_links", "id", "type", "name", "createdAt"]),
        "Credential": object(&credential, &of_credential),
        "CredentialWithSecret": object(
            &with(&credential, "credential", json!({ "type": "string", "description": "Shown this once." })),
            &[&of_credential[..], &["credential"]].concat(),
        ),
        "Decision": decision,
        "ListOfApiServers": listing("apiServers", "StoredApiServer"),
        "ListOfOperations": listing("operations", "StoredApiOperation"),
        "ListOfExternalOAuthServers": listing("externalOAuthServers", "StoredExternalOAuthServer"),
        "ListOfPolicies": listing("policies", "StoredPolicyFile"),
        "ListOfDeployments": listing("deployments", "Deployment"),
        "ListOfGateways": listing("gateways", "Gateway"),
        "ListOfCredentials": listing("credentials", "Credential"),
        "ListOfDecisions": listing("decisions", "Decision"),
    })
}

/// A page of a list.
fn listing(collection: &str, item: &str) -> Value {
    let items = json!({ collection: { "type": "array", "items": reference(item) } });
    let members = json!({
        "_links": reference("Links"), "_embedded": object(&items, &[collection]),
        "size": { "type": "integer", "minimum": 0 },
    });
    object(&members, &["_links", "_embedded", "size"])
}

fn object(members: &Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": members, "required": required, "additionalProperties": false })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    paths
        .into_iter()
        .flat_map(Map::values_mut)
        .filter_map(Value::as_object_mut)
        .flat_map(Map::values_mut)
}

fn list(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value.and_then(Value::as_array_mut).into_iter().flatten()
}

fn set(value: &mut Value, name: &str, member: Value) {
    if let Some(members) = value.as_object_mut() {
        members.insert(name.to_owned(), member);
    }
}

fn set_in(value: &mut Value, inside: &str, name: &str, member: Value) {
    if let Some(inner) = value.get_mut(inside) {
        set(inner, name, member);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A name that nothing has any more would be left out without a word.
    #[test]
    fn every_row_is_about_an_operation_that_there_is() {
        let mut document: Value = serde_json::from_str(super::super::openapi()).unwrap();
        let ids: Vec<String> = operations(&mut document)
            .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
            .collect();
        let unique: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{ids:?}");
        let linked = LINKS
            .iter()
            .flat_map(|(from, _, others, _)| [from].into_iter().chain(*others));
        let nested = NESTED.iter().flat_map(|(from, to, ..)| [from, to]);
        let answered = ANSWERS.iter().map(|(id, ..)| id);
        for id in answered.chain(linked).chain(nested) {
            assert!(unique.contains(&(*id).to_owned()), "{id}");
        }
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for (id, _, schema) in ANSWERS {
            assert!(schemas.contains_key(schema), "{id}: {schema}");
        }
    }
}
