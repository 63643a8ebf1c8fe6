//! HTTP by the host.

use std::time::Duration;

use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use portcullis_pdp::http::{Http, HttpError, HttpRequest, HttpResponse, SendFuture};

use super::host;
use super::pending::Pending;

/// What the host said of a request.
enum Outcome {
    Received(HttpResponse),
    Timeout,
    TooLarge,
    Failed(String),
}

thread_local! {
    static REQUESTS: Pending<Outcome> = Pending::new();
}

/// Sends through the host.
#[derive(Debug)]
pub(super) struct HostHttp;

impl Http for HostHttp {
    fn send(&self, request: HttpRequest, timeout: Duration, max_bytes: usize) -> SendFuture<'_> {
        Box::pin(async move {
            let (number, answer) = REQUESTS.with(Pending::begin);
            let _under_way = UnderWay(number);
            let headers = request
                .headers()
                .flat_map(|(name, value)| [name.to_owned(), value.to_owned()])
                .collect();
            #[expect(clippy::cast_precision_loss, reason = "a bound far below 2^52")]
            let most = max_bytes as f64;
            host::send(
                number,
                request.method(),
                &request.url(),
                headers,
                request.body(),
                timeout.as_secs_f64() * 1000.0,
                most,
            );
            match answer.await {
                Ok(Outcome::Received(response)) => Ok(response),
                Ok(Outcome::Timeout) => Err(HttpError::Timeout { timeout }),
                Ok(Outcome::TooLarge) => Err(HttpError::TooLarge { max_bytes }),
                Ok(Outcome::Failed(cause)) => Err(HttpError::Network { cause }),
                Err(_) => Err(HttpError::Network {
                    cause: "the request was broken off".to_owned(),
                }),
            }
        })
    }
}

/// A request that is given up when nobody waits for it.
struct UnderWay(u32);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if REQUESTS.with(|requests| requests.forget(self.0)) {
            host::abort(self.0);
        }
    }
}

/// The host has an answer. Header fields that are none are left out.
pub(super) fn received(request: u32, status: u16, headers: Vec<String>, body: Vec<u8>) {
    let mut fields = HeaderMap::new();
    let mut headers = headers.into_iter();
    while let (Some(name), Some(value)) = (headers.next(), headers.next()) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            fields.append(name, value);
        }
    }
    let response = HttpResponse {
        status,
        headers: fields,
        body: body.into(),
    };
    REQUESTS.with(|requests| requests.resolve(request, Outcome::Received(response)));
}

/// The host has none.
pub(super) fn failed(request: u32, kind: &str, cause: String) {
    let outcome = match kind {
        "timeout" => Outcome::Timeout,
        "too_large" => Outcome::TooLarge,
        _ => Outcome::Failed(cause),
    };
    REQUESTS.with(|requests| requests.resolve(request, outcome));
}
