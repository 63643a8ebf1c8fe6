//! What is not in the token: what its issuer says of an opaque one, and what is remembered of one that was
//! verified.

use portcullis_engine::{Introspection, PolicySet, Progress};
use serde_json::{Value, json};

use super::{Client, Desk, bound, call, outcome, service};
use crate::issuer::{AUDIENCE, ISSUER, Issuer, Keys, NOW, claims, decided, policy};

#[test]
fn an_opaque_token_is_worth_what_its_issuer_says() {
    let issuer = Issuer::new("k1");
    let opaque = |more: &str| {
        service(
            ", rules: { scopes: { any_of: [s] } }",
            &format!(", introspection: {{ client_id: c, secret: S{more} }}"),
        )
    };
    let policy = opaque("");
    assert!(matches!(
        policy.decide(&call("Bearer", "opaque", &[]), &Desk::new(&issuer), NOW),
        Progress::NeedsIntrospection { token, .. } if token.expose() == "opaque"
    ));
    // A signed JWT is never shown to anyone.
    let jwt = decided(policy.decide(
        &call("Bearer", &issuer.token("s"), &[]),
        &Desk::new(&issuer),
        NOW,
    ));
    assert_eq!(outcome(&jwt), "permit");
    let decide = |policy: &PolicySet, answer: &Value| {
        let mut desk = Desk::new(&issuer);
        desk.introspection = Some(match answer {
            Value::Object(claims) => Introspection::Active(claims.clone()),
            _ => Introspection::Inactive,
        });
        outcome(&decided(policy.decide(
            &call("Bearer", "opaque", &[]),
            &desk,
            NOW,
        )))
    };
    let good = json!({ "active": true, "aud": AUDIENCE, "scope": "r s", "exp": NOW + 1 });
    let with = |name: &str, value: Value| {
        let mut answer = good.clone();
        answer[name] = value;
        answer
    };
    let mut without_audience = good.clone();
    without_audience.as_object_mut().unwrap().remove("aud");
    for (answer, expected) in [
        (good.clone(), "permit"),
        (json!(null), "401 token_inactive"),
        (with("scope", json!("r")), "403 insufficient_scope"),
        (with("exp", json!(NOW - 5)), "401 token_expired"),
        (with("exp", json!("soon")), "401 invalid_claim"),
        (with("nbf", json!(NOW + 6)), "401 token_not_yet_valid"),
        (
            with("iss", json!("https://other.example")),
            "401 unknown_issuer",
        ),
        (with("iss", json!(ISSUER)), "permit"),
        (with("aud", json!("other")), "401 wrong_audience"),
        (without_audience.clone(), "401 invalid_claim"),
        (
            with("cnf", json!({ "jkt": "x" })),
            "401 sender_constraint_unmet",
        ),
    ] {
        assert_eq!(decide(&policy, &answer), expected, "{answer}");
    }
    assert_eq!(
        decide(&opaque(", audience: optional"), &without_audience),
        "permit"
    );
}

#[test]
fn a_token_that_was_verified_before_is_judged_anew() {
    let (issuer, client) = (Issuer::new("k1"), Client::new());
    let policy = service(", rules: { authentication: { max_age: 100 } }", "");
    let desk = Desk::new(&issuer);
    let mut claims_ = claims("");
    claims_["auth_time"] = json!(NOW - 50);
    let token = issuer.sign(&issuer.header(), &claims_);
    let decide = |token: &str, now: u64| {
        outcome(&decided(policy.decide(
            &call("Bearer", token, &[]),
            &desk,
            now,
        )))
    };
    assert_eq!(decide(&token, NOW), "permit");
    assert_eq!(desk.tokens.borrow().len(), 1);
    assert_eq!(decide(&token, NOW + 50), "permit");
    // It is remembered, and yet too old, or from another service's audience, or sent by somebody else.
    assert_eq!(
        decide(&token, NOW + 51),
        "401 insufficient_user_authentication"
    );
    assert_eq!(decide(&token, NOW + 305), "401 token_expired");
    let elsewhere = policy_for_other_audience();
    assert_eq!(
        outcome(&decided(elsewhere.decide(
            &call("Bearer", &token, &[]),
            &desk,
            NOW
        ))),
        "401 wrong_audience"
    );
    let bound_token = bound(&issuer, &json!({ "jkt": client.jkt() }));
    let open = service("", "");
    let proof = client.proof(&bound_token);
    let decide_bound = |scheme: &str, proofs: &[&str]| {
        outcome(&decided(open.decide(
            &call(scheme, &bound_token, proofs),
            &desk,
            NOW,
        )))
    };
    assert_eq!(decide_bound("DPoP", &[&proof]), "permit");
    assert_eq!(decide_bound("DPoP", &[&proof]), "401 invalid_dpop_proof");
    assert_eq!(decide_bound("Bearer", &[]), "401 sender_constraint_unmet");
    // With other keys, the signature counts again.
    *desk.keys.borrow_mut() = Keys::of(&[&Issuer::new("k1")]);
    assert_eq!(decide(&token, NOW), "401 invalid_signature");
}

fn policy_for_other_audience() -> PolicySet {
    policy(&format!(
        "name: S\nbase_urls: [https://api.example.com]\ntokens: [{{ issuer: {ISSUER}, audiences: [other] }}]\noperations: [{{ name: p, paths: [/planets] }}]\n"
    ))
}

#[test]
fn what_does_not_hold_is_not_remembered() {
    let issuer = Issuer::new("k1");
    let (policy, desk) = (service("", ""), Desk::new(&issuer));
    let mut expired = claims("");
    expired["exp"] = json!(NOW - 100);
    let forged = Issuer::new("k1").token("");
    for token in [
        issuer.sign(&issuer.header(), &expired),
        forged,
        "a.b.c".to_owned(),
    ] {
        assert_ne!(
            outcome(&decided(policy.decide(
                &call("Bearer", &token, &[]),
                &desk,
                NOW
            ))),
            "permit"
        );
    }
    assert!(desk.tokens.borrow().is_empty());
}
