//! The decision point behind the sideband protocol: PingOne Authorize, PingAuthorize, or
//! `portcullis serve`.
//!
//! One budget of time covers a decision with all its retries. Silence, network errors and 5xx are
//! tried again; every other status and every unreadable answer is final, because asking again would not
//! change it. After 429 nothing is sent until the time that the service asked for is over.

mod credential;
mod service_url;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use portcullis_model::{ApiRequest, Decision};
use portcullis_sideband::{MAX_REPLY_BYTES, SidebandError, SidebandReply, SidebandRequest};

use crate::clock::Clock;
use crate::decision_point::{DecisionFuture, DecisionPoint, Unavailable};
use crate::http::{HttpClient, HttpError, HttpRequest, HttpResponse, InvalidRequest};

pub use self::credential::{GatewayCredential, InvalidCredential, service_url_from_credential};
pub use self::service_url::{InvalidServiceUrl, ServiceUrl};

/// The longest time that a 429 keeps the client quiet.
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// The pause after a 429 that names none.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// No attempt gets less than this, as long as the budget has it.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(250);
/// The pause before the first retry, doubled at each further one and shortened by chance.
const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
/// The member of the context that names the decision in the log of the decision point.
pub const DECISION_ID: &str = "decision_id";
const USER_AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// How a sideband service is asked.
#[derive(Debug, Clone)]
pub struct SidebandSettings {
    /// Where it is.
    pub service_url: ServiceUrl,
    /// The header that carries the credential.
    pub credential_header: String,
    /// The credential.
    pub credential: GatewayCredential,
    /// Retries after network errors and 5xx.
    pub max_retries: u32,
    /// The whole budget for one decision, retries included.
    pub timeout: Duration,
    /// Whether each exchange is logged, redacted.
    pub debug: bool,
}

/// Asks a sideband service.
#[derive(Debug)]
pub struct SidebandClient {
    settings: SidebandSettings,
    http: Arc<HttpClient>,
    clock: Arc<dyn Clock>,
    /// Until when nothing is sent: the breaker of this instance.
    quiet_until: Mutex<Option<Instant>>,
}

impl SidebandClient {
    /// A client with those settings. Opens no connection; refuses a URL or a credential header
    /// that could never be sent.
    pub fn new(
        settings: SidebandSettings,
        http: Arc<HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, InvalidRequest> {
        let client = Self {
            settings,
            http,
            clock,
            quiet_until: Mutex::new(None),
        };
        client.request(Bytes::new())?;
        Ok(client)
    }

    async fn decide(&self, request: &ApiRequest) -> Result<Decision, Unavailable> {
        let deadline = self.clock.monotonic() + self.settings.timeout;
        let sent = SidebandRequest::from_api_request(request);
        let body: Bytes = serde_json::to_vec(&sent)
            .map_err(|error| Unavailable::BadAnswer {
                cause: error.to_string(),
            })?
            .into();
        let mut retries = 0;
        loop {
            // Looked at before each retry too: another decision may have met a 429 meanwhile.
            if let Some(retry_after) = self.remaining_pause() {
                return Err(Unavailable::Throttled { retry_after });
            }
            let time = self.share(deadline, self.settings.max_retries.saturating_sub(retries));
            let outcome = self.exchange(body.clone(), time).await;
            let error = match outcome {
                Ok(response) if response.status < 500 => return self.read(&response, &sent),
                Ok(response) => status_error(&response),
                Err(error @ (Unavailable::Network { .. } | Unavailable::Timeout { .. })) => error,
                Err(error) => return Err(error),
            };
            let pause = back_off(retries);
            let left = deadline.saturating_duration_since(self.clock.monotonic());
            if retries == self.settings.max_retries || pause >= left {
                return Err(error);
            }
            retries += 1;
            tracing::warn!(%error, retry = retries, "asking the decision point again");
            tokio::time::sleep(pause).await;
        }
    }

    /// How long one attempt may take: an equal share of what is left for it and for the retries
    /// behind it, so that a connection that says nothing any more does not use up all of it.
    fn share(&self, deadline: Instant, retries_left: u32) -> Duration {
        let left = deadline.saturating_duration_since(self.clock.monotonic());
        (left / retries_left.saturating_add(1))
            .max(SHORTEST_ATTEMPT)
            .min(left)
    }

    async fn exchange(&self, body: Bytes, time: Duration) -> Result<HttpResponse, Unavailable> {
        let bytes_sent = body.len();
        let started = self.clock.monotonic();
        let request = self.request(body).map_err(|error| Unavailable::Network {
            cause: error.to_string(),
        })?;
        let outcome = self.http.send(request, time, MAX_REPLY_BYTES).await;
        if self.settings.debug {
            let elapsed = self.clock.monotonic().saturating_duration_since(started);
            self.log(&outcome, bytes_sent, elapsed);
        }
        outcome.map_err(|error| match error {
            HttpError::Timeout { .. } => Unavailable::Timeout {
                budget: self.settings.timeout,
            },
            HttpError::Network { cause } => Unavailable::Network { cause },
            HttpError::TooLarge { .. } => Unavailable::BadAnswer {
                cause: error.to_string(),
            },
        })
    }

    fn request(&self, body: Bytes) -> Result<HttpRequest, InvalidRequest> {
        HttpRequest::post(self.settings.service_url.request_url(), body)?
            .header("content-type", "application/json")?
            .header("accept", "application/json")?
            .header("user-agent", USER_AGENT)?
            .header(
                &self.settings.credential_header,
                self.settings.credential.expose(),
            )
    }

    fn read(
        &self,
        response: &HttpResponse,
        sent: &SidebandRequest,
    ) -> Result<Decision, Unavailable> {
        match response.status {
            200 => {
                let mut decision = SidebandReply::read(&response.body, sent).map_err(|error| {
                    Unavailable::BadAnswer {
                        cause: error.to_string(),
                    }
                })?;
                if let Some(id) = correlation_id(response) {
                    decision.context.insert(DECISION_ID.to_owned(), id.into());
                }
                Ok(decision)
            }
            429 => Err(Unavailable::Throttled {
                retry_after: self.pause(response),
            }),
            _ => Err(status_error(response)),
        }
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
            service = %self.settings.service_url,
            status,
            error,
            bytes_sent,
            bytes_received,
            elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            "asked the decision point"
        );
    }
}

impl DecisionPoint for SidebandClient {
    fn decide<'a>(&'a self, request: &'a ApiRequest) -> DecisionFuture<'a> {
        Box::pin(SidebandClient::decide(self, request))
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

fn status_error(response: &HttpResponse) -> Unavailable {
    let id = SidebandError::parse(&response.body).and_then(|error| error.id);
    if let Some(id) = id.and_then(|id| plain_id(&id)) {
        tracing::warn!(
            status = response.status,
            error_id = id,
            "the decision point named its error"
        );
    }
    let hint = match response.status {
        300..=399 => "redirects are not followed: check SERVICE_URL",
        401 => {
            "the gateway credential is not accepted: check SECRET_HEADER_VALUE and SECRET_HEADER_NAME"
        }
        403 => "the gateway may not ask this service: check its licence and role",
        404 | 405 => {
            "there is no sideband service: check SERVICE_URL, without /sideband at its end"
        }
        413 => "the request is larger than the service accepts",
        500.. => "look at the log of the decision point",
        _ => "check SERVICE_URL and the version of the service",
    };
    Unavailable::Status {
        status: response.status,
        hint,
    }
}

/// What the service calls its answer: `PingAuthorize` and `portcullis serve` name each one.
fn correlation_id(response: &HttpResponse) -> Option<String> {
    let id = response.headers.get("correlation-id")?;
    id.to_str().ok().and_then(plain_id)
}

/// An id that can be logged as it is.
fn plain_id(id: &str) -> Option<String> {
    let plain = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (plain && (1..=64).contains(&id.len())).then(|| id.to_owned())
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
