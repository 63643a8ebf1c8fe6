//! Known attacks on token verifiers, by the name under which they are known: the playbook of
//! `jwt_tool`, the laboratories of `PortSwigger` and the CVEs behind them. Those that are about
//! claims (audience, issuer, time, replay elsewhere) are tested where claims are checked.

use portcullis_jose::{
    AlgorithmError, CompactJws, JwkError, JwsError, KeySelectionError, VerifyError,
};
use serde_json::{Value, json};

use crate::issuer::{CLAIMS, Issuer, KID, base64url, hs256, import, import_set, token};
use crate::vectors::{read, text};

const ADMIN: &str = r#"{"sub":"administrator"}"#;

/// Why `token` does not get past an issuer with one Ed25519 key.
fn denied(token: &str) -> Denied {
    let keys = Issuer::new().keys();
    match CompactJws::parse(token) {
        Err(error) => Denied::Parse(error),
        Ok(jws) => Denied::Verify(jws.verify_with(&keys).unwrap_err()),
    }
}

#[derive(Debug, PartialEq)]
enum Denied {
    Parse(JwsError),
    Verify(VerifyError),
}

fn unsigned(header: &Value, payload: &str) -> String {
    token(&header.to_string(), payload, "")
}

#[test]
fn jwt_tool_no_token() {
    assert_eq!(denied(""), Denied::Parse(JwsError::PartCount));
}

#[test]
fn jwt_tool_broken_signature() {
    let header = json!({"alg": "EdDSA", "kid": KID}).to_string();
    let good = Issuer::new().sign(&header, CLAIMS);
    let (start, signature) = good.rsplit_once('.').unwrap();
    // 80 characters are 60 whole bytes.
    for broken in [
        &signature[..80],
        "AAAA",
        &base64url([0; 64]),
        &base64url([0; 65]),
    ] {
        let broken = format!("{start}.{broken}");
        assert_eq!(
            denied(&broken),
            Denied::Verify(VerifyError::Signature),
            "{broken}"
        );
    }
}

#[test]
fn portswigger_unverified_signature() {
    let header = json!({"alg": "EdDSA", "kid": KID}).to_string();
    let good = Issuer::new().sign(&header, CLAIMS);
    let (_, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{}.{}.{signature}", base64url(&header), base64url(ADMIN));
    assert_eq!(denied(&forged), Denied::Verify(VerifyError::Signature));
}

#[test]
fn cve_2020_28042_null_signature() {
    let token = unsigned(&json!({"alg": "EdDSA", "kid": KID}), ADMIN);
    assert_eq!(denied(&token), Denied::Parse(JwsError::MissingSignature));
}

#[test]
fn cve_2015_2951_and_portswigger_alg_none() {
    let signature = Issuer::new().token().rsplit_once('.').unwrap().1.to_owned();
    for name in ["none", "None", "NONE", "nOnE"] {
        let bare = unsigned(&json!({"alg": name}), ADMIN);
        let expected = || Denied::Parse(JwsError::Algorithm(AlgorithmError::None));
        assert_eq!(denied(&bare), expected(), "{name}");
        assert_eq!(
            denied(&format!("{bare}{signature}")),
            expected(),
            "{name} with a signature"
        );
        assert_eq!(
            denied(bare.trim_end_matches('.')),
            Denied::Parse(JwsError::PartCount)
        );
    }
}

#[test]
fn cve_2016_10555_and_portswigger_algorithm_confusion() {
    // The attacker makes a code with the published key as the secret, in every form it comes in.
    let keys = read("okta-sample/keys.json");
    let published = import_set(&keys).unwrap();
    let jwk = &keys["keys"][0];
    let modulus = text(jwk, "/n");
    let header = json!({"alg": "HS256", "kid": jwk["kid"]}).to_string();
    for secret in [
        jwk.to_string(),
        format!("{jwk:#}"),
        keys.to_string(),
        modulus.to_owned(),
        format!("-----BEGIN PUBLIC KEY-----\n{modulus}\n-----END PUBLIC KEY-----\n"),
        format!("-----BEGIN RSA PUBLIC KEY-----\n{modulus}\n-----END RSA PUBLIC KEY-----"),
    ] {
        let forged = hs256(&header, ADMIN, secret.as_bytes());
        let jws = CompactJws::parse(&forged).unwrap();
        let refusal = jws.verify_with(&published).unwrap_err();
        assert_eq!(refusal, KeySelectionError::AlgorithmMismatch.into());
        let refusal = jws.verify(&published.keys()[0]).unwrap_err();
        assert_eq!(
            refusal,
            VerifyError::AlgorithmMismatch,
            "nor with the key chosen by hand"
        );
    }
    let header = json!({"alg": "HS256"}).to_string();
    let forged = hs256(&header, ADMIN, modulus.as_bytes());
    let refusal = CompactJws::parse(&forged)
        .unwrap()
        .verify_with(&published)
        .unwrap_err();
    assert_eq!(refusal, KeySelectionError::NoKeyForAlgorithm.into());
}

#[test]
fn portswigger_algorithm_confusion_without_an_exposed_key() {
    // The modulus was computed from two signatures; the code is as useless as with the real thing.
    let forged = hs256(
        &json!({"alg": "HS256", "kid": KID}).to_string(),
        ADMIN,
        b"derived",
    );
    assert_eq!(
        denied(&forged),
        Denied::Verify(KeySelectionError::AlgorithmMismatch.into())
    );
}

#[test]
fn cve_2019_20933_and_2020_28637_blank_password() {
    let forged = hs256(&json!({"alg": "HS256"}).to_string(), ADMIN, b"");
    assert_eq!(
        denied(&forged),
        Denied::Verify(KeySelectionError::NoKeyForAlgorithm.into())
    );
    let blank = json!({"kty": "oct", "kid": KID, "k": ""});
    assert_eq!(import(&blank).unwrap_err(), JwkError::SymmetricKey);
}

#[test]
fn jwt_tool_and_portswigger_weak_secrets() {
    for secret in [
        "secret",
        "password",
        "123456",
        "secret1",
        "your-256-bit-secret",
    ] {
        let forged = hs256(
            &json!({"alg": "HS256", "kid": KID}).to_string(),
            ADMIN,
            secret.as_bytes(),
        );
        assert_eq!(
            denied(&forged),
            Denied::Verify(KeySelectionError::AlgorithmMismatch.into())
        );
        let jwk = json!({"kty": "oct", "kid": KID, "k": base64url(secret)});
        let keys = import_set(&json!({"keys": [jwk]})).unwrap();
        assert!(
            CompactJws::parse(&forged)
                .unwrap()
                .verify_with(&keys)
                .is_err()
        );
    }
}

#[test]
fn cve_2018_0114_and_portswigger_embedded_jwk() {
    let mallory = Issuer::with_seed(66);
    let mut jwk = mallory.jwk();
    for kid in [json!("mallory"), json!(KID)] {
        jwk["kid"] = kid.clone();
        let forged = mallory.sign(
            &json!({"alg": "EdDSA", "kid": kid, "jwk": jwk}).to_string(),
            ADMIN,
        );
        assert!(matches!(denied(&forged), Denied::Verify(_)), "{kid}");
    }
    let forged = mallory.sign(&json!({"alg": "EdDSA", "jwk": jwk}).to_string(), ADMIN);
    assert_eq!(denied(&forged), Denied::Verify(VerifyError::Signature));
}

#[test]
fn portswigger_jku_and_x5u_injection() {
    // There is nothing here that could fetch: the crate has no dependency that opens a socket.
    let mallory = Issuer::with_seed(66);
    for member in ["jku", "x5u", "x5c", "iss", "url"] {
        for value in [
            json!("https://mallory.example/jwks.json"),
            json!("http://169.254.169.254/latest/meta-data/"),
            json!("file:///dev/null"),
            json!(["MIIB"]),
        ] {
            let header = json!({"alg": "EdDSA", "kid": KID, member: value});
            let forged = mallory.sign(&header.to_string(), ADMIN);
            assert_eq!(
                denied(&forged),
                Denied::Verify(VerifyError::Signature),
                "{header}"
            );
        }
    }
}

#[test]
fn jwt_tool_and_portswigger_kid_tricks() {
    for kid in [
        "",
        "../../../../../../dev/null",
        "../../dev/null",
        "/dev/null",
        "/invalid_path",
        "|sleep 10",
        "x' UNION SELECT '1';--",
        "issuer-2026\u{0}",
        "issuer-2026 ",
        "ISSUER-2026",
        "https://mallory.example/keys#issuer-2026",
    ] {
        let header = json!({"alg": "HS256", "kid": kid}).to_string();
        for secret in [&b""[..], &[0], b"1"] {
            let forged = hs256(&header, ADMIN, secret);
            assert_eq!(
                denied(&forged),
                Denied::Verify(KeySelectionError::UnknownKid.into())
            );
        }
        let header = json!({"alg": "EdDSA", "kid": kid}).to_string();
        let right_key_wrong_name = Issuer::new().sign(&header, ADMIN);
        assert_eq!(
            denied(&right_key_wrong_name),
            Denied::Verify(KeySelectionError::UnknownKid.into()),
            "{kid}"
        );
    }
}

#[test]
fn jwt_tool_error_fuzz() {
    for member in [
        "alg", "kid", "typ", "cty", "crit", "b64", "jku", "jwk", "x5u", "x5c",
    ] {
        for value in [
            json!(null),
            json!(true),
            json!(false),
            json!("jwt_tool"),
            json!(0),
        ] {
            let mut header = json!({"alg": "EdDSA", "kid": KID});
            header[member] = value;
            let forged = Issuer::with_seed(66).sign(&header.to_string(), ADMIN);
            let _ = denied(&forged);
        }
    }
}

#[test]
fn key_resolution_poisoning() {
    // Another issuer publishes its own key under this issuer's name for its key.
    let mallory = Issuer::with_seed(66);
    let forged = mallory.sign(&json!({"alg": "EdDSA", "kid": KID}).to_string(), ADMIN);
    assert!(
        CompactJws::parse(&forged)
            .unwrap()
            .verify_with(&mallory.keys())
            .is_ok()
    );
    assert_eq!(denied(&forged), Denied::Verify(VerifyError::Signature));
    // And it cannot be slipped into the same set.
    let both = json!({"keys": [Issuer::new().jwk(), mallory.jwk()]});
    assert!(import_set(&both).is_err());
}

#[test]
fn cve_2022_21449_psychic_signatures() {
    let jwk = read("rfc/rfc7515_appendix_a.json")["A3_ES256"]["jwk"].clone();
    let key = import(&jwk).unwrap();
    let order = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    for (r, s) in [
        ([0; 32], [0; 32]),
        (order, order),
        ([0; 32], order),
        (order, [0; 32]),
    ] {
        let forged = token(r#"{"alg":"ES256"}"#, ADMIN, [r, s].concat());
        let refusal = CompactJws::parse(&forged)
            .unwrap()
            .verify(&key)
            .unwrap_err();
        assert_eq!(refusal, VerifyError::Signature);
    }
}

#[test]
fn polyglot_tokens() {
    // Text that one reader takes for the JSON serialization and another for a compact token.
    let good = Issuer::new().token();
    let (protected, rest) = good.split_once('.').unwrap();
    let polyglot = format!(r#"{{"protected":"{protected}","a":".{rest}","#);
    assert_eq!(
        denied(&polyglot),
        Denied::Parse(JwsError::JsonSerialization)
    );
}
