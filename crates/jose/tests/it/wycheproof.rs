//! Wycheproof: every vector of `json_web_signature` and `json_web_key`, with every deviation named.

use portcullis_jose::{AwsLc, CompactJws, Jwks, SymmetricKeys};
use serde_json::Value;

use crate::issuer::import_with_secrets;
use crate::vectors;

/// Where the outcome differs from the file, and why the file cannot be followed.
const DEVIATIONS: [(u64, &str); 8] = [
    (
        346,
        "marked valid, but the token says PS384 and its key is bound to PS256",
    ),
    (
        347,
        "marked valid, but the key is bound to ES521, which does not exist",
    ),
    (
        350,
        "marked valid, but the token says PS384 and its key is bound to PS256",
    ),
    (
        351,
        "marked valid, but the key is bound to ES521, which does not exist",
    ),
    (
        367,
        "marked invalid for its padding, but the file has lost it: the same bytes as 357",
    ),
    (
        370,
        "marked invalid for its padding, but the file has lost it: the same bytes as 357",
    ),
    (
        372,
        "marked valid, but there is a question mark in the base64url of the header",
    ),
    (
        373,
        "marked valid, but there is a question mark in the base64url of the payload",
    ),
];

struct Test {
    id: u64,
    valid: bool,
    jws: String,
    key: Value,
}

fn tests(file: &str) -> Vec<Test> {
    let file = vectors::read(file);
    let groups = file["testGroups"].as_array().unwrap();
    let tests_of = |group: &Value| {
        let key = group.get("public").unwrap_or(&group["private"]).clone();
        let tests = group["tests"].as_array().unwrap().clone();
        tests.into_iter().map(move |test| Test {
            id: test["tcId"].as_u64().unwrap(),
            valid: test["result"] == "valid",
            jws: test["jws"].as_str().unwrap().to_owned(),
            key: key.clone(),
        })
    };
    groups.iter().flat_map(tests_of).collect()
}

#[test]
fn signatures_but_for_the_named_deviations() {
    let tests = tests("wycheproof/json_web_signature_test.json");
    assert_eq!(tests.len(), 401);
    let deviating: Vec<u64> = tests
        .iter()
        .filter(|test| {
            let accepted = import_with_secrets(&test.key).is_ok_and(|key| {
                CompactJws::parse_octets(&test.jws).is_ok_and(|jws| jws.verify(&key).is_ok())
            });
            accepted != test.valid
        })
        .map(|test| test.id)
        .collect();
    assert_eq!(deviating, DEVIATIONS.map(|(id, _)| id), "{DEVIATIONS:#?}");
}

/// Nobody can refuse 367 and 370 and accept 357: they are one token and one key. Should the file
/// be repaired, this fails and the two leave the list.
#[test]
fn two_deviations_are_the_same_token_as_a_valid_one() {
    let tests = tests("wycheproof/json_web_signature_test.json");
    let find = |id| tests.iter().find(|test| test.id == id).unwrap();
    for id in [367, 370] {
        assert_eq!(
            (&find(id).jws, &find(id).key),
            (&find(357).jws, &find(357).key)
        );
    }
    // What those two mean to test.
    let jws = &find(357).jws;
    assert!(CompactJws::parse_octets(&format!("{jws}=")).is_err());
    assert!(CompactJws::parse_octets(&jws.replace("VGVzdA.", "VGVzdA==.")).is_err());
}

#[test]
fn keys_all_of_them() {
    let tests = tests("wycheproof/json_web_key_test.json");
    assert_eq!(tests.len(), 26);
    for test in tests {
        let keys = test.key.to_string();
        let keys = Jwks::from_json(keys.as_bytes(), SymmetricKeys::AllowForTests, &AwsLc);
        let accepted = keys.is_ok_and(|keys| {
            CompactJws::parse_octets(&test.jws).is_ok_and(|jws| jws.verify_with(&keys).is_ok())
        });
        assert_eq!(accepted, test.valid, "tcId {}", test.id);
    }
}
