//! The client of an AuthZEN service: one `POST` a question, with a credential where the service asks
//! for one (AuthZEN Authorization API 1.0, "Access Evaluation API", HTTPS binding).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::answer::{self, MAX_ANSWER_BYTES, bad};
use super::endpoint::{Endpoint, EndpointOrigin, PdpUrl};
use super::{Evaluate, Evaluation, EvaluationFuture, Question};
use crate::clock::Clock;
use crate::decision_point::Unavailable;
use crate::http::{Http, HttpRequest, HttpResponse, InvalidRequest};
use crate::remote::{Call, RemoteService, USER_AGENT};
use crate::sideband::GatewayCredential;

/// How an AuthZEN service is asked.
#[derive(Debug, Clone)]
pub struct AuthzenSettings {
    /// Where it is.
    pub pdp_url: PdpUrl,
    /// Whether its metadata says where evaluations are; otherwise they are at the default path.
    pub discovery: bool,
    /// The origins that metadata may name beside that of the service.
    pub endpoint_origins: Vec<EndpointOrigin>,
    /// The header that carries the credential, where there is one.
    pub credential_header: String,
    /// Retries after network errors and 5xx.
    pub max_retries: u32,
    /// Whether each exchange is logged, redacted.
    pub debug: bool,
}

/// What a service lets us in with: the credential, or nothing where it asks for none.
pub type AuthzenCredential = Option<GatewayCredential>;

/// Asks an AuthZEN service.
#[derive(Debug)]
pub struct AuthzenClient {
    endpoint: Endpoint,
    service: RemoteService,
    credential_header: String,
    clock: Arc<dyn Clock>,
}

impl AuthzenClient {
    /// A client with those settings. Opens no connection; refuses a credential header that could never
    /// be sent.
    pub fn new(
        settings: AuthzenSettings,
        http: Arc<dyn Http>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, InvalidRequest> {
        HttpRequest::get("http://localhost/")?.header(&settings.credential_header, "x")?;
        let name = settings.pdp_url.as_str().to_owned();
        let clock_of_service = Arc::clone(&clock);
        Ok(Self {
            service: RemoteService::new(
                name,
                settings.max_retries,
                settings.debug,
                http,
                clock_of_service,
            ),
            endpoint: if settings.discovery {
                Endpoint::discovered(settings.pdp_url, settings.endpoint_origins)
            } else {
                Endpoint::at_default_path(settings.pdp_url)
            },
            credential_header: settings.credential_header,
            clock,
        })
    }

    /// Finds out where evaluations are asked for, within that time, where metadata says so. A failure is
    /// logged, and tried again at the first decision.
    pub async fn discover(&self, budget: Duration) {
        if let Err(error) = self.endpoint.url(&self.service, budget).await {
            tracing::warn!(%error, "the metadata of the decision point could not be used; it is fetched again at the next decision");
        }
    }

    /// Asks with that credential, within that time, retries included.
    pub async fn evaluate(
        &self,
        question: &Question,
        credential: &AuthzenCredential,
        budget: Duration,
    ) -> Result<Evaluation, Unavailable> {
        let deadline = self.clock.monotonic() + budget;
        let url = self.endpoint.url(&self.service, budget).await?;
        let request = self
            .request(url, question.to_json()?, question.id(), credential)
            .map_err(|error| bad(&error.to_string()))?;
        let call = Call {
            request: &request,
            budget: deadline.saturating_duration_since(self.clock.monotonic()),
            max_bytes: MAX_ANSWER_BYTES,
            refusal: status_error,
        };
        let response = self.service.ask(call).await?;
        answer::read(&response, question.id())
    }

    fn request(
        &self,
        url: &str,
        body: Bytes,
        id: &str,
        credential: &AuthzenCredential,
    ) -> Result<HttpRequest, InvalidRequest> {
        let request = HttpRequest::post(url, body)?
            .header("content-type", "application/json")?
            .header("accept", "application/json")?
            .header("user-agent", USER_AGENT)?
            .header("x-request-id", id)?;
        match credential {
            None => Ok(request),
            Some(credential) => request.header(&self.credential_header, credential.expose()),
        }
    }
}

/// A client with a credential that stays the same.
impl Evaluate for (Arc<AuthzenClient>, AuthzenCredential) {
    fn evaluate<'a>(&'a self, question: &'a Question, budget: Duration) -> EvaluationFuture<'a> {
        let (client, credential) = self;
        Box::pin(client.evaluate(question, credential, budget))
    }
}

/// The error body is for people, and its form is left open, so it is not read.
fn status_error(response: &HttpResponse) -> Unavailable {
    let hint = match response.status {
        201..=299 => "AuthZEN answers with 200 only: check AUTHZEN_PDP_URL",
        300..=399 => "redirects are not followed: check AUTHZEN_PDP_URL",
        400 => "the service does not understand the question: look at its log",
        401 => "the credential is not accepted: check SECRET_HEADER_VALUE and SECRET_HEADER_NAME",
        403 => "this caller may not ask the service: check what its credential is allowed",
        404 | 405 => "there is no AuthZEN service: check AUTHZEN_PDP_URL",
        500.. => "look at the log of the decision point",
        _ => "check AUTHZEN_PDP_URL and the version of the service",
    };
    Unavailable::Status {
        status: response.status,
        hint,
    }
}
