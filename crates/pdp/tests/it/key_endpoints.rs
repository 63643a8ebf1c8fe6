//! Issuers over real sockets: documents that are slow, huge, moved or no documents at all.

use std::sync::Arc;

use portcullis_engine::{IssuerUrl, KeySource};
use portcullis_pdp::clock::SystemClock;
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::keys::{KeyError, KeyStore, MAX_DOCUMENT_BYTES};

use crate::fake_web::{jwks, metadata};
use crate::service::{Act, Service, ok, response};

/// An issuer with metadata in order, whose JWKS endpoint answers like this.
fn issuer(answer: impl Fn() -> Act + Send + Sync + 'static) -> Service {
    Service::start(move |_, seen| {
        if seen.head.starts_with("GET /jwks ") {
            return answer();
        }
        let host = seen
            .head
            .lines()
            .find_map(|line| line.strip_prefix("host: "));
        let own = format!("http://{}", host.unwrap());
        ok(&metadata(&own, &format!("{own}/jwks")))
    })
}

async fn refresh(service: &Service) -> Result<(), KeyError> {
    let http = HttpClient::new(&TlsRoots::public()).unwrap();
    let issuer = IssuerUrl::parse(&service.url()).unwrap();
    let store = KeyStore::new(Arc::new(http), Arc::new(SystemClock), vec![issuer.clone()]);
    let outcome = store.refresh(&issuer).await;
    assert_eq!(store.keys(&issuer).is_some(), outcome.is_ok());
    outcome
}

async fn refused(service: &Service) -> String {
    refresh(service).await.unwrap_err().to_string()
}

#[tokio::test]
async fn keys_are_fetched_over_one_connection() {
    let service = issuer(|| ok(&jwks(&["k1"])));
    refresh(&service).await.unwrap();
    let heads: Vec<_> = service
        .seen()
        .iter()
        .map(|seen| seen.head.clone())
        .collect();
    assert!(heads[0].starts_with("GET /.well-known/openid-configuration "));
    assert_eq!((heads.len(), service.connections()), (2, 1));
    assert!(
        heads
            .iter()
            .all(|head| !head.to_ascii_lowercase().contains("token")),
        "no credential goes to an issuer: {heads:?}"
    );
}

#[tokio::test]
async fn another_status_than_200_gives_no_keys() {
    for status in [201, 203, 204, 206, 304, 401, 403, 404, 429, 500, 503] {
        let document = if matches!(status, 204 | 304) {
            String::new()
        } else {
            jwks(&["k1"])
        };
        let service = issuer(move || Act::Answer(response(status, "", &document)));
        let message = refused(&service).await;
        let expected = format!("/jwks: expected status 200, got {status}");
        assert!(message.ends_with(&expected), "{message}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let canary = Service::start(|_, _| ok(&jwks(&["k1"])));
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: {}/jwks\r\n", canary.url());
        let service = issuer(move || Act::Answer(response(status, &location, "")));
        let message = refused(&service).await;
        assert!(message.contains(&format!("got {status}")), "{message}");
        // Neither where the metadata has moved.
        let location = format!("location: {}/\r\n", canary.url());
        let service = Service::start(move |_, _| Act::Answer(response(status, &location, "")));
        refused(&service).await;
        assert_eq!(service.seen().len(), 2, "both places of the metadata");
    }
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn a_document_without_bounds_is_not_read() {
    let padding = " ".repeat(MAX_DOCUMENT_BYTES);
    let announced = issuer(move || ok(&format!("{}{padding}", jwks(&["k1"]))));
    let message = refused(&announced).await;
    assert!(message.contains("larger than"), "{message}");

    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000)).repeat(16);
    let endless = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
    let endless = issuer(move || Act::Answer(endless.clone().into()));
    let message = refused(&endless).await;
    assert!(message.contains("larger than"), "{message}");
}

#[tokio::test]
async fn a_document_cut_short_gives_no_keys() {
    let whole = response(200, "", &jwks(&["k1"]));
    let cut = whole[..whole.len() - 1].to_vec();
    let service = issuer(move || Act::AnswerAndClose(cut.clone()));
    assert!(matches!(refresh(&service).await, Err(KeyError::Fetch(_))));

    let body = jwks(&["k1"]);
    let unframed = format!("HTTP/1.1 200 OK\r\n\r\n{}", &body[..body.len() - 1]);
    let service = issuer(move || Act::AnswerAndClose(unframed.clone().into()));
    assert!(matches!(refresh(&service).await, Err(KeyError::Jwks(_))));
}

#[tokio::test]
async fn what_is_no_key_set_gives_no_keys() {
    for body in ["", "<html>login</html>", "{}", "[]", "null"] {
        let service = issuer(move || Act::Answer(response(200, "", body)));
        assert!(
            matches!(refresh(&service).await, Err(KeyError::Jwks(_))),
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_issuer_that_says_nothing_is_given_up() {
    let hangs = issuer(|| Act::Hang);
    let drips = issuer(|| Act::Drip(response(200, "content-type: a\r\n", "")[..15].to_vec()));
    let (one, other) = tokio::join!(refused(&hangs), refused(&drips));
    for message in [one, other] {
        assert!(message.contains("no answer within"), "{message}");
    }
}
