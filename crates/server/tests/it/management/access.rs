//! Who may administer, and which gateways may ask.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request};
use portcullis_pdp::clock::{Clock, SystemClock};
use portcullis_policies::Worker;
use portcullis_server::{
    Administration, AppState, ControlPlane, Decisions, Management, Readiness, Secret, SecretKind,
    StateKey, SystemIssuer, router,
};
use portcullis_store::UnixMillis;
use serde_json::json;
use tower::ServiceExt;

use super::{BASE, Service, external};
use crate::{Always, permit};

#[tokio::test]
async fn roles_say_who_may_what() {
    let it = Service::start(None).await;
    let stranger = Secret::random(SecretKind::AdminToken).unwrap();
    for (token, read, write, deploy) in [
        ("", 401, 401, 401),
        ("nonsense", 401, 401, 401),
        (stranger.expose(), 401, 401, 401),
        (it.viewer.as_str(), 200, 403, 403),
        (&it.editor, 200, 201, 403),
        (&it.deployer, 200, 400, 201),
    ] {
        let listed = it.call(token, Method::GET, "/apiServers", None).await;
        assert_eq!(listed.status, read);
        if read == 401 {
            assert_eq!(
                listed.headers["www-authenticate"],
                "Bearer realm=\"portcullis\""
            );
        }
        let written = it
            .call(
                token,
                Method::POST,
                "/externalOAuthServers",
                Some(&external()),
            )
            .await;
        assert_eq!(written.status, write, "{}", written.body);
        let gateway = json!({ "type": "API_GATEWAY_INTEGRATION", "name": "g" });
        let made = it
            .call(token, Method::POST, "/gateways", Some(&gateway))
            .await;
        assert_eq!(made.status, deploy, "{}", made.body);
    }
    let now = UnixMillis(SystemClock.unix_millis());
    let id = "editor".parse().unwrap();
    it.store.revoke_admin_token(&id, now).await.unwrap();
    let revoked = it.call(&it.editor, Method::GET, "/apiServers", None).await;
    assert_eq!(revoked.status, 401);
    let used = it.store.admin_tokens(None, 10).await.unwrap();
    assert!(used.iter().all(|token| token.last_used_at.is_some()));
}

#[tokio::test]
async fn a_gateway_asks_with_its_credentials_and_no_others() {
    for it in Service::both().await {
        let gateway = json!({ "type": "API_GATEWAY_INTEGRATION", "name": "Kong" });
        let made = it
            .call(&it.deployer, Method::POST, "/gateways", Some(&gateway))
            .await;
        let path = format!("/gateways/{}", made.body["id"].as_str().unwrap());
        let credentials = format!("{path}/credentials");
        let ask = async |credential: &str| {
            let body = json!({ "source_ip": "192.0.2.7", "source_port": 1, "method": "GET", "url": "https://api.example.com/", "headers": [] });
            let request = Request::post(format!("{BASE}/sideband/request"))
                .header("client-token", credential)
                .body(Body::from(body.to_string()));
            it.send(request.unwrap()).await.status
        };
        let mut secrets = Vec::new();
        for number in 0..6 {
            let made = it
                .call(&it.deployer, Method::POST, &credentials, Some(&json!({})))
                .await;
            assert_eq!(
                made.status,
                if number < 5 { 201 } else { 400 },
                "{}",
                made.body
            );
            secrets.extend(made.body["credential"].as_str().map(|secret| {
                (
                    made.body["id"].as_str().unwrap().to_owned(),
                    secret.to_owned(),
                )
            }));
        }
        for (_, secret) in &secrets {
            assert_eq!(ask(secret).await, 200);
        }
        assert_eq!(ask("portcullis_gateway_x").await, 401);
        assert_eq!(ask(&it.deployer).await, 401);
        let listed = it.get(&credentials).await;
        assert_eq!(listed.body["size"], 5);
        let text = listed.body.to_string();
        assert!(
            secrets.iter().all(|(_, secret)| !text.contains(secret)),
            "{text}"
        );

        let (id, secret) = &secrets[0];
        let of_another = format!("/gateways/none/credentials/{id}");
        let refused = it
            .call(&it.deployer, Method::DELETE, &of_another, None)
            .await;
        assert_eq!(refused.status, 404);
        let revoke = format!("{credentials}/{id}");
        let revoked = it.call(&it.deployer, Method::DELETE, &revoke, None).await;
        assert_eq!(revoked.status, 204);
        assert_eq!((ask(secret).await, ask(&secrets[1].1).await), (401, 200));

        let past = json!({ "expiresAt": "2020-01-01T00:00:00Z" });
        let past = it
            .call(&it.deployer, Method::POST, &credentials, Some(&past))
            .await;
        assert_eq!(past.status, 400, "{}", past.body);
        let deleted = it.call(&it.deployer, Method::DELETE, &path, None).await;
        assert_eq!((deleted.status, ask(&secrets[1].1).await), (204, 401));
    }
}

#[tokio::test]
async fn without_a_token_only_this_machine_may_administer_and_only_where_that_is_wanted() {
    let it = Service::start(None).await;
    let open = |administration: Administration| AppState {
        decision_point: Arc::new(Always(Ok(permit()), 0.into())),
        credentials: None,
        administration: Arc::new(administration),
        decisions: Decisions::off(),
        management: Some(Arc::new(Management {
            store: it.store.clone(),
            credentials: Arc::default(),
            worker: Worker::new(PathBuf::from("/nonexistent"), &[]),
            languages: Vec::new(),
            control_plane: ControlPlane::new(SystemIssuer::of_this_process()),
        })),
        state_key: Arc::new(StateKey::random().unwrap()),
        public_url: None,
        readiness: Readiness::default(),
        clock: Arc::new(SystemClock),
    };
    let status = async |administration: Administration, host: &str, token: Option<&str>| {
        let mut request = Request::get(format!("{BASE}/gateways")).header("host", host);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let answer = router(open(administration)).oneshot(request).await.unwrap();
        answer.status().as_u16()
    };
    let anyone = || Administration::default().open();
    assert_eq!(status(anyone(), "localhost:8080", None).await, 200);
    assert_eq!(status(anyone(), "evil.example.com", None).await, 401);
    assert_eq!(status(anyone(), "localhost", Some("wrong")).await, 401);
    assert_eq!(
        status(Administration::default(), "localhost", None).await,
        401
    );
    let given = "0123456789abcdef0123456789abcdef";
    let with = || Administration::default().with_token(given).unwrap();
    assert_eq!(status(with(), "any.example.com", Some(given)).await, 200);
    assert_eq!(status(with(), "localhost", None).await, 401);
    assert!(Administration::default().with_token("short").is_none());
}
