//! The calls to a control plane: an access token of its system issuer, the configuration, events.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use portcullis_cloudentity::{ApiGroups, GatewayEvents, SystemError};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::issuer::SystemIssuer;
use crate::clock::Clock;
use crate::form::encode;
use crate::http::{Http, HttpError, HttpRequest, HttpResponse, InvalidRequest};
use crate::sideband::GatewayCredential;

/// Largest configuration, in bytes. One of 5,000 APIs has about two million.
const MAX_CONFIGURATION_BYTES: usize = 16 * 1024 * 1024;
/// Largest of other answers, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Seconds before its end from which on a token is not used any more.
const TOKEN_MARGIN: u64 = 10;
/// How old a token is, in seconds, that is renewed for being refused by introspection.
const RENEWAL_PAUSE: u64 = 10;
/// Longest time, in seconds, for which a token is kept.
const LONGEST_TOKEN: u64 = 24 * 60 * 60;

/// Where a control plane is and who asks it.
#[derive(Clone)]
pub struct ControlPlaneSettings {
    /// Its system issuer.
    pub issuer: SystemIssuer,
    /// The client of the gateway.
    pub client_id: String,
    /// Its secret.
    pub client_secret: GatewayCredential,
    /// The tenant, where its authorizer is one of several tenants.
    pub tenant_id: Option<String>,
    /// The workspace, the same.
    pub server_id: Option<String>,
    /// How long one call may take.
    pub timeout: Duration,
}

/// Without the secret.
impl fmt::Debug for ControlPlaneSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlPlaneSettings")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// A control plane.
pub struct ControlPlane {
    settings: ControlPlaneSettings,
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    token: Mutex<Option<Token>>,
}

/// An access token; it is good until then (seconds since 1970).
#[derive(Clone)]
struct Token {
    authorization: Arc<str>,
    until: u64,
    /// Since when it was had.
    since: u64,
}

/// What became of asking for the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchedConfiguration {
    /// It is the one that was had before.
    Unchanged,
    /// Another one.
    Changed {
        /// The JSON.
        body: Bytes,
        /// What it is called, where the control plane says so.
        etag: Option<String>,
    },
}

/// Why a control plane gave no answer. No message holds a secret or a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlPlaneError {
    /// It could not be asked.
    #[error("{0}")]
    Http(#[from] HttpError),
    /// What it was to be asked cannot be sent.
    #[error("{0}")]
    Request(#[from] InvalidRequest),
    /// It refused.
    #[error("the control plane answered {call} with status {status}{hint}")]
    Status {
        /// The call.
        call: &'static str,
        /// The status.
        status: u16,
        /// What may help.
        hint: String,
    },
    /// It answered something else than it should.
    #[error("the control plane's answer to {call} cannot be read")]
    Malformed {
        /// The call.
        call: &'static str,
    },
}

/// An answer of a token endpoint (RFC 6749 section 5.1).
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default = "unsaid_lifetime")]
    expires_in: u64,
}

/// Seconds that a token is good for where the answer does not say.
const fn unsaid_lifetime() -> u64 {
    60
}

impl ControlPlane {
    /// A control plane that was not asked yet.
    #[must_use]
    pub fn new(settings: ControlPlaneSettings, http: Arc<dyn Http>, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings,
            http,
            clock,
            token: Mutex::default(),
        }
    }

    /// Where it is.
    #[must_use]
    pub const fn issuer(&self) -> &SystemIssuer {
        &self.settings.issuer
    }

    /// The configuration of the gateway, unless it is the one of that entity tag.
    pub async fn configuration(
        &self,
        etag: Option<&str>,
    ) -> Result<FetchedConfiguration, ControlPlaneError> {
        let mut url = self
            .settings
            .issuer
            .system("gateways/configuration?authorizer_version=latest");
        let ids = [
            ("tenant_id", &self.settings.tenant_id),
            ("server_id", &self.settings.server_id),
        ];
        for (name, value) in ids {
            if let Some(value) = value {
                url.extend(["&", name, "=", &encode(value)]);
            }
        }
        let call = "GET /gateways/configuration";
        let request = || {
            let request = HttpRequest::get(&url)?.header("accept", "application/json")?;
            match etag {
                Some(etag) => request.header("if-none-match", etag),
                None => Ok(request),
            }
        };
        let response = self.authorized(request, MAX_CONFIGURATION_BYTES).await?;
        match response.status {
            200 => {
                let etag = response
                    .headers
                    .get("etag")
                    .and_then(|tag| tag.to_str().ok());
                Ok(FetchedConfiguration::Changed {
                    etag: etag.map(str::to_owned),
                    body: response.body,
                })
            }
            304 if etag.is_some() => Ok(FetchedConfiguration::Unchanged),
            _ => Err(refused(call, &response)),
        }
    }

    /// Tells it what was decided. Returns once it has taken the events.
    pub async fn push(&self, events: &GatewayEvents) -> Result<(), ControlPlaneError> {
        self.post("POST /gateways/requests", "gateways/requests", events)
            .await
    }

    /// Tells it which APIs there are: all of them.
    pub async fn tell_groups(&self, groups: &ApiGroups) -> Result<(), ControlPlaneError> {
        let call = "POST /gateways/configuration";
        self.post(call, "gateways/configuration", groups).await
    }

    async fn post(
        &self,
        call: &'static str,
        resource: &str,
        sent: &impl Serialize,
    ) -> Result<(), ControlPlaneError> {
        let body = serde_json::to_vec(sent).map_err(|_| ControlPlaneError::Malformed { call })?;
        let body = Bytes::from(body);
        let resource = format!("{resource}?authorizer_version=latest");
        let url = self.settings.issuer.system(&resource);
        let request =
            || HttpRequest::post(&url, body.clone())?.header("content-type", "application/json");
        let response = self.authorized(request, MAX_ANSWER_BYTES).await?;
        match response.status {
            200..=299 => Ok(()),
            _ => Err(refused(call, &response)),
        }
    }

    /// What goes into `Authorization` of a call.
    pub async fn authorization(&self) -> Result<Arc<str>, ControlPlaneError> {
        let mut token = self.token.lock().await;
        let now = self.clock.unix_now();
        if let Some(token) = token.as_ref().filter(|token| now < token.until) {
            return Ok(Arc::clone(&token.authorization));
        }
        let fresh = self.fetch_token(now).await?;
        let authorization = Arc::clone(&fresh.authorization);
        *token = Some(fresh);
        Ok(authorization)
    }

    /// Another token in place of one that was refused; `None` where that is so new that it is not its age that is
    /// wrong: requests with opaque tokens, which anybody can send, must not have one renewed each.
    pub(super) async fn renewed(
        &self,
        refused: &str,
    ) -> Result<Option<Arc<str>>, ControlPlaneError> {
        let now = self.clock.unix_now();
        let is_new = |token: &Token| {
            &*token.authorization == refused && now.abs_diff(token.since) < RENEWAL_PAUSE
        };
        if self.token.lock().await.as_ref().is_some_and(is_new) {
            return Ok(None);
        }
        self.give_up(refused).await;
        self.authorization().await.map(Some)
    }

    /// Gives up a token that was refused, unless somebody has done so already.
    async fn give_up(&self, refused: &str) {
        let mut token = self.token.lock().await;
        if token
            .as_ref()
            .is_some_and(|token| &*token.authorization == refused)
        {
            *token = None;
        }
    }

    /// Sends a request with a token; where that is refused, once more with a new one (`acp-client-go`).
    async fn authorized(
        &self,
        request: impl Fn() -> Result<HttpRequest, InvalidRequest>,
        max_bytes: usize,
    ) -> Result<HttpResponse, ControlPlaneError> {
        let mut may_renew = true;
        loop {
            let authorization = self.authorization().await?;
            let request = request()?.header("authorization", &authorization)?;
            let response = self
                .http
                .send(request, self.settings.timeout, max_bytes)
                .await?;
            if !(may_renew && matches!(response.status, 401 | 403)) {
                return Ok(response);
            }
            may_renew = false;
            self.give_up(&authorization).await;
        }
    }

    /// `client_credentials` (RFC 6749 section 4.4), with the client authenticated by `client_secret_basic`, or, where
    /// that is refused, by `client_secret_post`: clients are registered for one of them.
    async fn fetch_token(&self, now: u64) -> Result<Token, ControlPlaneError> {
        let ControlPlaneSettings {
            issuer,
            client_id,
            client_secret,
            ..
        } = &self.settings;
        let secret = client_secret.expose();
        let form = "grant_type=client_credentials".to_owned();
        let pair = format!("{}:{}", encode(client_id), encode(secret));
        let basic = format!("Basic {}", STANDARD.encode(pair));
        let posted = format!(
            "{form}&client_id={}&client_secret={}",
            encode(client_id),
            encode(secret)
        );
        let call = "the request for a token";
        let mut response = self.ask_for_token(issuer, form, Some(&basic)).await?;
        if matches!(response.status, 400 | 401) {
            response = self.ask_for_token(issuer, posted, None).await?;
        }
        if response.status != 200 {
            return Err(refused(call, &response));
        }
        let answer: TokenAnswer = serde_json::from_slice(&response.body)
            .map_err(|_| ControlPlaneError::Malformed { call })?;
        let lifetime = answer
            .expires_in
            .min(LONGEST_TOKEN)
            .saturating_sub(TOKEN_MARGIN);
        Ok(Token {
            authorization: format!("Bearer {}", answer.access_token).into(),
            until: now.saturating_add(lifetime),
            since: now,
        })
    }

    async fn ask_for_token(
        &self,
        issuer: &SystemIssuer,
        form: String,
        authorization: Option<&str>,
    ) -> Result<HttpResponse, ControlPlaneError> {
        let mut request = HttpRequest::post(issuer.token_endpoint(), form.into())?
            .header("accept", "application/json")?
            .header("content-type", "application/x-www-form-urlencoded")?;
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization)?;
        }
        Ok(self
            .http
            .send(request, self.settings.timeout, MAX_ANSWER_BYTES)
            .await?)
    }
}

impl fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

fn refused(call: &'static str, response: &HttpResponse) -> ControlPlaneError {
    let error: Option<SystemError> = serde_json::from_slice(&response.body).ok();
    // Codes are words of the protocol; texts may hold anything.
    let code = error.map(|error| error.error_code).unwrap_or_default();
    let plain = code.len() <= 64
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let hint = match response.status {
        _ if plain && !code.is_empty() => format!(" ({code})"),
        400 | 401 => "; check ACP_CLIENT_ID and ACP_CLIENT_SECRET".to_owned(),
        403 => "; the client lacks a scope of gateways".to_owned(),
        404 => "; check ACP_ISSUER_URL: it is the issuer of the System workspace".to_owned(),
        429 => "; it is asked too often: raise ACP_RELOAD_INTERVAL".to_owned(),
        _ => String::new(),
    };
    ControlPlaneError::Status {
        call,
        status: response.status,
        hint,
    }
}
