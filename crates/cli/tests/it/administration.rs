//! `portcullis admin token`, what `serve --database-url` asks for, and the import from `PingOne`.

use std::fs;
use std::path::Path;

use portcullis_test_support::postgres::Postgres;
use serde_json::{Value, json};

use crate::command::{portcullis, run};
use crate::serve::Service;

fn token(url: &str, role: &str) -> String {
    let made = run(
        &[
            "admin",
            "token",
            "create",
            "--name",
            role,
            "--role",
            role,
            "--database-url",
            url,
        ],
        "",
    );
    assert_eq!(made.status, 0, "{}", made.errors);
    assert!(made.errors.contains("shown this once"), "{}", made.errors);
    made.output.trim().to_owned()
}

fn sqlite(root: &Path) -> String {
    format!("sqlite:{}", root.join("portcullis.db").display())
}

fn bearer(token: &str, kind: &str) -> String {
    format!("authorization: Bearer {token}\r\ncontent-type: {kind}\r\n")
}

/// From an empty database to a decision, with nothing but the management API, on both databases.
#[test]
fn an_api_service_is_made_deployed_and_decides() {
    let root = tempfile::tempdir().unwrap();
    for url in [sqlite(root.path()), Postgres::shared().database()] {
        let deployer = token(&url, "deployer");
        let services = [(); 2].map(|()| Service::launch_with(&["--database-url", &url]));
        let base = "/v1/environments/e";
        let post = |path: &str, kind: &str, body: &Value| {
            let answer = services[0].ask(
                &bearer(&deployer, kind),
                &format!("{base}{path}"),
                &body.to_string(),
            );
            assert!(
                [200, 201].contains(&answer.status),
                "{path}: {}",
                answer.text
            );
            answer.body
        };
        let json_kind = "application/json";
        let made = post(
            "/apiServers",
            json_kind,
            &json!({ "name": "Planets", "baseUrls": ["https://api.example.com"] }),
        );
        let id = made["id"].as_str().unwrap();
        let operation = json!({ "name": "Open", "paths": [{ "type": "EXACT", "pattern": "/open" }], "portcullis": { "public": true } });
        post(
            &format!("/apiServers/{id}/operations"),
            json_kind,
            &operation,
        );
        let gateway = post(
            "/gateways",
            json_kind,
            &json!({ "type": "API_GATEWAY_INTEGRATION", "name": "Kong" }),
        );
        let gateway = gateway["id"].as_str().unwrap();
        let credential = post(
            &format!("/gateways/{gateway}/credentials"),
            json_kind,
            &json!({}),
        );
        let credential = credential["credential"].as_str().unwrap();
        let answer = post(
            &format!("/apiServers/{id}/deployment"),
            "application/vnd.pingidentity.apiServer.deploy+json",
            &json!({}),
        );
        assert_eq!(answer["authorizationVersion"]["id"], "1");
        for service in &services {
            service.until(
                "the deployment decides, and the credential is known",
                || {
                    let asked = json!({
                        "source_ip": "192.0.2.7", "source_port": 1, "method": "GET", "headers": [],
                        "url": "https://api.example.com/open",
                    });
                    let headers = format!("client-token: {credential}\r\n");
                    let answer = service.ask(
                        &headers,
                        &format!("{base}/sideband/request"),
                        &asked.to_string(),
                    );
                    answer.status == 200 && answer.body.get("response").is_none()
                },
            );
            // The log comes through a pipe and may be a moment behind.
            service.until("the gateway is in the log", || {
                service.log().contains(r#""gateway":"Kong""#)
            });
            assert!(!service.log().contains(credential));
        }
    }
}

#[test]
fn a_service_that_others_can_reach_needs_an_administrator() {
    let root = tempfile::tempdir().unwrap();
    let url = sqlite(root.path());
    let serve = |environment: Option<&str>| {
        let mut command = portcullis();
        // An address of a documentation network (RFC 5737): nobody can listen there.
        command.args(["serve", "--listen", "192.0.2.1:0", "--database-url", &url]);
        if let Some(token) = environment {
            command.env("PORTCULLIS_ADMIN_TOKEN", token);
        }
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (status, errors) = serve(None);
    assert_eq!(status, Some(2));
    assert!(
        errors.contains("nobody may administer")
            && errors.contains("portcullis admin token create"),
        "{errors}"
    );
    let (_, errors) = serve(Some("too-short"));
    assert!(
        errors.contains("PORTCULLIS_ADMIN_TOKEN is [redacted]") && !errors.contains("too-short"),
        "{errors}"
    );
    let (_, errors) = serve(Some("0123456789abcdef0123456789abcdef"));
    assert!(errors.contains("cannot listen"), "{errors}");
    token(&url, "viewer");
    let (_, errors) = serve(None);
    assert!(errors.contains("cannot listen"), "{errors}");
}

#[test]
fn a_database_in_memory_is_refused() {
    let in_memory = ["--database-url", "sqlite::memory:"];
    for command in [
        &["serve", "--listen", "192.0.2.1:0"][..],
        &["admin", "token", "list"],
        &["policy", "deployments"],
    ] {
        let run = run(&[command, &in_memory].concat(), "");
        assert_eq!(run.status, 2, "{command:?}");
        assert!(
            run.errors.contains("ends with the command"),
            "{command:?}: {}",
            run.errors
        );
    }
}

#[test]
fn tokens_are_listed_without_themselves_and_taken_back() {
    let root = tempfile::tempdir().unwrap();
    let url = sqlite(root.path());
    let list = |json: bool| {
        let arguments = ["admin", "token", "list", "--database-url", &url, "--json"];
        run(&arguments[..if json { 6 } else { 5 }], "").output
    };
    assert!(list(false).contains("no token yet"));
    let secret = token(&url, "viewer");
    assert!(list(false).contains("good") && !list(false).contains(&secret));
    let listed: Value = serde_json::from_str(&list(true)).unwrap();
    assert!(!listed.to_string().contains(&secret));
    let id = listed[0]["id"].as_str().unwrap();
    let revoked = run(
        &["admin", "token", "revoke", id, "--database-url", &url],
        "",
    );
    assert_eq!(revoked.status, 0, "{}", revoked.errors);
    assert!(list(false).contains("revoked"));
    let unknown = run(
        &["admin", "token", "revoke", "x", "--database-url", &url],
        "",
    );
    assert!(
        unknown.status == 2 && unknown.errors.contains("no such token"),
        "{}",
        unknown.errors
    );
}

/// Answers of PingOne's management API as its documentation shows them.
fn export(root: &Path) -> [String; 3] {
    let links = |path: &str| json!({ "self": { "href": format!("https://api.pingone.eu/v1/environments/e/{path}") } });
    let documents = [
        (
            "servers.json",
            json!({ "_links": links("apiServers"), "size": 2, "count": 2, "_embedded": { "apiServers": [
            { "_links": links("apiServers/s-1"), "id": "s-1", "name": "Banking API", "baseUrls": ["https://api.example.com/v1"],
              "authorizationServer": { "type": "PINGONE_SSO", "resource": { "id": "r-1" } },
              "directory": { "type": "PINGONE_SSO" }, "accessControl": { "custom": { "enabled": true } }, "policy": { "id": "p" } },
            { "_links": links("apiServers/s-2"), "id": "s-2", "name": "Meme Game", "baseUrls": ["https://api.example.com/memes"],
              "authorizationServer": { "type": "EXTERNAL", "externalOAuthServer": { "id": "x-1", "audience": "memes" } },
              "directory": { "type": "EXTERNAL" }, "accessControl": { "custom": { "enabled": false } } },
        ] } }),
        ),
        (
            "operations.json",
            json!({ "_embedded": { "operations": [
            { "_links": links("apiServers/s-1/operations/o-1"), "id": "o-1", "name": "Pay", "methods": ["POST", "PUT"],
              "paths": [{ "type": "EXACT", "pattern": "/pay" }, { "type": "PARAMETER", "pattern": "/accounts/{account}/*" }],
              "accessControl": {
                "group": { "groups": [{ "id": "g-1" }] }, "scope": { "matchType": "ANY", "scopes": [{ "id": "c-1" }] },
                "permission": { "id": "m-1" }, "authentication": { "acrs": [{ "id": "a-1", "type": "PINGONE" }], "maxAge": 300 } },
              "_embedded": { "scopes": [{ "id": "c-1", "name": "pay" }] }, "policy": { "id": "q" } },
        ] } }),
        ),
        (
            "external.json",
            json!({ "_embedded": { "externalOAuthServers": [
            { "_links": links("externalOAuthServers/x-1"), "id": "x-1", "name": "Okta", "type": "EXTERNAL",
              "issuers": ["https://idp.example.com"], "validation": { "clockSkewTolerance": 5, "jwksUrl": "https://idp.example.com/keys" } },
        ] } }),
        ),
    ];
    documents.map(|(name, document)| {
        let path = root.join(name);
        fs::write(&path, document.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

const NAMES: &str = "issuer: https://auth.pingone.eu/e/as\nresources: { r-1: banking }\ngroups: { g-1: payers }\n\
    permissions: { m-1: 'accounts:pay' }\nauthentication_policies: { a-1: mfa }\nclaims: { groups: memberOf }\n";

#[test]
fn an_export_of_pingone_becomes_a_policy_directory_or_drafts() {
    let root = tempfile::tempdir().unwrap();
    let files = export(root.path());
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let import = |more: &[&str]| {
        run(
            &[&["policy", "import", "pingone"][..], &files, more].concat(),
            "",
        )
    };

    // Without names: every id that lacks one is named, and nothing is written.
    let output = root.path().join("policy");
    let output = output.to_str().unwrap();
    let refused = import(&["-o", output]);
    assert_eq!(refused.status, 1, "{}", refused.errors);
    for missing in ["r-1", "g-1", "m-1", "a-1", "`issuer`", "`permissions`"] {
        assert!(
            refused.errors.contains(missing),
            "{missing}: {}",
            refused.errors
        );
    }
    assert!(!refused.errors.contains("c-1"), "{}", refused.errors);
    assert!(!Path::new(output).exists());

    let names = root.path().join("names.yaml");
    fs::write(&names, NAMES).unwrap();
    let names = names.to_str().unwrap();
    let done = import(&["--names", names, "-o", output]);
    assert_eq!(done.status, 0, "{}", done.errors);
    for warning in ["custom policies", "jwksUrl", "unmatched"] {
        assert!(done.errors.contains(warning), "{warning}: {}", done.errors);
    }
    #[expect(clippy::disallowed_methods, reason = "what the command wrote")]
    let text = fs::read_to_string(Path::new(output).join("services/banking-api.yaml")).unwrap();
    insta::assert_snapshot!(text, @r#"
    name: "Banking API"
    base_urls: ["https://api.example.com/v1"]
    tokens:
      - issuer: "https://auth.pingone.eu/e/as"
        audiences: ["banking"]
        profile: "generic"
        claims:
          groups: "memberOf"
    unmatched: "token"
    operations:
      - name: "Pay"
        methods: ["POST","PUT"]
        paths: ["/pay","/accounts/{account}/*"]
        rules:
          scopes:
            any_of: ["pay"]
          groups:
            any_of: ["payers"]
          permission: "accounts:pay"
          authentication:
            acr_values: ["mfa"]
            max_age: 300
    "#);
    assert_eq!(run(&["policy", "check", output], "").status, 0);

    let url = sqlite(root.path());
    let done = import(&["--names", names, "--database-url", &url]);
    assert_eq!(done.status, 0, "{}", done.errors);
    let again = import(&["--names", names, "--database-url", &url]);
    assert!(
        again.status == 2 && again.errors.contains("has drafts already"),
        "{}",
        again.errors
    );
    let deployer = token(&url, "deployer");
    let service = Service::launch_with(&["--database-url", &url]);
    for id in ["s-1", "s-2"] {
        let kind = "application/vnd.pingidentity.apiServer.deploy+json";
        let path = format!("/v1/environments/e/apiServers/{id}/deployment");
        let answer = service.ask(&bearer(&deployer, kind), &path, "{}");
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}
