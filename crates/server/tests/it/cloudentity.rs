//! The control plane of the Cloudentity protocol as a gateway sees it, on both databases.
#![expect(clippy::indexing_slicing, reason = "a surprise ends the test")]

mod configuration;
mod discovery;
mod gateway;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use portcullis_cloudentity::{GatewayConfiguration, SystemError};
use portcullis_jose::JsonObject;
use portcullis_model::{ApiRequest, Decision};
use portcullis_pdp::clock::Clock;
use portcullis_pdp::{DecisionFuture, DecisionPoint, InspectionFuture, JwksUriFuture};
use portcullis_policies::{Worker, languages};
use portcullis_server::{
    Administration, AppState, ControlPlane, DecisionSettings, Decisions, Management, Metrics,
    Readiness, Secret, SecretKind, StateKey, StopSignal, Stopper, StoredCredentials, SystemIssuer,
    router,
};
use portcullis_store::{AdminRole, NewAdminToken, Options, Store, UnixMillis};
use portcullis_test_support::postgres::Postgres;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt;

use crate::hand_clock::HandClock;
use crate::permit;

pub(crate) const PUBLIC_URL: &str = "https://pdp.example.com";
pub(crate) const TOKEN: &str = "/default/system/oauth2/token";
const KEY: &[u8] = b"a key of at least thirty-two bytes";

/// Knows one token, for services that are there.
struct Knows;

impl DecisionPoint for Knows {
    fn decide<'a>(&'a self, _request: &'a ApiRequest) -> DecisionFuture<'a> {
        Box::pin(async { Ok::<Decision, _>(permit()) })
    }

    fn jwks_uri<'a>(&'a self, issuer: &'a str) -> JwksUriFuture<'a> {
        Box::pin(async move { Some(format!("{issuer}/keys")) })
    }

    fn inspect<'a>(&'a self, services: &'a [String], token: &'a str) -> InspectionFuture<'a> {
        let known = !services.is_empty() && token == "opaque token";
        let claims = json!({
            "sub": "joe", "aud": "pets", "scp": ["read", "write"], "exp": 2_000_000_000, "tier": "gold",
        });
        let claims: Option<JsonObject> = claims.as_object().filter(|_| known).cloned();
        Box::pin(async { Ok(claims) })
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn error(&self) -> SystemError {
        serde_json::from_value(self.body.clone()).unwrap()
    }
}

/// A service with an external authorization server, and a token of each role.
pub(crate) struct Plane {
    pub(crate) routes: Router,
    pub(crate) store: Store,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) viewer: String,
    pub(crate) editor: String,
    pub(crate) deployer: String,
    /// The id of the external authorization server.
    pub(crate) server: String,
    _signals: mpsc::Sender<StopSignal>,
    _root: tempfile::TempDir,
}

/// A gateway with its client.
pub(crate) struct Gateway {
    pub(crate) id: String,
    pub(crate) secret: String,
}

pub(crate) fn groups(apis: &[(&str, &str)]) -> Value {
    let apis: Vec<_> = apis
        .iter()
        .map(|(method, path)| json!({ "api_type": "rest", "method": method, "path": path }))
        .collect();
    json!({ "api_groups": [{
        "id": "arn:a1/dev", "name": "",
        "metadata": { "type": "aws", "aws": { "api_id": "a1", "api_name": "PetStore", "stage": "dev" } },
        "apis": apis,
    }] })
}

impl Plane {
    pub(crate) async fn start(url: Option<String>) -> Self {
        Self::with(
            url,
            Some(PUBLIC_URL),
            SystemIssuer::sealed_with(KEY).unwrap(),
        )
        .await
    }

    pub(crate) async fn both() -> [Self; 2] {
        [
            Self::start(None).await,
            Self::start(Some(Postgres::shared().database())).await,
        ]
    }

    pub(crate) async fn with(
        url: Option<String>,
        public: Option<&str>,
        issuer: SystemIssuer,
    ) -> Self {
        let root = tempfile::tempdir().unwrap();
        let file = format!("sqlite:{}", root.path().join("p.db").display());
        let store = Store::open(&url.unwrap_or(file), &Options::default())
            .await
            .unwrap();
        let clock = Arc::new(HandClock::at(1_700_000_000));
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
            store.create_admin_token(new, UnixMillis(0)).await.unwrap();
            tokens.push(secret.expose().to_owned());
        }
        let metrics = Metrics::new(Arc::clone(&clock) as _);
        let stopper = Stopper::new(Readiness::default(), Duration::from_hours(1));
        let stopping = stopper.stopping();
        let (signals, receiver) = mpsc::channel(2);
        tokio::spawn(stopper.run(receiver));
        let settings = DecisionSettings {
            kept: 1000,
            retention: Duration::from_hours(24),
            inputs: None,
        };
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        let decisions = Decisions::new(settings, None, shared, metrics, stopping);
        let state = AppState {
            decision_point: Arc::new(Knows),
            credentials: None,
            administration: Arc::new(Administration::default().with_store(store.clone())),
            decisions,
            management: Some(Arc::new(Management {
                store: store.clone(),
                credentials: Arc::<StoredCredentials>::default(),
                worker: Worker::new(PathBuf::from("/nonexistent"), &[]),
                languages: languages(),
                control_plane: ControlPlane::new(issuer),
            })),
            state_key: Arc::new(StateKey::random().unwrap()),
            public_url: public.map(Into::into),
            readiness: Readiness::default(),
            clock: Arc::clone(&clock) as _,
        };
        let [viewer, editor, deployer] = tokens.try_into().unwrap();
        let mut plane = Self {
            routes: router(state),
            store,
            clock,
            viewer,
            editor,
            deployer,
            server: String::new(),
            _signals: signals,
            _root: root,
        };
        let external =
            json!({ "name": "Okta", "type": "EXTERNAL", "issuers": ["https://idp.example.com"] });
        let made = plane
            .admin(
                Method::POST,
                "/v1/environments/e/externalOAuthServers",
                Some(&external),
            )
            .await;
        assert_eq!(made.status, 201, "{}", made.body);
        plane.server = made.body["id"].as_str().unwrap().into();
        plane
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(seconds);
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    /// A call with a bearer token. Paths that begin with `admin` or `system` are those of the tenant `default`.
    pub(crate) async fn call(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let path = match path.split_once('/') {
            Some((api @ ("admin" | "system"), rest)) => format!("/api/{api}/default/{rest}"),
            _ => path.to_owned(),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn admin(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.call(&self.deployer, method, path, body, &[]).await
    }

    /// Makes a gateway; `more` is added to what is sent.
    pub(crate) async fn gateway(&self, name: &str, more: &Value) -> Gateway {
        let mut sent = json!({ "server_id": self.server, "name": name, "type": "aws" });
        let members = sent.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        let made = self
            .admin(Method::POST, "admin/gateways", Some(&sent))
            .await;
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(made.headers["cache-control"], "no-store");
        let issuer = made.body["issuer_url"].as_str().unwrap();
        assert!(issuer.ends_with("/default/system"), "{issuer}");
        assert_eq!(made.body["client_id"], made.body["id"]);
        Gateway {
            id: made.body["id"].as_str().unwrap().to_owned(),
            secret: made.body["client"]["client_secret"]
                .as_str()
                .unwrap()
                .to_owned(),
        }
    }

    pub(crate) async fn form(&self, path: &str, form: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request =
            Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(form.to_owned())).unwrap())
            .await
    }

    pub(crate) async fn token(&self, gateway: &Gateway) -> String {
        let Gateway { id, secret } = gateway;
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let answer = self.form(TOKEN, &form, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn discover(&self, token: &str, groups: &Value) -> Answer {
        self.call(
            token,
            Method::POST,
            "system/gateways/configuration",
            Some(groups),
            &[],
        )
        .await
    }

    pub(crate) async fn configuration(&self, token: &str) -> GatewayConfiguration {
        let answer = self
            .call(
                token,
                Method::GET,
                "system/gateways/configuration",
                None,
                &[],
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_value(answer.body).unwrap()
    }
}

/// Method, path and policy of each API, in their order.
pub(crate) fn apis(configuration: &GatewayConfiguration) -> Vec<(&str, &str, &str)> {
    configuration
        .apis
        .iter()
        .map(|api| {
            (
                api.method.as_str(),
                api.path.as_str(),
                api.policy_id.as_str(),
            )
        })
        .collect()
}
