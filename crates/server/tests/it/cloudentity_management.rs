//! What the management API does to what belongs to the control plane of the Cloudentity protocol.

use axum::http::Method;
use portcullis_store::{DraftChange, UnixMillis};
use serde_json::{Value, json};

use crate::cloudentity::{Plane, apis, groups};

const POLICIES: &str = "/v1/environments/e/policies";
const BLOCK: &str = "/v1/environments/e/policies/block-api";

/// The text of every file of the current deployment.
async fn deployed(it: &Plane) -> String {
    let current = it.store.current_deployment().await.unwrap().unwrap();
    let texts = current.sources.iter().map(|file| file.text.as_str());
    texts.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn what_a_gateway_was_bound_to_goes_with_it() {
    for it in Plane::both().await {
        let auto = json!({ "create_and_bind_services_automatically": true });
        let gateway = it.gateway("Lambda", &auto).await;
        let token = it.token(&gateway).await;
        it.discover(&token, &groups(&[("GET", "/pets")])).await;
        assert_eq!(
            apis(&it.configuration(&token).await),
            [("GET", "/pets", "block-api")]
        );
        // Opened, so that it would let anybody through for as long as it is deployed.
        let api = it.configuration(&token).await.apis[0].id.clone();
        let open = json!({ "policy_id": "" });
        let path = format!("admin/apis/{api}");
        assert_eq!(it.admin(Method::PUT, &path, Some(&open)).await.status, 200);
        assert!(deployed(&it).await.contains("/pets"));

        let path = format!("/v1/environments/e/gateways/{}", gateway.id);
        let refused = it.call(&it.editor, Method::DELETE, &path, None, &[]).await;
        assert_eq!(refused.status, 403);
        assert!(deployed(&it).await.contains("/pets"));
        let gone = it.admin(Method::DELETE, &path, None).await;
        assert_eq!(gone.status, 204, "{}", gone.body);
        let left = deployed(&it).await;
        assert!(!left.contains("/pets") && !left.contains("a1"), "{left}");
        assert!(it.store.workspace().await.unwrap().groups.is_empty());
        let asked = "system/gateways/configuration";
        let answer = it.call(&token, Method::GET, asked, None, &[]).await;
        assert_eq!(answer.status, 401);
        assert_eq!(it.admin(Method::DELETE, &path, None).await.status, 404);

        // One of PingOne's protocol has nothing deployed.
        let before = it.store.current_number().await.unwrap();
        let plain = json!({ "type": "API_GATEWAY_INTEGRATION", "name": "Kong" });
        let made = it
            .admin(Method::POST, "/v1/environments/e/gateways", Some(&plain))
            .await;
        let path = format!(
            "/v1/environments/e/gateways/{}",
            made.body["id"].as_str().unwrap()
        );
        assert_eq!(it.admin(Method::DELETE, &path, None).await.status, 204);
        assert_eq!(it.store.current_number().await.unwrap(), before);
    }
}

#[tokio::test]
async fn the_policy_that_denies_everything_is_not_edited() {
    for it in Plane::both().await {
        let _ = it.gateway("Lambda", &json!({})).await;
        let before = it.admin(Method::GET, BLOCK, None).await;
        assert_eq!(before.body["name"], "block-api.yaml", "{}", before.body);
        let permits =
            json!({ "name": "block-api.yaml", "text": "validators: [{ name: \"true\" }]\n" });
        let other = json!({ "name": "other.yaml", "text": "validators: [{ name: \"true\" }]\n" });
        for sent in [&permits, &other] {
            let answer = it
                .call(&it.editor, Method::PUT, BLOCK, Some(sent), &[])
                .await;
            assert_eq!(
                (answer.status, &answer.body["code"]),
                (409, &json!("CONFLICT")),
                "{}",
                answer.body
            );
            let message = answer.body["message"].as_str().unwrap();
            assert!(message.contains("Block API"), "{message}");
        }
        let answer = it.call(&it.editor, Method::DELETE, BLOCK, None, &[]).await;
        assert_eq!(answer.status, 409, "{}", answer.body);
        // Nobody takes its name either.
        let made = it
            .call(&it.editor, Method::POST, POLICIES, Some(&permits), &[])
            .await;
        assert_eq!(
            (made.status, &made.body["details"][0]["target"]),
            (400, &json!("name")),
            "{}",
            made.body
        );
        let made = it
            .call(&it.editor, Method::POST, POLICIES, Some(&other), &[])
            .await;
        let path = format!("{POLICIES}/{}", made.body["id"].as_str().unwrap());
        let renamed = it
            .call(&it.editor, Method::PUT, &path, Some(&permits), &[])
            .await;
        assert_eq!(renamed.status, 400, "{}", renamed.body);
        let after = it.admin(Method::GET, BLOCK, None).await;
        assert_eq!(after.body, before.body);
    }
}

#[tokio::test]
async fn a_policy_block_api_that_permits_is_put_right() {
    for it in Plane::both().await {
        let _ = it.gateway("Lambda", &json!({})).await;
        // As a database of before may have it.
        let id = "block-api".parse().unwrap();
        let draft = it.store.draft(&id).await.unwrap().unwrap();
        let mut body = draft.body.clone();
        body["text"] = json!("validators: [{ name: \"true\" }]\n");
        let change = DraftChange {
            name: draft.name.clone(),
            body,
        };
        it.store
            .update_draft(&id, draft.version, change, UnixMillis(0))
            .await
            .unwrap();
        let _ = it.gateway("Second", &json!({})).await;
        let shown: Value = it.admin(Method::GET, BLOCK, None).await.body;
        assert_eq!(shown["text"], draft.body["text"]);
    }
}
