//! The endpoints that administer the Cloudentity protocol: gateways, bindings, APIs, policies and their tests.
#![expect(clippy::too_many_lines, reason = "one story, told in its order")]

use axum::http::{Method, Request};
use serde_json::{Value, json};

use crate::cloudentity::{Plane, apis, groups};

const GROUP: &str = "arn:a1%2Fdev";

fn deny(name: &str) -> Value {
    json!({ "policy_name": name, "type": "api", "language": "cloudentity", "validators": [{ "name": "false" }] })
}

fn mfa() -> Value {
    json!({ "policy_name": "MFA \"User\"", "type": "api", "language": "cloudentity", "validators": [
        { "name": "identity-context", "conf": { "fields": [{ "field": "amr", "comparator": "contains_all", "value": ["pwd", "mfa"] }] } }] })
}

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
