//! What the token endpoint of the system issuer gives a gateway, for its secret or for an assertion.

use axum::http::Method;
use portcullis_jose::{base64url_decode, base64url_encode};
use serde_json::{Value, json};

use super::{GRANT, Key, NOW, assertion, basic, header, with_assertion};
use crate::cloudentity::{PUBLIC_URL, Plane, TOKEN};

#[tokio::test]
async fn a_gateway_gets_a_token_with_its_secret() {
    for it in Plane::both().await {
        let gateway = it.gateway("Lambda", &json!({})).await;
        let other = it.gateway("Other", &json!({})).await;
        let (id, secret) = (gateway.id.as_str(), gateway.secret.as_str());
        let posted = format!("{GRANT}&client_id={id}&client_secret={secret}");
        for (form, headers) in [
            (posted.clone(), vec![]),
            (GRANT.to_owned(), vec![basic(id, secret)]),
            (format!("{GRANT}&client_id={id}"), vec![basic(id, secret)]),
        ] {
            let headers: Vec<_> = headers
                .iter()
                .map(|one| ("authorization", one.as_str()))
                .collect();
            let answer = it.form(TOKEN, &form, &headers).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_eq!(answer.headers["cache-control"], "no-store");
            assert_eq!(
                (&answer.body["token_type"], &answer.body["expires_in"]),
                (&json!("Bearer"), &json!(600))
            );
            let token = answer.body["access_token"].as_str().unwrap();
            let part = |at: usize| -> Value {
                let text = token.split('.').nth(at).unwrap();
                serde_json::from_slice(&base64url_decode(text).unwrap()).unwrap()
            };
            assert_eq!(
                (&part(0)["typ"], &part(0)["alg"]),
                (&json!("at+jwt"), &json!("ES256"))
            );
            let issuer = format!("{PUBLIC_URL}/default/system");
            let claims = part(1);
            assert_eq!(
                (&claims["iss"], &claims["aud"]),
                (&json!(issuer), &json!(issuer))
            );
            assert_eq!(
                (&claims["client_id"], &claims["exp"]),
                (&json!(id), &json!(NOW + 600))
            );
            let keys = it
                .call(
                    "",
                    Method::GET,
                    "/default/system/.well-known/jwks.json",
                    None,
                    &[],
                )
                .await;
            assert_eq!(keys.body["keys"][0]["kid"], part(0)["kid"]);
            assert_eq!(
                keys.body["keys"][0].as_object().unwrap().len(),
                7,
                "no private member"
            );
        }
        let scoped = format!("{posted}&scope=read_gateway_configuration+introspect_tokens");
        let answer = it.form(TOKEN, &scoped, &[]).await;
        assert_eq!(
            answer.body["scope"],
            "read_gateway_configuration introspect_tokens"
        );

        let (stranger, right) = (basic(&other.id, secret), basic(id, secret));
        let (none, bearer) = (basic(id, "wrong"), format!("Bearer {secret}"));
        for (form, header, status, error) in [
            (GRANT.to_owned(), None, 401, "invalid_client"),
            (
                format!("{GRANT}&client_id={id}"),
                None,
                401,
                "invalid_client",
            ),
            (
                format!("{GRANT}&client_secret={secret}"),
                None,
                401,
                "invalid_client",
            ),
            (
                format!("{GRANT}&client_id={id}&client_secret=portcullis_gateway_x"),
                None,
                401,
                "invalid_client",
            ),
            (
                format!("{GRANT}&client_id={}&client_secret={secret}", other.id),
                None,
                401,
                "invalid_client",
            ),
            (GRANT.to_owned(), Some(&stranger), 401, "invalid_client"),
            (GRANT.to_owned(), Some(&none), 401, "invalid_client"),
            (GRANT.to_owned(), Some(&bearer), 401, "invalid_client"),
            (posted.clone(), Some(&right), 400, "invalid_request"),
            (
                format!("{GRANT}&client_id={}", other.id),
                Some(&right),
                400,
                "invalid_request",
            ),
            (String::new(), Some(&right), 400, "invalid_request"),
            (
                format!("{GRANT}&{GRANT}"),
                Some(&right),
                400,
                "invalid_request",
            ),
            (
                "grant_type=password".to_owned(),
                Some(&right),
                400,
                "unsupported_grant_type",
            ),
            (
                format!("{GRANT}&scope=gateway_exchange_tokens"),
                Some(&right),
                400,
                "invalid_scope",
            ),
            (
                format!("{GRANT}&client_assertion=x"),
                None,
                400,
                "invalid_request",
            ),
        ] {
            let headers: Vec<_> = header
                .iter()
                .map(|one| ("authorization", one.as_str()))
                .collect();
            let answer = it.form(TOKEN, &form, &headers).await;
            assert_eq!(
                (answer.status, answer.body["error"].as_str()),
                (status, Some(error)),
                "{form}"
            );
            let challenge = answer.headers.get("www-authenticate");
            assert_eq!(challenge.is_some(), status == 401, "{form}");
            assert!(!answer.body.to_string().contains(secret));
        }
        let huge = format!("{posted}&x={}", "x".repeat(40_000));
        assert_eq!(it.form(TOKEN, &huge, &[]).await.status, 413);
        let wrong = it
            .call("", Method::POST, TOKEN, Some(&json!({})), &[])
            .await;
        assert_eq!(
            (wrong.status, &wrong.body["error"]),
            (400, &json!("invalid_request"))
        );
        // A gateway of another protocol is no client, and a secret of a client opens nothing else.
        let made = it
            .admin(
                Method::POST,
                "/v1/environments/e/gateways",
                Some(&json!({ "type": "API_GATEWAY_INTEGRATION", "name": "Kong" })),
            )
            .await;
        let kong = made.body["id"].as_str().unwrap();
        let made = it
            .admin(
                Method::POST,
                &format!("/v1/environments/e/gateways/{kong}/credentials"),
                Some(&json!({})),
            )
            .await;
        let credential = made.body["credential"].as_str().unwrap();
        let form = format!("{GRANT}&client_id={kong}&client_secret={credential}");
        assert_eq!(it.form(TOKEN, &form, &[]).await.status, 401);
        let now = portcullis_store::UnixMillis(NOW * 1000);
        let live = it.store.credentials(now).await.unwrap();
        assert_eq!(
            live.len(),
            1,
            "those of clients are not among the credentials of the sideband protocol"
        );
    }
}

#[tokio::test]
async fn a_gateway_gets_a_token_with_an_assertion_that_it_has_signed() {
    for it in Plane::both().await {
        let (key, wrong) = (Key::new(), Key::new());
        let more = json!({ "jwks": { "keys": [key.public()] } });
        let gateway = it.gateway("Lambda", &more).await;
        let other = it.gateway("Other", &json!({})).await;
        let id = gateway.id.as_str();
        let issuer = format!("{PUBLIC_URL}/default/system");
        let mut good = Vec::new();
        for (jti, audience) in [
            ("1", json!(issuer)),
            ("2", json!([format!("{issuer}/oauth2/token")])),
        ] {
            let mut claims = assertion(id, jti);
            claims["aud"] = audience;
            let signed = key.sign(&header(), &claims);
            let answer = it.form(TOKEN, &with_assertion(&signed), &[]).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            good.push((
                signed,
                answer.body["access_token"].as_str().unwrap().to_owned(),
            ));
        }
        let replayed = it.form(TOKEN, &with_assertion(&good[0].0), &[]).await;
        assert_eq!(replayed.status, 401);
        let changed = |name: &str, value: Value| {
            let mut claims = assertion(id, "n");
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value,
            }
            key.sign(&header(), &claims)
        };
        let symmetric = json!({ "alg": "HS256", "kid": "k1" });
        let unsigned = format!(
            "{}.{}.",
            base64url_encode(b"{\"alg\":\"none\"}"),
            base64url_encode(assertion(id, "n").to_string().as_bytes())
        );
        for bad in [
            changed("iss", json!(other.id)),
            changed("sub", json!(other.id)),
            changed("aud", json!("https://other.example.com")),
            changed("aud", json!([issuer, "https://other.example.com"])),
            changed("aud", json!([])),
            changed("aud", json!(format!("{PUBLIC_URL}/other/system"))),
            changed("aud", Value::Null),
            changed("exp", json!(NOW - 60)),
            changed("exp", json!(NOW + 3600)),
            changed("exp", json!("2030")),
            changed("exp", Value::Null),
            changed("nbf", json!(NOW + 120)),
            changed("iat", json!(NOW + 120)),
            changed("iat", json!(NOW - 3600)),
            changed("jti", Value::Null),
            changed("jti", json!("")),
            changed("jti", json!("x".repeat(300))),
            wrong.sign(&header(), &assertion(id, "n")),
            key.sign(&symmetric, &assertion(id, "n")),
            key.sign(
                &json!({ "alg": "ES256", "kid": "k1", "typ": "at+jwt" }),
                &assertion(id, "n"),
            ),
            key.sign(&header(), &assertion(&other.id, "n")),
            unsigned,
            "x.y.z".to_owned(),
        ] {
            let answer = it.form(TOKEN, &with_assertion(&bad), &[]).await;
            assert_eq!(
                (answer.status, answer.body["error"].as_str()),
                (401, Some("invalid_client")),
                "{bad}"
            );
        }
        // None of these has used the assertion up.
        let signed = key.sign(&header(), &assertion(id, "n"));
        let mismatch = format!("{}&client_id={}", with_assertion(&signed), other.id);
        assert_eq!(it.form(TOKEN, &mismatch, &[]).await.status, 401);
        assert_eq!(
            it.form(TOKEN, &with_assertion(&signed), &[]).await.status,
            200
        );
        // A token does not outlive the key.
        let path = "system/gateways/configuration";
        assert_eq!(
            it.call(&good[0].1, Method::GET, path, None, &[])
                .await
                .status,
            200
        );
        let none = json!({ "jwks": { "keys": [] } });
        let put = it
            .admin(Method::PUT, &format!("admin/gateways/{id}"), Some(&none))
            .await;
        assert_eq!(put.status, 200, "{}", put.body);
        assert_eq!(
            it.call(&good[0].1, Method::GET, path, None, &[])
                .await
                .status,
            401
        );
    }
}
