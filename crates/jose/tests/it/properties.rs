//! What must hold for all inputs.

use std::sync::LazyLock;

use portcullis_jose::{AwsLc, CompactJws, JsonError, Jwk, Jwks, JwsError, SymmetricKeys};
use proptest::prelude::*;
use serde_json::json;

use crate::issuer::{CLAIMS, Issuer, KID, base64url, import, token};
use crate::vectors::{read, text};

/// Tokens that verify, with their keys: one Ed25519, one ECDSA, one RSA.
static VALID: LazyLock<Vec<(String, Jwk)>> = LazyLock::new(|| {
    let issuer = Issuer::new();
    let header = json!({"alg": "EdDSA", "kid": KID, "typ": "at+jwt"}).to_string();
    let examples = read("rfc/rfc7515_appendix_a.json");
    let example = |name: &str| {
        let example = &examples[name];
        (
            text(example, "/jws").to_owned(),
            import(&example["jwk"]).unwrap(),
        )
    };
    vec![
        (issuer.sign(&header, CLAIMS), import(&issuer.jwk()).unwrap()),
        example("A3_ES256"),
        example("A2_RS256"),
    ]
});

fn verifies(token: &str, key: &Jwk) -> bool {
    CompactJws::parse(token).is_ok_and(|jws| jws.verify(key).is_ok())
}

#[test]
fn the_valid_tokens_verify() {
    assert!(VALID.iter().all(|(token, key)| verifies(token, key)));
}

/// Every place, every other character of the alphabet: nothing is left to chance here.
#[test]
fn no_replaced_character_survives() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= ";
    let (token, key) = &VALID[0];
    for place in 0..token.len() {
        let mut mutated = token.clone().into_bytes();
        for &other in ALPHABET
            .iter()
            .filter(|other| **other != token.as_bytes()[place])
        {
            mutated[place] = other;
            let mutated = str::from_utf8(&mutated).unwrap();
            assert!(!verifies(mutated, key), "{place}: {:?}", char::from(other));
        }
    }
}

/// One way to wrap a JSON value in another.
#[derive(Debug, Clone, Copy)]
enum Wrapper {
    Array,
    Object,
}

/// An object that names one member twice, under a few arrays and objects.
fn with_duplicate(max_depth: usize) -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["alg", "kid", "sub", "", "a", "é", "x\\u0000"]);
    let value = prop::sample::select(vec!["1", "null", "\"v\"", "[]", "{}", "{\"a\":[1]}"]);
    let wrapper = prop::sample::select(vec![Wrapper::Array, Wrapper::Object]);
    let wrappers = prop::collection::vec(wrapper, 0..max_depth);
    (
        name,
        value.clone(),
        value,
        any::<bool>(),
        any::<bool>(),
        wrappers,
    )
        .prop_map(|(name, first, second, between, escape, wrappers)| {
            let again = match name.chars().next() {
                Some(start) if escape && start.is_ascii_lowercase() => {
                    format!("\\u{:04x}{}", u32::from(start), &name[1..])
                }
                _ => name.to_owned(),
            };
            let between = if between { r#","other":0"# } else { "" };
            let inner = format!(r#"{{"{name}":{first}{between},"{again}":{second}}}"#);
            wrappers.iter().fold(inner, |json, wrapper| match wrapper {
                Wrapper::Array => format!("[0,{json}]"),
                Wrapper::Object => format!(r#"{{"before":true,"in":{json}}}"#),
            })
        })
}

proptest! {
    #[test]
    fn parsing_never_panics(token in "\\PC*") {
        let _ = CompactJws::parse(&token);
        let _ = CompactJws::parse_octets(&token);
    }

    #[test]
    fn parsing_three_parts_never_panics(header in ".*", payload in ".*", signature: Vec<u8>) {
        let token = token(&header, &payload, signature);
        let _ = CompactJws::parse(&token);
        let _ = CompactJws::parse_octets(&token);
    }

    #[test]
    fn a_header_of_any_bytes_never_panics(header: Vec<u8>) {
        let _ = CompactJws::parse(&format!("{}.e30.AAAA", base64url(header)));
    }

    #[test]
    fn importing_never_panics(text in "\\PC*", bytes: Vec<u8>) {
        for json in [text.as_bytes(), &bytes] {
            let _ = Jwk::from_json(json, SymmetricKeys::AllowForTests, &AwsLc);
            let _ = Jwks::from_json(json, SymmetricKeys::AllowForTests, &AwsLc);
        }
    }

    #[test]
    fn importing_numbers_of_any_length_never_panics(n: Vec<u8>, e: Vec<u8>, crv in "P-256|Ed25519") {
        let (n, e) = (base64url(n), base64url(e));
        for kty in ["RSA", "EC", "OKP", "oct"] {
            let _ = import(&json!({"kty": kty, "crv": crv, "n": n, "e": e, "x": n, "y": e, "k": n}));
        }
    }

    #[test]
    fn no_single_change_survives(
        which in 0..3_usize,
        place: prop::sample::Index,
        other: char,
        change in 0..3_u8,
    ) {
        let (token, key) = &VALID[which];
        let place = place.index(token.len());
        let mut mutated = token.clone();
        match change {
            0 => mutated.replace_range(place..=place, &other.to_string()),
            1 => mutated.insert(place, other),
            _ => mutated.replace_range(place..=place, ""),
        }
        prop_assume!(mutated != *token);
        prop_assert!(!verifies(&mutated, key));
    }

    #[test]
    fn duplicate_members_of_the_payload_are_refused(inner in with_duplicate(12)) {
        let payload = format!(r#"{{"claim":{inner}}}"#);
        let token = token(r#"{"alg":"EdDSA"}"#, &payload, [1; 64]);
        prop_assert_eq!(
            CompactJws::parse(&token).unwrap_err(),
            JwsError::PayloadJson(JsonError::DuplicateMember)
        );
    }

    #[test]
    fn duplicate_members_of_the_header_are_refused(inner in with_duplicate(4)) {
        let header = format!(r#"{{"alg":"EdDSA","jwk":{inner}}}"#);
        let token = token(&header, CLAIMS, [1; 64]);
        prop_assert_eq!(
            CompactJws::parse(&token).unwrap_err(),
            JwsError::HeaderJson(JsonError::DuplicateMember)
        );
    }

    #[test]
    fn what_is_parsed_is_what_was_sent(claims: std::collections::BTreeMap<String, u64>) {
        let payload = json!(claims);
        let token = token(r#"{"alg":"EdDSA"}"#, &payload.to_string(), [1; 64]);
        let jws = CompactJws::parse(&token).unwrap();
        prop_assert_eq!(serde_json::Value::Object(jws.into_payload()), payload);
    }
}
