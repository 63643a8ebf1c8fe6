//! Drafts in the management API: made, read, listed, changed, deleted, and what is refused of them.

use axum::body::Body;
use axum::http::{Method, Request};
use portcullis_server::openapi;
use serde_json::{Value, json};

use super::{BASE, Service, external, operation, service};

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
