//! A token that Okta once issued, with the keys that it published.

use portcullis_jose::{Algorithm, AwsLc, CompactJws, Jwks, KeySelectionError, SymmetricKeys};

use crate::vectors::{read, text};

fn keys(file: &str) -> Jwks {
    let json = read(&format!("okta-sample/{file}")).to_string();
    Jwks::from_json(json.as_bytes(), SymmetricKeys::Refuse, &AwsLc).unwrap()
}

#[test]
fn verifies_with_the_issuers_keys_only() {
    let event = read("okta-sample/event.json");
    let token = text(&event, "/authorizationToken")
        .strip_prefix("Bearer ")
        .unwrap();
    let jws = CompactJws::parse(token).unwrap();
    assert_eq!((jws.alg(), jws.typ()), (Algorithm::Rs256, None));

    let published = keys("keys.json");
    let verified = jws.verify_with(&published).unwrap();
    assert_eq!(verified.payload()["cid"], "ANRZhyDh8HBFN5abN6Rg");
    assert_eq!(verified.kid(), verified.key().kid());

    let others = keys("handler-keys.json");
    assert_eq!(others.keys().len(), 2);
    assert_eq!(
        jws.verify_with(&others).unwrap_err(),
        KeySelectionError::UnknownKid.into()
    );
    for key in others.keys() {
        assert!(jws.verify(key).is_err(), "nor when a key is chosen by hand");
    }
}
