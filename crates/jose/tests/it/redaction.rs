//! Nothing that is printed, as a message or as `Debug`, shows a token or a key.

use std::error::Error;

use portcullis_jose::{AwsLc, CompactJws, Jwks, SymmetricKeys};
use serde_json::json;

use crate::issuer::{CLAIMS, Issuer, base64url, import_set, import_with_secrets, token};

const SECRET: &str = "cafebabe-in-the-token";

fn assert_redacted(printed: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!printed.contains(secret), "{printed:?} shows {secret:?}");
    }
}

/// Everything that an error and its causes print.
fn printed(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |cause| (*cause).source());
    causes
        .map(|cause| format!("{cause} {cause:?}"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn tokens_are_not_printed() {
    let issuer = Issuer::new();
    let payload = json!({"sub": SECRET}).to_string();
    let good = issuer.sign(&json!({"alg": "EdDSA", "x": SECRET}).to_string(), &payload);
    let keys = issuer.keys();
    let jws = CompactJws::parse(&good).unwrap();
    let verified = jws.verify_with(&keys).unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    for printed in [
        format!("{jws:?}"),
        format!("{jws:#?}"),
        format!("{verified:?}"),
    ] {
        assert_redacted(&printed, &[SECRET, parts[0], parts[1], parts[2]]);
    }
}

#[test]
fn refusals_do_not_repeat_the_token() {
    let refused = [
        SECRET.to_owned(),
        format!("{SECRET}.{SECRET}.{SECRET}"),
        format!("{{\"payload\":\"{SECRET}\"}}"),
        token(&json!({"alg": SECRET}).to_string(), CLAIMS, SECRET),
        token(&json!({"alg": [SECRET]}).to_string(), CLAIMS, SECRET),
        token(
            &json!({"alg": "EdDSA", "crit": [SECRET]}).to_string(),
            CLAIMS,
            SECRET,
        ),
        token(&format!(r#"{{"{SECRET}":1,"{SECRET}":2}}"#), CLAIMS, SECRET),
        token(r#"{"alg":"EdDSA"}"#, &format!("\"{SECRET}\""), SECRET),
        token(r#"{"alg":"EdDSA"}"#, SECRET, SECRET),
    ];
    for token in refused {
        let error = CompactJws::parse(&token).unwrap_err();
        assert_redacted(&printed(&error), &[SECRET]);
        assert!(error.reference().starts_with("RFC "), "{error:?}");
    }
    let keys = Issuer::new().keys();
    for header in [
        json!({"alg": "EdDSA", "kid": SECRET}),
        json!({"alg": "RS256", "kid": SECRET}),
        json!({"alg": "RS256"}),
        json!({"alg": "EdDSA", "typ": SECRET}),
    ] {
        let token = token(
            &header.to_string(),
            &json!({"sub": SECRET}).to_string(),
            SECRET,
        );
        let error = CompactJws::parse(&token)
            .unwrap()
            .verify_with(&keys)
            .unwrap_err();
        assert_redacted(&printed(&error), &[SECRET]);
        assert!(error.reference().starts_with("RFC "), "{error:?}");
    }
}

#[test]
fn keys_are_not_printed() {
    let issuer = Issuer::new();
    let x = issuer.jwk()["x"].as_str().unwrap().to_owned();
    let secret = base64url([0x5a; 32]);
    let symmetric = import_with_secrets(&json!({"kty": "oct", "k": secret})).unwrap();
    let thumbprint = symmetric.thumbprint().to_string();
    let shown = format!(
        "{:?} {symmetric:?} {:?}",
        issuer.keys(),
        symmetric.thumbprint()
    );
    assert_redacted(&shown, &[&x, &secret, &thumbprint, "90, 90"]);

    let mut disclosed = issuer.jwk();
    disclosed["d"] = SECRET.into();
    let keys = import_set(&json!({"keys": [disclosed, {"kty": SECRET}, SECRET]})).unwrap();
    assert_redacted(&format!("{keys:?}"), &[&x, SECRET]);
    for skipped in keys.skipped() {
        assert_redacted(&printed(&skipped.reason), &[&x, SECRET]);
        assert!(skipped.reason.reference().starts_with("RFC "));
    }
    let broken = Jwks::from_json(SECRET.as_bytes(), SymmetricKeys::Refuse, &AwsLc).unwrap_err();
    assert_redacted(&printed(&broken), &[SECRET]);
}
