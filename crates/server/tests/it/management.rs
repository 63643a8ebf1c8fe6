//! The management API on both databases: drafts, conditions, pages, roles, gateways and deployments.
#![expect(clippy::indexing_slicing, reason = "a surprise ends the test")]

mod access;
mod deployments;
mod drafts;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use portcullis_pdp::clock::{Clock, SystemClock};
use portcullis_policies::{Worker, languages};
use portcullis_server::{
    Administration, AppState, ControlPlane, Decisions, GatewayCredentials, Management, Readiness,
    Secret, SecretKind, StateKey, StoredCredentials, SystemIssuer, router,
};
use portcullis_store::{AdminRole, NewAdminToken, Options, Store, UnixMillis};
use portcullis_test_support::postgres::Postgres;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{Always, permit};

const BASE: &str = "/v1/environments/e";

/// A service with an empty database, and a token of each role.
struct Service {
    routes: Router,
    store: Store,
    viewer: String,
    editor: String,
    deployer: String,
    _root: tempfile::TempDir,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Service {
    async fn start(url: Option<String>) -> Self {
        let root = tempfile::tempdir().unwrap();
        let file = format!("sqlite:{}", root.path().join("p.db").display());
        let store = Store::open(&url.unwrap_or(file), &Options::default())
            .await
            .unwrap();
        let mut tokens = Vec::new();
        for role in AdminRole::ALL {
            let secret = Secret::random(SecretKind::AdminToken).unwrap();
            let new = NewAdminToken {
                id: role.as_str().parse().unwrap(),
                name: role.as_str().parse().unwrap(),
                role,
                sha256: secret.sha256(),
                expires_at: None,
            };
            let now = UnixMillis(SystemClock.unix_millis());
            store.create_admin_token(new, now).await.unwrap();
            tokens.push(secret.expose().to_owned());
        }
        let credentials = Arc::<StoredCredentials>::default();
        let management = Management {
            store: store.clone(),
            credentials: Arc::clone(&credentials),
            worker: Worker::new(PathBuf::from("/nonexistent"), &[]),
            languages: languages(),
            control_plane: ControlPlane::new(SystemIssuer::of_this_process()),
        };
        let state = AppState {
            decision_point: Arc::new(Always(Ok(permit()), 0.into())),
            credentials: Some(Arc::new(GatewayCredentials::stored(None, credentials))),
            administration: Arc::new(Administration::default().with_store(store.clone())),
            decisions: Decisions::off(),
            management: Some(Arc::new(management)),
            state_key: Arc::new(StateKey::random().unwrap()),
            public_url: None,
            readiness: Readiness::default(),
            clock: Arc::new(SystemClock),
        };
        let [viewer, editor, deployer] = tokens.try_into().unwrap();
        Self {
            routes: router(state),
            store,
            viewer,
            editor,
            deployer,
            _root: root,
        }
    }

    /// A service on each kind of database.
    async fn both() -> [Self; 2] {
        [
            Self::start(None).await,
            Self::start(Some(Postgres::shared().database())).await,
        ]
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    async fn call(&self, token: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.with(token, method, path, body, &[]).await
    }

    async fn with(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let path = if path.starts_with("/v1/") || path.starts_with("/openapi") {
            path.to_owned()
        } else {
            format!("{BASE}{path}")
        };
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("authorization", format!("Bearer {token}"));
        if body.is_some() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(&self.viewer, Method::GET, path, None).await
    }

    /// Makes something as an editor and gives back its id.
    async fn create(&self, path: &str, body: &Value) -> String {
        let made = self
            .call(&self.editor, Method::POST, path, Some(body))
            .await;
        assert_eq!(made.status, 201, "{path}: {}", made.body);
        assert!(made.headers["location"].to_str().unwrap().starts_with(BASE));
        made.body["id"].as_str().unwrap().to_owned()
    }

    async fn deploy(&self, service: &str) -> Answer {
        let kind = "application/vnd.pingidentity.apiServer.deploy+json";
        let path = format!("/apiServers/{service}/deployment");
        let empty = json!({});
        let headers = [("content-type", kind)];
        self.with(&self.deployer, Method::POST, &path, Some(&empty), &headers)
            .await
    }
}

fn external() -> Value {
    json!({ "name": "Okta", "type": "EXTERNAL", "issuers": ["https://idp.example.com"], "validation": { "clockSkewTolerance": 10 } })
}

fn service(name: &str, external: &str) -> Value {
    json!({
        "name": name, "baseUrls": [format!("https://api.example.com/{name}")],
        "authorizationServer": { "type": "EXTERNAL", "externalOAuthServer": { "id": external, "audience": "api" } },
        "directory": { "type": "EXTERNAL" },
        "accessControl": { "custom": { "enabled": true } },
    })
}

fn operation() -> Value {
    json!({
        "name": "Move", "methods": ["PUT"],
        "paths": [{ "type": "PARAMETER", "pattern": "/moons/{moon}" }, { "type": "EXACT", "pattern": "/a*" }],
        "accessControl": {
            "group": { "groups": [{ "id": "7d2b", "name": "astronomers" }] },
            "scope": { "matchType": "ALL", "scopes": [{ "name": "gold" }, { "name": "silver" }] },
            "permission": { "name": "moons:move" },
            "authentication": { "acrs": [{ "id": "x", "type": "PINGONE", "name": "mfa" }], "maxAge": 300 },
        },
        "portcullis": { "rules": { "sender_constraint": "dpop" } },
    })
}
