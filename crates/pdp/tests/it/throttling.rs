//! 429: nothing is sent until the time that the service asked for is over.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use portcullis_model::Decision;
use portcullis_pdp::Unavailable;
use portcullis_pdp::http::TlsRoots;
use portcullis_pdp::sideband::SidebandClient;
use tokio::task::JoinHandle;

use crate::fake_clock::{FakeClock, START};
use crate::service::{Act, Service, ok, response};
use crate::support::{client_with, decide, settings};

/// A service that is busy once, and a client of it whose clock stands still.
fn busy_once(headers: String) -> (Service, SidebandClient, Arc<FakeClock>) {
    let service = Service::start(move |index, seen| match index {
        0 => Act::Answer(response(429, &headers, "")),
        _ => ok(&seen.body),
    });
    let clock = Arc::new(FakeClock::new());
    let settings = settings(&service.url());
    let client = client_with(settings, &TlsRoots::public(), clock.clone());
    (service, client, clock)
}

fn throttled(seconds: u64) -> Unavailable {
    Unavailable::Throttled {
        retry_after: Duration::from_secs(seconds),
    }
}

#[tokio::test]
async fn the_client_stays_quiet_as_long_as_asked() {
    let (service, client, clock) = busy_once("retry-after: 7\r\n".into());
    assert_eq!(decide(&client).await.unwrap_err(), throttled(7));
    clock.advance(Duration::from_secs(3));
    assert_eq!(decide(&client).await.unwrap_err(), throttled(4));
    assert_eq!(service.seen().len(), 1, "nothing was sent meanwhile");
    clock.advance(Duration::from_secs(4));
    assert!(decide(&client).await.unwrap().is_permit());
    assert_eq!(service.seen().len(), 2);
}

#[tokio::test]
async fn the_time_is_seconds_or_a_date_and_has_bounds() {
    let date = |seconds: u64| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    for (header, seconds) in [
        (String::new(), 1),
        ("retry-after: soon\r\n".into(), 1),
        ("retry-after: -5\r\n".into(), 1),
        ("retry-after: 0\r\n".into(), 0),
        ("retry-after: 86400\r\n".into(), 60),
        ("retry-after: 99999999999999999999\r\n".into(), 60),
        (format!("retry-after: {}\r\n", date(START + 9)), 9),
        (format!("retry-after: {}\r\n", date(START - 9)), 0),
        (format!("retry-after: {}\r\n", date(START + 86400)), 60),
    ] {
        let (_, client, clock) = busy_once(header.clone());
        assert_eq!(
            decide(&client).await.unwrap_err(),
            throttled(seconds),
            "{header}"
        );
        clock.advance(Duration::from_secs(seconds));
        assert!(decide(&client).await.unwrap().is_permit(), "{header}");
    }
}

#[tokio::test]
async fn the_pause_belongs_to_one_client() {
    let (service, throttled_client, clock) = busy_once("retry-after: 7\r\n".into());
    let other = client_with(settings(&service.url()), &TlsRoots::public(), clock);
    decide(&throttled_client).await.unwrap_err();
    assert!(decide(&other).await.unwrap().is_permit());
    assert_eq!(decide(&throttled_client).await.unwrap_err(), throttled(7));
}

/// A service that holds its first answer back until it is told to give it.
fn holding_back(first: Act, others: &'static str) -> (Service, Sender<()>) {
    let (go_on, held) = channel();
    let (first, held) = (Mutex::new(Some(first)), Mutex::new(held));
    let service = Service::start(move |index, _| match index {
        0 => {
            held.lock().unwrap().recv().unwrap();
            first.lock().unwrap().take().unwrap()
        }
        _ => Act::Answer(response(429, others, "")),
    });
    (service, go_on)
}

/// A decision that the service has seen and not answered.
async fn under_way(
    client: &Arc<SidebandClient>,
    service: &Service,
) -> JoinHandle<Result<Decision, Unavailable>> {
    let client = Arc::clone(client);
    let decision = tokio::spawn(async move { decide(&client).await });
    while service.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    decision
}

#[tokio::test]
async fn a_retry_waits_for_nobody_and_is_not_sent_into_a_pause() {
    let (service, go_on) = holding_back(Act::Answer(response(503, "", "")), "retry-after: 30\r\n");
    let mut settings = settings(&service.url());
    settings.max_retries = 5;
    let clock = Arc::new(FakeClock::new());
    let client = Arc::new(client_with(settings, &TlsRoots::public(), clock));
    let first = under_way(&client, &service).await;
    assert_eq!(decide(&client).await.unwrap_err(), throttled(30));
    go_on.send(()).unwrap();
    assert_eq!(first.await.unwrap().unwrap_err(), throttled(30));
    assert_eq!(service.seen().len(), 2, "the retry was sent");
}

#[tokio::test]
async fn a_shorter_pause_does_not_end_a_longer_one() {
    let (service, go_on) = holding_back(
        Act::Answer(response(429, "retry-after: 0\r\n", "")),
        "retry-after: 30\r\n",
    );
    let clock = Arc::new(FakeClock::new());
    let client = client_with(settings(&service.url()), &TlsRoots::public(), clock);
    let client = Arc::new(client);
    let first = under_way(&client, &service).await;
    assert_eq!(decide(&client).await.unwrap_err(), throttled(30));
    go_on.send(()).unwrap();
    first.await.unwrap().unwrap_err();
    assert_eq!(decide(&client).await.unwrap_err(), throttled(30));
    assert_eq!(service.seen().len(), 2);
}
