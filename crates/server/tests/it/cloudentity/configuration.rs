//! The configuration that a gateway polls: sent when it has changed, and only what the protocol can say.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;

use super::{Plane, apis, groups};

#[tokio::test]
async fn a_configuration_that_is_known_is_not_sent_again() {
    for it in Plane::both().await {
        let gateway = it
            .gateway(
                "Lambda",
                &json!({ "create_and_bind_services_automatically": true }),
            )
            .await;
        let token = it.token(&gateway).await;
        it.discover(&token, &groups(&[("GET", "/pets")])).await;
        let path = "system/gateways/configuration";
        let first = it.call(&token, Method::GET, path, None, &[]).await;
        let tag = first.headers["etag"].to_str().unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.len() == 66, "{tag}");
        for (sent, status) in [
            (tag.clone(), 304),
            (format!("W/{tag}"), 304),
            (format!("\"x\", {tag}"), 304),
            ("*".to_owned(), 304),
            ("\"x\"".to_owned(), 200),
        ] {
            let headers = [("if-none-match", sent.as_str())];
            let answer = it.call(&token, Method::GET, path, None, &headers).await;
            assert_eq!(
                (answer.status, &answer.headers["etag"]),
                (status, &first.headers["etag"]),
                "{sent}"
            );
            assert_eq!(answer.body.is_null(), status == 304);
        }
        let vanity = it
            .call(
                &token,
                Method::GET,
                "/api/system/gateways/configuration?authorizer_version=latest",
                None,
                &[],
            )
            .await;
        assert_eq!((vanity.status, &vanity.body), (200, &first.body));
        let shown = it
            .admin(Method::GET, &format!("admin/gateways/{}", gateway.id), None)
            .await;
        assert_eq!(shown.body["last_active"], "2023-11-14T22:13:20.000Z");
        // An edit that is not deployed is not in it.
        let drafts = it.store.all_drafts().await.unwrap();
        let operation = drafts
            .iter()
            .find(|one| one.name.as_str() == "GET /pets")
            .unwrap();
        let service = operation.parent.clone().unwrap();
        let edited = json!({ "name": "GET /pets", "methods": ["GET"], "paths": [{ "type": "EXACT", "pattern": "/pets" }], "portcullis": { "public": true } });
        let path = format!(
            "/v1/environments/e/apiServers/{service}/operations/{}",
            operation.id
        );
        assert_eq!(
            it.admin(Method::PUT, &path, Some(&edited)).await.status,
            200
        );
        let configuration = it.configuration(&token).await;
        assert_eq!(apis(&configuration), [("GET", "/pets", "block-api")]);
    }
}

#[tokio::test]
async fn rules_that_the_protocol_cannot_say_are_denied() {
    let it = Plane::start(None).await;
    let gateway = it
        .gateway(
            "Lambda",
            &json!({ "create_and_bind_services_automatically": true, "default_policy_id": "" }),
        )
        .await;
    let token = it.token(&gateway).await;
    it.discover(&token, &groups(&[("GET", "/pets"), ("POST", "/pets")]))
        .await;
    let before = it.configuration(&token).await;
    assert_eq!(apis(&before), [("GET", "/pets", ""), ("POST", "/pets", "")]);
    let service = &before.services[0].id;
    let deploy = async || {
        let kind = [(
            "content-type",
            "application/vnd.pingidentity.apiServer.deploy+json",
        )];
        let path = format!("/v1/environments/e/apiServers/{service}/deployment");
        let request = Request::post(path)
            .header(kind[0].0, kind[0].1)
            .header("authorization", format!("Bearer {}", it.deployer));
        it.send(request.body(Body::from("{}")).unwrap()).await
    };
    let id = &before.apis[0].id;
    let path = format!("/v1/environments/e/apiServers/{service}/operations/{id}");
    let ruled = json!({ "name": "GET /pets", "methods": ["GET"], "paths": [{ "type": "EXACT", "pattern": "/pets" }],
        "accessControl": { "scope": { "matchType": "ANY", "scopes": [{ "name": "read" }] } } });
    assert_eq!(it.admin(Method::PUT, &path, Some(&ruled)).await.status, 200);
    assert_eq!(deploy().await.status, 200);
    let after = it.configuration(&token).await;
    assert_eq!(
        apis(&after),
        [
            ("GET", "/pets", "portcullis-unsayable"),
            ("POST", "/pets", "")
        ]
    );
    assert_eq!(after.policies[0].validators[0].name, "false");
    // A policy in the place of the rule would take the rule away.
    let open = json!({ "policy_id": "" });
    let refused = it
        .admin(Method::PUT, &format!("admin/apis/{id}"), Some(&open))
        .await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    // Nor is an operation open that says nothing: it asks for a valid token.
    let bare = json!({ "name": "GET /pets", "methods": ["GET"], "paths": [{ "type": "EXACT", "pattern": "/pets" }] });
    assert_eq!(it.admin(Method::PUT, &path, Some(&bare)).await.status, 200);
    let shown = it
        .admin(Method::GET, &format!("admin/apis/{id}"), None)
        .await;
    assert_eq!(shown.body["can_have_policy"], false);
    let refused = it
        .admin(Method::PUT, &format!("admin/apis/{id}"), Some(&open))
        .await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    // A path that cannot be said closes the whole service: another API could let it through.
    let odd = json!({ "name": "GET /pets", "methods": ["GET"], "paths": [{ "type": "PARAMETER", "pattern": "/p*ts" }], "portcullis": { "public": true } });
    assert_eq!(it.admin(Method::PUT, &path, Some(&odd)).await.status, 200);
    assert_eq!(deploy().await.status, 200);
    let after = it.configuration(&token).await;
    assert_eq!(apis(&after), [("POST", "/pets", "portcullis-unsayable")]);
}
