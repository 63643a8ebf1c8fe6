//! The examples of the specifications: RFC 7515 appendix A, RFC 7520 section 4, RFC 7638 section
//! 3.1, RFC 7797 section 4, RFC 8037 appendix A and RFC 9449.

use portcullis_jose::{Algorithm, AwsLc, CompactJws, Jwk, JwsError, SymmetricKeys, VerifyError};
use serde_json::{Value, json};

use crate::issuer::{import, import_with_secrets};
use crate::vectors::{published, read, text};

#[test]
fn rfc7515_appendix_a() {
    let examples = read("rfc/rfc7515_appendix_a.json");
    for (name, algorithm) in [
        ("A1_HS256", Algorithm::Hs256),
        ("A2_RS256", Algorithm::Rs256),
        ("A3_ES256", Algorithm::Es256),
    ] {
        let key = import_with_secrets(&examples[name]["jwk"]).unwrap();
        let jws = CompactJws::parse(text(&examples[name], "/jws")).unwrap();
        let verified = jws.verify(&key).unwrap();
        assert_eq!(verified.alg(), algorithm);
        assert_eq!(verified.payload()["iss"], "joe");
        assert_eq!(verified.payload()["exp"], 1_300_819_380);
    }
}

#[test]
fn rfc7520_compact_examples_verify() {
    for file in [
        "4_1.rsa_v15_signature",
        "4_2.rsa-pss_signature",
        "4_3.ecdsa_signature",
        "4_4.hmac-sha2_integrity_protection",
    ] {
        let example = read(&format!("rfc7520-cookbook/jws/{file}.json"));
        let key = import_with_secrets(&published(&example["input"]["key"])).unwrap();
        let jws = CompactJws::parse_octets(text(&example, "/output/compact")).unwrap();
        let verified = jws.verify(&key).unwrap();
        assert_eq!(
            verified.payload(),
            text(&example, "/input/payload").as_bytes(),
            "{file}"
        );
        assert_eq!(
            verified.alg().as_str(),
            text(&example, "/input/alg"),
            "{file}"
        );
        assert_eq!(verified.kid(), key.kid(), "{file}");
        assert_eq!(
            jws.signing_input(),
            text(&example, "/signing/sig-input"),
            "{file}"
        );
        assert_eq!(
            CompactJws::parse(text(&example, "/output/compact"))
                .unwrap_err()
                .reference(),
            "RFC 8259 section 2",
            "{file}: prose is not a claims set"
        );
    }
}

#[test]
fn rfc7520_detached_content_is_refused() {
    let example = read("rfc7520-cookbook/jws/4_5.signature_with_detached_content.json");
    let key = import_with_secrets(&example["input"]["key"]).unwrap();
    let token = text(&example, "/output/compact");
    assert!(CompactJws::parse(token).is_err());
    let jws = CompactJws::parse_octets(token).unwrap();
    assert_eq!(jws.verify(&key).unwrap_err(), VerifyError::Signature);
}

#[test]
fn rfc7520_json_serializations_are_refused() {
    for file in [
        "4_1.rsa_v15_signature",
        "4_2.rsa-pss_signature",
        "4_3.ecdsa_signature",
        "4_4.hmac-sha2_integrity_protection",
        "4_5.signature_with_detached_content",
        "4_6.protecting_specific_header_fields",
        "4_7.protecting_content_only",
        "4_8.multiple_signatures",
    ] {
        let example = read(&format!("rfc7520-cookbook/jws/{file}.json"));
        for form in ["json", "json_flat"] {
            let serialization = &example["output"][form];
            if serialization.is_null() {
                continue;
            }
            for token in [serialization.to_string(), format!("{serialization:#}")] {
                let refusal = CompactJws::parse_octets(&token).unwrap_err();
                assert_eq!(refusal, JwsError::JsonSerialization, "{file} {form}");
            }
        }
    }
}

#[test]
fn rfc7520_private_keys_are_refused_and_public_ones_taken() {
    let key = |file: &str| read(&format!("rfc7520-cookbook/jwk/{file}.json"));
    for file in ["3_1.ec_public_key", "3_3.rsa_public_key"] {
        assert!(import(&key(file)).is_ok(), "{file}");
    }
    for file in [
        "3_2.ec_private_key",
        "3_4.rsa_private_key",
        "3_5.symmetric_key_mac_computation",
    ] {
        assert!(import(&key(file)).is_err(), "{file}");
    }
    assert!(import_with_secrets(&key("3_6.symmetric_key_encryption")).is_err());
}

#[test]
fn rfc7797_unencoded_payloads_are_refused() {
    let example = read("rfc7520-cookbook/rfc7797/hmac-sha2_b64_false.json");
    let token = text(&example, "/output/compact");
    assert_eq!(
        CompactJws::parse_octets(token).unwrap_err(),
        JwsError::UnencodedPayload
    );

    // The payload "$.02" has a full stop, so there is no compact form; made into one by hand:
    let example = read("rfc7520-cookbook/rfc7797/4.2.hmac-sha2_b64_false.json");
    for parts in [
        [
            text(&example, "/signing/protected_b64u"),
            "JC4wMg",
            text(&example, "/signing/sig"),
        ],
        [
            text(&example, "/output/json_flat/protected"),
            "",
            text(&example, "/signing/sig"),
        ],
    ] {
        let token = parts.join(".");
        assert_eq!(
            CompactJws::parse_octets(&token).unwrap_err(),
            JwsError::UnencodedPayload
        );
    }
}

#[test]
fn rfc8037_appendix_a() {
    let example = read("rfc7520-cookbook/curve25519/jws.json");
    let key = import(&published(&example["input"]["key"])).unwrap();
    let jws = CompactJws::parse_octets(text(&example, "/output/compact")).unwrap();
    assert_eq!(
        jws.verify(&key).unwrap().payload(),
        b"Example of Ed25519 signing"
    );
    assert!(
        key.thumbprint()
            .matches("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
    );

    let encryption = read("rfc7520-cookbook/curve25519/ecdh-es.json");
    if let Some(token) = encryption
        .pointer("/output/compact")
        .and_then(Value::as_str)
    {
        assert_eq!(
            CompactJws::parse_octets(token).unwrap_err(),
            JwsError::Encrypted
        );
    }
}

#[test]
fn rfc9449_proofs_verify_with_the_key_they_carry() {
    let example = read("rfc/rfc9449_dpop.json");
    for proof in ["token_endpoint_proof", "resource_proof"] {
        let jws = CompactJws::parse(text(&example, &format!("/{proof}/jwt"))).unwrap();
        let jwk = jws.header()["jwk"].as_object().unwrap();
        let key = Jwk::from_object(jwk, SymmetricKeys::Refuse, &AwsLc).unwrap();
        let verified = jws.verify(&key).unwrap();
        assert_eq!(verified.typ(), Some("dpop+jwt"));
        assert_eq!(verified.payload()["jti"], example[proof]["jti"]);
        assert_eq!(
            verified.key().thumbprint().to_string(),
            text(&example, "/jkt")
        );
    }
}

#[test]
fn rfc7638_section_3_1() {
    let key = import(&json!({
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6\
              tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5\
              v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD0\
              8qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU\
              8awapJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29"
    }))
    .unwrap();
    assert_eq!(
        key.thumbprint().to_string(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
    assert!(
        !key.thumbprint()
            .matches("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xt")
    );
    assert!(!key.thumbprint().matches(""));
}
