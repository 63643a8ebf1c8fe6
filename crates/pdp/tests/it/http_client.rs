//! The HTTP client: connections, bounds, and what is no response.

use std::time::Duration;

use bytes::Bytes;
use portcullis_pdp::http::{
    HttpClient, HttpError, HttpRequest, HttpResponse, InvalidRequest, TlsRoots,
};

use crate::service::{Act, Service, deserted_url, ok, response};

/// Long enough for a slow machine; no test waits for it.
const LONG: Duration = Duration::from_secs(30);
const MAX_BYTES: usize = 1024;

fn client() -> HttpClient {
    HttpClient::new(&TlsRoots::public()).unwrap()
}

async fn get(client: &HttpClient, url: &str) -> Result<HttpResponse, HttpError> {
    let request = HttpRequest::get(url).unwrap();
    client.send(request, LONG, MAX_BYTES).await
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let service = Service::start(|_, _| ok("{}"));
    let client = client();
    for _ in 0..10 {
        let response = get(&client, &service.url()).await.unwrap();
        assert_eq!((response.status, &*response.body), (200, &b"{}"[..]));
    }
    assert_eq!((service.connections(), service.seen().len()), (1, 10));
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let service = Service::start(|_, _| Act::AnswerAndClose(response(200, "", "{}")));
    let client = client();
    for _ in 0..5 {
        get(&client, &service.url()).await.unwrap();
    }
    assert_eq!(service.connections(), 5);
}

#[tokio::test]
async fn a_request_that_met_a_dead_connection_is_repeated() {
    // The server hung up while the function was frozen, and the request was written before the
    // client could notice.
    let service = Service::start(|index, _| if index == 1 { Act::Close } else { ok("{}") });
    let client = client();
    get(&client, &service.url()).await.unwrap();
    let body = Bytes::from_static(b"body");
    let request = HttpRequest::post(&service.url(), body).unwrap();
    let response = client.send(request, LONG, MAX_BYTES).await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!((service.connections(), service.seen().len()), (2, 3));
    assert_eq!(service.seen()[2].body, "body");
}

#[tokio::test]
async fn a_request_that_broke_a_fresh_connection_is_not_repeated() {
    let service = Service::start(|_, _| Act::Close);
    let error = get(&client(), &service.url()).await.unwrap_err();
    assert!(matches!(error, HttpError::Network { .. }), "{error}");
    assert_eq!(service.seen().len(), 1);

    let service = Service::resetting();
    let error = get(&client(), &service.url()).await.unwrap_err();
    assert!(matches!(error, HttpError::Network { .. }), "{error}");
    assert_eq!(service.connections(), 1);
}

#[tokio::test]
async fn a_redirect_is_a_response_like_any_other() {
    let canary = Service::start(|_, _| ok("{}"));
    let location = format!("location: {}/\r\n", canary.url());
    let service = Service::start(move |_, _| Act::Answer(response(307, &location, "")));
    let response = get(&client(), &service.url()).await.unwrap();
    assert_eq!(response.status, 307);
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn no_more_is_read_than_allowed() {
    let exact = Service::start(|_, _| ok(&"x".repeat(MAX_BYTES)));
    assert!(get(&client(), &exact.url()).await.is_ok());

    let announced = Service::start(|_, _| ok(&"x".repeat(MAX_BYTES + 1)));
    let error = get(&client(), &announced.url()).await.unwrap_err();
    assert_eq!(
        error,
        HttpError::TooLarge {
            max_bytes: MAX_BYTES
        }
    );

    // Chunks without an end: the length is known only by counting.
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400)).repeat(8);
    let endless = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
    let endless = Service::start(move |_, _| Act::Answer(endless.clone().into()));
    let error = get(&client(), &endless.url()).await.unwrap_err();
    assert_eq!(
        error,
        HttpError::TooLarge {
            max_bytes: MAX_BYTES
        }
    );
}

#[tokio::test]
async fn the_time_covers_the_last_byte() {
    let timeout = Duration::from_millis(100);
    let headers_only = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab".to_vec();
    let slow = Service::start(move |_, _| Act::Answer(headers_only.clone()));
    let silent = Service::start(|_, _| Act::Hang);
    for service in [slow, silent] {
        let request = HttpRequest::get(&service.url()).unwrap();
        let error = client()
            .send(request, timeout, MAX_BYTES)
            .await
            .unwrap_err();
        assert_eq!(error, HttpError::Timeout { timeout });
    }
}

#[tokio::test]
async fn what_is_no_response_is_an_error() {
    for bytes in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-len",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "{}",
        "",
    ] {
        let service = Service::start(move |_, _| Act::AnswerAndClose(bytes.into()));
        let error = get(&client(), &service.url()).await.unwrap_err();
        assert!(
            matches!(error, HttpError::Network { .. }),
            "{bytes:?}: {error}"
        );
    }
    let header = format!("x: {}\r\n", "x".repeat(1024 * 1024));
    let service = Service::start(move |_, _| Act::Answer(response(200, &header, "")));
    assert!(get(&client(), &service.url()).await.is_err());
    let error = get(&client(), &deserted_url()).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn plain_http_stays_on_this_machine() {
    for url in [
        "https://idp.example.com",
        "http://127.0.0.1:1/x?y",
        "http://[::1]:1",
        "http://LocalHost",
    ] {
        assert!(HttpRequest::get(url).is_ok(), "{url}");
    }
    for url in [
        "http://idp.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://0.0.0.0",
        "http://169.254.169.254",
    ] {
        let refused = HttpRequest::get(url).unwrap_err();
        assert_eq!(refused, InvalidRequest::NotHttps, "{url}");
    }
    for url in [
        "",
        "idp.example.com",
        "file:///etc/passwd",
        "https://u@a.example",
    ] {
        assert!(HttpRequest::get(url).is_err(), "{url}");
    }
}

#[test]
fn plain_http_goes_anywhere_only_where_it_is_asked_for_by_name() {
    let post = |url| HttpRequest::post_in_the_open(url, Bytes::new());
    for url in [
        "http://collector:4318/v1/traces",
        "https://collector.example.com",
    ] {
        assert!(post(url).is_ok(), "{url}");
    }
    for url in ["", "collector:4318", "grpc://collector:4317"] {
        assert!(post(url).is_err(), "{url}");
    }
    let refused = HttpRequest::post("http://collector:4318", Bytes::new()).unwrap_err();
    assert_eq!(refused, InvalidRequest::NotHttps);
}

#[test]
fn debug_shows_no_value() {
    let request = HttpRequest::post("https://a.example/?s3cret", Bytes::from_static(b"s3cret"))
        .and_then(|request| request.header("client-token", "s3cret"))
        .unwrap();
    let shown = format!("{request:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
}
