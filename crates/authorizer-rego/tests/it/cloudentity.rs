//! A configuration of a Cloudentity gateway whose policies are in Rego.

use std::sync::Arc;

use portcullis_pdp::clock::{Clock, SystemClock};
use portcullis_test_support::http;
use portcullis_test_support::issuer::Issuer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{decided, function};

const PASSWORD: &str = "package acp.authz\n\ndefault allow = false\n\nallow {\n  input.authn_ctx.amr[_] == \"pwd\"\n}\n";
const CROWDED: &str = "package acp.authz\nallow if count([1 | some x in _all; some y in _all; some z in _all]) > 0\n_all := split(\"DIGITS\", \"\")\n";

/// A control plane that hands out a configuration, and says yes to everything else.
struct ControlPlane {
    url: String,
    issuer: Issuer,
    root: TempDir,
}

impl ControlPlane {
    fn start() -> Self {
        let issuer = Issuer::start();
        let configuration = Arc::new(configuration(issuer.url()).to_string());
        let address = http::listen(move |mut connection| {
            while let Some(request) = connection.read()? {
                let token = r#"{"access_token":"t","token_type":"bearer","expires_in":600}"#;
                let body = match request.line.as_str() {
                    "POST /t1/system/oauth2/token" => token,
                    line if line.starts_with("GET /api/system/t1/gateways/configuration") => {
                        &configuration
                    }
                    _ => "{}",
                };
                connection.write("200 OK", "", body.as_bytes())?;
            }
            Ok(())
        });
        Self {
            url: format!("http://{address}"),
            issuer,
            root: tempfile::tempdir().unwrap(),
        }
    }

    fn settings(&self) -> Vec<(String, String)> {
        let copy = self.root.path().join("copy.json");
        [
            ("ACP_ISSUER_URL", format!("{}/t1/system", self.url)),
            ("ACP_CLIENT_ID", "gateway".to_owned()),
            ("ACP_CLIENT_SECRET", "s3cret".to_owned()),
            ("ANALYTICS_ENABLED", "false".to_owned()),
            ("PORTCULLIS_CONFIGURATION_COPY", copy.display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    fn token(&self, amr: &str) -> String {
        let now = SystemClock.unix_now();
        self.issuer
            .token_with("anybody", &json!({ "amr": [amr] }), now)
    }
}

fn configuration(issuer: &str) -> Value {
    let apis: Vec<Value> = ["pwd", "crowded", "broken", "random", "nested"]
        .into_iter()
        .map(|name| json!({ "id": name, "service_id": "s1", "api_type": "rest", "method": "GET", "path": format!("/{name}"), "policy_id": name, "position": 1 }))
        .collect();
    let policy = |id: &str, text: &str| json!({ "id": id, "policy_name": id, "language": "rego", "type": "api", "definition": text });
    let nested = format!(
        "package acp.authz\nallow if {}1{} == 1\n",
        "(".repeat(60_000),
        ")".repeat(60_000)
    );
    json!({
        "issuer_url": issuer, "jwks_url": format!("{issuer}/jwks"),
        "services": [{ "id": "s1", "name": "PetStore", "api_group_metadata": { "type": "aws", "aws": { "api_id": "abc", "api_name": "PetStore", "stage": "prod" } } }],
        "apis": apis,
        "policies": [
            policy("pwd", PASSWORD),
            policy("crowded", &CROWDED.replace("DIGITS", &"1".repeat(500))),
            policy("broken", "package acp.authz\nallow if {"),
            policy("random", "package acp.authz\nallow if rand.intn(\"x\", 2) == 1"),
            policy("nested", &nested),
        ],
    })
}

#[test]
fn an_api_with_a_policy_in_rego_is_decided_and_bad_ones_deny_alone() {
    let plane = ControlPlane::start();
    let (good, other) = (plane.token("pwd"), plane.token("otp"));
    let settings = plane.settings();
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut function = function(&settings);
    let mut outcome = |path: &str, token: Option<&str>| {
        let (allowed, reason) = decided(&mut function, path, token);
        format!(
            "{path}: {} {reason}",
            if allowed { "allow" } else { "deny" }
        )
    };
    assert_eq!(
        [
            outcome("/pwd", Some(&good)),
            outcome("/pwd", Some(&other)),
            outcome("/pwd", None),
            // Each of them fails by itself: too much work, no Rego, a function that is not to be had, too deep.
            outcome("/crowded", Some(&good)),
            outcome("/broken", Some(&good)),
            outcome("/random", Some(&good)),
            outcome("/nested", Some(&good)),
            outcome("/pwd", Some(&good)),
        ],
        [
            "/pwd: allow permitted",
            "/pwd: deny denied_by_policy",
            "/pwd: deny denied_by_policy",
            "/crowded: deny policy_limit_exceeded",
            "/broken: deny policy_failed",
            "/random: deny policy_failed",
            "/nested: deny policy_failed",
            "/pwd: allow permitted",
        ]
    );
    let log = function.stop();
    assert!(log.contains("rand.* are not available"), "{log}");
    assert!(!log.contains("s3cret") && !log.contains(&good), "{log}");
}
