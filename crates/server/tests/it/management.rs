//! The management API on both databases: drafts, conditions, pages, roles, gateways and deployments.
#![expect(clippy::indexing_slicing, reason = "a surprise ends the test")]

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
    Secret, SecretKind, StateKey, StoredCredentials, SystemIssuer, openapi, router,
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

#[tokio::test]
async fn a_draft_is_made_read_changed_and_deleted() {
    for it in Service::both().await {
        let external = it.create("/externalOAuthServers", &external()).await;
        let id = it
            .create("/apiServers", &service("planets", &external))
            .await;
        let path = format!("/apiServers/{id}");
        let read = it.get(&path).await;
        assert_eq!(read.status, 200);
        for (name, value) in service("planets", &external).as_object().unwrap() {
            assert_eq!(&read.body[name], value, "{name}");
        }
        assert_eq!(read.headers["cache-control"], "no-store");
        let etag = read.headers["etag"].to_str().unwrap().to_owned();
        let known = [("if-none-match", etag.as_str())];
        let known = it.with(&it.viewer, Method::GET, &path, None, &known).await;
        assert_eq!((known.status, &known.body), (304, &Value::Null));

        // What was read can be sent back as it is.
        let mut changed = read.body.clone();
        changed["name"] = json!("Planets");
        let fresh = [("if-match", etag.as_str())];
        let put = it
            .with(&it.editor, Method::PUT, &path, Some(&changed), &fresh)
            .await;
        assert_eq!((put.status, &put.body["name"]), (200, &json!("Planets")));
        let stale = it
            .with(&it.editor, Method::PUT, &path, Some(&changed), &fresh)
            .await;
        assert_eq!(
            (stale.status, &stale.body["code"]),
            (412, &json!("CONFLICT"))
        );
        let stale = it
            .with(&it.deployer, Method::DELETE, &path, None, &fresh)
            .await;
        assert_eq!(stale.status, 412);
        let unconditional = it
            .call(&it.editor, Method::PUT, &path, Some(&changed))
            .await;
        assert_eq!(unconditional.status, 200);

        let operations = format!("{path}/operations");
        let one = it.create(&operations, &operation()).await;
        let of_another = format!("/apiServers/{external}/operations/{one}");
        assert_eq!(it.get(&of_another).await.status, 404);
        let read = it.get(&format!("{operations}/{one}")).await;
        assert_eq!(read.body["accessControl"], operation()["accessControl"]);
        let used = format!("/externalOAuthServers/{external}");
        let used = it.call(&it.editor, Method::DELETE, &used, None).await;
        assert_eq!(
            (used.status, &used.body["code"]),
            (400, &json!("CONSTRAINT_VIOLATION"))
        );

        let gone = it.call(&it.editor, Method::DELETE, &path, None).await;
        assert_eq!(gone.status, 204);
        assert_eq!(it.get(&path).await.status, 404);
        assert_eq!(it.get(&format!("{operations}/{one}")).await.status, 404);
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    for it in Service::both().await {
        let external = it.create("/externalOAuthServers", &external()).await;
        for number in 0..5 {
            it.create("/apiServers", &service(&format!("s{number}"), &external))
                .await;
        }
        let mut seen = Vec::new();
        let mut next = Some("/apiServers?limit=2".to_owned());
        while let Some(path) = next {
            let page = it.get(&path).await;
            assert_eq!(page.status, 200, "{}", page.body);
            let items = page.body["_embedded"]["apiServers"].as_array().unwrap();
            assert_eq!(page.body["size"], items.len());
            seen.extend(
                items
                    .iter()
                    .map(|one| one["name"].as_str().unwrap().to_owned()),
            );
            next = page.body["_links"]["next"]["href"]
                .as_str()
                .map(str::to_owned);
        }
        assert_eq!(seen, ["s0", "s1", "s2", "s3", "s4"]);
        for query in ["limit=0", "limit=101", "limit=x", "cursor=x", "page=2"] {
            assert_eq!(
                it.get(&format!("/apiServers?{query}")).await.status,
                400,
                "{query}"
            );
        }
    }
}

#[expect(clippy::too_many_lines, reason = "one table")]
#[tokio::test]
async fn what_cannot_be_is_refused_and_the_answer_says_what() {
    let it = Service::start(None).await;
    let external = it.create("/externalOAuthServers", &external()).await;
    let good = service("planets", &external);
    let id = it.create("/apiServers", &good).await;
    let with = |pointer: &str, value: Value, of: &Value| {
        let mut sent = of.clone();
        *sent.pointer_mut(pointer).unwrap() = value;
        sent
    };
    let mut extended = operation();
    extended["portcullis"] = json!({ "methods": ["GET"] });
    let mut named = operation();
    named["policy"] = json!("moons.rego");
    let mut unknown = operation();
    unknown["accessControlX"] = json!({});
    let operations = format!("/apiServers/{id}/operations");
    for (path, sent, says) in [
        ("/apiServers", with("/name", json!(""), &good), "1 to 256"),
        ("/apiServers", good.clone(), "already"),
        ("/apiServers", json!([]), "JSON object"),
        (
            "/apiServers",
            with("/baseUrls/0", json!("https://api.example.com/x/"), &good),
            "/",
        ),
        (
            "/apiServers",
            with("/authorizationServer/type", json!("PINGONE_SSO"), &good),
            "EXTERNAL",
        ),
        (
            "/apiServers",
            with(
                "/authorizationServer/externalOAuthServer/id",
                json!("none"),
                &good,
            ),
            "external OAuth server",
        ),
        (
            "/externalOAuthServers",
            json!({ "name": "x", "type": "EXTERNAL", "issuers": [] }),
            "1 to 8",
        ),
        (
            "/externalOAuthServers",
            json!({ "name": "x", "type": "EXTERNAL", "issuers": ["http://x.example.com"] }),
            "https",
        ),
        (
            "/policies",
            json!({ "name": "../x.rego", "text": "" }),
            "letters",
        ),
        ("/policies", json!({ "name": "x.js", "text": "" }), ".rego"),
        (operations.as_str(), unknown, "accessControlX"),
        (&operations, named, "policy"),
        (&operations, extended, "another member"),
        (
            &operations,
            with("/methods", json!([]), &operation()),
            "methods",
        ),
        (
            &operations,
            with("/paths/0/pattern", json!("/plain"), &operation()),
            "EXACT",
        ),
        (
            &operations,
            with("/paths/0/pattern", json!("/a/{b"), &operation()),
            "{",
        ),
        (
            &operations,
            with(
                "/accessControl/scope/scopes/0",
                json!({ "id": "7d2b" }),
                &operation(),
            ),
            "name",
        ),
        (
            &operations,
            with("/portcullis/rules", json!({ "scopes": {} }), &operation()),
            "another member",
        ),
        (
            "/gateways",
            json!({ "type": "RADIUS", "name": "x" }),
            "API_GATEWAY_INTEGRATION",
        ),
        ("/deployments", json!({}), "sources"),
        (
            "/deployments",
            json!({ "sources": [{ "path": "services/x.yaml", "text": "name: [" }] }),
            "services/x.yaml:",
        ),
    ] {
        let refused = it.call(&it.deployer, Method::POST, path, Some(&sent)).await;
        let text = refused.body.to_string();
        assert_eq!(refused.status, 400, "{path} {sent}: {text}");
        assert!(text.contains(says), "{says}: {text}");
        assert!(
            refused.body["id"].is_string() && refused.body["code"].is_string(),
            "{text}"
        );
    }
    // Not JSON, not said to be JSON, too large, nowhere.
    let post = |kind: &str, body: Vec<u8>| {
        Request::post(format!("{BASE}/apiServers"))
            .header("authorization", format!("Bearer {}", it.deployer))
            .header("content-type", kind)
            .body(Body::from(body))
            .unwrap()
    };
    let deep = "[".repeat(100_000).into_bytes();
    for (request, status) in [
        (post("application/json", b"{".to_vec()), 400),
        (post("application/json", b"{\"name\":\"\0\"}".to_vec()), 400),
        (post("application/json", deep), 400),
        (post("text/plain", b"{}".to_vec()), 415),
        (post("application/json", vec![b' '; 10 * 1024 * 1024]), 413),
    ] {
        assert_eq!(it.send(request).await.status, status);
    }
    for path in [
        "/apiServers/none",
        "/apiServers/%00",
        "/deployments/x",
        "/gateways/none",
    ] {
        assert_eq!(it.get(path).await.status, 404, "{path}");
    }
    assert_eq!(it.store.current_number().await.unwrap(), None);
}

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

#[expect(clippy::too_many_lines, reason = "one story")]
#[tokio::test]
async fn what_decides_is_a_deployment_of_the_drafts() {
    for it in Service::both().await {
        let external = it.create("/externalOAuthServers", &external()).await;
        let planets = it
            .create("/apiServers", &service("planets", &external))
            .await;
        let moons = it.create("/apiServers", &service("moons", &external)).await;
        let operations = format!("/apiServers/{planets}/operations");
        let one = it.create(&operations, &operation()).await;
        let status = format!("/apiServers/{planets}/deployment");
        let before = it.get(&status).await;
        assert_eq!(before.body["status"]["code"], "DEPLOYMENT_UNINITIALIZED");
        assert_eq!(before.body["deployedAt"], Value::Null);

        let plain = it
            .call(&it.deployer, Method::POST, &status, Some(&json!({})))
            .await;
        assert_eq!(plain.status, 415);
        let kind = [(
            "content-type",
            "application/vnd.pingidentity.apiServer.deploy+json",
        )];
        let refused = it
            .with(&it.editor, Method::POST, &status, Some(&json!({})), &kind)
            .await;
        assert_eq!(refused.status, 403);

        let made = it.deploy(&planets).await;
        assert_eq!(made.status, 200, "{}", made.body);
        assert_eq!(made.body["authorizationVersion"]["id"], "1");
        assert_eq!(
            it.deploy(&moons).await.body["authorizationVersion"]["id"],
            "2"
        );
        let now = it.get(&status).await;
        assert_eq!(now.body["status"]["code"], "DEPLOYMENT_SUCCESSFUL");
        assert_eq!(now.body["upToDate"], true);
        let file = it.get("/deployments/2").await;
        let text = file.body["sources"][0]["text"].as_str().unwrap().to_owned();
        insta::allow_duplicates! {
            insta::assert_snapshot!(text, @r#"
            name: "planets"
            base_urls: ["https://api.example.com/planets"]
            tokens:
              - issuer: "https://idp.example.com"
                audiences: ["api"]
                leeway: 10
                profile: "generic"
            operations:
              - name: "Move"
                methods: ["PUT"]
                paths: ["/moons/{moon}","/a\\*"]
                rules:
                  scopes:
                    all_of: ["gold","silver"]
                  groups:
                    any_of: ["astronomers"]
                  permission: "moons:move"
                  authentication:
                    acr_values: ["mfa"]
                    max_age: 300
                  sender_constraint: "dpop"
            "#);
        }

        // A draft that changes decides nothing yet; one that does not compile never will.
        let path = format!("{operations}/{one}");
        let mut changed = operation();
        changed["portcullis"] = json!({ "policy": "moons.rego" });
        assert_eq!(
            it.call(&it.editor, Method::PUT, &path, Some(&changed))
                .await
                .status,
            200
        );
        assert_eq!(it.get(&status).await.body["upToDate"], false);
        let broken = it.deploy(&planets).await;
        assert_eq!(broken.status, 400, "{}", broken.body);
        let details = broken.body["details"].to_string();
        assert!(
            details.contains(&format!("services/{planets}.yaml:")),
            "{details}"
        );
        assert_eq!(it.store.current_number().await.unwrap(), Some(2));

        // The policy is a validators file: what compiles Rego is not here.
        let policy = json!({ "name": "moons.yaml", "text": "validators: [" });
        let policy = it.create("/policies", &policy).await;
        changed["portcullis"] = json!({ "policy": "moons.yaml" });
        it.call(&it.editor, Method::PUT, &path, Some(&changed))
            .await;
        let broken = it.deploy(&planets).await;
        assert!(
            broken.body["details"]
                .to_string()
                .contains("policies/moons.yaml:"),
            "{}",
            broken.body
        );
        assert_eq!(it.store.current_number().await.unwrap(), Some(2));
        let gone = format!("/policies/{policy}");
        assert_eq!(
            it.call(&it.editor, Method::DELETE, &gone, None)
                .await
                .status,
            204
        );
        changed["portcullis"] = json!({});
        it.call(&it.editor, Method::PUT, &path, Some(&changed))
            .await;
        assert_eq!(
            it.deploy(&planets).await.body["authorizationVersion"]["id"],
            "3"
        );

        let back = json!({ "rollbackOf": 2, "note": "too soon" });
        let back = it
            .call(&it.deployer, Method::POST, "/deployments", Some(&back))
            .await;
        assert_eq!((back.status, &back.body["rollbackOf"]), (201, &json!("2")));
        let listed = it.get("/deployments?limit=3").await;
        let listed = listed.body["_embedded"]["deployments"].as_array().unwrap();
        let numbers: Vec<_> = listed
            .iter()
            .map(|one| one["id"].as_str().unwrap())
            .collect();
        assert_eq!(numbers, ["4", "3", "2"]);
        assert_eq!(listed[0]["createdBy"], "deployer");

        // A service that decides is deleted by who may deploy.
        let path = format!("/apiServers/{planets}");
        assert_eq!(
            it.call(&it.editor, Method::DELETE, &path, None)
                .await
                .status,
            403
        );
        assert_eq!(
            it.call(&it.deployer, Method::DELETE, &path, None)
                .await
                .status,
            204
        );
        let current = it.store.current_deployment().await.unwrap().unwrap();
        let paths: Vec<_> = current.sources.iter().map(|file| &file.path).collect();
        assert_eq!(paths, [&format!("services/{moons}.yaml")]);
    }
}

#[tokio::test]
async fn services_that_are_deployed_at_the_same_time_are_all_deployed() {
    for it in Service::both().await {
        let external = it.create("/externalOAuthServers", &external()).await;
        let mut services = Vec::new();
        for name in ["a", "b", "c"] {
            services.push(it.create("/apiServers", &service(name, &external)).await);
        }
        let made = tokio::join!(
            it.deploy(&services[0]),
            it.deploy(&services[1]),
            it.deploy(&services[2])
        );
        for answer in [made.0, made.1, made.2] {
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        let current = it.store.current_deployment().await.unwrap().unwrap();
        assert_eq!((current.summary.number, current.sources.len()), (3, 3));
    }
}

/// The document is generated from the types; `docs/openapi.json` is what people and programs read.
#[expect(clippy::disallowed_methods, reason = "a page of the docs")]
#[tokio::test]
async fn the_document_is_the_one_in_the_docs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, format!("{}\n", openapi())).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        written.trim_end(),
        openapi(),
        "write it again with UPDATE_OPENAPI=1"
    );
    let it = Service::start(None).await;
    let answered = it.get("/openapi.json").await;
    assert_eq!(
        answered.body,
        serde_json::from_str::<Value>(&written).unwrap()
    );
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

/// Whatever is sent to whichever endpoint, the answer is an error in the usual shape.
#[tokio::test]
async fn every_endpoint_refuses_what_is_malformed() {
    let it = Service::start(None).await;
    let document: Value = serde_json::from_str(openapi()).unwrap();
    let bodies: [&[u8]; 8] = [
        b"",
        b"{",
        b"null",
        b"[1]",
        b"\"text\"",
        b"{\"name\":{\"a\":1},\"text\":7,\"rollbackOf\":\"x\"}",
        b"{\"name\":\"\\u0000\"}",
        b"\xff\xfe",
    ];
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
            for value in ["none", "%00", "..%2f..", &"x".repeat(4000)] {
                let mut path = path.clone();
                for name in ["environment", "id", "service", "credential", "number"] {
                    path = path.replace(&format!("{{{name}}}"), value);
                }
                for kind in [
                    "application/json",
                    "application/vnd.pingidentity.apiServer.deploy+json",
                ] {
                    for body in bodies {
                        let request = Request::builder()
                            .method(method.clone())
                            .uri(&path)
                            .header("authorization", format!("Bearer {}", it.deployer))
                            .header("content-type", kind)
                            .body(Body::from(body));
                        let answer = it.send(request.unwrap()).await;
                        let is_list = method == Method::GET && answer.status == 200;
                        let refused = (400..500).contains(&answer.status)
                            && answer.body["code"].is_string()
                            && answer.body["id"].is_string();
                        assert!(
                            is_list || refused,
                            "{method} {path}: {} {}",
                            answer.status,
                            answer.body
                        );
                        asked += 1;
                    }
                }
            }
        }
    }
    assert!(asked > 1000, "{asked}");
    assert_eq!(it.store.all_drafts().await.unwrap().len(), 0);
    assert_eq!(it.store.current_number().await.unwrap(), None);
}

#[tokio::test]
async fn while_the_database_is_away_gateways_ask_and_nothing_is_changed() {
    let it = Service::start(None).await;
    let gateway = json!({ "type": "API_GATEWAY_INTEGRATION", "name": "Kong" });
    let made = it
        .call(&it.deployer, Method::POST, "/gateways", Some(&gateway))
        .await;
    let path = format!(
        "/gateways/{}/credentials",
        made.body["id"].as_str().unwrap()
    );
    let made = it
        .call(&it.deployer, Method::POST, &path, Some(&json!({})))
        .await;
    let credential = made.body["credential"].as_str().unwrap();
    it.store.close().await;
    let refused = it
        .call(&it.deployer, Method::POST, "/gateways", Some(&gateway))
        .await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (503, &json!("SERVICE_UNAVAILABLE"))
    );
    assert_eq!(refused.headers["retry-after"], "1");
    let body = json!({ "source_ip": "192.0.2.7", "source_port": 1, "method": "GET", "url": "https://api.example.com/", "headers": [] });
    let request = Request::post(format!("{BASE}/sideband/request"))
        .header("client-token", credential)
        .body(Body::from(body.to_string()));
    assert_eq!(it.send(request.unwrap()).await.status, 200);
}
