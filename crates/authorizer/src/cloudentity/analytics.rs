//! What was decided, told to the control plane after the answers.
//!
//! Decisions wait in a queue with a bound; where it is full, the oldest is dropped and counted. They are sent in
//! batches of at most 100, at most 5 batches a second.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use portcullis_cloudentity::{
    ApiRef, GatewayEvent, GatewayEvents, ValidationResult, ValidatorFailure,
};
use portcullis_jose::{CryptoProvider as _, base64url_encode};
use portcullis_model::{ApiRequest, Decision};
use portcullis_pdp::clock::Clock;
use portcullis_pdp::cloudentity::ControlPlane;
use portcullis_pdp::crypto::Crypto;

/// Most decisions that wait.
const MAX_WAITING: usize = 1000;
/// Most decisions of a batch.
const MAX_BATCH: usize = 100;
/// How long decisions may wait for others to go with.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Most batches that are sent one after the other.
const MAX_BATCHES: usize = 5;
/// How long nothing is sent after the control plane gave no answer, in milliseconds.
const PAUSE_MILLIS: i64 = 10_000;
/// Longest header value that is told, in bytes.
const MAX_HEADER_BYTES: usize = 256;

/// How decisions are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnalyticsSettings {
    /// Whether the token itself is told, and not its digest.
    pub raw_tokens: bool,
}

/// A decision that was made.
pub(super) struct Observed<'a> {
    pub(super) request: &'a ApiRequest,
    pub(super) decision: &'a Decision,
    pub(super) api: Option<&'a ApiRef>,
    pub(super) duration: Duration,
}

/// The decisions that wait.
pub(super) struct Analytics {
    settings: AnalyticsSettings,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<GatewayEvent>,
    /// Since the last time that something was sent.
    dropped: u64,
    /// Until when nothing is sent, in milliseconds since 1970: the control plane gave no answer.
    paused_until: i64,
    /// When something was last sent, in milliseconds since 1970.
    sent_at: i64,
    /// How many were told in that second.
    in_second: u64,
}

impl Analytics {
    pub(super) fn new(settings: AnalyticsSettings) -> Self {
        Self {
            settings,
            waiting: Mutex::default(),
        }
    }

    /// Takes note of a decision.
    pub(super) fn note(&self, observed: &Observed<'_>) {
        let event = event(observed, self.settings);
        if let Ok(mut waiting) = self.waiting.lock() {
            if waiting.events.len() >= MAX_WAITING {
                waiting.events.pop_front();
                waiting.dropped += 1;
            }
            waiting.events.push_back(event);
        }
    }

    /// Sends what waits, if it is enough or has waited long enough. `most` is how many events a second the control
    /// plane wants; 0 for no bound.
    pub(super) async fn send(&self, control_plane: &ControlPlane, most: u64, clock: &dyn Clock) {
        for _ in 0..MAX_BATCHES {
            let Some(batch) = self.batch(most, clock.unix_millis()) else {
                return;
            };
            if let Err(error) = control_plane
                .push(&GatewayEvents {
                    events: batch.clone(),
                })
                .await
            {
                tracing::warn!(%error, events = batch.len(), "decisions could not be told; they wait");
                self.put_back(batch, clock.unix_millis());
                return;
            }
        }
    }

    fn batch(&self, most: u64, now: i64) -> Option<Vec<GatewayEvent>> {
        let mut waiting = self.waiting.lock().ok()?;
        let since = now.saturating_sub(waiting.sent_at);
        let is_due = waiting.events.len() >= MAX_BATCH
            || u128::try_from(since).unwrap_or(u128::MAX) >= MAX_WAIT.as_millis();
        if waiting.events.is_empty() || !is_due || now < waiting.paused_until {
            return None;
        }
        if since >= 1000 {
            waiting.in_second = 0;
        }
        let mut room = MAX_BATCH;
        if most > 0 {
            let left = most.saturating_sub(waiting.in_second);
            room = room.min(usize::try_from(left).unwrap_or(MAX_BATCH));
        }
        let count = waiting.events.len().min(room);
        if count == 0 {
            return None;
        }
        if waiting.dropped > 0 {
            tracing::warn!(
                dropped = waiting.dropped,
                "decisions were not told: too many waited"
            );
            waiting.dropped = 0;
        }
        waiting.sent_at = now;
        waiting.in_second += count as u64;
        Some(waiting.events.drain(..count).collect())
    }

    /// Puts a batch back in front of those that came meanwhile.
    fn put_back(&self, batch: Vec<GatewayEvent>, now: i64) {
        if let Ok(mut waiting) = self.waiting.lock() {
            waiting.paused_until = now.saturating_add(PAUSE_MILLIS);
            for event in batch.into_iter().rev() {
                if waiting.events.len() >= MAX_WAITING {
                    waiting.dropped += 1;
                } else {
                    waiting.events.push_front(event);
                }
            }
        }
    }
}

fn event(observed: &Observed<'_>, settings: AnalyticsSettings) -> GatewayEvent {
    let Observed {
        request,
        decision,
        api,
        duration,
    } = observed;
    let header = |name: &str| {
        let value = request.headers.first(name).unwrap_or_default();
        value.chars().take(MAX_HEADER_BYTES).collect::<String>()
    };
    // A password under another scheme is nobody's to be told, not even its digest.
    let token = request
        .headers
        .first("authorization")
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| {
            scheme.eq_ignore_ascii_case("Bearer") || scheme.eq_ignore_ascii_case("DPoP")
        });
    let token = token.map_or_else(String::new, |(_, token)| {
        let token = token.trim();
        if settings.raw_tokens {
            token.to_owned()
        } else {
            format!(
                "sha256:{}",
                base64url_encode(&Crypto.sha256(token.as_bytes()))
            )
        }
    });
    let failure = (!decision.is_permit()).then(|| ValidatorFailure {
        validator: decision.reason.code.as_str().to_owned(),
        message: decision.reason.message.to_string(),
        details: decision.trace.nearest_miss.clone().unwrap_or_default(),
    });
    GatewayEvent {
        api_id: api.map_or_else(String::new, |api| api.api_id.clone()),
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        token,
        result: ValidationResult {
            result: if decision.is_permit() {
                "AUTHORIZED"
            } else {
                "UNAUTHORIZED"
            }
            .to_owned(),
            failure: failure.into_iter().collect(),
        },
        user_agent: header("user-agent"),
        x_forwarded_for: header("x-forwarded-for"),
        x_real_ip: header("x-real-ip"),
        ..GatewayEvent::default()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::{Deny, HeaderMap, Method, Reason, ReasonCode, RequestUrl, Source};

    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn noted(count: usize) -> Analytics {
        let analytics = Analytics::new(AnalyticsSettings { raw_tokens: false });
        for number in 0..count {
            note(&analytics, number);
        }
        analytics
    }

    /// A denied request whose user agent is a number, to be known by.
    fn note(analytics: &Analytics, number: usize) {
        let mut headers = HeaderMap::new();
        headers.append("User-Agent", &number.to_string()).unwrap();
        headers
            .append("Authorization", "Basic cGFzc3dvcmQ=")
            .unwrap();
        let request = ApiRequest {
            method: Method::get(),
            url: RequestUrl::parse("https://api.example.com/x").unwrap(),
            http_version: "1.1".into(),
            headers,
            source: Source::default(),
            client_certificate: None,
            body: None,
            entry: None,
        };
        let reason = Reason::new(ReasonCode::DeniedByPolicy, "for the test");
        analytics.note(&Observed {
            request: &request,
            decision: &Decision::deny(Deny::status(403), reason),
            api: None,
            duration: Duration::from_millis(3),
        });
    }

    fn numbers(batch: &[GatewayEvent]) -> Vec<usize> {
        batch
            .iter()
            .map(|event| event.user_agent.parse().unwrap())
            .collect()
    }

    #[test]
    fn where_too_many_wait_the_oldest_are_dropped_and_counted() {
        let analytics = noted(MAX_WAITING + 7);
        {
            let waiting = analytics.waiting.lock().unwrap();
            assert_eq!((waiting.events.len(), waiting.dropped), (MAX_WAITING, 7));
        }
        let batch = analytics.batch(0, NOW).unwrap();
        assert_eq!(numbers(&batch), (7..107).collect::<Vec<_>>());
        assert_eq!(analytics.waiting.lock().unwrap().dropped, 0, "said once");
        // A batch that could not be sent goes back in front, and counts as dropped where there is no more room.
        for number in 0..MAX_BATCH - 1 {
            note(&analytics, 2000 + number);
        }
        analytics.put_back(batch, NOW);
        let waiting = analytics.waiting.lock().unwrap();
        assert_eq!((waiting.events.len(), waiting.dropped), (MAX_WAITING, 99));
        assert_eq!(waiting.events[0].user_agent, "106", "the newest of them");
    }

    #[test]
    fn a_batch_is_full_or_a_second_old() {
        let analytics = noted(1);
        assert_eq!(analytics.batch(0, NOW).unwrap().len(), 1);
        note(&analytics, 1);
        assert!(analytics.batch(0, NOW + 999).is_none());
        assert_eq!(analytics.batch(0, NOW + 1000).unwrap().len(), 1);
        for number in 0..250 {
            note(&analytics, number);
        }
        let sizes: Vec<_> =
            std::iter::from_fn(|| Some(analytics.batch(0, NOW + 1001)?.len())).collect();
        assert_eq!(sizes, [100, 100], "the rest waits for its second");
        // A clock that was set back holds nothing up.
        assert_eq!(analytics.batch(0, NOW - 60_000).unwrap().len(), 50);
    }

    #[test]
    fn no_more_are_told_in_a_second_than_the_control_plane_wants() {
        let analytics = noted(300);
        assert_eq!(analytics.batch(150, NOW).unwrap().len(), 100);
        assert_eq!(analytics.batch(150, NOW + 1).unwrap().len(), 50);
        assert!(analytics.batch(150, NOW + 2).is_none());
        assert_eq!(analytics.batch(150, NOW + 1001).unwrap().len(), 100);
    }

    #[test]
    fn after_a_failure_nothing_is_sent_for_a_while() {
        let analytics = noted(100);
        let batch = analytics.batch(0, NOW).unwrap();
        analytics.put_back(batch, NOW);
        assert!(analytics.batch(0, NOW + PAUSE_MILLIS - 1).is_none());
        let again = analytics.batch(0, NOW + PAUSE_MILLIS).unwrap();
        assert_eq!(numbers(&again), (0..100).collect::<Vec<_>>());
        assert!(
            again.iter().all(|event| event.token.is_empty()),
            "a password is no token"
        );
    }
}
