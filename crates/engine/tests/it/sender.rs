//! Who may send a token: DPoP (RFC 9449), mutual TLS (RFC 8705), the rule `sender_constraint`, opaque
//! tokens, and what is remembered between requests.

mod binding;
mod dpop;
mod memory;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use portcullis_engine::{
    Host, Introspection, IssuerUrl, KeySource, Nonces, PolicySet, ProofId, ProofUse, TokenHash,
    VerifiedToken,
};
use portcullis_jose::{AwsLc, CryptoProvider, Jwk, Jwks, SymmetricKeys};
use portcullis_model::{ApiRequest, Decision, Outcome};
use serde_json::{Value, json};

use crate::issuer::{AUDIENCE, ISSUER, Issuer, Keys, NOW, claims, policy, request};

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

fn vector(name: &str) -> Value {
    let path = format!(
        "{}/../../../shared/data/vectors/rfc/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    #[expect(clippy::disallowed_methods, reason = "an outside test vector")]
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
