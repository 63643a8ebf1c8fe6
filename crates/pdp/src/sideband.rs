//! The decision point behind the sideband protocol: PingOne Authorize, PingAuthorize, or
//! `portcullis serve`.
//!
//! How often it is asked and for how long is the subject of `remote.rs`.

mod credential;
mod service_url;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_model::{ApiRequest, DECISION_ID, Decision};
use portcullis_sideband::{MAX_REPLY_BYTES, SidebandError, SidebandReply, SidebandRequest};

use crate::clock::Clock;
use crate::decision_point::{DecisionFuture, DecisionPoint, Unavailable};
use crate::http::{Http, HttpRequest, HttpResponse, InvalidRequest};
use crate::remote::{Call, RemoteService, USER_AGENT};

pub use self::credential::{
    GatewayCredential, InvalidCredential, InvalidHeaderValue, service_url_from_credential,
};
pub use self::service_url::{InvalidServiceUrl, ServiceUrl};

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
    service: RemoteService,
}

impl SidebandClient {
    /// A client with those settings. Opens no connection; refuses a URL or a credential header
    /// that could never be sent.
    pub fn new(
        settings: SidebandSettings,
        http: Arc<dyn Http>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, InvalidRequest> {
        let name = settings.service_url.to_string();
        let client = Self {
            service: RemoteService::new(name, settings.max_retries, settings.debug, http, clock),
            settings,
        };
        client.request(Bytes::new())?;
        Ok(client)
    }

    async fn decide(&self, request: &ApiRequest) -> Result<Decision, Unavailable> {
        let sent = SidebandRequest::from_api_request(request);
        let body = serde_json::to_vec(&sent).map_err(|error| Unavailable::BadAnswer {
            cause: error.to_string(),
        })?;
        let request = self
            .request(body.into())
            .map_err(|error| Unavailable::Network {
                cause: error.to_string(),
            })?;
        let call = Call {
            request: &request,
            budget: self.settings.timeout,
            max_bytes: MAX_REPLY_BYTES,
            refusal: status_error,
        };
        let response = self.service.ask(call).await?;
        let mut decision =
            SidebandReply::read(&response.body, &sent).map_err(|error| Unavailable::BadAnswer {
                cause: error.to_string(),
            })?;
        if let Some(id) = correlation_id(&response) {
            decision.context.insert(DECISION_ID.to_owned(), id.into());
        }
        Ok(decision)
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
}

impl DecisionPoint for SidebandClient {
    fn decide<'a>(&'a self, request: &'a ApiRequest) -> DecisionFuture<'a> {
        Box::pin(SidebandClient::decide(self, request))
    }
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
