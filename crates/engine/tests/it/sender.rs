//! Who may send a token: DPoP (RFC 9449), mutual TLS (RFC 8705), the rule `sender_constraint`, opaque
//! tokens, and what is remembered between requests.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use portcullis_engine::{
    Host, Introspection, IssuerUrl, KeySource, Nonces, PolicySet, Progress, ProofId, ProofUse,
    TokenHash, VerifiedToken,
};
use portcullis_jose::{AwsLc, CryptoProvider, Jwk, Jwks, SymmetricKeys};
use portcullis_model::{ApiRequest, ClientCertificate, Decision, Outcome};
use serde_json::{Value, json};

use crate::issuer::{AUDIENCE, ISSUER, Issuer, Keys, NOW, claims, decided, policy, request};

const URL: &str = "https://api.example.com/planets";

/// A host with a memory.
struct Desk {
    keys: RefCell<Keys>,
    asked_for_keys: Cell<usize>,
    proofs: RefCell<HashSet<ProofId>>,
    full: Cell<bool>,
    nonce: Option<OneNonce>,
    tokens: RefCell<HashMap<TokenHash, (Arc<VerifiedToken>, u64)>>,
    introspection: Option<Introspection>,
}

impl Desk {
    fn new(issuer: &Issuer) -> Self {
        Self {
            keys: RefCell::new(Keys::of(&[issuer])),
            asked_for_keys: Cell::new(0),
            proofs: RefCell::default(),
            full: Cell::new(false),
            nonce: None,
            tokens: RefCell::default(),
            introspection: None,
        }
    }
}

#[derive(Debug)]
struct OneNonce;

impl Nonces for OneNonce {
    fn accepts(&self, nonce: &str, _: u64) -> bool {
        nonce == "n1"
    }

    fn current(&self, _: u64) -> String {
        "n1".to_owned()
    }
}

impl KeySource for Desk {
    fn keys(&self, issuer: &IssuerUrl) -> Option<Arc<Jwks>> {
        self.asked_for_keys.set(self.asked_for_keys.get() + 1);
        self.keys.borrow().keys(issuer)
    }
}

impl Host for Desk {
    fn crypto(&self) -> &dyn CryptoProvider {
        &AwsLc
    }

    fn verified_token(&self, token: &TokenHash, now: u64) -> Option<Arc<VerifiedToken>> {
        let tokens = self.tokens.borrow();
        let (token, expires) = tokens.get(token)?;
        (now < *expires).then(|| Arc::clone(token))
    }

    fn keep_verified_token(&self, token: TokenHash, verified: Arc<VerifiedToken>, expires: u64) {
        self.tokens.borrow_mut().insert(token, (verified, expires));
    }

    fn introspection(&self, _: &IssuerUrl, _: &TokenHash) -> Option<Arc<Introspection>> {
        self.introspection.clone().map(Arc::new)
    }

    fn note_proof(&self, proof: ProofId, _: u64, _: u64) -> ProofUse {
        if self.full.get() {
            return ProofUse::NoRoom;
        }
        if self.proofs.borrow_mut().insert(proof) {
            ProofUse::First
        } else {
            ProofUse::Repeated
        }
    }

    fn nonces(&self) -> Option<&dyn Nonces> {
        let nonces = self.nonce.as_ref()?;
        Some(nonces)
    }
}

fn service(rules: &str, issuer_keys: &str) -> PolicySet {
    policy(&format!(
        "name: S\nbase_urls: [https://api.example.com]\ntokens: [{{ issuer: {ISSUER}, audiences: [\"{AUDIENCE}\"]{issuer_keys} }}]\n\
         operations:\n  - {{ name: planets, paths: [/planets]{rules} }}\n"
    ))
}

/// A client with a DPoP key.
struct Client(Issuer);

impl Client {
    fn new() -> Self {
        Self(Issuer::new("client"))
    }

    fn public_key(&self) -> Value {
        let mut jwk = self.0.jwk();
        let members = jwk.as_object_mut().unwrap();
        for name in ["alg", "use", "kid"] {
            members.remove(name);
        }
        jwk
    }

    fn jkt(&self) -> String {
        let jwk = self.public_key().to_string();
        let jwk = Jwk::from_json(jwk.as_bytes(), SymmetricKeys::Refuse, &AwsLc).unwrap();
        jwk.thumbprint().to_string()
    }

    fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.public_key() })
    }

    fn proof_with(&self, token: &str, header: &Value, claims: &Value) -> String {
        let mut all = proof_claims(token);
        let mut whole = self.header();
        for (target, changes) in [(&mut all, claims), (&mut whole, header)] {
            let target = target.as_object_mut().unwrap();
            for (name, value) in changes.as_object().unwrap() {
                if *value == json!("absent") {
                    target.remove(name);
                } else {
                    target.insert(name.clone(), value.clone());
                }
            }
        }
        self.0.sign(&whole, &all)
    }

    fn proof(&self, token: &str) -> String {
        self.proof_with(token, &json!({}), &json!({}))
    }
}

fn proof_claims(token: &str) -> Value {
    let ath = base64_url(TokenHash::of(token, &AwsLc).as_bytes());
    json!({ "jti": "j1", "htm": "GET", "htu": URL, "iat": NOW, "ath": ath })
}

fn base64_url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn bound(issuer: &Issuer, cnf: &Value) -> String {
    let mut claims = claims("");
    claims["cnf"] = cnf.clone();
    issuer.sign(&issuer.header(), &claims)
}

fn call(scheme: &str, token: &str, proofs: &[&str]) -> ApiRequest {
    let authorization = format!("{scheme} {token}");
    let mut headers = vec![("authorization", authorization.as_str())];
    headers.extend(proofs.iter().map(|proof| ("DPoP", *proof)));
    request("GET", URL, &headers)
}

fn outcome(decision: &Decision) -> String {
    match decision.status() {
        None => "permit".to_owned(),
        Some(status) => format!("{status} {}", decision.reason.code),
    }
}

fn challenge(decision: &Decision) -> String {
    match &decision.outcome {
        Outcome::Deny(deny) => deny.www_authenticate().collect(),
        Outcome::Permit(_) => String::new(),
    }
}

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

fn vector(name: &str) -> Value {
    let path = format!(
        "{}/../../../shared/data/vectors/rfc/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    #[expect(clippy::disallowed_methods, reason = "an outside test vector")]
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
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

#[test]
fn a_certificate_has_to_be_the_one() {
    let issuer = Issuer::new("k1");
    let vector = vector("rfc8705_appendix_a");
    let pem = vector["certificate_pem"].as_str().unwrap();
    let thumbprint = vector["x5t#S256"].clone();
    let token = bound(&issuer, &json!({ "x5t#S256": thumbprint }));
    let policy = service("", "");
    let decide = |token: &str, pem: Option<&str>| {
        let mut request = call("Bearer", token, &[]);
        request.client_certificate = pem.map(|pem| ClientCertificate {
            pem: pem.to_owned(),
        });
        outcome(&decided(policy.decide(&request, &Desk::new(&issuer), NOW)))
    };
    assert_eq!(decide(&token, Some(pem)), "permit");
    // The client's certificate is the first.
    let other = pem.replace("MIIBBj", "MIIBBz");
    assert_eq!(decide(&token, Some(&format!("{pem}{other}"))), "permit");
    for wrong in [
        None,
        Some(""),
        Some("certificate"),
        Some(other.as_str()),
        Some(&format!("{other}{pem}")),
        Some(&pem.replace("CERTIFICATE", "PUBLIC KEY")),
    ] {
        assert_eq!(
            decide(&token, wrong),
            "401 sender_constraint_unmet",
            "{wrong:?}"
        );
    }
    // Bound twice is proved twice.
    let client = Client::new();
    let twice = bound(
        &issuer,
        &json!({ "x5t#S256": thumbprint, "jkt": client.jkt() }),
    );
    assert_eq!(decide(&twice, Some(pem)), "401 sender_constraint_unmet");
    let proof = client.proof(&twice);
    let mut request = call("DPoP", &twice, &[&proof]);
    assert_eq!(
        outcome(&decided(policy.decide(&request, &Desk::new(&issuer), NOW))),
        "401 sender_constraint_unmet"
    );
    request.client_certificate = Some(ClientCertificate {
        pem: pem.to_owned(),
    });
    assert_eq!(
        outcome(&decided(policy.decide(&request, &Desk::new(&issuer), NOW))),
        "permit"
    );
}

#[test]
fn what_cannot_be_checked_is_refused() {
    let issuer = Issuer::new("k1");
    let policy = service("", "");
    for cnf in [
        json!({}),
        json!(null),
        json!("x"),
        json!([]),
        json!({ "jwk": {} }),
        json!({ "jkt": 1 }),
        json!({ "jkt": "" }),
        json!({ "jkt": "a", "kid": "b" }),
        json!({ "x5t#S256": null }),
    ] {
        let token = bound(&issuer, &cnf);
        for scheme in ["Bearer", "DPoP"] {
            let decision =
                decided(policy.decide(&call(scheme, &token, &[]), &Desk::new(&issuer), NOW));
            assert_eq!(outcome(&decision), "401 sender_constraint_unmet", "{cnf}");
        }
    }
}

#[test]
fn an_operation_may_ask_for_a_bound_token() {
    let (issuer, client) = (Issuer::new("k1"), Client::new());
    let pem = vector("rfc8705_appendix_a");
    let dpop = bound(&issuer, &json!({ "jkt": client.jkt() }));
    let mtls = bound(&issuer, &json!({ "x5t#S256": pem["x5t#S256"] }));
    let proof = client.proof(&dpop);
    for (rule, open, scheme) in [
        ("dpop", [false, true, false], "DPoP "),
        ("mtls", [false, false, true], "Bearer "),
        ("any", [false, true, true], "Bearer "),
    ] {
        let policy = service(&format!(", rules: {{ sender_constraint: {rule} }}"), "");
        let mut with_certificate = call("Bearer", &mtls, &[]);
        with_certificate.client_certificate = Some(ClientCertificate {
            pem: pem["certificate_pem"].as_str().unwrap().to_owned(),
        });
        let requests = [
            call("Bearer", &issuer.token(""), &[]),
            call("DPoP", &dpop, &[&proof]),
            with_certificate,
        ];
        for (request, open) in requests.iter().zip(open) {
            let decision = decided(policy.decide(request, &Desk::new(&issuer), NOW));
            let expected = if open {
                "permit"
            } else {
                "401 sender_constraint_unmet"
            };
            assert_eq!(outcome(&decision), expected, "{rule}");
        }
        let decision = decided(policy.decide(&request("GET", URL, &[]), &Desk::new(&issuer), NOW));
        assert!(challenge(&decision).starts_with(scheme), "{rule}");
    }
}

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

#[test]
fn the_leeway_of_an_issuer_is_a_setting() {
    let issuer = Issuer::new("k1");
    for (leeway, seconds) in [("", 5), (", leeway: 0", 0), (", leeway: 300", 300)] {
        let policy = service("", leeway);
        let decide = |change: Value| {
            let mut claims = claims("");
            for (name, value) in change.as_object().unwrap() {
                claims[name] = value.clone();
            }
            let token = issuer.sign(&issuer.header(), &claims);
            outcome(&decided(policy.decide(
                &call("Bearer", &token, &[]),
                &Desk::new(&issuer),
                NOW,
            )))
        };
        assert_eq!(decide(json!({ "exp": NOW - seconds + 1 })), "permit");
        assert_eq!(decide(json!({ "exp": NOW - seconds })), "401 token_expired");
        for name in ["iat", "nbf"] {
            assert_eq!(decide(json!({ name: NOW + seconds })), "permit");
            assert_eq!(
                decide(json!({ name: NOW + seconds + 1 })),
                "401 token_not_yet_valid"
            );
        }
    }
}

#[test]
fn challenges_say_where_the_metadata_is() {
    let text = format!(
        "name: S\nbase_urls: [https://api.example.com/v1]\nresource_metadata: true\ntokens: [{{ issuer: {ISSUER}, audiences: [a] }}]\n\
         operations:\n  - {{ name: p, paths: [/p], rules: {{ scopes: {{ any_of: [b, a] }}, sender_constraint: dpop }} }}\n  \
         - {{ name: q, paths: [/q], public: true }}\n"
    );
    let policy = policy(&text);
    let request = request("GET", "https://api.example.com/v1/p", &[]);
    let decision = decided(policy.decide(&request, &Keys::none(), NOW));
    let url = "https://api.example.com/.well-known/oauth-protected-resource/v1";
    assert!(challenge(&decision).contains(&format!("resource_metadata=\"{url}\"")));
    let metadata = portcullis_engine::resource_metadata(&policy.services()[0]).unwrap();
    assert_eq!(metadata.url, url);
    insta::assert_snapshot!(serde_json::to_string_pretty(&metadata).unwrap(), @r#"
    {
      "resource": "https://api.example.com/v1",
      "resource_name": "S",
      "authorization_servers": [
        "https://idp.example.com/oauth2/default"
      ],
      "scopes_supported": [
        "a",
        "b"
      ],
      "bearer_methods_supported": [
        "header"
      ],
      "dpop_signing_alg_values_supported": [
        "ES256",
        "ES384",
        "ES512",
        "ES256K",
        "Ed25519",
        "EdDSA",
        "PS256",
        "PS384",
        "PS512",
        "RS256",
        "RS384",
        "RS512"
      ],
      "dpop_bound_access_tokens_required": true
    }
    "#);
}
