//! What is decided on tokens of every kind, good and bad.

use portcullis_engine::Progress;
use portcullis_model::{Decision, Reason};
use serde_json::{Value, json};

use crate::issuer::{
    AUDIENCE, ISSUER, Issuer, Keys, NOW, claims, decided, policy, request, summary,
};

const SOLAR_SYSTEM: &str = "
name: Solar System
base_urls: [https://api.example.com]
aws: [{ api_id: v4npdwpiab, stage: prod }]
tokens: [{ issuer: https://idp.example.com/oauth2/default, audiences: [api://default] }]
operations:
  - { name: Planets, methods: [GET], paths: [/planets], rules: { scopes: { any_of: [http://myapp.com/scp/silver] } } }
  - { name: Moons, methods: [GET], paths: [/moons], rules: { scopes: { all_of: [http://myapp.com/scp/gold] } } }
  - { name: Asteroids, methods: [GET], paths: [/asteroids] }
  - { name: Comets, paths: [/comets], rules: { groups: { any_of: [astronomers] } } }
  - { name: Health, paths: [/health], public: true }
";
const SILVER: &str = "http://myapp.com/scp/silver";
const GOLD: &str = "http://myapp.com/scp/gold http://myapp.com/scp/silver";

fn decide(path: &str, authorization: Option<&str>, issuer: &Issuer) -> Decision {
    let headers: Vec<_> = authorization
        .map(|value| ("authorization", value))
        .into_iter()
        .collect();
    let request = request("GET", &format!("https://api.example.com{path}"), &headers);
    decided(policy(SOLAR_SYSTEM).decide(&request, &Keys::of(&[issuer]), NOW))
}

/// What comes out for a token with that header and those claims on `/asteroids`.
fn judged(header: &Value, claims: &Value) -> String {
    let issuer = Issuer::new("k1");
    let authorization = format!("Bearer {}", issuer.sign(header, claims));
    summary(&decide("/asteroids", Some(&authorization), &issuer))
}

fn with(changes: &Value) -> Value {
    let mut all = claims("");
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => all.as_object_mut().unwrap().remove(name),
            value => all
                .as_object_mut()
                .unwrap()
                .insert(name.clone(), value.clone()),
        };
    }
    all
}

fn header() -> Value {
    json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k1" })
}

/// The part of a summary before the challenge.
fn code(summary: &str) -> String {
    summary.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_solar_system_table() {
    let issuer = Issuer::new("k1");
    let bronze = format!("Bearer {}", issuer.token("openid"));
    let silver = format!("Bearer {}", issuer.token(SILVER));
    let gold = format!("Bearer {}", issuer.token(GOLD));
    let realm = "Bearer realm=\"https://api.example.com\"";
    let lacking = |scope: &str, needed: &str| {
        format!(
            "403 insufficient_scope {realm}, error=\"insufficient_scope\", error_description=\"{needed}: {scope}\", scope=\"{scope}\""
        )
    };
    let no_silver = lacking(
        SILVER,
        "the token has none of the scopes of which one is needed",
    );
    let no_gold = lacking(
        "http://myapp.com/scp/gold",
        "the token lacks one of the scopes that are all needed",
    );
    let missing = format!("401 missing_token {realm}");
    let table = [
        ("/planets", None, missing.as_str()),
        ("/planets", Some(&bronze), no_silver.as_str()),
        ("/planets", Some(&silver), "permit permitted"),
        ("/planets", Some(&gold), "permit permitted"),
        ("/moons", None, missing.as_str()),
        ("/moons", Some(&bronze), no_gold.as_str()),
        ("/moons", Some(&silver), no_gold.as_str()),
        ("/moons", Some(&gold), "permit permitted"),
        ("/asteroids", None, missing.as_str()),
        ("/asteroids", Some(&bronze), "permit permitted"),
        ("/asteroids", Some(&gold), "permit permitted"),
        ("/comets", Some(&gold), "403 missing_group"),
        ("/health", None, "permit public"),
        ("/nowhere", None, missing.as_str()),
        ("/nowhere", Some(&gold), "403 no_operation"),
    ];
    for (path, authorization, expected) in table {
        let authorization = authorization.map(String::as_str);
        assert_eq!(
            summary(&decide(path, authorization, &issuer)),
            expected,
            "{path}"
        );
    }
}

#[test]
fn claims_are_required_typed_and_timely() {
    let table = [
        (json!({}), "permit permitted"),
        (json!({ "iss": null }), "401 unknown_issuer"),
        (json!({ "iss": 7 }), "401 unknown_issuer"),
        (json!({ "iss": [ISSUER] }), "401 unknown_issuer"),
        (
            json!({ "iss": "https://idp.example.com/oauth2/default/" }),
            "401 unknown_issuer",
        ),
        (json!({ "aud": null }), "401 invalid_claim"),
        (json!({ "aud": 7 }), "401 invalid_claim"),
        (json!({ "aud": {} }), "401 invalid_claim"),
        (json!({ "aud": [] }), "401 invalid_claim"),
        (json!({ "aud": [AUDIENCE, 7] }), "401 invalid_claim"),
        (json!({ "aud": ["other"] }), "401 wrong_audience"),
        (json!({ "aud": "API://default" }), "401 wrong_audience"),
        (json!({ "aud": ["other", AUDIENCE] }), "permit permitted"),
        (json!({ "exp": null }), "401 invalid_claim"),
        (json!({ "exp": "soon" }), "401 invalid_claim"),
        (json!({ "exp": -1 }), "401 invalid_claim"),
        (json!({ "exp": NOW - 5 }), "401 token_expired"),
        (json!({ "exp": NOW - 4 }), "permit permitted"),
        (json!({ "exp": NOW + 1 }), "permit permitted"),
        (json!({ "nbf": NOW + 6 }), "401 token_not_yet_valid"),
        (json!({ "nbf": NOW + 5 }), "permit permitted"),
        (json!({ "nbf": true }), "401 invalid_claim"),
        (json!({ "iat": NOW + 60 }), "401 token_not_yet_valid"),
        (json!({ "iat": null }), "401 invalid_claim"),
        (json!({ "sub": null }), "401 invalid_claim"),
        (json!({ "sub": "" }), "401 invalid_claim"),
        (json!({ "client_id": null }), "401 invalid_claim"),
        (json!({ "jti": null }), "401 invalid_claim"),
        (json!({ "scope": 7 }), "401 invalid_claim"),
        (json!({ "scope": ["a", 7] }), "401 invalid_claim"),
        (json!({ "groups": "astronomers" }), "401 invalid_claim"),
        (
            json!({ "cnf": { "jkt": "x" } }),
            "401 sender_constraint_unmet",
        ),
    ];
    for (changes, expected) in table {
        assert_eq!(
            code(&judged(&header(), &with(&changes))),
            expected,
            "{changes}"
        );
    }
}

#[test]
fn only_access_tokens_count() {
    for (typ, expected) in [
        (json!("at+jwt"), "permit permitted"),
        (json!("application/AT+JWT"), "permit permitted"),
        (json!("JWT"), "401 wrong_token_type"),
        (json!("dpop+jwt"), "401 wrong_token_type"),
        (Value::Null, "401 wrong_token_type"),
    ] {
        let mut header = header();
        match typ {
            Value::Null => header.as_object_mut().unwrap().remove("typ"),
            ref typ => header
                .as_object_mut()
                .unwrap()
                .insert("typ".into(), typ.clone()),
        };
        assert_eq!(code(&judged(&header, &claims(""))), expected, "{typ}");
    }
}

#[test]
fn what_authorization_may_hold() {
    let issuer = Issuer::new("k1");
    let token = issuer.token("");
    for (authorization, expected) in [
        (format!("Bearer {token}"), "permit permitted"),
        (format!("bearer   {token}"), "permit permitted"),
        (token.clone(), "401 unsupported_authorization"),
        (format!("Basic {token}"), "401 unsupported_authorization"),
        (format!("DPoP {token}"), "401 sender_constraint_unmet"),
        ("Bearer".to_owned(), "401 unsupported_authorization"),
        ("Bearer ".to_owned(), "401 unsupported_authorization"),
        (
            format!("Bearer {token},Bearer {token}"),
            "400 ambiguous_authorization",
        ),
        (
            format!("Bearer {token} {token}"),
            "401 unsupported_authorization",
        ),
        ("Bearer opaque".to_owned(), "401 malformed_token"),
        (format!("Bearer {token}."), "401 malformed_token"),
    ] {
        let decision = decide("/asteroids", Some(&authorization), &issuer);
        assert_eq!(
            code(&summary(&decision)),
            expected,
            "{}",
            authorization.len()
        );
    }
}

#[test]
fn two_authorization_headers_are_refused() {
    let issuer = Issuer::new("k1");
    let bearer = format!("Bearer {}", issuer.token(GOLD));
    let request = request(
        "GET",
        "https://api.example.com/health",
        &[("Authorization", &bearer), ("authorization", &bearer)],
    );
    let decision = decided(policy(SOLAR_SYSTEM).decide(&request, &Keys::of(&[&issuer]), NOW));
    assert_eq!(code(&summary(&decision)), "400 ambiguous_authorization");
}

#[test]
fn a_foreign_or_changed_signature_never_counts() {
    let (issuer, stranger) = (Issuer::new("k1"), Issuer::new("k1"));
    let forged = format!("Bearer {}", stranger.token(GOLD));
    assert_eq!(
        code(&summary(&decide("/moons", Some(&forged), &issuer))),
        "401 invalid_signature"
    );
    let silver = issuer.token(SILVER);
    let gold = issuer.token(GOLD);
    let mut parts: Vec<_> = silver.split('.').collect();
    parts[1] = gold.split('.').nth(1).unwrap();
    let spliced = format!("Bearer {}", parts.join("."));
    assert_eq!(
        code(&summary(&decide("/moons", Some(&spliced), &issuer))),
        "401 invalid_signature"
    );
}

#[test]
fn missing_keys_are_asked_for_and_never_guessed() {
    let issuer = Issuer::new("k2");
    let bearer = format!("Bearer {}", issuer.token(GOLD));
    let request = request(
        "GET",
        "https://api.example.com/moons",
        &[("authorization", &bearer)],
    );
    let policy = policy(SOLAR_SYSTEM);
    match policy.decide(&request, &Keys::none(), NOW) {
        Progress::NeedsKeys {
            issuer,
            otherwise: None,
        } => assert_eq!(issuer.as_str(), ISSUER),
        other => panic!("{other:?}"),
    }
    match policy.decide(&request, &Keys::of(&[&Issuer::new("k1")]), NOW) {
        Progress::NeedsKeys {
            otherwise: Some(decision),
            ..
        } => {
            assert_eq!(code(&summary(&decision)), "401 unknown_key");
        }
        other => panic!("{other:?}"),
    }
    let rotated = decided(policy.decide(&request, &Keys::of(&[&Issuer::new("k1"), &issuer]), NOW));
    assert!(rotated.is_permit());
}

#[test]
fn a_permit_names_its_principal_and_its_course() {
    let issuer = Issuer::new("k1");
    let bearer = format!("Bearer {}", issuer.token(GOLD));
    let decision = decide("/moons", Some(&bearer), &issuer);
    assert_eq!(decision.principal.as_deref(), Some("carl"));
    assert_eq!(decision.trace.operation.as_deref(), Some("Moons"));
    assert_eq!(
        decision
            .trace
            .checks
            .iter()
            .map(|check| check.name)
            .collect::<Vec<_>>(),
        ["token", "scopes"]
    );
    assert!(
        !format!("{decision:?}").contains("carl"),
        "claim values stay out of Debug"
    );
    let Reason { message, .. } = decide("/moons", Some(&format!("{bearer}x")), &issuer).reason;
    assert!(!message.contains(&bearer[10..30]), "{message}");
}

#[test]
fn profiles_read_scopes_where_their_servers_put_them() {
    let service = |profile: &str| {
        SOLAR_SYSTEM.replace(
            "[api://default] }",
            &format!("[api://default], profile: {profile} }}"),
        )
    };
    let issuer = Issuer::new("k1");
    let scp =
        json!({ "scope": null, "scp": [SILVER], "cid": "app", "client_id": null, "jti": null });
    let entra = json!({ "scope": null, "scp": SILVER });
    let cognito =
        json!({ "aud": null, "client_id": AUDIENCE, "token_use": "access", "scope": SILVER });
    let id_token = json!({ "aud": AUDIENCE, "token_use": "id", "scope": SILVER });
    let keycloak = json!({ "typ": "Bearer", "scope": SILVER });
    for (profile, changes, expected) in [
        ("okta", &scp, "permit permitted"),
        (
            "okta",
            &json!({ "scope": SILVER, "cid": "app" }),
            "403 insufficient_scope",
        ),
        ("okta", &json!({ "scp": [SILVER] }), "401 invalid_claim"),
        ("entra", &entra, "permit permitted"),
        ("auth0", &json!({ "scope": SILVER }), "permit permitted"),
        ("cognito", &cognito, "permit permitted"),
        ("cognito", &id_token, "401 wrong_token_type"),
        ("keycloak", &keycloak, "permit permitted"),
        (
            "keycloak",
            &json!({ "typ": "ID", "scope": SILVER }),
            "401 wrong_token_type",
        ),
        ("generic", &json!({ "scope": SILVER }), "permit permitted"),
        (
            "generic",
            &json!({ "scope": SILVER, "nonce": "n" }),
            "401 wrong_token_type",
        ),
        (
            "auth0",
            &json!({ "scope": SILVER, "at_hash": "h" }),
            "401 wrong_token_type",
        ),
        (
            "entra",
            &json!({ "scp": SILVER, "scope": null, "nonce": "n" }),
            "401 wrong_token_type",
        ),
        ("generic", &entra, "permit permitted"),
        // Never merged: what `scope` holds counts, and `scp` beside it does not.
        (
            "generic",
            &json!({ "scope": "other", "scp": [SILVER] }),
            "403 insufficient_scope",
        ),
        (
            "rfc9068",
            &json!({ "scp": [SILVER], "scope": null }),
            "401 wrong_token_type",
        ),
    ] {
        let token = issuer.sign(&json!({ "alg": "ES256", "kid": "k1" }), &with(changes));
        let request = request(
            "GET",
            "https://api.example.com/planets",
            &[("authorization", &format!("Bearer {token}"))],
        );
        let decision =
            decided(policy(&service(profile)).decide(&request, &Keys::of(&[&issuer]), NOW));
        assert_eq!(code(&summary(&decision)), expected, "{profile} {changes}");
    }
}

#[test]
fn step_up_names_what_would_do() {
    let service = "
name: Bank
base_urls: [https://api.example.com]
tokens: [{ issuer: https://idp.example.com/oauth2/default, audiences: [api://default] }]
operations:
  - { name: Strong, paths: [/strong], rules: { authentication: { acr_values: [mfa, hwk] } } }
  - { name: Fresh, paths: [/fresh], rules: { authentication: { max_age: 300 } } }
  - { name: Both, paths: [/both], rules: { authentication: { acr_values: [mfa], max_age: 300 } } }
";
    let issuer = Issuer::new("k1");
    let (mfa, fresh) = (json!({ "acr": "mfa" }), json!({ "auth_time": NOW - 300 }));
    let both = json!({ "acr": "mfa", "auth_time": NOW - 10 });
    let denied = "401 insufficient_user_authentication";
    for (path, changes, expected) in [
        ("/strong", &mfa, "permit permitted"),
        ("/strong", &json!({ "acr": "hwk" }), "permit permitted"),
        ("/strong", &json!({ "acr": "pwd" }), denied),
        ("/strong", &json!({ "acr": "mfa hwk" }), denied),
        ("/strong", &json!({ "acr": ["mfa"] }), denied),
        ("/strong", &json!({}), denied),
        ("/fresh", &fresh, "permit permitted"),
        ("/fresh", &json!({ "auth_time": NOW - 301 }), denied),
        (
            "/fresh",
            &json!({ "auth_time": NOW + 5 }),
            "permit permitted",
        ),
        ("/fresh", &json!({ "auth_time": NOW + 6 }), denied),
        ("/fresh", &json!({ "auth_time": "now" }), denied),
        ("/fresh", &json!({}), denied),
        ("/both", &both, "permit permitted"),
        ("/both", &mfa, denied),
        ("/both", &fresh, denied),
    ] {
        let token = issuer.sign(&issuer.header(), &with(changes));
        let bearer = format!("Bearer {token}");
        let request = request(
            "GET",
            &format!("https://api.example.com{path}"),
            &[("authorization", &bearer)],
        );
        let decision = decided(policy(service).decide(&request, &Keys::of(&[&issuer]), NOW));
        assert_eq!(code(&summary(&decision)), expected, "{path} {changes}");
        if path == "/both" && !decision.is_permit() {
            let challenge = summary(&decision);
            assert!(
                challenge.ends_with("acr_values=\"mfa\", max_age=300"),
                "{challenge}"
            );
            assert!(
                challenge.contains("error=\"insufficient_user_authentication\""),
                "{challenge}"
            );
        }
    }
}

#[test]
fn an_api_on_its_own_endpoint_is_found_by_its_id() {
    let issuer = Issuer::new("k1");
    let bearer = format!("Bearer {}", issuer.token(SILVER));
    for (url, expected) in [
        (
            "https://v4npdwpiab.execute-api.us-east-1.amazonaws.com/prod/planets",
            "permit permitted",
        ),
        (
            "https://v4npdwpiab.execute-api.cn-north-1.amazonaws.com.cn/prod/planets",
            "permit permitted",
        ),
        (
            "https://v4npdwpiab.execute-api.us-east-1.amazonaws.com/prod/moons",
            "403 insufficient_scope",
        ),
        (
            "https://v4npdwpiab.execute-api.us-east-1.amazonaws.com/dev/planets",
            "404 no_service",
        ),
        (
            "https://v4npdwpiab.execute-api.us-east-1.amazonaws.com/planets",
            "404 no_service",
        ),
        (
            "http://v4npdwpiab.execute-api.us-east-1.amazonaws.com/prod/planets",
            "404 no_service",
        ),
        (
            "https://v4npdwpiab.execute-api.us-east-1.evil.example/prod/planets",
            "404 no_service",
        ),
        (
            "https://other.execute-api.us-east-1.amazonaws.com/prod/planets",
            "404 no_service",
        ),
    ] {
        let request = request("GET", url, &[("authorization", &bearer)]);
        let decision = decided(policy(SOLAR_SYSTEM).decide(&request, &Keys::of(&[&issuer]), NOW));
        assert_eq!(code(&summary(&decision)), expected, "{url}");
    }
}
