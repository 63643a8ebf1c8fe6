//! DPoP proofs (RFC 9449): every check, nonces, proofs that were used before.

use portcullis_engine::Introspection;
use portcullis_model::Outcome;
use serde_json::json;

use super::{Client, Desk, OneNonce, bound, call, challenge, outcome, service, vector};
use crate::issuer::{AUDIENCE, ISSUER, Issuer, NOW, decided, policy, request};

#[test]
fn every_step_of_a_proof_is_checked() {
    let (issuer, client, stranger) = (Issuer::new("k1"), Client::new(), Client::new());
    let token = bound(&issuer, &json!({ "jkt": client.jkt() }));
    let policy = service("", "");
    let decide = |proofs: &[&str]| {
        let decision =
            decided(policy.decide(&call("DPoP", &token, proofs), &Desk::new(&issuer), NOW));
        outcome(&decision)
    };
    let good = client.proof(&token);
    assert_eq!(decide(&[&good]), "permit");
    for claims in [
        json!({ "htm": "GET", "htu": "https://API.example.com:443/planets?x#y" }),
        json!({ "iat": NOW - 65 }),
        json!({ "iat": NOW + 5 }),
        json!({ "iat": 1_700_000_000.5 }),
        json!({ "exp": NOW + 1, "nbf": NOW }),
        json!({ "nonce": "of no use" }),
    ] {
        let proof = client.proof_with(&token, &json!({}), &claims);
        assert_eq!(decide(&[&proof]), "permit", "{claims}");
    }

    let other_token = bound(&issuer, &json!({ "jkt": client.jkt(), "x": 1 }));
    let mut private = client.public_key();
    private["d"] = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let mut bad = vec![
        ("none", vec![]),
        ("two", vec![good.clone(), good.clone()]),
        ("joined", vec![format!("{good}, {good}")]),
        ("no JWT", vec!["proof".to_owned()]),
        ("the token itself", vec![token.clone()]),
        ("another key", vec![stranger.proof(&token)]),
        (
            "a key of one's own under the bound key's name",
            vec![stranger.proof_with(&token, &json!({ "jwk": client.public_key() }), &json!({}))],
        ),
        ("another token", vec![client.proof(&other_token)]),
        ("cut", vec![good[..good.len() - 2].to_owned()]),
    ];
    for header in [
        json!({ "typ": "JWT" }),
        json!({ "typ": "absent" }),
        json!({ "typ": "at+jwt" }),
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "RS256" }),
        json!({ "jwk": "absent" }),
        json!({ "jwk": private }),
        json!({ "jwk": { "kty": "oct", "k": "AAAA" } }),
        json!({ "crit": ["exp"] }),
    ] {
        bad.push((
            "header",
            vec![client.proof_with(&token, &header, &json!({}))],
        ));
    }
    for claims in [
        json!({ "htm": "POST" }),
        json!({ "htm": "get" }),
        json!({ "htm": "absent" }),
        json!({ "htm": 1 }),
        json!({ "htu": "http://api.example.com/planets" }),
        json!({ "htu": "https://api.example.com/moons" }),
        json!({ "htu": "https://api.example.com/planets/" }),
        json!({ "htu": "https://api.example.com:444/planets" }),
        json!({ "htu": "https://api.example.com.evil.example/planets" }),
        json!({ "htu": "/planets" }),
        json!({ "htu": "absent" }),
        json!({ "ath": "absent" }),
        json!({ "ath": "AAAA" }),
        json!({ "iat": NOW - 66 }),
        json!({ "iat": NOW + 6 }),
        json!({ "iat": "absent" }),
        json!({ "iat": -1 }),
        json!({ "iat": NOW.to_string() }),
        json!({ "iat": u64::MAX }),
        json!({ "iat": 1e300 }),
        json!({ "jti": "absent" }),
        json!({ "jti": "" }),
        json!({ "jti": 1 }),
        json!({ "jti": "x".repeat(257) }),
        json!({ "exp": NOW - 5 }),
        json!({ "exp": "soon" }),
        json!({ "nbf": NOW + 6 }),
    ] {
        bad.push((
            "claims",
            vec![client.proof_with(&token, &json!({}), &claims)],
        ));
    }
    for (what, proofs) in &bad {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        assert_eq!(
            decide(&proofs),
            "401 invalid_dpop_proof",
            "{what} {proofs:?}"
        );
    }
}

#[test]
fn no_bit_of_a_proof_can_be_changed() {
    let (issuer, client) = (Issuer::new("k1"), Client::new());
    let token = bound(&issuer, &json!({ "jkt": client.jkt() }));
    let policy = service("", "");
    let good = client.proof(&token);
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let proof = String::from_utf8(bytes).unwrap();
        let request = call("DPoP", &token, &[&proof]);
        let decision = decided(policy.decide(&request, &Desk::new(&issuer), NOW));
        assert_eq!(outcome(&decision), "401 invalid_dpop_proof", "{at}");
    }
}

#[test]
fn a_bound_token_is_no_bearer_token_and_an_unbound_one_no_dpop_token() {
    let (issuer, client) = (Issuer::new("k1"), Client::new());
    let token = bound(&issuer, &json!({ "jkt": client.jkt() }));
    let policy = service("", "");
    let proof = client.proof(&token);
    for proofs in [&[][..], &[proof.as_str()]] {
        let desk = Desk::new(&issuer);
        let decision = decided(policy.decide(&call("Bearer", &token, proofs), &desk, NOW));
        assert_eq!(outcome(&decision), "401 sender_constraint_unmet");
        let challenge = challenge(&decision);
        assert!(
            challenge.starts_with("DPoP ") && challenge.contains("algs=\"ES256 "),
            "{challenge}"
        );
    }
    let plain = issuer.token("");
    let proof = client.proof(&plain);
    let decision =
        decided(policy.decide(&call("DPoP", &plain, &[&proof]), &Desk::new(&issuer), NOW));
    assert_eq!(outcome(&decision), "401 sender_constraint_unmet");
}

#[test]
fn a_proof_is_accepted_once() {
    let (issuer, client) = (Issuer::new("k1"), Client::new());
    let token = bound(&issuer, &json!({ "jkt": client.jkt() }));
    let (policy, desk) = (service("", ""), Desk::new(&issuer));
    let proof = client.proof(&token);
    let decide = |proof: &str| {
        outcome(&decided(policy.decide(
            &call("DPoP", &token, &[proof]),
            &desk,
            NOW,
        )))
    };
    assert_eq!(decide(&proof), "permit");
    assert_eq!(decide(&proof), "401 invalid_dpop_proof");
    // Signed again, it is another text with the same identity.
    assert_eq!(decide(&client.proof(&token)), "401 invalid_dpop_proof");
    let next = client.proof_with(&token, &json!({}), &json!({ "jti": "j2" }));
    assert_eq!(decide(&next), "permit");
    desk.full.set(true);
    let another = client.proof_with(&token, &json!({}), &json!({ "jti": "j3" }));
    assert_eq!(decide(&another), "503 replay_store_full");
    // A proof that does not hold is not remembered, or anyone could spoil those of others.
    desk.full.set(false);
    let wrong = client.proof_with(&token, &json!({}), &json!({ "jti": "j4", "htm": "PUT" }));
    assert_eq!(decide(&wrong), "401 invalid_dpop_proof");
    let right = client.proof_with(&token, &json!({}), &json!({ "jti": "j4" }));
    assert_eq!(decide(&right), "permit");
}

#[test]
fn a_nonce_is_asked_for_and_given() {
    let (issuer, client) = (Issuer::new("k1"), Client::new());
    let token = bound(&issuer, &json!({ "jkt": client.jkt() }));
    let policy = service("", "");
    let mut desk = Desk::new(&issuer);
    desk.nonce = Some(OneNonce);
    for nonce in [json!("absent"), json!("n0"), json!(1)] {
        let proof = client.proof_with(&token, &json!({}), &json!({ "nonce": nonce }));
        let decision = decided(policy.decide(&call("DPoP", &token, &[&proof]), &desk, NOW));
        assert_eq!(outcome(&decision), "401 dpop_nonce_required");
        assert!(challenge(&decision).contains("error=\"use_dpop_nonce\""));
        let Outcome::Deny(deny) = &decision.outcome else {
            unreachable!()
        };
        assert_eq!(deny.headers.first("dpop-nonce"), Some("n1"));
    }
    let proof = client.proof_with(&token, &json!({}), &json!({ "nonce": "n1" }));
    let decision = decided(policy.decide(&call("DPoP", &token, &[&proof]), &desk, NOW));
    assert_eq!(outcome(&decision), "permit");
}

#[test]
fn the_proof_of_rfc_9449_holds_for_its_request_only() {
    let vector = vector("rfc9449_dpop");
    let text = |pointer: &str| vector.pointer(pointer).unwrap().as_str().unwrap();
    let policy = policy(&format!(
        "name: R\nbase_urls: [https://resource.example.org]\ntokens: [{{ issuer: {ISSUER}, audiences: [\"{AUDIENCE}\"], \
         introspection: {{ client_id: c, secret: S }} }}]\noperations: [{{ name: r, paths: [/protectedresource] }}]\n"
    ));
    let issued = vector
        .pointer("/resource_proof/iat")
        .unwrap()
        .as_u64()
        .unwrap();
    let decide = |proof: &str, url: &str, now: u64| {
        let mut desk = Desk::new(&Issuer::new("k1"));
        let cnf = json!({ "active": true, "aud": AUDIENCE, "cnf": { "jkt": text("/jkt") } });
        desk.introspection = Some(Introspection::Active(cnf.as_object().unwrap().clone()));
        let authorization = format!("DPoP {}", text("/access_token"));
        let headers = [("authorization", authorization.as_str()), ("dpop", proof)];
        outcome(&decided(policy.decide(
            &request("GET", url, &headers),
            &desk,
            now,
        )))
    };
    let (proof, url) = (text("/resource_proof/jwt"), text("/resource_proof/htu"));
    assert_eq!(decide(proof, url, issued), "permit");
    assert_eq!(decide(proof, url, issued + 66), "401 invalid_dpop_proof");
    // The proof for the token endpoint names no token.
    assert_eq!(
        decide(text("/token_endpoint_proof/jwt"), url, issued),
        "401 invalid_dpop_proof"
    );
}
