//! Where the keys of an issuer come from, and which metadata is believed.

use std::sync::Arc;

use portcullis_engine::{IssuerUrl, KeySource};
use portcullis_jose::Algorithm;
use portcullis_pdp::keys::{KeyError, KeyStore};

use crate::fake_clock::FakeClock;
use crate::fake_web::{FakeWeb, jwks, metadata};

const ISSUER: &str = "https://idp.example.com/tenant";
const OPENID: &str = "https://idp.example.com/tenant/.well-known/openid-configuration";
const OAUTH: &str = "https://idp.example.com/.well-known/oauth-authorization-server/tenant";
const JWKS: &str = "https://keys.example.net/jwks";

fn store(issuer: &str) -> (KeyStore, Arc<FakeWeb>, IssuerUrl) {
    let clock = Arc::new(FakeClock::new());
    let web = FakeWeb::new(&clock);
    let issuer = IssuerUrl::parse(issuer).unwrap();
    let store = KeyStore::new(web.clone(), clock, vec![issuer.clone()]);
    (store, web, issuer)
}

/// What comes of an issuer whose OpenID document is that one; there are keys in any case.
async fn refresh_with(issuer: &str, openid: &str, document: &str) -> Result<(), KeyError> {
    let (store, web, issuer) = store(issuer);
    web.put(openid, document);
    web.put(JWKS, &jwks(&["k1"]));
    let outcome = store.refresh(&issuer).await;
    assert_eq!(outcome.is_ok(), store.keys(&issuer).is_some());
    outcome
}

#[tokio::test]
async fn openid_discovery_comes_first() {
    let (store, web, issuer) = store(ISSUER);
    web.put(OPENID, &metadata(ISSUER, JWKS));
    web.put(JWKS, &jwks(&["k1", "k2"]));
    assert!(store.keys(&issuer).is_none(), "nothing is fetched unasked");
    store.refresh(&issuer).await.unwrap();
    let keys = store.keys(&issuer).unwrap();
    assert!(keys.find(Some("k2"), Algorithm::Es256).is_ok());
    assert!(keys.find(Some("k3"), Algorithm::Es256).is_err());
    assert_eq!(web.asked(), [OPENID, JWKS]);
}

#[tokio::test]
async fn then_the_metadata_of_rfc_8414() {
    for (issuer, openid, oauth) in [
        (ISSUER, OPENID, OAUTH),
        (
            "https://idp.example.com",
            "https://idp.example.com/.well-known/openid-configuration",
            "https://idp.example.com/.well-known/oauth-authorization-server",
        ),
        // A slash at the end stays out of both (RFC 8414 section 3.1) and in the comparison.
        (
            "https://idp.example.com/a/b/",
            "https://idp.example.com/a/b/.well-known/openid-configuration",
            "https://idp.example.com/.well-known/oauth-authorization-server/a/b",
        ),
        (
            "https://idp.example.com:8443/",
            "https://idp.example.com:8443/.well-known/openid-configuration",
            "https://idp.example.com:8443/.well-known/oauth-authorization-server",
        ),
    ] {
        let (store, web, url) = store(issuer);
        web.put(oauth, &metadata(issuer, JWKS));
        web.put(JWKS, &jwks(&["k1"]));
        store.refresh(&url).await.unwrap();
        assert!(store.keys(&url).is_some());
        assert_eq!(web.asked(), [openid, oauth, JWKS]);
    }
}

#[tokio::test]
async fn where_there_is_neither_the_first_is_named() {
    let (store, web, issuer) = store(ISSUER);
    let error = store.refresh(&issuer).await.unwrap_err();
    assert!(error.to_string().contains(OPENID), "{error}");
    assert!(store.keys(&issuer).is_none());
    assert_eq!(web.asked(), [OPENID, OAUTH]);
}

#[tokio::test]
async fn the_issuer_is_the_same_character_by_character() {
    for other in [
        "https://evil.example",
        "https://idp.example.com/tenant/",
        "https://idp.example.com/Tenant",
        "https://IDP.example.com/tenant",
        "https://idp.example.com:443/tenant",
        "https://idp.example.com/tenant ",
        "http://idp.example.com/tenant",
        "",
    ] {
        let refused = refresh_with(ISSUER, OPENID, &metadata(other, JWKS)).await;
        assert_eq!(refused, Err(KeyError::OtherIssuer), "{other}");
    }
}

#[tokio::test]
async fn a_document_of_another_issuer_is_not_made_good_by_the_second_place() {
    let (store, web, issuer) = store(ISSUER);
    web.put(OPENID, &metadata("https://evil.example", JWKS));
    web.put(OAUTH, &metadata(ISSUER, JWKS));
    web.put(JWKS, &jwks(&["k1"]));
    assert_eq!(
        store.refresh(&issuer).await,
        Err(KeyError::OtherIssuer),
        "{:?}",
        web.asked()
    );
}

#[tokio::test]
async fn what_is_no_metadata_is_refused() {
    for document in [
        "",
        "<html>Not Found</html>",
        "null",
        "[]",
        "{}",
        &format!(r#"{{"issuer":"{ISSUER}"}}"#),
        &format!(r#"{{"jwks_uri":"{JWKS}"}}"#),
        &format!(r#"{{"issuer":["{ISSUER}"],"jwks_uri":"{JWKS}"}}"#),
        &format!(r#"{{"issuer":"{ISSUER}","jwks_uri":null}}"#),
        &format!(r#"{{"issuer":"https://evil.example","issuer":"{ISSUER}","jwks_uri":"{JWKS}"}}"#),
        &format!("{}{}", metadata(ISSUER, JWKS), metadata(ISSUER, JWKS)),
    ] {
        let refused = refresh_with(ISSUER, OPENID, document).await.unwrap_err();
        assert!(
            matches!(refused, KeyError::Metadata(_)),
            "{document}: {refused}"
        );
    }
}

#[tokio::test]
async fn keys_come_over_tls() {
    for jwks_uri in [
        "http://keys.example.net/jwks",
        "http://127.0.0.1.example.net/jwks",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "data:application/json,{}",
        "https://user@keys.example.net/jwks",
        "//keys.example.net/jwks",
        "/jwks",
        "",
    ] {
        let (store, web, issuer) = store(ISSUER);
        web.put(OPENID, &metadata(ISSUER, jwks_uri));
        assert_eq!(
            store.refresh(&issuer).await,
            Err(KeyError::JwksUri),
            "{jwks_uri}"
        );
        assert_eq!(web.asked(), [OPENID], "it was not asked for");
    }
}

#[tokio::test]
async fn an_issuer_elsewhere_names_no_place_on_this_machine() {
    // On Lambda, 127.0.0.1:9001 hands out the events of other requests.
    for jwks_uri in [
        "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next",
        "http://localhost/jwks",
        "http://[::1]/jwks",
    ] {
        let (store, web, issuer) = store(ISSUER);
        web.put(OPENID, &metadata(ISSUER, jwks_uri));
        web.put(jwks_uri, &jwks(&["k1"]));
        assert_eq!(
            store.refresh(&issuer).await,
            Err(KeyError::JwksUri),
            "{jwks_uri}"
        );
        assert_eq!(web.asked(), [OPENID], "it was not asked for");
    }
}

#[tokio::test]
async fn an_issuer_on_this_machine_may_do_without_tls() {
    let (store, web, issuer) = store("http://127.0.0.1:9000");
    let jwks_uri = "http://127.0.0.1:9000/jwks";
    web.put(
        "http://127.0.0.1:9000/.well-known/openid-configuration",
        &metadata(issuer.as_str(), jwks_uri),
    );
    web.put(jwks_uri, &jwks(&["k1"]));
    store.refresh(&issuer).await.unwrap();
    assert!(store.keys(&issuer).is_some());

    let (store, web, issuer) = self::store("http://localhost");
    web.put(
        "http://localhost/.well-known/openid-configuration",
        &metadata(issuer.as_str(), "http://keys.example.net/jwks"),
    );
    assert_eq!(store.refresh(&issuer).await, Err(KeyError::JwksUri));
}

#[tokio::test]
async fn what_is_no_key_set_is_refused() {
    for document in [
        "",
        "<html>",
        "null",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":null}"#,
        r#"{"keys":[],"keys":[]}"#,
        &jwks(&["k1", "k1"]),
    ] {
        let (store, web, issuer) = store(ISSUER);
        web.put(OPENID, &metadata(ISSUER, JWKS));
        web.put(JWKS, document);
        let refused = store.refresh(&issuer).await.unwrap_err();
        assert!(
            matches!(refused, KeyError::Jwks(_)),
            "{document}: {refused}"
        );
        assert!(store.keys(&issuer).is_none());
    }
}

#[tokio::test]
async fn an_issuer_that_no_policy_names_is_never_asked() {
    let (store, web, _) = store(ISSUER);
    let stranger = IssuerUrl::parse("https://evil.example").unwrap();
    assert_eq!(store.refresh(&stranger).await, Err(KeyError::UnknownIssuer));
    assert!(store.keys(&stranger).is_none());
    assert!(web.asked().is_empty());
}
