//! Asking a service over HTTP for a decision: one budget of time with all retries, and a breaker.
//!
//! Silence, network errors and 5xx are tried again; every other status is final, because asking again
//! would not change it. After 429 nothing is sent until the time that the service asked for is over.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::clock::{Clock, Moment};
use crate::decision_point::Unavailable;
use crate::http::{Http, HttpError, HttpRequest, HttpResponse};

/// The longest time that a 429 keeps the client quiet.
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// The pause after a 429 that names none.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// No attempt gets less than this, as long as the budget has it.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(250);
/// The pause before the first retry, doubled at each further one and shortened by chance.
const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
/// What every request names as its sender.
pub(crate) const USER_AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// A service that is asked over HTTP.
#[derive(Debug)]
pub(crate) struct RemoteService {
    /// What log lines call it.
    name: String,
    max_retries: u32,
    /// Whether each exchange is logged, redacted.
    debug: bool,
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    /// Until when nothing is sent: the breaker of this instance.
    quiet_until: Mutex<Option<Moment>>,
}

/// One question to a service.
pub(crate) struct Call<'a, R> {
    /// What is sent, the same at every attempt.
    pub(crate) request: &'a HttpRequest,
    /// The whole time, retries included.
    pub(crate) budget: Duration,
    /// Most bytes of an answer that are read.
    pub(crate) max_bytes: usize,
    /// What a response means that is neither 200 nor 429.
    pub(crate) refusal: R,
}

impl RemoteService {
    /// A service that was not asked yet. `max_retries` counts those after network errors and 5xx.
    pub(crate) fn new(
        name: String,
        max_retries: u32,
        debug: bool,
        http: Arc<dyn Http>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            name,
            max_retries,
            debug,
            http,
            clock,
            quiet_until: Mutex::new(None),
        }
    }

    /// What tells it the time.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Asks until there is a response of status 200, or an answer that is final, or no time left.
    pub(crate) async fn ask<R>(&self, call: Call<'_, R>) -> Result<HttpResponse, Unavailable>
    where
        R: Fn(&HttpResponse) -> Unavailable,
    {
        let deadline = self.clock.monotonic() + call.budget;
        let mut retries = 0;
        loop {
            // Looked at before each retry too: another decision may have met a 429 meanwhile.
            if let Some(retry_after) = self.remaining_pause() {
                return Err(Unavailable::Throttled { retry_after });
            }
            let time = self.share(deadline, self.max_retries.saturating_sub(retries));
            let error = match self.exchange(&call, time).await {
                Ok(response) => match response.status {
                    200 => return Ok(response),
                    429 => {
                        let retry_after = self.pause(&response);
                        return Err(Unavailable::Throttled { retry_after });
                    }
                    500.. => (call.refusal)(&response),
                    _ => return Err((call.refusal)(&response)),
                },
                Err(error @ (Unavailable::Network { .. } | Unavailable::Timeout { .. })) => error,
                Err(error) => return Err(error),
            };
            let pause = back_off(retries);
            let left = deadline.saturating_duration_since(self.clock.monotonic());
            if retries == self.max_retries || pause >= left {
                return Err(error);
            }
            retries += 1;
            tracing::warn!(%error, retry = retries, "asking the decision point again");
            self.clock.sleep(pause).await;
        }
    }

    /// How long one attempt may take: an equal share of what is left for it and for the retries
    /// behind it, so that a connection that says nothing any more does not use up all of it.
    fn share(&self, deadline: Moment, retries_left: u32) -> Duration {
        let left = deadline.saturating_duration_since(self.clock.monotonic());
        (left / retries_left.saturating_add(1))
            .max(SHORTEST_ATTEMPT)
            .min(left)
    }

    async fn exchange<R>(
        &self,
        call: &Call<'_, R>,
        time: Duration,
    ) -> Result<HttpResponse, Unavailable> {
        let started = self.clock.monotonic();
        let outcome = self
            .http
            .send(call.request.clone(), time, call.max_bytes)
            .await;
        if self.debug {
            let elapsed = self.clock.monotonic().saturating_duration_since(started);
            self.log(&outcome, call.request.body_len(), elapsed);
        }
        outcome.map_err(|error| match error {
            HttpError::Timeout { .. } => Unavailable::Timeout {
                budget: call.budget,
            },
            HttpError::Network { cause } => Unavailable::Network { cause },
            HttpError::TooLarge { .. } => Unavailable::BadAnswer {
                cause: error.to_string(),
            },
        })
    }

    /// Opens the breaker for as long as the service asks, and for no less than it asked before.
    fn pause(&self, response: &HttpResponse) -> Duration {
        let named = response
            .headers
            .get("retry-after")
            .and_then(|value| value.to_str().ok());
        let pause = named
            .and_then(|value| retry_after(value, self.clock.unix_now()))
            .unwrap_or(DEFAULT_PAUSE)
            .min(MAX_PAUSE);
        if let Ok(mut quiet_until) = self.quiet_until.lock() {
            *quiet_until = (*quiet_until).max(Some(self.clock.monotonic() + pause));
        }
        pause
    }

    fn remaining_pause(&self) -> Option<Duration> {
        let quiet_until = (*self.quiet_until.lock().ok()?)?;
        let left = quiet_until.saturating_duration_since(self.clock.monotonic());
        (!left.is_zero()).then_some(left)
    }

    /// One line an exchange: no header, no body, no query.
    fn log(&self, outcome: &Result<HttpResponse, HttpError>, bytes_sent: usize, elapsed: Duration) {
        let (status, bytes_received, error) = match outcome {
            Ok(response) => (Some(response.status), Some(response.body.len()), None),
            Err(error) => (None, None, Some(error.to_string())),
        };
        tracing::info!(
            service = %self.name,
            status,
            error,
            bytes_sent,
            bytes_received,
            elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            "asked the decision point"
        );
    }
}

/// Half of a doubling pause is fixed and half is chance, so that instances do not ask in step.
fn back_off(retries: u32) -> Duration {
    let longest = FIRST_BACK_OFF.saturating_mul(1 << retries.min(6));
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where retries are spread"
    )]
    let chance = fastrand::f64();
    longest.mul_f64(0.5 + chance / 2.0)
}

/// `Retry-After`: seconds or a date (RFC 9110 section 10.2.3).
fn retry_after(value: &str, now: u64) -> Option<Duration> {
    let digits = value.trim();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let seconds = date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    Some(Duration::from_secs(seconds.saturating_sub(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("7", 0), Some(Duration::from_secs(7)));
        assert_eq!(
            retry_after("Thu, 01 Jan 1970 00:01:40 GMT", 90),
            Some(Duration::from_secs(10))
        );
        assert_eq!(
            retry_after("Thu, 01 Jan 1970 00:01:40 GMT", 190),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after("soon", 0), None);
    }

    #[test]
    fn back_off_grows_within_bounds() {
        for retries in 0..40 {
            let longest = FIRST_BACK_OFF.saturating_mul(1 << retries.min(6));
            assert!(
                (longest / 2..=longest).contains(&back_off(retries)),
                "{retries}"
            );
        }
    }
}
