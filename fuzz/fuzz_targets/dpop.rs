//! DPoP proofs: one was signed with each of two keys, for one request with one token at one time, and
//! no other text is a proof.
//!
//! An input is the value of the `DPoP` header, or header, payload and third part of a proof on a line
//! each, of which the first two are encoded here; a third part of one digit stands for a genuine
//! signature.
#![no_main]

use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use portcullis_engine::{
    Host, IssuerUrl, KeySource, Profile, ProofId, ProofUse, TokenIssuer, sender_finding,
};
use portcullis_jose::{AwsLc, CryptoProvider, Jwks};
use portcullis_model::{ApiRequest, HeaderMap, Method, RequestUrl, Source};
use serde_json::{Value, json};

/// When the proofs were made.
const NOW: u64 = 1_800_000_000;
const TOKEN: &str = "DPoP opaque-access-token";
const URL: &str = "https://api.example.com/planets";

/// Thumbprints and proofs. The private keys were thrown away.
static SIGNED: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let signed: Value = serde_json::from_str(include_str!("../proofs.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entries = signed.as_array().unwrap().iter();
    let signed: Vec<_> = entries
        .map(|entry| (text(&entry["jkt"]), text(&entry["proof"])))
        .collect();
    for (jkt, proof) in &signed {
        // Otherwise that nothing else is a proof would prove nothing.
        assert!(holds(jkt, proof));
    }
    signed
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    check(text);
    if let Some(proof) = assembled(text) {
        check(&proof);
    }
});

fn check(proof: &str) {
    for (jkt, genuine) in SIGNED.iter() {
        assert_eq!(holds(jkt, proof), proof == genuine, "{proof}");
    }
}

/// The proof of a header, a payload and a third part that are given in the clear.
fn assembled(text: &str) -> Option<String> {
    let mut lines = text.splitn(3, '\n');
    let mut encoded = || Some(BASE64_URL_SAFE_NO_PAD.encode(lines.next()?));
    let (header, payload) = (encoded()?, encoded()?);
    let third = lines.next()?;
    let borrowed = third
        .parse()
        .ok()
        .and_then(|number: usize| SIGNED.get(number))
        .and_then(|(_, proof)| proof.rsplit('.').next());
    Some(format!("{header}.{payload}.{}", borrowed.unwrap_or(third)))
}

/// Whether a token that is bound to the key of that thumbprint is taken with that proof.
fn holds(jkt: &str, proof: &str) -> bool {
    let mut headers = HeaderMap::new();
    headers.append("Authorization", TOKEN).unwrap();
    if headers.append("DPoP", proof).is_err() {
        return false;
    }
    let request = ApiRequest {
        method: Method::get(),
        url: RequestUrl::parse(URL).unwrap(),
        http_version: "1.1".to_owned(),
        headers,
        source: Source::default(),
        client_certificate: None,
        body: None,
        entry: None,
    };
    let Value::Object(claims) = json!({ "cnf": { "jkt": jkt } }) else {
        unreachable!()
    };
    let issuer = IssuerUrl::parse("https://idp.example.com").unwrap();
    let issuer = TokenIssuer::new(issuer, Vec::new(), Profile::Rfc9068);
    sender_finding(&claims, &issuer, &request, &Forgetful, NOW).is_none()
}

/// A host that forgets the proofs it has seen.
struct Forgetful;

impl KeySource for Forgetful {
    fn keys(&self, _: &IssuerUrl) -> Option<Arc<Jwks>> {
        None
    }
}

impl Host for Forgetful {
    fn crypto(&self) -> &dyn CryptoProvider {
        &AwsLc
    }

    fn note_proof(&self, _: ProofId, _: u64, _: u64) -> ProofUse {
        ProofUse::First
    }
}
