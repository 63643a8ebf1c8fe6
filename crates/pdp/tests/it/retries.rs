//! When the client asks again, and that it never does so beyond its budget.

use std::sync::Arc;
use std::time::Duration;

use portcullis_pdp::clock::{Clock, SystemClock};
use portcullis_pdp::{DecisionPoint, Unavailable};

use crate::service::{Act, Service, deserted_url, ok, response};
use crate::support::{api_request, client, decide, settings};

/// Far beyond every budget here, far below what a missing bound would take.
const GENEROUS: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_5xx_is_tried_again() {
    for status in [500, 502, 503, 504, 599] {
        let service = Service::start(move |index, seen| match index {
            0 | 1 => Act::Answer(response(status, "", "<html>")),
            _ => ok(&seen.body),
        });
        let mut settings = settings(&service.url());
        settings.max_retries = 2;
        assert!(decide(&client(settings)).await.unwrap().is_permit());
        assert_eq!(service.seen().len(), 3);
    }
}

#[tokio::test]
async fn as_often_as_configured() {
    for max_retries in 0..4 {
        let service = Service::start(|_, _| Act::Answer(response(503, "", "")));
        let mut settings = settings(&service.url());
        settings.max_retries = max_retries;
        let error = decide(&client(settings)).await.unwrap_err();
        assert!(
            matches!(error, Unavailable::Status { status: 503, .. }),
            "{error}"
        );
        assert_eq!(service.seen().len(), max_retries as usize + 1);
    }
}

#[tokio::test]
async fn a_connection_that_broke_is_tried_again() {
    let service = Service::start(|index, seen| match index {
        0 => Act::Close,
        1 => Act::AnswerAndClose(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec()),
        _ => ok(&seen.body),
    });
    let mut broken = settings(&service.url());
    broken.max_retries = 2;
    assert!(decide(&client(broken)).await.unwrap().is_permit());
    assert_eq!(service.seen().len(), 3);

    let service = Service::resetting();
    let mut reset = settings(&service.url());
    reset.max_retries = 2;
    let error = decide(&client(reset)).await.unwrap_err();
    assert!(matches!(error, Unavailable::Network { .. }), "{error}");
    assert_eq!(service.connections(), 3);

    let mut deserted = settings(&deserted_url());
    deserted.max_retries = 1;
    let error = decide(&client(deserted)).await.unwrap_err();
    assert!(matches!(error, Unavailable::Network { .. }), "{error}");
}

#[tokio::test]
async fn a_connection_that_died_while_idle_costs_no_retry() {
    let service = Service::start(|index, seen| match index {
        1 => Act::Close,
        _ => ok(&seen.body),
    });
    let client = client(settings(&service.url()));
    decide(&client).await.unwrap();
    decide(&client).await.unwrap();
    assert_eq!((service.connections(), service.seen().len()), (2, 3));
}

#[tokio::test]
async fn a_4xx_is_final() {
    for status in [400, 401, 403, 404, 408, 413, 429] {
        let service = Service::start(move |_, _| Act::Answer(response(status, "", "")));
        let mut settings = settings(&service.url());
        settings.max_retries = 3;
        decide(&client(settings)).await.unwrap_err();
        assert_eq!(service.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_service_that_hangs_costs_the_budget_and_no_more() {
    let service = Service::start(|_, _| Act::Hang);
    let mut settings = settings(&service.url());
    settings.max_retries = 100;
    settings.timeout = Duration::from_millis(150);
    let budget = settings.timeout;
    let started = SystemClock.monotonic();
    let error = decide(&client(settings)).await.unwrap_err();
    assert_eq!(error, Unavailable::Timeout { budget });
    let elapsed = SystemClock.monotonic() - started;
    assert!(elapsed >= budget && elapsed < GENEROUS, "{elapsed:?}");
    assert!(service.seen().len() <= 1);
}

#[tokio::test]
async fn retries_stay_inside_the_budget() {
    let service = Service::start(|_, _| Act::Answer(response(500, "", "")));
    let mut settings = settings(&service.url());
    settings.max_retries = u32::MAX;
    settings.timeout = Duration::from_millis(300);
    let started = SystemClock.monotonic();
    let error = decide(&client(settings)).await.unwrap_err();
    assert!(SystemClock.monotonic() - started < GENEROUS);
    let expected = matches!(
        error,
        Unavailable::Status { status: 500, .. } | Unavailable::Timeout { .. }
    );
    assert!(expected, "{error}");
    // The pauses are at least 25, 50, 100 and 200 ms: a fifth request would be beyond the budget.
    assert!(
        (1..=4).contains(&service.seen().len()),
        "{}",
        service.seen().len()
    );
}

#[tokio::test]
async fn many_decisions_at_once_do_not_mix() {
    let service = Service::start(|_, seen| ok(&seen.body));
    let client = Arc::new(client(settings(&service.url())));
    let mut decisions = tokio::task::JoinSet::new();
    for index in 0..32 {
        let client = Arc::clone(&client);
        decisions.spawn(async move {
            let mut request = api_request();
            let value = index.to_string();
            request.headers.append("x-index", &value).unwrap();
            // An echo of another of these requests would show as an edit.
            let decision = DecisionPoint::decide(&*client, &request).await.unwrap();
            let portcullis_model::Outcome::Permit(edits) = decision.outcome else {
                panic!("{decision:?}")
            };
            assert!(edits.is_empty(), "{edits:?}");
        });
    }
    while let Some(decision) = decisions.join_next().await {
        decision.unwrap();
    }
    assert_eq!(service.seen().len(), 32);
}
