//! What a single JWK must be: each refusal, by its own variant.

use portcullis_jose::{
    Algorithm, AlgorithmError, AwsLc, CryptoProvider, Jwk, JwkError, KeyMaterial, KeyRejected,
    KeyVerdict, MAX_JWK_BYTES, MAX_KID_BYTES, SymmetricKeys, VerifyingKey,
};
use serde_json::{Value, json};

use crate::issuer::{Issuer, base64url, import, import_with_secrets};
use crate::vectors::read;

/// The P-256 key of RFC 7515 appendix A.3.
fn ec() -> Value {
    read("rfc/rfc7515_appendix_a.json")["A3_ES256"]["jwk"].clone()
}

/// The RSA key of RFC 7515 appendix A.2.
fn rsa() -> Value {
    read("rfc/rfc7515_appendix_a.json")["A2_RS256"]["jwk"].clone()
}

fn with(mut jwk: Value, member: &str, value: impl Into<Value>) -> Value {
    jwk[member] = value.into();
    jwk
}

fn without(mut jwk: Value, member: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(member).unwrap();
    jwk
}

fn refusal(jwk: &Value) -> JwkError {
    import_with_secrets(jwk).unwrap_err()
}

#[test]
fn a_key_fits_the_algorithms_of_its_type_and_curve() {
    let algorithms = |jwk: &Value| import(jwk).unwrap().algorithms().collect::<Vec<_>>();
    assert_eq!(algorithms(&ec()), [Algorithm::Es256]);
    assert_eq!(algorithms(&rsa()).len(), 6);
    assert_eq!(algorithms(&with(rsa(), "alg", "PS384")), [Algorithm::Ps384]);
    assert_eq!(
        algorithms(&Issuer::new().jwk()),
        [Algorithm::EdDsa, Algorithm::Ed25519]
    );
}

#[test]
fn alg_must_fit_the_key() {
    for (jwk, alg) in [
        (ec(), "ES384"),
        (ec(), "RS256"),
        (ec(), "HS256"),
        (rsa(), "ES256"),
        (rsa(), "HS256"),
    ] {
        assert_eq!(
            refusal(&with(jwk, "alg", alg)),
            JwkError::AlgorithmMismatch,
            "{alg}"
        );
    }
    for alg in ["ES521", "A256GCM", "es256", "RSA-OAEP"] {
        let refused = refusal(&with(ec(), "alg", alg));
        assert_eq!(
            refused,
            JwkError::Algorithm(AlgorithmError::Unknown),
            "{alg}"
        );
        assert_eq!(refused.verdict(), KeyVerdict::Unusable);
    }
    let none = refusal(&with(ec(), "alg", "none"));
    assert_eq!(none, JwkError::Algorithm(AlgorithmError::None));
    assert_eq!(none.verdict(), KeyVerdict::Refused);
}

#[test]
fn use_must_be_sig() {
    assert!(import(&with(ec(), "use", "sig")).is_ok());
    for other in ["enc", "SIG", "", "sig "] {
        assert_eq!(
            refusal(&with(ec(), "use", other)),
            JwkError::NotForSignatures,
            "{other}"
        );
    }
}

#[test]
fn key_ops_must_be_about_verification() {
    for good in [json!(["verify"]), json!(["sign", "verify"])] {
        assert!(import(&with(ec(), "key_ops", good)).is_ok());
    }
    for (operations, expected) in [
        (json!([]), JwkError::NotForVerification),
        (json!(["sign"]), JwkError::NotForVerification),
        (json!(["Verify"]), JwkError::NotForVerification),
        (json!(["sign, verify"]), JwkError::NotForVerification),
        (json!(["encrypt", "decrypt"]), JwkError::NotForVerification),
        (json!(["verify", "verify"]), JwkError::DuplicateOperation),
        (json!(["encrypt", "encrypt"]), JwkError::DuplicateOperation),
        (json!(["verify", "encrypt"]), JwkError::UnrelatedOperations),
        (
            json!(["sign", "verify", "deriveKey"]),
            JwkError::UnrelatedOperations,
        ),
    ] {
        assert_eq!(
            refusal(&with(ec(), "key_ops", operations.clone())),
            expected,
            "{operations}"
        );
    }
    for wrong in [
        json!("verify"),
        json!(null),
        json!(["verify", 1]),
        json!({"verify": true}),
    ] {
        let refused = refusal(&with(ec(), "key_ops", wrong));
        assert!(matches!(
            refused,
            JwkError::MemberType {
                member: "key_ops",
                ..
            }
        ));
    }
}

#[test]
fn private_members_refuse_a_public_key() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        for (jwk, value) in [(ec(), json!("AQ")), (rsa(), json!(null))] {
            let refused = refusal(&with(jwk, member, value));
            assert_eq!(refused, JwkError::PrivateKey { member });
            assert_eq!(refused.verdict(), KeyVerdict::Refused);
        }
    }
    // Disclosed is worse than useless.
    let refused = refusal(&with(with(ec(), "use", "enc"), "d", "AQ"));
    assert_eq!(refused, JwkError::PrivateKey { member: "d" });
}

#[test]
fn members_have_their_types_and_are_there() {
    for member in ["kty", "n", "e"] {
        assert_eq!(
            refusal(&without(rsa(), member)),
            JwkError::MissingMember { member }
        );
    }
    for member in ["kty", "crv", "x", "y"] {
        assert_eq!(
            refusal(&without(ec(), member)),
            JwkError::MissingMember { member }
        );
    }
    for member in ["kty", "crv", "x", "y", "kid", "alg", "use"] {
        for wrong in [json!(null), json!(1), json!(["EC"]), json!({})] {
            let refused = refusal(&with(ec(), member, wrong));
            assert_eq!(
                refused,
                JwkError::MemberType {
                    member,
                    expected: "a string"
                }
            );
        }
    }
    for text in [
        "",
        "[]",
        "{",
        r#"{"kty":"EC","kty":"oct"}"#,
        r#"{"kty":"EC"}{}"#,
    ] {
        let refused = Jwk::from_json(text.as_bytes(), SymmetricKeys::Refuse, &AwsLc).unwrap_err();
        assert!(matches!(refused, JwkError::Json(_)), "{text}");
    }
    let long = with(ec(), "x5c", "A".repeat(MAX_JWK_BYTES));
    assert_eq!(refusal(&long), JwkError::TooLarge);
    assert!(import(&with(ec(), "kid", "k".repeat(MAX_KID_BYTES))).is_ok());
    assert_eq!(
        refusal(&with(ec(), "kid", "k".repeat(MAX_KID_BYTES + 1))),
        JwkError::KidTooLong
    );
}

#[test]
fn unknown_types_and_curves_are_unusable() {
    for (jwk, expected) in [
        (with(ec(), "kty", "AKP"), JwkError::UnsupportedKeyType),
        (with(ec(), "kty", "ec"), JwkError::UnsupportedKeyType),
        (with(ec(), "crv", "P-192"), JwkError::UnsupportedCurve),
        (with(ec(), "crv", "p-256"), JwkError::UnsupportedCurve),
        (
            with(Issuer::new().jwk(), "crv", "Ed448"),
            JwkError::UnsupportedCurve,
        ),
        (
            with(Issuer::new().jwk(), "crv", "X25519"),
            JwkError::UnsupportedCurve,
        ),
    ] {
        assert_eq!(refusal(&jwk), expected);
        assert_eq!(expected.verdict(), KeyVerdict::Unusable);
    }
}

#[test]
fn numbers_are_canonical() {
    let n = rsa()["n"].as_str().unwrap().to_owned();
    for spoiled in [
        format!("{n}="),
        format!(" {n}"),
        n.replace('-', "+"),
        format!("{n}\n"),
    ] {
        assert_eq!(
            refusal(&with(rsa(), "n", spoiled)),
            JwkError::Base64 { member: "n" }
        );
    }
    assert_eq!(
        refusal(&with(rsa(), "n", "")),
        JwkError::LeadingZero { member: "n" }
    );
    for e in ["", "AA", "AAEAAQ"] {
        assert_eq!(
            refusal(&with(rsa(), "e", e)),
            JwkError::LeadingZero { member: "e" }
        );
    }
    for e in ["AQ", "Ag", "BA", "AQAAAAE"] {
        assert_eq!(refusal(&with(rsa(), "e", e)), JwkError::RsaExponent, "{e}");
    }
}

#[test]
fn points_are_on_their_curve() {
    let swapped = with(with(ec(), "x", ec()["y"].clone()), "y", ec()["x"].clone());
    assert_eq!(refusal(&swapped), JwkError::InvalidKey);
    let zero = base64url([0; 32]);
    let origin = with(with(ec(), "x", zero.clone()), "y", zero);
    assert_eq!(refusal(&origin), JwkError::InvalidKey);
    assert_eq!(
        refusal(&with(ec(), "crv", "secp256k1")),
        JwkError::InvalidKey
    );
    assert_eq!(
        refusal(&with(ec(), "crv", "P-384")),
        JwkError::CoordinateLength {
            member: "x",
            expected: 48
        }
    );
    let short = base64url([1; 31]);
    assert_eq!(
        refusal(&with(ec(), "y", short)),
        JwkError::CoordinateLength {
            member: "y",
            expected: 32
        }
    );
}

#[test]
fn ed25519_points_of_small_order_are_refused() {
    let okp = |bytes: [u8; 32]| with(Issuer::new().jwk(), "x", base64url(bytes));
    let little_endian = |low: u8, rest: u8, high: u8| {
        let mut y = [rest; 32];
        y[0] = low;
        y[31] = high;
        y
    };
    for y in [
        little_endian(0, 0, 0),
        little_endian(1, 0, 0),
        little_endian(1, 0, 0x80),
        little_endian(0xec, 0xff, 0x7f),
        little_endian(0xed, 0xff, 0x7f),
        little_endian(0xee, 0xff, 0xff),
        little_endian(0xff, 0xff, 0xff),
    ] {
        assert_eq!(refusal(&okp(y)), JwkError::InvalidKey, "{y:?}");
    }
    assert_eq!(
        refusal(&with(Issuer::new().jwk(), "x", "AQ")),
        JwkError::CoordinateLength {
            member: "x",
            expected: 32
        }
    );
}

#[test]
fn secrets_are_for_tests_only_and_long_enough() {
    let oct = |length: usize| json!({"kty": "oct", "k": base64url(vec![7; length])});
    assert_eq!(import(&oct(64)).unwrap_err(), JwkError::SymmetricKey);
    let algorithms = |jwk: &Value| {
        import_with_secrets(jwk)
            .unwrap()
            .algorithms()
            .collect::<Vec<_>>()
    };
    assert_eq!(algorithms(&oct(32)), [Algorithm::Hs256]);
    assert_eq!(algorithms(&oct(48)), [Algorithm::Hs256, Algorithm::Hs384]);
    assert_eq!(algorithms(&oct(64)).len(), 3);
    assert_eq!(refusal(&oct(31)), JwkError::SecretTooShort);
    assert_eq!(refusal(&oct(0)), JwkError::SecretTooShort);
    assert_eq!(refusal(&oct(1025)), JwkError::SecretTooLong);
    assert_eq!(
        refusal(&with(oct(32), "alg", "HS384")),
        JwkError::SecretTooShort
    );
    assert_eq!(
        refusal(&with(oct(32), "alg", "RS256")),
        JwkError::AlgorithmMismatch
    );
}

/// A host that has ES256 and nothing else.
struct OnlyEs256;

impl CryptoProvider for OnlyEs256 {
    fn prepare(
        &self,
        algorithm: Algorithm,
        key: &KeyMaterial<'_>,
    ) -> Result<Box<dyn VerifyingKey>, KeyRejected> {
        match algorithm {
            Algorithm::Es256 => AwsLc.prepare(algorithm, key),
            _ => Err(KeyRejected::UnsupportedAlgorithm),
        }
    }

    fn sha256(&self, message: &[u8]) -> [u8; 32] {
        AwsLc.sha256(message)
    }

    fn hmac_sha256(&self, key: &[u8], message: &[u8]) -> [u8; 32] {
        AwsLc.hmac_sha256(key, message)
    }
}

#[test]
fn a_provider_may_implement_fewer_algorithms() {
    let import = |jwk: &Value| {
        Jwk::from_json(
            jwk.to_string().as_bytes(),
            SymmetricKeys::Refuse,
            &OnlyEs256,
        )
    };
    assert!(import(&ec()).unwrap().fits(Algorithm::Es256));
    let refused = import(&rsa()).unwrap_err();
    assert_eq!(refused, JwkError::NotImplemented);
    assert_eq!(refused.verdict(), KeyVerdict::Unusable);
}
