//! The part of the playbook of `jwt_tool` that goes through every member of a header and every
//! claim: what would make a server ask for something, what breaks a parser, and what might give
//! rights. Each change is tried with the old signature or the attacker's, and with a genuine one:
//! behind the signature nothing else may go wrong.

use portcullis_model::ReasonCode;
use serde_json::{Value, json};

use crate::attack::{
    ADMIN, GENUINE, MALLORY, PLANETS, Stage, canary_urls, encode, parts, tampered, with, without,
};

/// Members of a JOSE header: RFC 7515, 7516, 7518, 7797 and 8555, and what tools invent.
const HEADER_MEMBERS: [&str; 32] = [
    "alg",
    "typ",
    "kid",
    "cty",
    "crit",
    "b64",
    "jku",
    "jwk",
    "x5u",
    "x5c",
    "x5t",
    "x5t#S256",
    "zip",
    "enc",
    "epk",
    "apu",
    "apv",
    "iv",
    "tag",
    "p2s",
    "p2c",
    "nonce",
    "url",
    "iss",
    "sub",
    "aud",
    "ppt",
    "svt",
    "trust_chain",
    "jwks",
    "jwks_uri",
    "key",
];

/// Claims: the registry of RFC 7519 section 10.1 as far as access tokens go, and what products use.
const CLAIMS: [&str; 62] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "scope",
    "groups",
    "cnf",
    "act",
    "may_act",
    "auth_time",
    "acr",
    "amr",
    "azp",
    "nonce",
    "sid",
    "sub_jwk",
    "roles",
    "entitlements",
    "authorization_details",
    "events",
    "toe",
    "txn",
    "vc",
    "vp",
    "_claim_names",
    "_claim_sources",
    "scp",
    "cid",
    "uid",
    "oid",
    "tid",
    "appid",
    "ver",
    "token_use",
    "cognito:groups",
    "permissions",
    "realm_access",
    "resource_access",
    "typ",
    "name",
    "email",
    "email_verified",
    "picture",
    "profile",
    "website",
    "role",
    "admin",
    "is_admin",
    "isAdmin",
    "user",
    "username",
    "user_id",
    "userid",
    "account",
    "level",
    "debug",
    "jku",
    "url",
];

/// The canary in every shape in which something may look for a URL.
fn lures(url: &str) -> [Value; 6] {
    [
        json!(url),
        json!([url]),
        json!({ "url": url }),
        json!({ "jku": url, "x5u": url, "jwks_uri": url, "href": url }),
        json!({ "uri": [{ "endpoint": url }] }),
        json!(format!("{url} {url}")),
    ]
}

#[tokio::test]
async fn force_external_interactions_on_every_header() {
    let stage = Stage::new().await;
    stage.control().await;
    let before = stage.issuer.seen().len();
    for member in HEADER_MEMBERS {
        for lure in lures(&stage.canary.url()) {
            let header = with(&stage.header(), member, lure);
            let forged = stage.outcome(&MALLORY.sign(&header, &stage.claims())).await;
            assert!(forged.starts_with("401 "), "{header}: {forged}");
            let genuine = stage.outcome(&GENUINE.sign(&header, &stage.claims())).await;
            assert_eq!(genuine, header_verdict(member, &header[member]), "{header}");
        }
    }
    let everything: Value = HEADER_MEMBERS
        .iter()
        .map(|member| ((*member).to_owned(), json!(stage.canary.url())))
        .collect();
    for key in [&MALLORY, &GENUINE] {
        let forged = key.sign(&everything, &stage.claims());
        stage.attack(&forged, ReasonCode::MalformedToken).await;
    }
    assert_eq!(stage.issuer.seen().len(), before, "within the cool-down");
    stage.finish().await;
}

#[tokio::test]
async fn force_external_interactions_on_every_claim() {
    let stage = Stage::new().await;
    stage.control().await;
    let before = stage.issuer.seen().len();
    for claim in CLAIMS {
        for lure in lures(&stage.canary.url()) {
            let claims = with(&stage.claims(), claim, lure);
            let forged = stage.outcome(&MALLORY.sign(&stage.header(), &claims)).await;
            assert!(forged.starts_with("401 "), "{claims}: {forged}");
            let genuine = stage.outcome(&GENUINE.sign(&stage.header(), &claims)).await;
            assert_eq!(genuine, claim_verdict(claim, &claims[claim]), "{claims}");
        }
    }
    assert_eq!(stage.issuer.seen().len(), before, "within the cool-down");
    for bound in ["jku", "jwk", "jkt", "x5t#S256", "kid"] {
        let claims = with(&stage.claims(), "cnf", json!({ bound: stage.canary.url() }));
        let genuine = GENUINE.sign(&stage.header(), &claims);
        stage
            .attack(&genuine, ReasonCode::SenderConstraintUnmet)
            .await;
    }
    // As the issuer, with everything that could make it look like the right one.
    for url in canary_urls(&stage) {
        for key in [&MALLORY, &GENUINE] {
            let forged = key.sign(&stage.header(), &with(&stage.claims(), "iss", url.clone()));
            stage.attack(&forged, ReasonCode::UnknownIssuer).await;
        }
    }
    stage.finish().await;
}

/// The values of the playbook, and the two that it leaves out.
fn fuzz_values() -> [Value; 9] {
    [
        Value::Null,
        json!(true),
        json!(false),
        json!("jwt_tool"),
        json!(0),
        json!([]),
        json!({}),
        json!(["jwt_tool"]),
        json!(-1.5),
    ]
}

/// What comes of a token of the genuine key with that member in its header.
fn header_verdict(member: &str, value: &Value) -> &'static str {
    match (member, value) {
        ("typ", Value::String(_)) => "401 wrong_token_type",
        ("kid", Value::String(_)) => "401 unknown_key",
        ("cty", Value::String(_)) => "permit",
        ("alg" | "typ" | "kid" | "cty" | "crit" | "b64", _) => "401 malformed_token",
        // No other member means anything here (RFC 7515 section 4).
        _ => "permit",
    }
}

/// What comes of a token of the genuine key with that claim.
fn claim_verdict(claim: &str, value: &Value) -> &'static str {
    let texts = |value: &Value| {
        value
            .as_array()
            .is_some_and(|values| values.iter().all(Value::is_string))
    };
    match (claim, value) {
        ("iss", _) => "401 unknown_issuer",
        ("aud", Value::String(_)) => "401 wrong_audience",
        ("aud", Value::Array(audiences)) if !audiences.is_empty() && texts(value) => {
            "401 wrong_audience"
        }
        ("exp", value) if *value == json!(0) => "401 token_expired",
        ("nbf" | "iat", value) if *value == json!(0) => "permit",
        ("sub" | "client_id" | "jti", Value::String(_)) => "permit",
        ("scope", value) if value.is_string() || texts(value) => "403 insufficient_scope",
        ("groups", value) if texts(value) => "permit",
        ("cnf", _) => "401 sender_constraint_unmet",
        ("aud" | "exp" | "nbf" | "iat" | "sub" | "client_id" | "jti" | "scope" | "groups", _) => {
            "401 invalid_claim"
        }
        _ => "permit",
    }
}

#[tokio::test]
async fn error_fuzz_of_every_header() {
    let stage = Stage::new().await;
    stage.control().await;
    let token = stage.token();
    let [_, claims, signature] = parts(&token);
    for member in HEADER_MEMBERS {
        for value in fuzz_values() {
            let header = with(&stage.header(), member, value.clone());
            let changed = format!("{}.{claims}.{signature}", encode(header.to_string()));
            let changed = stage.outcome(&changed).await;
            assert!(changed.starts_with("401 "), "{header}: {changed}");
            let genuine = stage.outcome(&GENUINE.sign(&header, &stage.claims())).await;
            assert_eq!(genuine, header_verdict(member, &value), "{header}");
        }
    }
    stage.finish().await;
}

#[tokio::test]
async fn error_fuzz_of_every_claim() {
    let stage = Stage::new().await;
    stage.control().await;
    for claim in CLAIMS {
        for value in fuzz_values() {
            let claims = with(&stage.claims(), claim, value.clone());
            let changed = stage.outcome(&tampered(&stage.token(), &claims)).await;
            assert!(changed.starts_with("401 "), "{claims}: {changed}");
            let genuine = stage.outcome(&GENUINE.sign(&stage.header(), &claims)).await;
            assert_eq!(genuine, claim_verdict(claim, &value), "{claims}");
        }
    }
    stage.finish().await;
}

#[tokio::test]
async fn error_fuzz_of_the_whole() {
    let stage = Stage::new().await;
    stage.control().await;
    let (header, claims) = (stage.header().to_string(), stage.claims().to_string());
    let values = fuzz_values();
    // An object without anything in it is well-formed, and still nobody's token.
    for whole in values.iter().filter(|value| !value.is_object()) {
        let whole = whole.to_string();
        for genuine in [
            GENUINE.sign_text(&whole, &claims),
            GENUINE.sign_text(&header, &whole),
        ] {
            stage.attack(&genuine, ReasonCode::MalformedToken).await;
        }
    }
    for (genuine, reason) in [
        (GENUINE.sign_text("{}", &claims), ReasonCode::MalformedToken),
        (GENUINE.sign_text(&header, "{}"), ReasonCode::UnknownIssuer),
        (GENUINE.sign_text("", ""), ReasonCode::MalformedToken),
        (GENUINE.sign_text(&header, ""), ReasonCode::MalformedToken),
        (
            GENUINE.sign_text(&header, &claims[1..]),
            ReasonCode::MalformedToken,
        ),
        (
            GENUINE.sign_text(&format!("{header}{header}"), &claims),
            ReasonCode::MalformedToken,
        ),
        (
            GENUINE.sign_text(&format!("\u{feff}{header}"), &claims),
            ReasonCode::MalformedToken,
        ),
    ] {
        stage.attack(&genuine, reason).await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn common_claims_injection() {
    let stage = Stage::new().await;
    stage.control().await;
    let plain = stage.plain_claims();
    let genuine = GENUINE.sign(&stage.header(), &plain);
    assert_eq!(stage.outcome(&genuine).await, "permit");
    for claim in CLAIMS
        .into_iter()
        .chain(["Scope", "SCOPE", "scopes", "Groups", "group", "memberOf"])
    {
        for value in [
            json!(true),
            json!(1),
            json!("admin"),
            json!("silver"),
            json!("administrators"),
            json!(["administrators", "silver"]),
            json!({ "roles": ["administrators"], "scope": "silver" }),
        ] {
            // Nobody can add a claim,
            let injected = with(&stage.claims(), claim, value.clone());
            if injected != stage.claims() {
                let forged = tampered(&stage.token(), &injected);
                let outcome = stage.outcome(&forged).await;
                assert!(outcome.starts_with("401 "), "{injected}: {outcome}");
            }
            // and of those that an issuer may add, none gives a right but the one that says so.
            let powerless = with(&without(&plain, "scope"), claim, value.clone());
            let genuine = GENUINE.sign(&stage.header(), &powerless);
            for (url, right) in [(PLANETS, "scope"), (ADMIN, "groups")] {
                let decision = stage.decide(url, Some(&genuine)).await;
                if claim != right {
                    assert!(!decision.is_permit(), "{url} {powerless}");
                }
            }
        }
    }
    // A claim that is there twice has no meaning at all.
    let claims = stage.claims().to_string();
    for twice in [
        claims.replacen('{', r#"{"scope":"none","#, 1),
        claims.replacen('{', r#"{"sc\u006fpe":"none","#, 1),
        claims.replacen('}', r#","groups":["administrators"]}"#, 1),
    ] {
        let header = stage.header().to_string();
        let genuine = GENUINE.sign_text(&header, &twice);
        stage.attack(&genuine, ReasonCode::MalformedToken).await;
    }
    stage.finish().await;
}
