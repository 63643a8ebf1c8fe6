//! What decides is a deployment of the drafts, also while others deploy and while the database is away.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use super::{BASE, Service, external, operation, service};

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
