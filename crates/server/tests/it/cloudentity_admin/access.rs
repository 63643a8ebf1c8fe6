//! Who may administer what, and what is refused in the shape of the protocol.

use axum::http::{Method, Request};
use serde_json::{Value, json};

use crate::cloudentity::Plane;

#[tokio::test]
async fn who_may_do_what() {
    let it = Plane::start(None).await;
    let gateway = it.gateway("Lambda", &json!({})).await;
    let id = &gateway.id;
    let (one, groups, bind) = (
        format!("admin/gateways/{id}"),
        format!("admin/gateways/{id}/groups"),
        format!("admin/gateways/{id}/groups/x/bind"),
    );
    let unbind = format!("admin/gateways/{id}/groups/x/unbind");
    let list = format!("admin/servers/{}/gateways", it.server);
    for (method, path, least) in [
        (Method::POST, "admin/gateways", "deployer"),
        (Method::GET, &one, "viewer"),
        (Method::PUT, &one, "deployer"),
        (Method::GET, &list, "viewer"),
        (Method::GET, &groups, "viewer"),
        (Method::POST, &bind, "deployer"),
        (Method::DELETE, &unbind, "deployer"),
        (Method::GET, "admin/services/x/apis", "viewer"),
        (Method::GET, "admin/apis/x", "viewer"),
        (Method::PUT, "admin/apis/x", "deployer"),
        (Method::POST, "admin/apis/test", "viewer"),
        (Method::GET, "admin/policies", "viewer"),
        (Method::POST, "admin/policies", "deployer"),
        (Method::GET, "admin/policies/x", "viewer"),
        (Method::PUT, "admin/policies/x", "deployer"),
        (Method::DELETE, "admin/policies/x", "deployer"),
        (Method::POST, "admin/policies/test", "editor"),
        (Method::DELETE, &one, "deployer"),
    ] {
        let roles = ["viewer", "editor", "deployer"];
        let enough = roles.iter().position(|role| *role == least).unwrap();
        for (at, token) in [&it.viewer, &it.editor, &it.deployer]
            .into_iter()
            .enumerate()
        {
            let answer = it
                .call(token, method.clone(), path, Some(&json!({})), &[])
                .await;
            assert_eq!(
                answer.status == 403,
                at < enough,
                "{method} {path} {}: {}",
                roles[at],
                answer.status
            );
            assert_ne!(answer.status, 401);
        }
        let path = path.replace("admin/", "/api/admin/default/");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = it.send(request).await;
        assert_eq!((answer.status, answer.error().status_code), (401, 401));
        assert!(
            answer.headers["www-authenticate"]
                .to_str()
                .unwrap()
                .starts_with("Bearer")
        );
    }
}

#[tokio::test]
async fn bad_calls_are_refused_in_the_shape_of_the_protocol() {
    let it = Plane::start(None).await;
    let good = json!({ "server_id": it.server, "name": "x", "type": "aws" });
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    let secret = json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] });
    let private =
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA" }] });
    for body in [
        json!({}),
        json!([]),
        with("type", json!("kong")),
        with("name", json!("")),
        with("name", json!("a\nb")),
        with("name", json!(7)),
        with("server_id", json!("no-such")),
        with("server_id", json!("no such")),
        with("default_policy_id", json!("no-such")),
        with("description", json!("x".repeat(2000))),
        with("jwks", secret),
        with("jwks", private),
        with("jwks", json!({})),
    ] {
        let answer = it.admin(Method::POST, "admin/gateways", Some(&body)).await;
        assert_eq!(
            (answer.status, answer.error().status_code),
            (422, 422),
            "{body}"
        );
    }
    assert!(it.store.cloudentity_gateways().await.unwrap().is_empty());
    it.gateway("Lambda", &json!({})).await;
    let twice = it
        .admin(
            Method::POST,
            "admin/gateways",
            Some(&with("name", json!("Lambda"))),
        )
        .await;
    assert_eq!(twice.status, 409);
    let listed = it
        .admin(
            Method::GET,
            &format!("admin/servers/{}/gateways", it.server),
            None,
        )
        .await;
    assert_eq!(listed.body["gateways"].as_array().unwrap().len(), 1);
    assert!(!listed.body.to_string().contains("client_secret"));
    for path in [
        "admin/gateways/no-such",
        "admin/gateways/no%20such",
        "admin/apis/x",
        "admin/policies/x",
        "admin/services/x/apis",
        "/api/admin/a%20b/policies",
    ] {
        let answer = it.admin(Method::GET, path, None).await;
        assert_eq!(
            (answer.status, answer.error().status_code),
            (404, 404),
            "{path}"
        );
    }
    let huge = json!({ "name": "x".repeat(2 * 1024 * 1024) });
    let answer = it.admin(Method::POST, "admin/gateways", Some(&huge)).await;
    assert_eq!(answer.status, 413);
}
