//! Every algorithm: what is signed verifies, what was changed or is for another algorithm does not.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _};
use portcullis_jose::{Algorithm, CompactJws, VerifyError};
use serde_json::{Value, json};

use crate::issuer::{CLAIMS, Issuer, base64url, import_with_secrets, signing_input, token};

type Sign = Box<dyn Fn(Algorithm, &[u8]) -> Vec<u8>>;

/// A key without `alg`, and how to sign with it.
fn ec(algorithm: &'static EcdsaSigningAlgorithm, crv: &str) -> (Value, Sign) {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let (x, y) = {
        let point = &pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        (base64url(x), base64url(y))
    };
    let jwk = json!({"kty": "EC", "crv": crv, "x": x, "y": y});
    let sign = move |_, message: &[u8]| {
        pair.sign(&SystemRandom::new(), message)
            .unwrap()
            .as_ref()
            .to_vec()
    };
    (jwk, Box::new(sign))
}

fn rsa() -> (Value, Sign) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let spki = pair.public_key().as_der().unwrap();
    // The last 270 bytes of the structure: a header, 256 bytes of modulus, the exponent 65537.
    let key = spki.as_ref();
    let modulus = &key[key.len() - 261..key.len() - 5];
    let jwk = json!({"kty": "RSA", "n": base64url(modulus), "e": "AQAB"});
    let sign = move |algorithm, message: &[u8]| {
        let encoding: &'static dyn signature::RsaEncoding = match algorithm {
            Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
            Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
            Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
            Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
            Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
            _ => &signature::RSA_PSS_SHA512,
        };
        let mut bytes = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), message, &mut bytes)
            .unwrap();
        bytes
    };
    (jwk, Box::new(sign))
}

fn oct() -> (Value, Sign) {
    let secret = [9; 64];
    let sign = move |algorithm, message: &[u8]| {
        let algorithm = match algorithm {
            Algorithm::Hs256 => hmac::HMAC_SHA256,
            Algorithm::Hs384 => hmac::HMAC_SHA384,
            _ => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, &secret), message)
            .as_ref()
            .to_vec()
    };
    (
        json!({"kty": "oct", "k": base64url(secret)}),
        Box::new(sign),
    )
}

#[test]
fn each_verifies_what_it_signed_and_nothing_else() {
    let keys = [
        rsa(),
        oct(),
        ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
        ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
        ec(&signature::ECDSA_P521_SHA512_FIXED_SIGNING, "P-521"),
        ec(&signature::ECDSA_P256K1_SHA256_FIXED_SIGNING, "secp256k1"),
    ];
    let mut seen = vec![Algorithm::EdDsa, Algorithm::Ed25519];
    for (jwk, sign) in keys {
        let key = import_with_secrets(&jwk).unwrap();
        for algorithm in key.algorithms() {
            seen.push(algorithm);
            let header = json!({"alg": algorithm.as_str()}).to_string();
            let mut bytes = sign(algorithm, signing_input(&header, CLAIMS).as_bytes());
            let good = token(&header, CLAIMS, &bytes);
            assert!(
                CompactJws::parse(&good).unwrap().verify(&key).is_ok(),
                "{algorithm}"
            );

            let others = token(&header, r#"{"sub":"mallory"}"#, &bytes);
            for tampered in [others, token(&header, CLAIMS, &bytes[1..])] {
                let refusal = CompactJws::parse(&tampered)
                    .unwrap()
                    .verify(&key)
                    .unwrap_err();
                assert_eq!(refusal, VerifyError::Signature, "{algorithm}");
            }
            bytes.push(0);
            let longer = token(&header, CLAIMS, &bytes);
            assert!(
                CompactJws::parse(&longer).unwrap().verify(&key).is_err(),
                "{algorithm}"
            );

            // The same key bound to another algorithm does not verify it.
            for other in key.algorithms().filter(|other| *other != algorithm) {
                let mut bound = jwk.clone();
                bound["alg"] = other.as_str().into();
                let bound = import_with_secrets(&bound).unwrap();
                assert_eq!(bound.algorithms().collect::<Vec<_>>(), [other]);
                let refusal = CompactJws::parse(&good)
                    .unwrap()
                    .verify(&bound)
                    .unwrap_err();
                assert_eq!(
                    refusal,
                    VerifyError::AlgorithmMismatch,
                    "{algorithm} as {other}"
                );
            }
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, Algorithm::ALL);
}

#[test]
fn ecdsa_signatures_in_der_are_refused() {
    let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y)});
    let header = r#"{"alg":"ES256"}"#;
    let input = signing_input(header, CLAIMS);
    let der = pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    let token = token(header, CLAIMS, der);
    let key = import_with_secrets(&jwk).unwrap();
    let refusal = CompactJws::parse(&token).unwrap().verify(&key).unwrap_err();
    assert_eq!(refusal, VerifyError::Signature);
}

#[test]
fn ed25519_has_two_names_and_a_bound_key_has_one() {
    let issuer = Issuer::new();
    for (name, other) in [("EdDSA", "Ed25519"), ("Ed25519", "EdDSA")] {
        let token = issuer.sign_header(&json!({"alg": name}));
        let jws = CompactJws::parse(&token).unwrap();
        assert!(jws.verify_with(&issuer.keys()).is_ok(), "{name}");

        let mut jwk = issuer.jwk();
        jwk["alg"] = name.into();
        assert!(
            jws.verify(&import_with_secrets(&jwk).unwrap()).is_ok(),
            "{name}"
        );
        jwk["alg"] = other.into();
        let refusal = jws.verify(&import_with_secrets(&jwk).unwrap()).unwrap_err();
        assert_eq!(refusal, VerifyError::AlgorithmMismatch, "{name}");
    }
}
