//! Responses that are framed so that one request could be given another's answer.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use portcullis_model::{ApiRequest, RequestUrl};
use portcullis_pdp::http::TlsRoots;
use portcullis_pdp::{DecisionPoint, Unavailable};

use crate::fake_clock::FakeClock;
use crate::service::{Act, Service, ok, response};
use crate::support::{CREDENTIAL, api_request, client, client_with, decide, settings};

fn other_request() -> ApiRequest {
    ApiRequest {
        url: RequestUrl::parse("https://api.example.com/moons").unwrap(),
        ..api_request()
    }
}

/// A permit of `/planets` that was written twice must not permit what is asked next.
#[tokio::test]
async fn an_answer_to_nothing_answers_nothing() {
    for pause in [Duration::ZERO, Duration::from_millis(20)] {
        for _ in 0..10 {
            let service = Service::start(|_, seen| {
                if seen.body.contains("/planets") {
                    let permit = response(200, "", &seen.body);
                    Act::Answer([permit.clone(), permit].concat())
                } else {
                    ok(r#"{"response":{"response_code":"403"}}"#)
                }
            });
            let client = client(settings(&service.url()));
            assert!(decide(&client).await.unwrap().is_permit());
            tokio::time::sleep(pause).await;
            let next = DecisionPoint::decide(&client, &other_request()).await;
            assert!(!next.unwrap().is_permit());
        }
    }
}

#[tokio::test]
async fn a_length_that_is_ambiguous_is_no_answer() {
    for headers in [
        "content-length: 1\r\n",
        "content-length: 0\r\n",
        "content-length: -1\r\n",
        "content-length: 0x10\r\n",
        "transfer-encoding: chunked\r\n",
    ] {
        let framing = headers.to_owned();
        let service = Service::start(move |_, seen| {
            // `response` adds the right length, so that there are two which differ.
            Act::AnswerAndClose(response(200, &framing, &seen.body))
        });
        let answer = decide(&client(settings(&service.url()))).await;
        let Err(error) = answer else {
            panic!("{headers}: {answer:?}")
        };
        assert!(
            matches!(
                error,
                Unavailable::Network { .. } | Unavailable::BadAnswer { .. }
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_interim_response_is_not_the_answer() {
    for status in [100, 102, 103] {
        let service = Service::start(move |_, _| {
            let interim = format!("HTTP/1.1 {status} Whatever\r\nx: y\r\n\r\n").into_bytes();
            let deny = response(200, "", r#"{"response":{"response_code":"403"}}"#);
            Act::Answer([interim, deny].concat())
        });
        let decision = decide(&client(settings(&service.url()))).await.unwrap();
        assert!(!decision.is_permit());
    }
    let service = Service::start(|_, seen| {
        let headers = "connection: upgrade\r\nupgrade: h2c\r\n";
        Act::AnswerAndClose(response(101, headers, &seen.body))
    });
    assert!(decide(&client(settings(&service.url()))).await.is_err());
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_read_as_far_as_it_is_json() {
    let framed = |body: &str| format!("HTTP/1.1 200 OK\r\n\r\n{body}").into_bytes();
    let whole = Service::start(move |_, seen| Act::AnswerAndClose(framed(&seen.body)));
    assert!(
        decide(&client(settings(&whole.url())))
            .await
            .unwrap()
            .is_permit()
    );
    for missing in [1, 2, 50] {
        let cut = Service::start(move |_, seen| {
            Act::AnswerAndClose(framed(&seen.body[..seen.body.len() - missing]))
        });
        let error = decide(&client(settings(&cut.url()))).await.unwrap_err();
        assert!(matches!(error, Unavailable::BadAnswer { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_compressed_answer_is_no_answer() {
    // None was asked for, and nothing here unpacks one that could swell.
    let service = Service::start(|_, seen| {
        assert!(!seen.head.to_ascii_lowercase().contains("accept-encoding"));
        Act::Answer(response(200, "content-encoding: gzip\r\n", "\u{1f}\u{8b}"))
    });
    let error = decide(&client(settings(&service.url()))).await.unwrap_err();
    assert!(matches!(error, Unavailable::BadAnswer { .. }), "{error}");
}

#[tokio::test]
async fn a_service_that_drips_costs_the_budget_and_no_more() {
    // Each byte comes in time; the answer as a whole does not.
    for beginning in [
        "HTTP/1.1 200 OK\r\nx: ",
        "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{",
        "HTTP/1.1 503 Busy\r\n\r\n",
    ] {
        let service = Service::start(move |_, _| Act::Drip(beginning.into()));
        let mut settings = settings(&service.url());
        settings.timeout = Duration::from_millis(200);
        let budget = settings.timeout;
        let error = decide(&client(settings)).await.unwrap_err();
        assert_eq!(error, Unavailable::Timeout { budget });
        assert_eq!(service.seen().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_nobodys() {
    let service = Service::start(|_, seen| {
        if seen.body.contains("/planets") {
            thread::sleep(Duration::from_millis(300));
            ok(&seen.body)
        } else {
            ok(r#"{"response":{"response_code":"403"}}"#)
        }
    });
    let mut settings = settings(&service.url());
    settings.timeout = Duration::from_millis(100);
    let client = client(settings);
    let error = decide(&client).await.unwrap_err();
    assert!(matches!(error, Unavailable::Timeout { .. }), "{error}");
    for _ in 0..10 {
        // On a slow machine this may run out of time as well; it is never the late answer.
        let next = DecisionPoint::decide(&client, &other_request()).await;
        assert!(!next.is_ok_and(|decision| decision.is_permit()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn debug_shows_no_secret() {
    let settings = settings("https://a.example/x?key=query-s3cret");
    let shown = format!("{settings:?}");
    let clock = Arc::new(FakeClock::new());
    let client = client_with(settings, &TlsRoots::public(), clock);
    let shown = format!("{shown} {client:?}");
    assert!(!shown.contains(CREDENTIAL), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}
