//! Keys and key sets: importing never panics, and what is imported is what it claims to be.
#![no_main]

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use portcullis_jose::{
    Algorithm, AwsLc, Jwk, Jwks, KeyVerdict, MAX_JWK_BYTES, MAX_JWKS_BYTES, MAX_KEYS,
    MAX_KID_BYTES, SymmetricKeys,
};
use serde_json::{Value, json};

/// Members that only a private key or a secret has (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

fuzz_target!(|data: &[u8]| {
    key(data);
    set(data, SymmetricKeys::Refuse);
    set(data, SymmetricKeys::AllowForTests);
    if let Some(jwk) = assembled(data) {
        key(jwk.to_string().as_bytes());
    }
});

/// A key of which the numbers are given in the clear, so that a mutation of them stays well-formed.
fn assembled(data: &[u8]) -> Option<Value> {
    let (kind, numbers) = data.split_first()?;
    let mut numbers = numbers.splitn(2, |byte| *byte == b'\n');
    let mut number = || Some(BASE64_URL_SAFE_NO_PAD.encode(numbers.next()?));
    Some(match kind {
        b'R' => json!({ "kty": "RSA", "e": number()?, "n": number()? }),
        b'E' => json!({ "kty": "EC", "crv": "P-256", "x": number()?, "y": number()? }),
        b'O' => json!({ "kty": "OKP", "crv": "Ed25519", "x": number()? }),
        b'S' => json!({ "kty": "oct", "k": number()? }),
        _ => return None,
    })
}

fn key(json: &[u8]) {
    let taken = Jwk::from_json(json, SymmetricKeys::Refuse, &AwsLc);
    let with_secrets = Jwk::from_json(json, SymmetricKeys::AllowForTests, &AwsLc);
    let Ok(key) = with_secrets else {
        assert!(taken.is_err(), "the stricter reader takes more");
        return;
    };
    assert!(json.len() <= MAX_JWK_BYTES);
    // Another reader sees the same object.
    let jwk: Value = serde_json::from_slice(json).unwrap();
    sane(&key, &jwk, SymmetricKeys::AllowForTests);
    match taken {
        Ok(taken) => {
            assert_eq!(taken.thumbprint(), key.thumbprint());
            sane(&taken, &jwk, SymmetricKeys::Refuse);
        }
        Err(_) => assert_eq!(jwk["kty"], "oct"),
    }
    // Neither the order of the members nor white space makes another key of it.
    let again = Jwk::from_json(
        jwk.to_string().as_bytes(),
        SymmetricKeys::AllowForTests,
        &AwsLc,
    );
    assert_eq!(again.unwrap().thumbprint(), key.thumbprint());
}

fn sane(key: &Jwk, jwk: &Value, symmetric: SymmetricKeys) {
    let algorithms: Vec<_> = key.algorithms().collect();
    assert!(!algorithms.is_empty());
    for algorithm in Algorithm::ALL {
        assert_eq!(key.fits(algorithm), algorithms.contains(&algorithm));
    }
    assert_eq!(key.kid(), jwk.get("kid").and_then(Value::as_str));
    assert!(key.kid().is_none_or(|kid| kid.len() <= MAX_KID_BYTES));
    assert!(jwk.get("use").is_none_or(|usage| usage == "sig"));
    if let Some(bound) = jwk.get("alg") {
        assert_eq!(algorithms.len(), 1);
        assert_eq!(bound, algorithms[0].as_str());
    }
    let symmetric_key = jwk["kty"] == "oct";
    assert!(
        algorithms
            .iter()
            .all(|algorithm| algorithm.is_symmetric() == symmetric_key)
    );
    assert!(!symmetric_key || symmetric == SymmetricKeys::AllowForTests);
    for member in PRIVATE {
        assert!(
            jwk.get(member).is_none() || (symmetric_key && member == "k"),
            "{member}"
        );
    }
    let bytes = |member: &str| {
        let text = jwk[member].as_str().unwrap();
        BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
    };
    match jwk["kty"].as_str().unwrap() {
        "RSA" => {
            let modulus = bytes("n");
            assert!((256..=1024).contains(&modulus.len()) && modulus[0] != 0);
            assert!(modulus.last().unwrap() % 2 == 1);
            assert!(bytes("e").len() <= 4 && bytes("e") != [1]);
        }
        "EC" => assert_eq!(bytes("x").len(), bytes("y").len()),
        "OKP" => assert_eq!(bytes("x").len(), 32),
        "oct" => assert!(bytes("k").len() >= 32),
        other => panic!("{other}"),
    }
}

fn set(json: &[u8], symmetric: SymmetricKeys) {
    let Ok(set) = Jwks::from_json(json, symmetric, &AwsLc) else {
        return;
    };
    assert!(json.len() <= MAX_JWKS_BYTES);
    let value: Value = serde_json::from_slice(json).unwrap();
    let entries = value["keys"].as_array().unwrap();
    assert_eq!(set.keys().len() + set.skipped().len(), entries.len());
    assert!(entries.len() <= MAX_KEYS);
    assert_eq!(set.is_empty(), set.keys().is_empty());
    let left_out: Vec<_> = set.skipped().iter().map(|skipped| skipped.index).collect();
    let used = entries
        .iter()
        .enumerate()
        .filter(|(index, _)| !left_out.contains(index));
    for (key, (_, jwk)) in set.keys().iter().zip(used) {
        sane(key, jwk, symmetric);
        let Some(kid) = key.kid() else { continue };
        for algorithm in Algorithm::ALL {
            match set.find(Some(kid), algorithm) {
                Ok(found) => {
                    assert_eq!(found.thumbprint(), key.thumbprint(), "two keys of one name");
                    assert!(key.fits(algorithm));
                }
                Err(_) => assert!(!key.fits(algorithm)),
            }
        }
    }
    // A name that a refused key bears as well is nobody's.
    for skipped in set.skipped() {
        if skipped.verdict() == KeyVerdict::Refused
            && let Some(kid) = &skipped.kid
        {
            assert!(set.keys().iter().all(|key| key.kid() != Some(kid)));
        }
    }
    for algorithm in Algorithm::ALL {
        let fitting = set.keys().iter().filter(|key| key.fits(algorithm)).count();
        assert_eq!(set.find(None, algorithm).is_ok(), fitting == 1);
    }
}
