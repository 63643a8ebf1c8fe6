//! What gateways report of their APIs: bound, denied until somebody says otherwise, and checked.

use axum::http::Method;
use portcullis_cloudentity::{ConvertOptions, Unusable};
use portcullis_engine::compile_documents;
use portcullis_policies::languages;
use serde_json::json;

use super::{Plane, apis, groups};

#[tokio::test]
async fn what_is_discovered_is_bound_and_denied_until_somebody_says_otherwise() {
    for it in Plane::both().await {
        let auto = json!({ "create_and_bind_services_automatically": true });
        let gateway = it.gateway("Lambda", &auto).await;
        let token = it.token(&gateway).await;
        assert!(it.configuration(&token).await.services.is_empty());
        let found = groups(&[
            ("GET", "/pets/{petId}"),
            ("ANY", "/{proxy+}"),
            ("GET", "/pets/mine"),
            ("GET", "/pets/mine"),
        ]);
        let answer = it.discover(&token, &found).await;
        assert_eq!(
            (answer.status, &answer.body),
            (200, &json!({ "number_of_added_api_groups": 1 }))
        );
        let again = it.discover(&token, &found).await;
        assert_eq!(
            again.body,
            json!({ "number_of_added_api_groups": 0 }),
            "idempotent"
        );
        let configuration = it.configuration(&token).await;
        assert_eq!(
            apis(&configuration),
            [
                ("GET", "/pets/mine", "block-api"),
                ("GET", "/pets/{petId}", "block-api"),
                ("ANY", "/{proxy+}", "block-api"),
            ]
        );
        assert_eq!(configuration.issuer_url, "https://idp.example.com");
        assert_eq!(configuration.jwks_url, "https://idp.example.com/keys");
        assert_eq!(
            (
                configuration.tenant_id.as_str(),
                configuration.server_id.as_str()
            ),
            ("default", it.server.as_str())
        );
        assert_eq!(configuration.services[0].name, "PetStore (dev)");
        assert_eq!(configuration.policies[0].policy_name, "Block API");
        // What a gateway makes of it compiles, and is what is deployed here.
        let converted = configuration.convert(&ConvertOptions::default(), &Unusable::default());
        assert_eq!(converted.warnings, [""; 0]);
        let documents: Vec<_> = converted
            .documents
            .into_iter()
            .map(|one| portcullis_engine::DocumentFile {
                path: one.path,
                document: one.document,
            })
            .collect();
        let compiled = compile_documents(&documents, &languages()).unwrap();
        assert_eq!(compiled.services()[0].operations().len(), 3);
        let deployment = it.store.current_deployment().await.unwrap().unwrap();
        assert_eq!(
            deployment.summary.number, 1,
            "discovering the same again deploys nothing"
        );
        assert!(
            deployment
                .summary
                .created_by
                .as_str()
                .starts_with("gateway ")
        );

        // What is gone goes, what is new is denied, what stays keeps its policy.
        let id = configuration.apis[1].id.clone();
        let open = json!({ "policy_id": "" });
        let changed = it
            .admin(Method::PUT, &format!("admin/apis/{id}"), Some(&open))
            .await;
        assert_eq!(changed.status, 200, "{}", changed.body);
        let found = groups(&[("GET", "/pets/{petId}"), ("POST", "/pets")]);
        assert_eq!(it.discover(&token, &found).await.status, 200);
        let configuration = it.configuration(&token).await;
        assert_eq!(
            apis(&configuration),
            [("POST", "/pets", "block-api"), ("GET", "/pets/{petId}", "")]
        );
        assert_eq!(configuration.apis[1].id, id);
    }
}

#[tokio::test]
async fn bad_lists_of_groups_change_nothing() {
    let it = Plane::start(None).await;
    let gateway = it
        .gateway(
            "Lambda",
            &json!({ "create_and_bind_services_automatically": true }),
        )
        .await;
    let token = it.token(&gateway).await;
    let aws = json!({ "type": "aws", "aws": { "api_id": "a1", "api_name": "x", "stage": "dev" } });
    let many: Vec<_> = (0..5001)
        .map(|at| json!({ "method": "GET", "path": format!("/{at}") }))
        .collect();
    for (body, status) in [
        (json!([]), 422),
        (json!({ "api_groups": {} }), 422),
        (json!({ "api_groups": [{ "id": "" }] }), 422),
        (json!({ "api_groups": [{ "id": "a\nb" }] }), 422),
        (json!({ "api_groups": [{ "id": "a" }, { "id": "a" }] }), 422),
        (json!({ "api_groups": [{ "id": "a", "apis": many }] }), 422),
        (
            json!({ "api_groups": (0..501).map(|at| json!({ "id": at.to_string() })).collect::<Vec<_>>() }),
            422,
        ),
    ] {
        let answer = it.discover(&token, &body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    assert_eq!(it.store.workspace().await.unwrap().groups.len(), 0);
    // What cannot be bound is known and stays unbound; the others are bound.
    let odd = json!({ "api_groups": [
        { "id": "odd-path", "metadata": aws, "apis": [{ "method": "GET", "path": "/{proxy+}/x" }] },
        { "id": "odd-method", "metadata": aws, "apis": [{ "method": "G T", "path": "/x" }] },
        { "id": "graphql", "metadata": aws, "apis": [{ "api_type": "graphql", "method": "GET", "path": "/x" }] },
        { "id": "azure", "metadata": { "type": "azure" }, "apis": [] },
        { "id": "long", "metadata": aws, "apis": [{ "method": "GET", "path": format!("/{}", "x".repeat(300)) }] },
        { "id": "good", "metadata": aws, "apis": [{ "method": "GET", "path": "/x" }] },
        { "id": "twin", "metadata": aws, "apis": [{ "method": "GET", "path": "/y" }] },
    ] });
    let answer = it.discover(&token, &odd).await;
    assert_eq!(answer.body, json!({ "number_of_added_api_groups": 7 }));
    let workspace = it.store.workspace().await.unwrap();
    let bound: Vec<_> = workspace
        .groups
        .iter()
        .filter(|one| one.service_id.is_some())
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(bound, ["good"]);
    let number = it.store.current_number().await.unwrap();
    assert_eq!(number, Some(1), "one deployment for all");
    // A gateway cannot move what is bound to it to another API.
    let moved = json!({ "api_groups": [{ "id": "good", "metadata": { "type": "aws", "aws": { "api_id": "b2", "stage": "dev" } }, "apis": [{ "method": "GET", "path": "/x" }] }] });
    assert_eq!(it.discover(&token, &moved).await.status, 200);
    let configuration = it.configuration(&token).await;
    assert_eq!(
        configuration.services[0]
            .api_group_metadata
            .aws
            .as_ref()
            .unwrap()
            .api_id,
        "a1"
    );
    assert_eq!(
        it.store.workspace().await.unwrap().groups.len(),
        1,
        "what is not named and not bound is forgotten"
    );
}
