//! What a JWK Set must be, what is skipped of it, and which key verifies a token.

use portcullis_jose::{
    Algorithm, AwsLc, JsonError, JwkError, Jwks, JwksError, KeySelectionError, KeyVerdict,
    MAX_JWKS_BYTES, MAX_KEYS, SymmetricKeys,
};
use serde_json::{Value, json};

use crate::issuer::{Issuer, base64url, import_set};
use crate::vectors::{published, read};

/// An Ed25519 key, a different one for each seed.
fn key(seed: u8, kid: &str) -> Value {
    let mut jwk = Issuer::with_seed(seed).jwk();
    jwk["kid"] = kid.into();
    jwk
}

fn without_kid(mut jwk: Value) -> Value {
    jwk.as_object_mut().unwrap().remove("kid");
    jwk
}

fn rsa() -> Value {
    published(&read("rfc7520-cookbook/jwk/3_3.rsa_public_key.json"))
}

#[test]
fn skips_and_reports_what_it_cannot_use() {
    let mut encryption = key(2, "encryption");
    encryption["use"] = "enc".into();
    let future = json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "future", "pub": "AA"});
    let mut disclosed = key(3, "disclosed");
    disclosed["d"] = "AQ".into();
    let set = json!({
        "issuer_note": "members that are not known are ignored",
        "keys": [encryption, key(1, "signing"), future, disclosed, 7],
    });
    let keys = import_set(&set).unwrap();
    assert_eq!(keys.keys().len(), 1);
    let report: Vec<_> = keys
        .skipped()
        .iter()
        .map(|skipped| {
            (
                skipped.index,
                skipped.kid.as_deref(),
                skipped.reason,
                skipped.verdict(),
            )
        })
        .collect();
    assert_eq!(
        report,
        [
            (
                0,
                Some("encryption"),
                JwkError::NotForSignatures,
                KeyVerdict::Unusable
            ),
            (
                2,
                Some("future"),
                JwkError::UnsupportedKeyType,
                KeyVerdict::Unusable
            ),
            (
                3,
                Some("disclosed"),
                JwkError::PrivateKey { member: "d" },
                KeyVerdict::Refused
            ),
            (
                4,
                None,
                JwkError::Json(JsonError::NotAnObject),
                KeyVerdict::Refused
            ),
        ]
    );
}

#[test]
fn a_set_without_usable_keys_verifies_nothing() {
    for set in [json!({"keys": []}), json!({"keys": [{"kty": "AKP"}]})] {
        let keys = import_set(&set).unwrap();
        assert!(keys.is_empty());
        let refusal = keys.find(None, Algorithm::EdDsa).unwrap_err();
        assert_eq!(refusal, KeySelectionError::NoKeyForAlgorithm);
    }
}

#[test]
fn a_set_has_keys_and_bounds() {
    for set in [
        json!({}),
        json!({"keys": {}}),
        json!({"keys": null}),
        json!({"KEYS": []}),
    ] {
        assert_eq!(
            import_set(&set).unwrap_err(),
            JwksError::KeysMissing,
            "{set}"
        );
    }
    let import = |text: &str| Jwks::from_json(text.as_bytes(), SymmetricKeys::Refuse, &AwsLc);
    for text in [
        "",
        "[]",
        "null",
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[]} x"#,
    ] {
        assert!(matches!(import(text), Err(JwksError::Json(_))), "{text}");
    }
    let twice = r#"{"keys":[{"kty":"AKP","kid":"a","kid":"b"}]}"#;
    assert_eq!(
        import(twice).unwrap_err(),
        JwksError::Json(JsonError::DuplicateMember)
    );

    let many = |count| json!({"keys": vec![json!({"kty": "AKP"}); count]});
    assert_eq!(
        import_set(&many(MAX_KEYS)).unwrap().skipped().len(),
        MAX_KEYS
    );
    assert_eq!(
        import_set(&many(MAX_KEYS + 1)).unwrap_err(),
        JwksError::TooManyKeys
    );
    let large = json!({"keys": [], "pad": "x".repeat(MAX_JWKS_BYTES)});
    assert_eq!(import_set(&large).unwrap_err(), JwksError::TooLarge);
}

#[test]
fn a_kid_names_one_key() {
    let set = json!({"keys": [key(1, "a"), key(2, "a")]});
    assert_eq!(import_set(&set).unwrap_err(), JwksError::DuplicateKid);

    let mut refused = key(2, "a");
    refused["d"] = "AQ".into();
    let set = json!({"keys": [key(1, "a"), refused]});
    assert_eq!(import_set(&set).unwrap_err(), JwksError::DuplicateKid);

    let mut encryption = key(2, "a");
    encryption["use"] = "enc".into();
    assert!(import_set(&json!({"keys": [key(1, "a"), encryption]})).is_ok());
    assert!(import_set(&json!({"keys": [key(1, "a"), key(2, "A")]})).is_ok());
}

#[test]
fn secrets_and_public_keys_do_not_mix() {
    let secret = json!({"kty": "oct", "kid": "secret", "k": base64url([7; 32])});
    let mixed = json!({"keys": [key(1, "a"), secret]}).to_string();
    for symmetric in [SymmetricKeys::Refuse, SymmetricKeys::AllowForTests] {
        let refusal = Jwks::from_json(mixed.as_bytes(), symmetric, &AwsLc).unwrap_err();
        assert_eq!(refusal, JwksError::MixedSymmetry);
    }
    let secrets = json!({"keys": [secret]});
    let keys = import_set(&secrets).unwrap();
    assert_eq!(keys.skipped()[0].reason, JwkError::SymmetricKey);
    assert_eq!(keys.skipped()[0].verdict(), KeyVerdict::Refused);
}

#[test]
fn a_kid_finds_its_key_and_no_other() {
    let keys = import_set(&json!({"keys": [key(1, "a"), key(2, "b"), rsa()]})).unwrap();
    assert_eq!(
        keys.find(Some("b"), Algorithm::EdDsa).unwrap().kid(),
        Some("b")
    );
    for kid in ["", "A", "a ", "c", "../a"] {
        let refusal = keys.find(Some(kid), Algorithm::EdDsa).unwrap_err();
        assert_eq!(refusal, KeySelectionError::UnknownKid, "{kid}");
    }
    let refusal = keys.find(Some("a"), Algorithm::Rs256).unwrap_err();
    assert_eq!(refusal, KeySelectionError::AlgorithmMismatch);
}

#[test]
fn without_a_kid_exactly_one_key_must_fit() {
    let keys = import_set(&json!({"keys": [key(1, "a"), rsa()]})).unwrap();
    assert_eq!(keys.find(None, Algorithm::EdDsa).unwrap().kid(), Some("a"));
    assert_eq!(
        keys.find(None, Algorithm::Es256).unwrap_err(),
        KeySelectionError::NoKeyForAlgorithm
    );
    let keys = import_set(&json!({"keys": [key(1, "a"), key(2, "b")]})).unwrap();
    assert_eq!(
        keys.find(None, Algorithm::EdDsa).unwrap_err(),
        KeySelectionError::Ambiguous
    );

    // A key without a name is only found without a name.
    let keys = import_set(&json!({"keys": [without_kid(key(1, "a"))]})).unwrap();
    assert!(keys.find(None, Algorithm::EdDsa).is_ok());
    assert_eq!(
        keys.find(Some("a"), Algorithm::EdDsa).unwrap_err(),
        KeySelectionError::UnknownKid
    );
}
