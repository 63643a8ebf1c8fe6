//! Policies of APIs: assigned, changed, deleted and tried out, also by two people at the same time.

use axum::http::Method;
use serde_json::json;

use super::{deny, mfa};
use crate::cloudentity::{Plane, apis, groups};

#[tokio::test]
async fn a_policy_is_assigned_changed_and_deleted_with_effect_at_once() {
    for it in Plane::both().await {
        let auto = json!({ "create_and_bind_services_automatically": true });
        let gateway = it.gateway("Lambda", &auto).await;
        let token = it.token(&gateway).await;
        it.discover(&token, &groups(&[("GET", "/pets")])).await;
        let made = it.admin(Method::POST, "admin/policies", Some(&mfa())).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let policy = made.body["id"].as_str().unwrap().to_owned();
        assert_eq!(made.body["policy_name"], "MFA \"User\"");
        let api = it.configuration(&token).await.apis[0].id.clone();
        let path = format!("admin/apis/{api}");
        let shown = it.admin(Method::GET, &path, None).await;
        let tag = shown.headers["etag"].to_str().unwrap().to_owned();
        let assign = json!({ "policy_id": policy });
        let put = it
            .call(
                &it.deployer,
                Method::PUT,
                &path,
                Some(&assign),
                &[("if-match", &tag)],
            )
            .await;
        assert_eq!(
            (put.status, &put.body["policy_id"]),
            (200, &json!(policy)),
            "{}",
            put.body
        );
        let stale = it
            .call(
                &it.deployer,
                Method::PUT,
                &path,
                Some(&assign),
                &[("if-match", &tag)],
            )
            .await;
        assert_eq!((stale.status, stale.error().status_code), (412, 412));
        let configuration = it.configuration(&token).await;
        assert_eq!(apis(&configuration), [("GET", "/pets", policy.as_str())]);
        assert_eq!(
            serde_json::to_value(&configuration.policies[0].validators).unwrap(),
            json!([
            { "name": "identity-context", "conf": { "fields": [{ "field": "amr", "comparator": "contains_all", "value": ["pwd", "mfa"] }] } }])
        );
        assert_eq!(configuration.policies[0].policy_name, "MFA \"User\"");

        let one = format!("admin/policies/{policy}");
        let before = it.store.current_number().await.unwrap();
        for (bad, status) in [
            (
                json!({ "policy_name": "x", "language": "cloudentity", "validators": [{ "name": "no-such" }] }),
                422,
            ),
            (
                json!({ "policy_name": "x", "language": "cloudentity", "validators": [] }),
                422,
            ),
            (
                json!({ "policy_name": "x", "language": "rego", "definition": "package acp.authz" }),
                422,
            ),
            (
                json!({ "policy_name": "", "validators": [{ "name": "true" }] }),
                422,
            ),
            (json!([]), 422),
        ] {
            let answer = it.admin(Method::PUT, &one, Some(&bad)).await;
            assert_eq!(
                (answer.status, answer.error().status_code),
                (status, status),
                "{bad}"
            );
        }
        assert_eq!(
            it.store.current_number().await.unwrap(),
            before,
            "what is refused changes nothing"
        );
        assert_eq!(
            it.admin(Method::GET, &one, None).await.body["policy_name"],
            "MFA \"User\""
        );
        let changed = it.admin(Method::PUT, &one, Some(&deny("Nobody"))).await;
        assert_eq!(changed.status, 200, "{}", changed.body);
        let configuration = it.configuration(&token).await;
        assert_eq!(configuration.policies[0].validators[0].name, "false");

        assert_eq!(
            it.admin(Method::DELETE, &one, None).await.status,
            409,
            "an API has it"
        );
        let open = it
            .admin(Method::PUT, &path, Some(&json!({ "policy_id": "" })))
            .await;
        assert_eq!(open.status, 200);
        assert_eq!(
            apis(&it.configuration(&token).await),
            [("GET", "/pets", "")]
        );
        let settings = json!({ "default_policy_id": policy });
        let gateway_path = format!("admin/gateways/{}", gateway.id);
        assert_eq!(
            it.admin(Method::PUT, &gateway_path, Some(&settings))
                .await
                .status,
            200
        );
        assert_eq!(
            it.admin(Method::DELETE, &one, None).await.status,
            409,
            "a gateway has it"
        );
        let kept = it
            .admin(
                Method::PUT,
                &gateway_path,
                Some(&json!({ "name": "Renamed" })),
            )
            .await;
        assert_eq!(
            kept.body["default_policy_id"], policy,
            "what is not said stays"
        );
        let settings = json!({ "default_policy_id": "" });
        assert_eq!(
            it.admin(Method::PUT, &gateway_path, Some(&settings))
                .await
                .status,
            200
        );
        assert_eq!(it.admin(Method::DELETE, &one, None).await.status, 204);
        assert_eq!(it.admin(Method::GET, &one, None).await.status, 404);
        let current = it.store.current_deployment().await.unwrap().unwrap();
        let files: Vec<_> = current
            .sources
            .iter()
            .filter(|file| file.path.starts_with("policies/"))
            .collect();
        assert_eq!(files.len(), 1, "only the one that denies: {files:?}");
        for method in [Method::PUT, Method::DELETE] {
            let answer = it
                .admin(method, "admin/policies/block-api", Some(&mfa()))
                .await;
            assert_eq!(answer.status, 409);
        }
        let missing = it
            .admin(Method::PUT, &path, Some(&json!({ "policy_id": "no-such" })))
            .await;
        assert_eq!(missing.status, 422);
        // A deployment that goes back takes the configuration back.
        let rollback = it
            .admin(
                Method::POST,
                "/v1/environments/e/deployments",
                Some(&json!({ "rollbackOf": 1 })),
            )
            .await;
        assert_eq!(rollback.status, 201, "{}", rollback.body);
        assert_eq!(
            apis(&it.configuration(&token).await),
            [("GET", "/pets", "block-api")]
        );
    }
}

#[tokio::test]
async fn changes_at_the_same_time_do_not_lose_each_other() {
    for it in Plane::both().await {
        let gateway = it
            .gateway(
                "Lambda",
                &json!({ "create_and_bind_services_automatically": true }),
            )
            .await;
        let token = it.token(&gateway).await;
        it.discover(
            &token,
            &groups(&[("GET", "/a"), ("GET", "/b"), ("GET", "/c")]),
        )
        .await;
        let configuration = it.configuration(&token).await;
        let open = json!({ "policy_id": "" });
        let paths: Vec<_> = configuration
            .apis
            .iter()
            .map(|api| format!("admin/apis/{}", api.id))
            .collect();
        let one = |at: usize| it.admin(Method::PUT, &paths[at], Some(&open));
        let all = tokio::join!(one(0), one(1), one(2));
        assert_eq!((all.0.status, all.1.status, all.2.status), (200, 200, 200));
        let open = it.configuration(&token).await;
        assert!(
            open.apis.iter().all(|api| api.policy_id.is_empty()),
            "{:?}",
            apis(&open)
        );
    }
}

#[tokio::test]
async fn policies_and_routes_are_tried_out() {
    let it = Plane::start(None).await;
    let attributes = json!({ "policy_name": "x", "validators": [{ "name": "attributes", "conf": { "fields": [
        { "field": "request.headers.X-App", "comparator": "contains", "value": "web" },
        { "field": "request.query_params.q", "comparator": "contains", "value": "a b" },
        { "field": "request.path_params.id", "comparator": "equals", "value": "1" } ] } }] });
    let input = json!({ "request": { "method": "GET", "path": "/users/1", "headers": { "X-App": ["web"] },
        "query_params": { "q": ["a b"] }, "path_params": { "id": "1" } } });
    let amr = |list: &[&str]| json!({ "authn_ctx": { "sub": "joe", "amr": list, "exp": 1, "cnf": { "jkt": "x" } } });
    for (policy, input, permits) in [
        (
            json!({ "policy_name": "x", "validators": [{ "name": "true" }] }),
            json!({}),
            true,
        ),
        (deny("x"), amr(&["pwd"]), false),
        (mfa(), amr(&["pwd", "mfa"]), true),
        (mfa(), amr(&["pwd"]), false),
        (mfa(), json!({}), false),
        (attributes.clone(), input.clone(), true),
        (
            attributes,
            json!({ "request": { "path": "/users/1" } }),
            false,
        ),
    ] {
        let body = json!({ "server_id": it.server, "policy": policy, "input": input });
        let answer = it
            .call(
                &it.editor,
                Method::POST,
                "admin/policies/test",
                Some(&body),
                &[],
            )
            .await;
        assert_eq!(
            (answer.status, &answer.body["status"]),
            (200, &json!(permits)),
            "{body}: {}",
            answer.body
        );
        let result = if permits {
            "AUTHORIZED"
        } else {
            "UNAUTHORIZED"
        };
        assert_eq!(answer.body["result"], result);
        let failures = answer.body["failures"].as_array().unwrap();
        assert_eq!(failures.is_empty(), permits);
        assert!(
            failures
                .iter()
                .all(|one| !one["message"].as_str().unwrap().is_empty())
        );
    }
    for policy in [
        json!({ "validators": [{ "name": "no-such" }] }),
        json!({ "validators": [] }),
        json!({ "language": "wasm", "validators": [{ "name": "true" }] }),
    ] {
        let body = json!({ "policy": policy });
        let answer = it
            .admin(Method::POST, "admin/policies/test", Some(&body))
            .await;
        assert_eq!(answer.status, 422, "{}", answer.body);
    }
    assert_eq!(
        it.store.current_number().await.unwrap(),
        None,
        "nothing of it is stored"
    );

    let test = async |method: &str, path: &str, sent_method: &str, sent: &str| {
        let body = json!({ "api": { "method": method, "path": path, "policy_id": "p" }, "test_request": { "method": sent_method, "path": sent, "query": [], "body": "" } });
        it.call(
            &it.viewer,
            Method::POST,
            "admin/apis/test",
            Some(&body),
            &[],
        )
        .await
    };
    for (method, path, sent_method, sent, matches) in [
        ("GET", "/pets/{id}", "GET", "/pets/1", true),
        ("GET", "/pets/{id}", "get", "/pets/1?x=1", true),
        ("GET", "/pets/{id}", "POST", "/pets/1", false),
        ("GET", "/pets/{id}", "GET", "/pets/1/2", false),
        ("ANY", "/{proxy+}", "PUT", "/a/b", true),
        ("", "/test.*", "PUT", "/tests/b", true),
    ] {
        let answer = test(method, path, sent_method, sent).await;
        assert_eq!(
            (answer.status, &answer.body["match"]),
            (200, &json!(matches)),
            "{method} {path} {sent}"
        );
        assert_eq!(answer.body["policy_id"], if matches { "p" } else { "" });
    }
    assert_eq!(test("GET", "/(a|b)", "GET", "/a").await.status, 422);
}
