//! What a token of the system issuer opens, and where the issuer says that it is.

use axum::http::Method;
use serde_json::json;

use super::GRANT;
use crate::cloudentity::{Gateway, PUBLIC_URL, Plane, TOKEN};

#[tokio::test]
async fn a_token_opens_what_it_was_granted_for_as_long_as_it_is_good() {
    for it in Plane::both().await {
        let gateway = it.gateway("Lambda", &json!({})).await;
        let Gateway { id, secret } = &gateway;
        let posted = format!("{GRANT}&client_id={id}&client_secret={secret}");
        let endpoints = [
            (
                "read_gateway_configuration",
                Method::GET,
                "system/gateways/configuration",
            ),
            (
                "write_gateway_configuration",
                Method::POST,
                "system/gateways/configuration",
            ),
            (
                "push_gateway_requests",
                Method::POST,
                "system/gateways/requests",
            ),
            (
                "introspect_tokens",
                Method::POST,
                "system/gateways/introspect",
            ),
        ];
        for (granted, ..) in &endpoints {
            let answer = it
                .form(TOKEN, &format!("{posted}&scope={granted}"), &[])
                .await;
            let token = answer.body["access_token"].as_str().unwrap();
            for (needed, method, path) in &endpoints {
                let answer = it
                    .call(token, method.clone(), path, Some(&json!({})), &[])
                    .await;
                assert_eq!(
                    answer.status == 403,
                    granted != needed,
                    "{granted} {path}: {}",
                    answer.status
                );
                if granted != needed {
                    assert_eq!(answer.error().error_code, "forbidden");
                    assert!(
                        answer.headers["www-authenticate"]
                            .to_str()
                            .unwrap()
                            .contains("insufficient_scope")
                    );
                }
            }
        }
        let token = it.token(&gateway).await;
        let path = "system/gateways/configuration";
        let status = async |token: &str, path: &str| {
            it.call(token, Method::GET, path, None, &[]).await.status
        };
        assert_eq!(status(&token, path).await, 200);
        assert_eq!(
            status(&token, "/api/system/other/gateways/configuration").await,
            401,
            "of another tenant"
        );
        assert_eq!(
            status(&token, "/api/admin/default/policies").await,
            401,
            "no administrator"
        );
        assert_eq!(status(&it.deployer, path).await, 401, "no gateway");
        assert_eq!(status(secret, path).await, 401, "a secret is no token");
        let mut forged = token.clone();
        forged.pop();
        for bad in [forged.as_str(), "", "x", "a.b.c"] {
            let answer = it.call(bad, Method::GET, path, None, &[]).await;
            assert_eq!((answer.status, answer.error().status_code), (401, 401));
            assert!(
                answer.headers["www-authenticate"]
                    .to_str()
                    .unwrap()
                    .starts_with("Bearer")
            );
        }
        let twice = [("authorization", "Bearer x")];
        assert_eq!(
            it.call(&token, Method::GET, path, None, &twice)
                .await
                .status,
            401
        );
        it.pass(599);
        assert_eq!(status(&token, path).await, 200);
        it.pass(1);
        assert_eq!(status(&token, path).await, 401, "expired");

        let token = it.token(&gateway).await;
        let listed = it
            .admin(
                Method::GET,
                &format!("/v1/environments/e/gateways/{id}/credentials"),
                None,
            )
            .await;
        let credential = listed.body["_embedded"]["credentials"][0]["id"]
            .as_str()
            .unwrap();
        let revoke = format!("/v1/environments/e/gateways/{id}/credentials/{credential}");
        assert_eq!(it.admin(Method::DELETE, &revoke, None).await.status, 204);
        assert_eq!(
            status(&token, path).await,
            401,
            "a token does not outlive its credential"
        );
        assert_eq!(it.form(TOKEN, &posted, &[]).await.status, 401);
        let second = it.gateway("Second", &json!({})).await;
        let token = it.token(&second).await;
        assert_eq!(
            it.admin(
                Method::DELETE,
                &format!("admin/gateways/{}", second.id),
                None
            )
            .await
            .status,
            204
        );
        assert_eq!(status(&token, path).await, 401, "nor its gateway");
    }
}

#[tokio::test]
async fn the_issuer_says_where_it_is_and_nothing_of_the_host_it_was_asked_under() {
    let it = Plane::start(None).await;
    for path in [
        "/default/system/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/default/system",
    ] {
        let answer = it
            .call("", Method::GET, path, None, &[("host", "evil.example.com")])
            .await;
        let issuer = format!("{PUBLIC_URL}/default/system");
        assert_eq!(
            (answer.status, &answer.body["issuer"]),
            (200, &json!(issuer))
        );
        assert_eq!(
            answer.body["token_endpoint"],
            format!("{issuer}/oauth2/token")
        );
    }
    for tenant in ["a%22b", "a.b", "a%2Fb"] {
        let answer = it
            .call(
                "",
                Method::GET,
                &format!("/{tenant}/system/.well-known/openid-configuration"),
                None,
                &[],
            )
            .await;
        assert_eq!(answer.status, 404, "{tenant}");
    }
}
