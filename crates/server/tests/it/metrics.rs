//! What is counted, and that nothing a caller chooses becomes a label.

use std::sync::Arc;
use std::time::Duration;

use portcullis_model::{ApiRequest, Challenge, Decision, Deny, Reason, ReasonCode};
use portcullis_pdp::clock::{Clock, Moment, Sleep, SystemClock};
use portcullis_pdp::keys::{Fetch, FetchError, FetchFuture};
use portcullis_pdp::{DecisionFuture, DecisionPoint, Unavailable};
use portcullis_server::{CountedDecisions, CountedFetch, Loaded, Metrics};
use tokio::io::AsyncWriteExt;

use crate::running::{Answer, Gate, Running, Setup, call, good, value};

#[tokio::test]
async fn calls_and_decisions_are_counted() {
    let service = Running::start(Gate::open(), Setup::default()).await;
    let mut stream = service.connect().await;
    for body in [good().as_str(), &good(), "{}"] {
        stream.write_all(&call(body)).await.unwrap();
        Answer::next(&mut stream).await;
    }
    for path in [
        "/secret-place",
        "/health/ready",
        "/v1/environments/secret-id/x",
    ] {
        service.get(path).await;
    }
    let below = good();
    let length = below.len();
    let below = format!(
        "POST /v1/environments/secret-id/sideband/request HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{below}"
    );
    assert_eq!(service.ask(below.as_bytes()).await.status, 200);
    for (series, expected) in [
        (
            "portcullis_decisions_total{outcome=\"permit\",reason=\"permitted\"}",
            3.0,
        ),
        ("portcullis_decision_time_seconds_count", 3.0),
        (
            "portcullis_calls_total{endpoint=\"/sideband/request\",status=\"200\"}",
            2.0,
        ),
        (
            "portcullis_calls_total{endpoint=\"/sideband/request\",status=\"400\"}",
            1.0,
        ),
        (
            "portcullis_calls_total{endpoint=\"/health/ready\",status=\"200\"}",
            1.0,
        ),
        (
            "portcullis_calls_total{endpoint=\"other\",status=\"404\"}",
            2.0,
        ),
        (
            "portcullis_calls_total{endpoint=\"/v1/environments/{environment}/sideband/request\",status=\"200\"}",
            1.0,
        ),
        ("portcullis_calls_open", 0.0),
        ("portcullis_calls_limited_total", 0.0),
        ("portcullis_connections_total", 5.0),
    ] {
        assert_eq!(
            service.value(series),
            Some(expected),
            "{series}\n{}",
            service.metrics.text()
        );
    }
    let answer = service.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .head
            .contains("content-type: application/openmetrics-text; version=1.0.0")
    );
    assert!(
        answer.body.contains("portcullis_build_info{version=\""),
        "{}",
        answer.body
    );
    assert!(answer.body.ends_with("# EOF\n"));
    assert!(!answer.body.contains("secret"), "{}", answer.body);
}

/// A decision point with one answer.
struct Always(Result<Decision, Unavailable>);

impl DecisionPoint for Always {
    fn decide<'a>(&'a self, _request: &'a ApiRequest) -> DecisionFuture<'a> {
        let answer = self.0.clone();
        Box::pin(async move { answer })
    }
}

#[tokio::test]
async fn denies_and_lacks_of_a_decision_are_told_apart() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let metrics = Metrics::new(Arc::clone(&clock));
    let deny = Decision::deny(
        Deny::challenge(401, Challenge::default()),
        Reason::new(ReasonCode::TokenExpired, "the secret sentence"),
    );
    let keys = Unavailable::Keys {
        issuer: "https://secret.example".to_owned(),
        cause: "secret".to_owned(),
    };
    let timeout = Unavailable::Timeout {
        budget: Duration::ZERO,
    };
    let request = portcullis_sideband::SidebandRequest::parse(good().as_bytes())
        .unwrap()
        .to_api_request()
        .unwrap();
    for answer in [Ok(deny), Err(keys), Err(timeout)] {
        let point = CountedDecisions::new(
            Arc::new(Always(answer.clone())),
            Arc::clone(&clock),
            metrics.clone(),
        );
        assert_eq!(point.decide(&request).await, answer);
    }
    for (outcome, reason) in [
        ("deny", "token_expired"),
        ("none", "keys"),
        ("none", "timeout"),
    ] {
        let series =
            format!("portcullis_decisions_total{{outcome=\"{outcome}\",reason=\"{reason}\"}}");
        assert_eq!(value(&metrics, &series), Some(1.0), "{series}");
    }
    assert!(!metrics.text().contains("secret"));
}

/// Gets nothing, or everything.
#[derive(Debug)]
struct Fetches(bool);

impl Fetch for Fetches {
    fn get<'a>(&'a self, url: &'a str, _max_bytes: usize) -> FetchFuture<'a> {
        let answer = if self.0 {
            Ok(Vec::new().into())
        } else {
            Err(FetchError {
                url: url.to_owned(),
                cause: String::new(),
            })
        };
        Box::pin(async move { answer })
    }
}

#[tokio::test]
async fn requests_to_issuers_are_counted_without_their_urls() {
    let metrics = Metrics::new(Arc::new(SystemClock));
    for good in [true, false, false] {
        let fetch = CountedFetch::new(Arc::new(Fetches(good)), metrics.clone());
        assert_eq!(
            fetch.get("https://secret.example/keys", 1).await.is_ok(),
            good
        );
    }
    for (result, times) in [("success", 1.0), ("failure", 2.0)] {
        let series =
            format!("portcullis_issuer_requests_total{{kind=\"document\",result=\"{result}\"}}");
        assert_eq!(value(&metrics, &series), Some(times));
    }
    assert!(!metrics.text().contains("secret"));
}

/// A clock that stands still.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn unix_now(&self) -> u64 {
        1_700_000_000
    }

    fn monotonic(&self) -> Moment {
        SystemClock.monotonic()
    }

    fn sleep(&self, time: Duration) -> Sleep {
        SystemClock.sleep(time)
    }
}

#[test]
fn a_failed_load_keeps_the_time_of_the_last_good_one() {
    let metrics = Metrics::new(Arc::new(Still));
    let success = "portcullis_last_load_success{what=\"policy\"}";
    let time = "portcullis_last_load_timestamp_seconds{what=\"policy\"}";
    metrics.loaded(Loaded::Policy, true);
    assert_eq!(value(&metrics, success), Some(1.0));
    assert_eq!(value(&metrics, time), Some(1_700_000_000.0));
    metrics.loaded(Loaded::Policy, false);
    assert_eq!(value(&metrics, success), Some(0.0));
    assert_eq!(value(&metrics, time), Some(1_700_000_000.0));
    assert_eq!(
        value(
            &metrics,
            "portcullis_last_load_success{what=\"certificate\"}"
        ),
        None
    );
}
