//! What gateways send and ask beside polling: decisions to record, tokens to look at, a client of their own.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use portcullis_cloudentity::{GatewayConfiguration, GatewayEvent, GatewayEvents};
use portcullis_pdp::clock::SystemClock;
use portcullis_pdp::cloudentity::{
    ControlPlane as GatewayClient, ControlPlaneSettings, FetchedConfiguration,
    SystemIssuer as GatewayIssuer,
};
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::sideband::GatewayCredential;
use portcullis_server::{Metrics, Operations, Readiness, Stopper, SystemIssuer, serve};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{KEY, Plane, apis, groups};
use crate::running::serving_plainly;

#[tokio::test]
async fn decisions_of_a_gateway_are_recorded_without_its_tokens() {
    for it in Plane::both().await {
        let auto = json!({ "create_and_bind_services_automatically": true });
        let gateway = it.gateway("Lambda", &auto).await;
        let token = it.token(&gateway).await;
        it.discover(&token, &groups(&[("GET", "/pets")])).await;
        let api = it.configuration(&token).await.apis[0].id.clone();
        let other = it.gateway("Other", &auto).await;
        let other = it.token(&other).await;
        let event = |result: &str| {
            json!({
                "api_id": api, "duration_ms": 3, "token": "eyJ.secret-token.x", "output": { "email": "joe@example.com" },
                "user_agent": "curl", "x_forwarded_for": "192.0.2.1",
                "result": { "result": result, "failure": [{ "validator": "attributes", "message": "no eyJ.secret-token.x\nhere", "details": "joe@example.com" }] },
            })
        };
        let batch = json!({ "events": [event("AUTHORIZED"), event("UNAUTHORIZED"), event("")] });
        let path = "system/gateways/requests";
        let answer = it.call(&token, Method::POST, path, Some(&batch), &[]).await;
        assert_eq!(
            (answer.status, &answer.body),
            (200, &json!({ "number_of_pushed_events": 3 }))
        );
        let one = json!({ "events": [event("AUTHORIZED")] });
        assert_eq!(
            it.call(&other, Method::POST, path, Some(&one), &[])
                .await
                .status,
            200
        );
        let listed = it
            .admin(Method::GET, "/v1/environments/e/decisions", None)
            .await;
        let text = listed.body.to_string();
        for hidden in ["secret-token", "joe@example.com", "curl", "192.0.2.1"] {
            assert!(!text.contains(hidden), "{hidden}: {text}");
        }
        let decisions = listed.body["_embedded"]["decisions"].as_array().unwrap();
        let shown: Vec<_> = decisions
            .iter()
            .map(|one| {
                json!([
                    one["protocol"],
                    one["gateway"],
                    one["outcome"],
                    one["service"],
                    one["path"]
                ])
            })
            .collect();
        assert_eq!(
            shown,
            [
                // An API of another gateway is none of it.
                json!(["cloudentity", "Other", "permit", null, ""]),
                json!(["cloudentity", "Lambda", "deny", "PetStore (dev)", "/pets"]),
                json!(["cloudentity", "Lambda", "deny", "PetStore (dev)", "/pets"]),
                json!(["cloudentity", "Lambda", "permit", "PetStore (dev)", "/pets"]),
            ]
        );
        assert_eq!(
            decisions[1]["trace"]["checks"][0]["detail"],
            "attributes: no [redacted]here"
        );
        let many: Vec<_> = (0..1001).map(|_| json!({ "api_id": "x" })).collect();
        let answer = it
            .call(
                &token,
                Method::POST,
                path,
                Some(&json!({ "events": many })),
                &[],
            )
            .await;
        assert_eq!(answer.status, 422);
    }
}

#[tokio::test]
async fn tokens_are_looked_at_for_the_services_of_the_gateway_alone() {
    let it = Plane::start(None).await;
    let gateway = it
        .gateway(
            "Lambda",
            &json!({ "create_and_bind_services_automatically": true }),
        )
        .await;
    let token = it.token(&gateway).await;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let path = "/api/system/default/gateways/introspect";
    let before = it.form(path, "token=opaque+token", &headers).await;
    assert_eq!(
        (before.status, &before.body),
        (200, &json!({ "active": false })),
        "no service trusts anybody yet"
    );
    it.discover(&token, &groups(&[("GET", "/pets")])).await;
    let known = it
        .form(
            path,
            "token=opaque+token&token_type_hint=access_token",
            &headers,
        )
        .await;
    assert_eq!(known.headers["cache-control"], "no-store");
    assert_eq!(
        known.body,
        json!({ "active": true, "sub": "joe", "aud": ["pets"], "exp": 2_000_000_000, "scope": "read write",
            "ext": { "scp": ["read", "write"], "tier": "gold" }, "tenant_id": "default", "server_id": it.server })
    );
    let unknown = it.form(path, "token=x", &headers).await;
    assert_eq!(unknown.body, json!({ "active": false }));
    for form in ["", "token=", "token=a&token=b", "token=%ff"] {
        assert_eq!(it.form(path, form, &headers).await.status, 400, "{form}");
    }
    let huge = format!("token={}", "x".repeat(40_000));
    assert_eq!(it.form(path, &huge, &headers).await.status, 413);
    let wrong = it
        .call(
            &token,
            Method::POST,
            path,
            Some(&json!({ "token": "x" })),
            &[],
        )
        .await;
    assert_eq!(wrong.status, 415);
}

#[tokio::test]
async fn nothing_is_served_where_the_issuer_does_not_know_its_url() {
    let it = Plane::with(None, None, SystemIssuer::of_this_process()).await;
    for path in [
        "/default/system/.well-known/openid-configuration",
        "/api/admin/default/policies",
        "/api/system/gateways/configuration",
    ] {
        let answer = it.admin(Method::GET, path, None).await;
        let error = answer.error();
        assert_eq!((answer.status, error.status_code), (404, 404), "{path}");
        assert!(error.error.contains("--public-url"), "{}", error.error);
    }
}

/// The authorizer's own client, over a socket: a token, the configuration, what has not changed, a report.
#[tokio::test]
async fn the_client_of_the_authorizer_is_at_home_here() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let issuer = SystemIssuer::sealed_with(KEY).unwrap();
    let it = Plane::with(None, Some(&url), issuer).await;
    let operations = Operations {
        metrics: Metrics::new(Arc::new(SystemClock)),
        max_requests: 8,
        stopping: Stopper::new(Readiness::default(), Duration::ZERO).stopping(),
        traces: None,
    };
    let routes = operations.surround(it.routes.clone());
    tokio::spawn(serve(listener, routes, serving_plainly()));
    let auto = json!({ "create_and_bind_services_automatically": true });
    let gateway = it.gateway("Lambda", &auto).await;
    let settings = ControlPlaneSettings {
        issuer: GatewayIssuer::parse(&format!("{url}/default/system"), false).unwrap(),
        client_id: gateway.id.clone(),
        client_secret: GatewayCredential::parse(&gateway.secret).unwrap(),
        tenant_id: None,
        server_id: None,
        timeout: Duration::from_secs(30),
    };
    let http = Arc::new(HttpClient::new(&TlsRoots::public()).unwrap());
    let client = GatewayClient::new(settings, http, Arc::clone(&it.clock) as _);
    let authorization = client.authorization().await.unwrap();
    let token = authorization.strip_prefix("Bearer ").unwrap();
    it.discover(token, &groups(&[("GET", "/pets")])).await;
    let FetchedConfiguration::Changed { body, etag } = client.configuration(None).await.unwrap()
    else {
        panic!("nothing was had before");
    };
    let read: GatewayConfiguration = serde_json::from_slice(&body).unwrap();
    assert_eq!(apis(&read), [("GET", "/pets", "block-api")]);
    let again = client.configuration(etag.as_deref()).await.unwrap();
    assert_eq!(again, FetchedConfiguration::Unchanged);
    let event = GatewayEvent {
        api_id: read.apis[0].id.clone(),
        ..GatewayEvent::default()
    };
    let events = GatewayEvents {
        events: vec![event],
    };
    client.push(&events).await.unwrap();
    // More than other calls may send, and less than this one.
    let mut large = groups(&[("GET", "/pets")]);
    large["more"] = json!("x".repeat(3 * 1024 * 1024));
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))
        .await
        .unwrap();
    let body = large.to_string();
    let head = format!(
        "POST /api/system/default/gateways/configuration HTTP/1.1\r\nhost: a\r\nauthorization: {authorization}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
