//! The control plane of the Cloudentity protocol as a gateway sees it, on both databases.
#![expect(clippy::indexing_slicing, reason = "a surprise ends the test")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use portcullis_cloudentity::{
    ConvertOptions, GatewayConfiguration, GatewayEvent, GatewayEvents, SystemError, Unusable,
};
use portcullis_engine::compile_documents;
use portcullis_jose::JsonObject;
use portcullis_model::{ApiRequest, Decision};
use portcullis_pdp::clock::{Clock, Moment, Sleep, SystemClock};
use portcullis_pdp::cloudentity::{
    ControlPlane as GatewayClient, ControlPlaneSettings, FetchedConfiguration,
    SystemIssuer as GatewayIssuer,
};
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::sideband::GatewayCredential;
use portcullis_pdp::{DecisionFuture, DecisionPoint, InspectionFuture, JwksUriFuture};
use portcullis_policies::{Worker, languages};
use portcullis_server::{
    Administration, AppState, ControlPlane, DecisionSettings, Decisions, Management, Metrics,
    Operations, Readiness, Secret, SecretKind, StateKey, StopSignal, Stopper, StoredCredentials,
    SystemIssuer, router, serve,
};
use portcullis_store::{AdminRole, NewAdminToken, Options, Store, UnixMillis};
use portcullis_test_support::postgres::Postgres;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tower::ServiceExt;

use crate::permit;
use crate::running::serving_plainly;

pub(crate) const PUBLIC_URL: &str = "https://pdp.example.com";
pub(crate) const TOKEN: &str = "/default/system/oauth2/token";
const KEY: &[u8] = b"a key of at least thirty-two bytes";

#[derive(Debug)]
pub(crate) struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn unix_now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Moment {
        SystemClock.monotonic()
    }

    fn sleep(&self, time: Duration) -> Sleep {
        SystemClock.sleep(time)
    }
}

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
        let clock = Arc::new(HandClock(AtomicU64::new(1_700_000_000)));
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
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
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

#[tokio::test]
async fn what_is_discovered_is_bound_and_denied_until_somebody_says_otherwise() {
    for it in Plane::both().await {
        let auto = json!({ "create_and_bind_services_automatically": true });
        let gateway = it.gateway("Lambda", &auto).await;
        let token = it.token(&gateway).await;
        assert!(it.configuration(&token).await.services.is_empty());
        let found = groups(&[
            ("GET", "/pets/{petId}"),
            ("ANY", "/{proxy+}"),
            ("GET", "/pets/mine"),
            ("GET", "/pets/mine"),
        ]);
        let answer = it.discover(&token, &found).await;
        assert_eq!(
            (answer.status, &answer.body),
            (200, &json!({ "number_of_added_api_groups": 1 }))
        );
        let again = it.discover(&token, &found).await;
        assert_eq!(
            again.body,
            json!({ "number_of_added_api_groups": 0 }),
            "idempotent"
        );
        let configuration = it.configuration(&token).await;
        assert_eq!(
            apis(&configuration),
            [
                ("GET", "/pets/mine", "block-api"),
                ("GET", "/pets/{petId}", "block-api"),
                ("ANY", "/{proxy+}", "block-api"),
            ]
        );
        assert_eq!(configuration.issuer_url, "https://idp.example.com");
        assert_eq!(configuration.jwks_url, "https://idp.example.com/keys");
        assert_eq!(
            (
                configuration.tenant_id.as_str(),
                configuration.server_id.as_str()
            ),
            ("default", it.server.as_str())
        );
        assert_eq!(configuration.services[0].name, "PetStore (dev)");
        assert_eq!(configuration.policies[0].policy_name, "Block API");
        // What a gateway makes of it compiles, and is what is deployed here.
        let converted = configuration.convert(&ConvertOptions::default(), &Unusable::default());
        assert_eq!(converted.warnings, [""; 0]);
        let documents: Vec<_> = converted
            .documents
            .into_iter()
            .map(|one| portcullis_engine::DocumentFile {
                path: one.path,
                document: one.document,
            })
            .collect();
        let compiled = compile_documents(&documents, &languages()).unwrap();
        assert_eq!(compiled.services()[0].operations().len(), 3);
        let deployment = it.store.current_deployment().await.unwrap().unwrap();
        assert_eq!(
            deployment.summary.number, 1,
            "discovering the same again deploys nothing"
        );
        assert!(
            deployment
                .summary
                .created_by
                .as_str()
                .starts_with("gateway ")
        );

        // What is gone goes, what is new is denied, what stays keeps its policy.
        let id = configuration.apis[1].id.clone();
        let open = json!({ "policy_id": "" });
        let changed = it
            .admin(Method::PUT, &format!("admin/apis/{id}"), Some(&open))
            .await;
        assert_eq!(changed.status, 200, "{}", changed.body);
        let found = groups(&[("GET", "/pets/{petId}"), ("POST", "/pets")]);
        assert_eq!(it.discover(&token, &found).await.status, 200);
        let configuration = it.configuration(&token).await;
        assert_eq!(
            apis(&configuration),
            [("POST", "/pets", "block-api"), ("GET", "/pets/{petId}", "")]
        );
        assert_eq!(configuration.apis[1].id, id);
    }
}

#[tokio::test]
async fn a_configuration_that_is_known_is_not_sent_again() {
    for it in Plane::both().await {
        let gateway = it
            .gateway(
                "Lambda",
                &json!({ "create_and_bind_services_automatically": true }),
            )
            .await;
        let token = it.token(&gateway).await;
        it.discover(&token, &groups(&[("GET", "/pets")])).await;
        let path = "system/gateways/configuration";
        let first = it.call(&token, Method::GET, path, None, &[]).await;
        let tag = first.headers["etag"].to_str().unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.len() == 66, "{tag}");
        for (sent, status) in [
            (tag.clone(), 304),
            (format!("W/{tag}"), 304),
            (format!("\"x\", {tag}"), 304),
            ("*".to_owned(), 304),
            ("\"x\"".to_owned(), 200),
        ] {
            let headers = [("if-none-match", sent.as_str())];
            let answer = it.call(&token, Method::GET, path, None, &headers).await;
            assert_eq!(
                (answer.status, &answer.headers["etag"]),
                (status, &first.headers["etag"]),
                "{sent}"
            );
            assert_eq!(answer.body.is_null(), status == 304);
        }
        let vanity = it
            .call(
                &token,
                Method::GET,
                "/api/system/gateways/configuration?authorizer_version=latest",
                None,
                &[],
            )
            .await;
        assert_eq!((vanity.status, &vanity.body), (200, &first.body));
        let shown = it
            .admin(Method::GET, &format!("admin/gateways/{}", gateway.id), None)
            .await;
        assert_eq!(shown.body["last_active"], "2023-11-14T22:13:20.000Z");
        // An edit that is not deployed is not in it.
        let drafts = it.store.all_drafts().await.unwrap();
        let operation = drafts
            .iter()
            .find(|one| one.name.as_str() == "GET /pets")
            .unwrap();
        let service = operation.parent.clone().unwrap();
        let edited = json!({ "name": "GET /pets", "methods": ["GET"], "paths": [{ "type": "EXACT", "pattern": "/pets" }], "portcullis": { "public": true } });
        let path = format!(
            "/v1/environments/e/apiServers/{service}/operations/{}",
            operation.id
        );
        assert_eq!(
            it.admin(Method::PUT, &path, Some(&edited)).await.status,
            200
        );
        let configuration = it.configuration(&token).await;
        assert_eq!(apis(&configuration), [("GET", "/pets", "block-api")]);
    }
}

#[tokio::test]
async fn rules_that_the_protocol_cannot_say_are_denied() {
    let it = Plane::start(None).await;
    let gateway = it
        .gateway(
            "Lambda",
            &json!({ "create_and_bind_services_automatically": true, "default_policy_id": "" }),
        )
        .await;
    let token = it.token(&gateway).await;
    it.discover(&token, &groups(&[("GET", "/pets"), ("POST", "/pets")]))
        .await;
    let before = it.configuration(&token).await;
    assert_eq!(apis(&before), [("GET", "/pets", ""), ("POST", "/pets", "")]);
    let service = &before.services[0].id;
    let deploy = async || {
        let kind = [(
            "content-type",
            "application/vnd.pingidentity.apiServer.deploy+json",
        )];
        let path = format!("/v1/environments/e/apiServers/{service}/deployment");
        let request = Request::post(path)
            .header(kind[0].0, kind[0].1)
            .header("authorization", format!("Bearer {}", it.deployer));
        it.send(request.body(Body::from("{}")).unwrap()).await
    };
    let id = &before.apis[0].id;
    let path = format!("/v1/environments/e/apiServers/{service}/operations/{id}");
    let ruled = json!({ "name": "GET /pets", "methods": ["GET"], "paths": [{ "type": "EXACT", "pattern": "/pets" }],
        "accessControl": { "scope": { "matchType": "ANY", "scopes": [{ "name": "read" }] } } });
    assert_eq!(it.admin(Method::PUT, &path, Some(&ruled)).await.status, 200);
    assert_eq!(deploy().await.status, 200);
    let after = it.configuration(&token).await;
    assert_eq!(
        apis(&after),
        [
            ("GET", "/pets", "portcullis-unsayable"),
            ("POST", "/pets", "")
        ]
    );
    assert_eq!(after.policies[0].validators[0].name, "false");
    // A policy in the place of the rule would take the rule away.
    let open = json!({ "policy_id": "" });
    let refused = it
        .admin(Method::PUT, &format!("admin/apis/{id}"), Some(&open))
        .await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    // Nor is an operation open that says nothing: it asks for a valid token.
    let bare = json!({ "name": "GET /pets", "methods": ["GET"], "paths": [{ "type": "EXACT", "pattern": "/pets" }] });
    assert_eq!(it.admin(Method::PUT, &path, Some(&bare)).await.status, 200);
    let shown = it
        .admin(Method::GET, &format!("admin/apis/{id}"), None)
        .await;
    assert_eq!(shown.body["can_have_policy"], false);
    let refused = it
        .admin(Method::PUT, &format!("admin/apis/{id}"), Some(&open))
        .await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    // A path that cannot be said closes the whole service: another API could let it through.
    let odd = json!({ "name": "GET /pets", "methods": ["GET"], "paths": [{ "type": "PARAMETER", "pattern": "/p*ts" }], "portcullis": { "public": true } });
    assert_eq!(it.admin(Method::PUT, &path, Some(&odd)).await.status, 200);
    assert_eq!(deploy().await.status, 200);
    let after = it.configuration(&token).await;
    assert_eq!(apis(&after), [("POST", "/pets", "portcullis-unsayable")]);
}

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

#[tokio::test]
async fn bad_lists_of_groups_change_nothing() {
    let it = Plane::start(None).await;
    let gateway = it
        .gateway(
            "Lambda",
            &json!({ "create_and_bind_services_automatically": true }),
        )
        .await;
    let token = it.token(&gateway).await;
    let aws = json!({ "type": "aws", "aws": { "api_id": "a1", "api_name": "x", "stage": "dev" } });
    let many: Vec<_> = (0..5001)
        .map(|at| json!({ "method": "GET", "path": format!("/{at}") }))
        .collect();
    for (body, status) in [
        (json!([]), 422),
        (json!({ "api_groups": {} }), 422),
        (json!({ "api_groups": [{ "id": "" }] }), 422),
        (json!({ "api_groups": [{ "id": "a\nb" }] }), 422),
        (json!({ "api_groups": [{ "id": "a" }, { "id": "a" }] }), 422),
        (json!({ "api_groups": [{ "id": "a", "apis": many }] }), 422),
        (
            json!({ "api_groups": (0..501).map(|at| json!({ "id": at.to_string() })).collect::<Vec<_>>() }),
            422,
        ),
    ] {
        let answer = it.discover(&token, &body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    assert_eq!(it.store.workspace().await.unwrap().groups.len(), 0);
    // What cannot be bound is known and stays unbound; the others are bound.
    let odd = json!({ "api_groups": [
        { "id": "odd-path", "metadata": aws, "apis": [{ "method": "GET", "path": "/{proxy+}/x" }] },
        { "id": "odd-method", "metadata": aws, "apis": [{ "method": "G T", "path": "/x" }] },
        { "id": "graphql", "metadata": aws, "apis": [{ "api_type": "graphql", "method": "GET", "path": "/x" }] },
        { "id": "azure", "metadata": { "type": "azure" }, "apis": [] },
        { "id": "long", "metadata": aws, "apis": [{ "method": "GET", "path": format!("/{}", "x".repeat(300)) }] },
        { "id": "good", "metadata": aws, "apis": [{ "method": "GET", "path": "/x" }] },
        { "id": "twin", "metadata": aws, "apis": [{ "method": "GET", "path": "/y" }] },
    ] });
    let answer = it.discover(&token, &odd).await;
    assert_eq!(answer.body, json!({ "number_of_added_api_groups": 7 }));
    let workspace = it.store.workspace().await.unwrap();
    let bound: Vec<_> = workspace
        .groups
        .iter()
        .filter(|one| one.service_id.is_some())
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(bound, ["good"]);
    let number = it.store.current_number().await.unwrap();
    assert_eq!(number, Some(1), "one deployment for all");
    // A gateway cannot move what is bound to it to another API.
    let moved = json!({ "api_groups": [{ "id": "good", "metadata": { "type": "aws", "aws": { "api_id": "b2", "stage": "dev" } }, "apis": [{ "method": "GET", "path": "/x" }] }] });
    assert_eq!(it.discover(&token, &moved).await.status, 200);
    let configuration = it.configuration(&token).await;
    assert_eq!(
        configuration.services[0]
            .api_group_metadata
            .aws
            .as_ref()
            .unwrap()
            .api_id,
        "a1"
    );
    assert_eq!(
        it.store.workspace().await.unwrap().groups.len(),
        1,
        "what is not named and not bound is forgotten"
    );
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
