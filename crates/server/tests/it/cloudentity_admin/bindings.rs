//! Groups of APIs that are bound to services, and gateways that are given away.

use axum::http::Method;
use serde_json::json;

use super::GROUP;
use crate::cloudentity::{Plane, apis, groups};

#[tokio::test]
async fn groups_are_bound_to_new_services_and_to_those_that_are_there() {
    for it in Plane::both().await {
        let gateway = it.gateway("Lambda", &json!({})).await;
        let token = it.token(&gateway).await;
        assert_eq!(
            it.discover(&token, &groups(&[("GET", "/pets")]))
                .await
                .status,
            200
        );
        assert!(
            it.configuration(&token).await.services.is_empty(),
            "it waits unbound"
        );
        let listed = format!("admin/gateways/{}/groups", gateway.id);
        let shown = it.admin(Method::GET, &listed, None).await;
        let group = &shown.body["groups"][0];
        assert_eq!(
            (&group["id"], &group["service_id"]),
            (&json!("arn:a1/dev"), &json!(""))
        );
        assert_eq!(group["apis"][0]["path"], "/pets");
        let (bind, unbind) = (
            format!("{listed}/{GROUP}/bind"),
            format!("{listed}/{GROUP}/unbind"),
        );

        let bound = it.admin(Method::POST, &bind, Some(&json!({}))).await;
        assert_eq!(bound.status, 200, "{}", bound.body);
        assert_eq!(bound.body["removed_apis"], json!([]));
        let again = it.admin(Method::POST, &bind, Some(&json!({}))).await;
        assert_eq!((again.status, again.error().status_code), (409, 409));
        let configuration = it.configuration(&token).await;
        assert_eq!(apis(&configuration), [("GET", "/pets", "block-api")]);
        assert_eq!(configuration.services[0].id, bound.body["service_id"]);
        assert_eq!(configuration.services[0].api_group_id, "arn:a1/dev");

        let unbound = it.admin(Method::DELETE, &unbind, None).await;
        assert_eq!(unbound.status, 200, "{}", unbound.body);
        assert_eq!(
            unbound.body["removed_apis"][0]["id"],
            configuration.apis[0].id
        );
        assert!(it.configuration(&token).await.services.is_empty());
        assert_eq!(it.admin(Method::DELETE, &unbind, None).await.status, 409);

        // A service of the management API: what it had of operations goes.
        let service = json!({ "name": "Mine", "baseUrls": ["https://api.example.com"],
            "authorizationServer": { "type": "EXTERNAL", "externalOAuthServer": { "id": it.server, "audience": "pets" } } });
        let made = it
            .admin(
                Method::POST,
                "/v1/environments/e/apiServers",
                Some(&service),
            )
            .await;
        let id = made.body["id"].as_str().unwrap();
        let operation = json!({ "name": "Old", "paths": [{ "type": "EXACT", "pattern": "/old" }] });
        let path = format!("/v1/environments/e/apiServers/{id}/operations");
        let old = it.admin(Method::POST, &path, Some(&operation)).await;
        let bound = it
            .admin(Method::POST, &bind, Some(&json!({ "service_id": id })))
            .await;
        assert_eq!(
            bound.body["removed_apis"],
            json!([{ "id": old.body["id"] }]),
            "{}",
            bound.body
        );
        let configuration = it.configuration(&token).await;
        assert_eq!(configuration.services[0].custom_audience, "pets");
        assert_eq!(apis(&configuration), [("GET", "/pets", "block-api")]);
        let listed = it
            .admin(Method::GET, &format!("admin/services/{id}/apis"), None)
            .await;
        assert_eq!(listed.body["apis"][0]["policy_id"], "block-api");
        let current = it.store.current_deployment().await.unwrap().unwrap();
        assert!(
            current
                .sources
                .iter()
                .any(|file| file.path == format!("services/{id}.yaml"))
        );

        // Another gateway sees nothing of it, and cannot take it.
        let other = it
            .gateway(
                "Other",
                &json!({ "create_and_bind_services_automatically": true }),
            )
            .await;
        let other_token = it.token(&other).await;
        it.discover(&other_token, &groups(&[("GET", "/stolen")]))
            .await;
        assert!(it.configuration(&other_token).await.services.is_empty());
        let path = format!("admin/gateways/{}/groups/{GROUP}/unbind", other.id);
        assert_eq!(it.admin(Method::DELETE, &path, None).await.status, 409);

        // A gateway that goes takes its bindings along; the service stays, with its URLs.
        let path = format!("admin/gateways/{}", gateway.id);
        assert_eq!(it.admin(Method::DELETE, &path, None).await.status, 204);
        let listed = it
            .admin(Method::GET, &format!("admin/services/{id}/apis"), None)
            .await;
        assert_eq!(listed.body["apis"], json!([]));
        let after = it.store.workspace().await.unwrap();
        assert_eq!(after.groups.len(), 1);
    }
}
