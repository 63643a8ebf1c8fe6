//! What the form and the header of a token must be: each refusal, by its own variant.

use portcullis_jose::{AlgorithmError, CompactJws, JsonError, JwsError, MAX_JWS_BYTES, Part};
use serde_json::json;

use crate::issuer::{CLAIMS, Issuer, KID, base64url, token};

fn refusal(token: &str) -> JwsError {
    CompactJws::parse(token).unwrap_err()
}

fn header_refusal(header: &str) -> JwsError {
    refusal(&token(header, CLAIMS, [1; 64]))
}

#[test]
fn shows_what_a_good_token_says() {
    let issuer = Issuer::new();
    let token = issuer.token();
    let jws = CompactJws::parse(&token).unwrap();
    assert_eq!(jws.kid(), Some(KID));
    assert_eq!(jws.typ(), Some("at+jwt"));
    assert_eq!(jws.alg().as_str(), "EdDSA");
    assert_eq!(jws.payload()["sub"], "amelie");
    assert_eq!(jws.signing_input(), token.rsplit_once('.').unwrap().0);
    let keys = issuer.keys();
    let verified = jws.verify_with(&keys).unwrap();
    assert_eq!((verified.kid(), verified.typ()), (jws.kid(), jws.typ()));
    assert_eq!(verified.payload(), jws.payload());
}

#[test]
fn a_token_has_three_parts() {
    let good = Issuer::new().token();
    for parts in ["", ".", "a", "a.b", "a.b.c.d", "a.b.c.d.e.f", "......"] {
        assert_eq!(refusal(parts), JwsError::PartCount, "{parts}");
    }
    assert_eq!(refusal(&format!("{good}.")), JwsError::PartCount);
    assert_eq!(refusal(&format!("{good}..")), JwsError::Encrypted);
    assert_eq!(refusal("eyJhbGciOiJkaXIifQ..a.b.c"), JwsError::Encrypted);
    for json in ["{}", "{", " \n{\"payload\":\"a.b.c\"}"] {
        assert_eq!(refusal(json), JwsError::JsonSerialization, "{json}");
    }
}

#[test]
fn a_token_is_bounded() {
    let payload = json!({"pad": "x".repeat(MAX_JWS_BYTES)}).to_string();
    assert_eq!(
        refusal(&Issuer::new().sign(r#"{"alg":"EdDSA"}"#, &payload)),
        JwsError::TooLarge
    );
    assert_eq!(refusal(&"a".repeat(MAX_JWS_BYTES + 1)), JwsError::TooLarge);
    assert_eq!(refusal(&"a".repeat(MAX_JWS_BYTES)), JwsError::PartCount);

    let deep = format!("{}1{}", r#"{"a":"#.repeat(17), "}".repeat(17));
    let many = format!(r#"{{"a":[{}1]}}"#, "1,".repeat(2047));
    for (payload, error) in [
        (deep, JsonError::TooDeep(16)),
        (many, JsonError::TooManyValues(2048)),
    ] {
        let token = token(r#"{"alg":"EdDSA"}"#, &payload, [1; 64]);
        assert_eq!(refusal(&token), JwsError::PayloadJson(error));
    }
    assert_eq!(
        header_refusal(&format!(
            r#"{{"alg":"EdDSA","x":{}{}}}"#,
            "[".repeat(8),
            "]".repeat(8)
        )),
        JwsError::HeaderJson(JsonError::TooDeep(8))
    );
    let many = format!(r#"{{"alg":"EdDSA","x":[{}1]}}"#, "1,".repeat(64));
    assert_eq!(
        header_refusal(&many),
        JwsError::HeaderJson(JsonError::TooManyValues(64))
    );
}

#[test]
fn each_part_is_canonical_base64url() {
    let good = Issuer::new().token();
    let parts: Vec<&str> = good.split('.').collect();
    for (place, part) in [Part::Header, Part::Payload, Part::Signature]
        .into_iter()
        .enumerate()
    {
        let text = parts[place];
        for spoiled in [
            format!("{text}="),
            format!("{text}=="),
            format!(" {text}"),
            format!("{text}\n"),
            format!("{text}\0"),
            format!("+{text}"),
            format!("/{text}"),
            format!("%41{text}"),
            format!("é{text}"),
        ] {
            let mut parts = parts.clone();
            parts[place] = &spoiled;
            assert_eq!(
                refusal(&parts.join(".")),
                JwsError::Base64 { part },
                "{spoiled:?}"
            );
        }
    }
    // 64 bytes leave four unused bits in the last character: only "A", "Q", "g" and "w" have none
    // of them set.
    let (start, last) = good.split_at(good.len() - 1);
    let mut next = last.as_bytes()[0];
    next += 1;
    assert_eq!(
        refusal(&format!("{start}{}", char::from(next))),
        JwsError::Base64 {
            part: Part::Signature
        }
    );
}

#[test]
fn the_header_is_one_json_object_without_duplicates() {
    for header in [
        "",
        "null",
        "[]",
        "\"alg\"",
        "{\"alg\":\"EdDSA\"",
        "{\"alg\":\"EdDSA\"} x",
    ] {
        assert!(
            matches!(header_refusal(header), JwsError::HeaderJson(_)),
            "{header}"
        );
    }
    for header in [
        r#"{"alg":"EdDSA","alg":"EdDSA"}"#,
        r#"{"alg":"none","alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","\u0061lg":"HS256"}"#,
        r#"{"alg":"EdDSA","jwk":{"kty":"EC","kty":"oct"}}"#,
    ] {
        let expected = JwsError::HeaderJson(JsonError::DuplicateMember);
        assert_eq!(header_refusal(header), expected, "{header}");
        assert_eq!(expected.reference(), "RFC 7515 section 4");
    }
    let invalid = format!(
        "{}.{}.AAAA",
        base64url(b"{\"alg\":\"\xff\"}"),
        base64url("{}")
    );
    assert_eq!(refusal(&invalid), JwsError::HeaderJson(JsonError::Syntax));
}

#[test]
fn the_payload_is_one_json_object_without_duplicates() {
    let header = r#"{"alg":"EdDSA"}"#;
    for (payload, error) in [
        ("", JsonError::Syntax),
        ("text", JsonError::Syntax),
        ("[]", JsonError::NotAnObject),
        (r#"{"sub":"a","sub":"b"}"#, JsonError::DuplicateMember),
        (
            r#"{"cnf":{"jkt":"a","jkt":"b"}}"#,
            JsonError::DuplicateMember,
        ),
    ] {
        let refused = refusal(&token(header, payload, [1; 64]));
        assert_eq!(refused, JwsError::PayloadJson(error), "{payload}");
    }
}

#[test]
fn members_have_their_types() {
    for member in ["alg", "kid", "typ", "cty"] {
        for value in ["null", "true", "false", "0", "[]", "{}", "[\"EdDSA\"]"] {
            let header = match member {
                "alg" => format!(r#"{{"alg":{value}}}"#),
                _ => format!(r#"{{"alg":"EdDSA","{member}":{value}}}"#),
            };
            assert_eq!(
                header_refusal(&header),
                JwsError::MemberType { member },
                "{header}"
            );
        }
    }
    assert_eq!(header_refusal("{}"), JwsError::MissingAlgorithm);
    assert_eq!(
        header_refusal(r#"{"ALG":"EdDSA"}"#),
        JwsError::MissingAlgorithm
    );
}

#[test]
fn algorithm_names_are_exact() {
    for (name, error) in [
        ("none", AlgorithmError::None),
        ("NoNe", AlgorithmError::None),
        ("Ed448", AlgorithmError::Ed448),
        ("", AlgorithmError::Unknown),
        ("eddsa", AlgorithmError::Unknown),
        ("rs256", AlgorithmError::Unknown),
        ("RS256 ", AlgorithmError::Unknown),
        ("RS1", AlgorithmError::Unknown),
        ("ES521", AlgorithmError::Unknown),
        ("RSA-OAEP", AlgorithmError::Unknown),
        ("dir", AlgorithmError::Unknown),
        ("ML-DSA-44", AlgorithmError::Unknown),
    ] {
        let header = json!({"alg": name}).to_string();
        assert_eq!(
            header_refusal(&header),
            JwsError::Algorithm(error),
            "{name}"
        );
    }
}

#[test]
fn extensions_are_refused_whatever_they_say() {
    for crit in [
        "[]",
        "[\"exp\"]",
        "[\"alg\"]",
        "[\"http://example.com/x\"]",
        "null",
        "true",
        "\"\"",
    ] {
        let header = format!(r#"{{"alg":"EdDSA","exp":1,"crit":{crit}}}"#);
        assert_eq!(
            header_refusal(&header),
            JwsError::CriticalExtension,
            "{crit}"
        );
    }
    for b64 in ["false", "true", "null", "0", "\"false\""] {
        let header = format!(r#"{{"alg":"EdDSA","b64":{b64}}}"#);
        assert_eq!(header_refusal(&header), JwsError::UnencodedPayload, "{b64}");
        let header = format!(r#"{{"alg":"EdDSA","crit":["b64"],"b64":{b64}}}"#);
        assert_eq!(header_refusal(&header), JwsError::UnencodedPayload, "{b64}");
    }
}

#[test]
fn references_to_keys_change_nothing() {
    let issuer = Issuer::new();
    for member in ["jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "unknown"] {
        for value in [
            json!("https://mallory.example/keys"),
            json!(null),
            json!(7),
            json!({"a": 1}),
        ] {
            let token = issuer.sign_header(&json!({"alg": "EdDSA", "kid": KID, member: value}));
            let jws = CompactJws::parse(&token).unwrap();
            assert!(jws.verify_with(&issuer.keys()).is_ok(), "{member}");
        }
    }
}
