//! Tokens: one was signed with each of three keys, and no other text verifies with any of them.
//!
//! An input is a token, or header, payload and third part on a line each, of which the first two
//! are encoded here; a third part of one digit stands for a signature that is genuine elsewhere.
//!
//! An ECDSA signature `(r, s)` has a twin `(r, n - s)` that verifies too (RFC 7515 says nothing
//! against it). It is another text for the same content, and no mutation of a text arrives there.
#![no_main]

use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use portcullis_jose::{AwsLc, CompactJws, Jwk, Jwks, MAX_JWS_BYTES, SymmetricKeys};
use serde_json::{Value, json};

/// The tokens with their keys, RS256, ES256 and Ed25519. The private keys were thrown away.
static SIGNED: LazyLock<Vec<(String, Jwk)>> = LazyLock::new(|| {
    let signed: Value = serde_json::from_str(include_str!("../signed.json")).unwrap();
    let entries = signed.as_array().unwrap().iter();
    let import = |jwk: &Value| {
        Jwk::from_json(jwk.to_string().as_bytes(), SymmetricKeys::Refuse, &AwsLc).unwrap()
    };
    let signed: Vec<_> = entries
        .map(|entry| {
            (
                entry["token"].as_str().unwrap().to_owned(),
                import(&entry["key"]),
            )
        })
        .collect();
    for (token, key) in &signed {
        // Otherwise that nothing else verifies would prove nothing.
        CompactJws::parse(token).unwrap().verify(key).unwrap();
    }
    signed
});

static KEYS: LazyLock<Jwks> = LazyLock::new(|| {
    let signed: Value = serde_json::from_str(include_str!("../signed.json")).unwrap();
    let entries = signed.as_array().unwrap().iter();
    let keys: Vec<_> = entries.map(|entry| entry["key"].clone()).collect();
    let set = json!({ "keys": keys }).to_string();
    Jwks::from_json(set.as_bytes(), SymmetricKeys::Refuse, &AwsLc).unwrap()
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    check(text);
    if let Some(token) = assembled(text) {
        check(&token);
    }
});

/// The token of a header, a payload and a third part that are given in the clear.
fn assembled(text: &str) -> Option<String> {
    let mut lines = text.splitn(3, '\n');
    let mut encoded = || Some(BASE64_URL_SAFE_NO_PAD.encode(lines.next()?));
    let (header, payload) = (encoded()?, encoded()?);
    let third = lines.next()?;
    let borrowed = third
        .parse()
        .ok()
        .and_then(|number: usize| SIGNED.get(number))
        .and_then(|(token, _)| token.rsplit('.').next());
    Some(format!("{header}.{payload}.{}", borrowed.unwrap_or(third)))
}

fn check(token: &str) {
    let Ok(jws) = CompactJws::parse(token) else {
        return;
    };
    assert!(token.len() <= MAX_JWS_BYTES);
    let (input, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(jws.signing_input(), input);
    assert!(!signature.is_empty());

    // What was read is what another reader reads.
    let (header, payload) = input.split_once('.').unwrap();
    let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
    let header: Value = serde_json::from_slice(&decode(header)).unwrap();
    let payload = decode(payload);
    assert_eq!(header.as_object(), Some(jws.header()));
    assert_eq!(
        serde_json::from_slice::<Value>(&payload)
            .unwrap()
            .as_object(),
        Some(jws.payload())
    );
    assert_eq!(header["alg"], jws.alg().as_str());
    assert_eq!(header.get("kid").and_then(Value::as_str), jws.kid());
    assert_eq!(header.get("typ").and_then(Value::as_str), jws.typ());
    assert!(header.get("crit").or(header.get("b64")).is_none());
    let octets = CompactJws::parse_octets(token).unwrap();
    assert_eq!(*octets.payload(), payload);

    for (signed, key) in SIGNED.iter() {
        assert_eq!(jws.verify(key).is_ok(), token == signed, "{token}");
        assert_eq!(octets.verify(key).is_ok(), token == signed, "{token}");
    }
    let genuine = SIGNED.iter().any(|(signed, _)| token == signed);
    assert_eq!(jws.verify_with(&KEYS).is_ok(), genuine, "{token}");
}
