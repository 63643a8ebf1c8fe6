//! The decision point: the last configuration that was had, kept fresh beside the way of requests.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use portcullis_cloudentity::{ApiRef, GatewayConfiguration};
use portcullis_engine::PolicyLanguage;
use portcullis_jose::CryptoProvider;
use portcullis_model::{ApiRequest, Decision, Deny, FollowUp, Outcome, Reason, ReasonCode};
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use super::authn_context::inject;
use super::compile::{CompiledConfiguration, compile_configuration};
use super::control_plane::{ControlPlane, FetchedConfiguration};
use super::copy::{ConfigurationCopy, Kept};
use super::fetch::ByControlPlane;
use crate::PolicySet;
use crate::clock::Clock;
use crate::crypto::Crypto;
use crate::decision_point::{DecisionPoint, Unavailable};
use crate::keys::Fetch;
use crate::local::{LocalDecisionPoint, LocalSettings, Secrets};
use crate::task::work;

/// How to decide.
#[derive(Default)]
pub struct CloudentityOptions {
    /// How old a configuration may be before another one is asked for.
    pub reload_interval: Duration,
    /// How old a configuration may be to decide at all, while the control plane is away.
    pub max_age: Duration,
    /// Whether requests are let through that are for a bound service and for no API of it.
    pub allow_unknown: bool,
    /// Whether the backend is told the authentication context.
    pub inject_context: bool,
    /// Where the last good configuration is kept between starts.
    pub copy: Option<ConfigurationCopy>,
    /// The languages that policies may be written in beside validators.
    pub languages: Vec<Arc<dyn PolicyLanguage>>,
}

/// Decides with the configuration of a control plane.
pub struct CloudentityPoint {
    control_plane: Arc<ControlPlane>,
    fetch: Arc<ByControlPlane>,
    point: LocalDecisionPoint,
    options: CloudentityOptions,
    gateway: String,
    clock: Arc<dyn Clock>,
    loaded: ArcSwapOption<Loaded>,
    /// When the configuration was last known to be current, in seconds since 1970.
    checked_at: AtomicU64,
    /// When it was last asked for.
    tried_at: AtomicU64,
    /// When the copy was last known to be current, in seconds since 1970.
    kept_at: AtomicU64,
    /// How often in a row there was no answer.
    failures: AtomicU32,
    /// Held while the configuration is asked for.
    asking: Mutex<()>,
}

#[derive(Debug)]
struct Loaded {
    etag: Option<String>,
    /// The SHA-256 of the JSON.
    digest: [u8; 32],
    apis: HashMap<(String, String), ApiRef>,
    events_per_second: u64,
}

/// A decision and the API that it is about.
#[derive(Debug)]
pub struct CloudentityDecision {
    /// The decision.
    pub decision: Decision,
    /// The API; `None` where none covers the request.
    pub api: Option<ApiRef>,
}

impl CloudentityPoint {
    /// A decision point without a configuration. Nothing was asked yet; [`refresh`](Self::refresh) asks.
    ///
    /// `gateway` is what the copy is known by: the issuer and the client.
    #[must_use]
    pub fn new(
        control_plane: Arc<ControlPlane>,
        http: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        gateway: String,
        options: CloudentityOptions,
    ) -> Self {
        let fetch = Arc::new(ByControlPlane {
            inner: http,
            introspection_endpoint: control_plane.issuer().system("gateways/introspect"),
            control_plane: Arc::clone(&control_plane),
            issuer: RwLock::default(),
        });
        let settings = LocalSettings {
            // The token of the system issuer is what counts; the client is named in the form only.
            secrets: Some(Secrets::new(|_| Some("unused".to_owned()))),
            ..LocalSettings::default()
        };
        let point = LocalDecisionPoint::without_secrets(
            Arc::default(),
            Arc::clone(&fetch) as Arc<dyn Fetch>,
            Arc::clone(&clock),
            settings,
        );
        Self {
            control_plane,
            fetch,
            point,
            options,
            gateway,
            clock,
            loaded: ArcSwapOption::empty(),
            checked_at: AtomicU64::new(0),
            tried_at: AtomicU64::new(0),
            kept_at: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            asking: Mutex::default(),
        }
    }

    /// The most events a second that the control plane wants; 0 for no bound.
    #[must_use]
    pub fn events_per_second(&self) -> u64 {
        self.loaded
            .load()
            .as_ref()
            .map_or(0, |loaded| loaded.events_per_second)
    }

    /// Whether the configuration is old enough that another one should be asked for. Says so once an interval, so
    /// that a control plane that is away is not asked at every request.
    #[must_use]
    pub fn wants_refresh(&self) -> bool {
        let now = self.clock.unix_now();
        // A control plane that gives no answer is asked less and less often, up to 32 times so.
        let failures = self.failures.load(Ordering::Relaxed).min(5);
        let interval = self.options.reload_interval.as_secs() << failures;
        let tried = self.tried_at.load(Ordering::Relaxed);
        // A clock that was set back must not stop the polling.
        (now.abs_diff(tried) >= interval)
            && self
                .tried_at
                .compare_exchange(tried, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Asks for the configuration now. Whoever comes while somebody asks waits for that and asks no more. What was had
    /// before goes on where nothing better is had.
    pub async fn refresh(&self) {
        if let Ok(_asking) = self.asking.try_lock() {
            self.ask().await;
        } else {
            drop(self.asking.lock().await);
        }
        self.point.hydrate().await;
    }

    async fn ask(&self) {
        let now = self.clock.unix_now();
        self.tried_at.store(now, Ordering::Relaxed);
        let etag = self
            .loaded
            .load()
            .as_ref()
            .and_then(|loaded| loaded.etag.clone());
        let answer = self.control_plane.configuration(etag.as_deref()).await;
        if answer.is_ok() {
            self.failures.store(0, Ordering::Relaxed);
        } else {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        match answer {
            Ok(FetchedConfiguration::Unchanged) => self.confirm(now),
            Ok(FetchedConfiguration::Changed { body, etag }) => {
                if let Err(error) = self.take(&body, etag, now).await {
                    tracing::error!(
                        error,
                        "the configuration cannot be used; the last one goes on"
                    );
                }
            }
            Err(error) if self.loaded.load().is_none() => {
                // What the documentation of Cloudentity's authorizer calls normal before a gateway is connected.
                tracing::warn!(%error, "no configuration could be had yet");
                self.read_copy().await;
            }
            Err(error) => {
                tracing::warn!(%error, "the configuration could not be asked for; the last one goes on");
            }
        }
    }

    /// Takes a configuration that was had; control planes without entity tags send the same one again and again.
    async fn take(&self, body: &[u8], etag: Option<String>, now: u64) -> Result<(), String> {
        let text: Box<RawValue> =
            serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let text: Arc<RawValue> = text.into();
        let digest = Crypto.sha256(text.get().as_bytes());
        if self
            .loaded
            .load()
            .as_ref()
            .is_some_and(|loaded| loaded.digest == digest)
        {
            self.confirm(now);
            return Ok(());
        }
        self.use_configuration(Arc::clone(&text), digest, etag.clone())
            .await?;
        self.checked_at.store(now, Ordering::Relaxed);
        let Some(copy) = &self.options.copy else {
            return Ok(());
        };
        let kept = Kept {
            checked_at: now,
            etag,
            gateway: self.gateway.clone(),
            configuration: (*text).to_owned(),
        };
        match copy.write(&kept) {
            Ok(()) => self.kept_at.store(now, Ordering::Relaxed),
            Err(error) => {
                tracing::warn!(%error, "the configuration could not be kept for the next start");
            }
        }
        Ok(())
    }

    /// The configuration that decides is still the current one. The copy is told now and then.
    fn confirm(&self, now: u64) {
        self.checked_at.store(now, Ordering::Relaxed);
        let kept_at = self.kept_at.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(kept_at) >= self.options.max_age.as_secs() / 4;
        let loaded = self.loaded.load();
        if let (Some(copy), Some(loaded), true) = (&self.options.copy, &*loaded, is_due) {
            match copy.confirm(&loaded.digest, now) {
                Ok(()) => self.kept_at.store(now, Ordering::Relaxed),
                Err(error) => {
                    tracing::warn!(%error, "the kept configuration could not be confirmed");
                }
            }
        }
    }

    /// Decides on a request. Waits for the control plane only while there is no configuration at all.
    pub async fn decide(&self, request: &ApiRequest) -> Result<CloudentityDecision, Unavailable> {
        if self.loaded.load().is_none() {
            self.refresh().await;
        }
        if self.loaded.load().is_none() {
            return Err(unavailable("there is no configuration yet"));
        }
        if self.is_too_old() {
            // An instance that was idle has had no answer after which to ask.
            self.refresh().await;
        }
        if self.is_too_old() {
            return Err(unavailable(
                "the configuration is older than PORTCULLIS_CONFIGURATION_MAX_AGE",
            ));
        }
        let loaded = self.loaded.load_full();
        let mut decision = DecisionPoint::decide(&self.point, request).await?;
        let api = match (&decision.trace.service, &decision.trace.operation) {
            (Some(service), Some(operation)) => {
                let key = (service.to_string(), operation.to_string());
                loaded.and_then(|loaded| loaded.apis.get(&key).cloned())
            }
            _ => None,
        };
        self.tell(&mut decision);
        Ok(CloudentityDecision { decision, api })
    }

    fn is_too_old(&self) -> bool {
        let checked = self.checked_at.load(Ordering::Relaxed);
        // Where the clock was set back, nobody knows how old it is.
        let age = self.clock.unix_now().abs_diff(checked);
        age > self.options.max_age.as_secs()
    }

    /// Says what a decision is in Cloudentity's words, and hands the authentication context over.
    fn tell(&self, decision: &mut Decision) {
        // Without an API there is nobody who could ask for a token: that there is no API is what is wrong.
        let asks_for_token = matches!(&decision.outcome, Outcome::Deny(deny) if deny.status == 401);
        let is_unknown = decision.trace.service.is_some() && decision.trace.operation.is_none();
        let found = match decision.reason.code {
            _ if asks_for_token && is_unknown => ReasonCode::NoOperation,
            code => code,
        };
        let (code, message) = match found {
            ReasonCode::Public => (ReasonCode::Unrestricted, "the API has no policy"),
            ReasonCode::NoService => (
                ReasonCode::Unbound,
                "no service is bound to this API of API Gateway and its stage",
            ),
            ReasonCode::NoOperation => (
                ReasonCode::UnknownApi,
                "the service has no API with this method and path",
            ),
            code => (code, ""),
        };
        if code != decision.reason.code {
            decision.reason = Reason::new(code, message);
        }
        if matches!(code, ReasonCode::Unbound | ReasonCode::UnknownApi)
            && let Outcome::Deny(deny) = &mut decision.outcome
        {
            *deny = Deny::status(403);
        }
        if let Some(FollowUp::Token { claims, .. }) = &decision.follow_up
            && self.options.inject_context
            && decision.is_permit()
        {
            inject(&mut decision.context, claims);
        }
    }

    async fn use_configuration(
        &self,
        text: Arc<RawValue>,
        digest: [u8; 32],
        etag: Option<String>,
    ) -> Result<(), String> {
        let introspection = self.control_plane.issuer().system("gateways/introspect");
        let allow_unknown = self.options.allow_unknown;
        let languages = self.options.languages.clone();
        // A large one, or a policy that takes long to compile, does not keep requests waiting meanwhile.
        let compiled = work(move || compiled(&text, allow_unknown, &introspection, &languages));
        let CompiledConfiguration {
            policy,
            apis,
            warnings,
            events_per_second,
            issuer,
        } = compiled
            .await
            .map_err(|_| "compiling it broke off".to_owned())??;
        for warning in warnings {
            tracing::warn!(warning, "part of the configuration cannot be used");
        }
        if let Ok(mut current) = self.fetch.issuer.write() {
            *current = issuer;
        }
        let services = policy.services().len();
        self.replace(policy)?;
        let loaded = Loaded {
            etag,
            digest,
            apis,
            events_per_second,
        };
        tracing::info!(
            services,
            apis = loaded.apis.len(),
            "a configuration decides"
        );
        self.loaded.store(Some(Arc::new(loaded)));
        Ok(())
    }

    fn replace(&self, policy: PolicySet) -> Result<(), String> {
        let policy = if self.options.inject_context {
            policy.with_claims()
        } else {
            policy
        };
        self.point
            .replace(policy)
            .map_err(|error| error.to_string())
    }

    /// Decides with what was kept, where that is not too old.
    async fn read_copy(&self) {
        let Some(copy) = &self.options.copy else {
            return;
        };
        let Some(kept) = copy.read(&self.gateway) else {
            return;
        };
        let digest = Crypto.sha256(kept.configuration.get().as_bytes());
        let confirmed = copy.confirmed(&digest).unwrap_or(0);
        let checked_at = kept.checked_at.max(confirmed);
        let age = self.clock.unix_now().abs_diff(checked_at);
        if age > self.options.max_age.as_secs() {
            return;
        }
        let used = self.use_configuration(kept.configuration.into(), digest, kept.etag);
        match used.await {
            Ok(()) => {
                self.checked_at.store(checked_at, Ordering::Relaxed);
                tracing::warn!(
                    age_seconds = age,
                    "a configuration from before the start decides"
                );
            }
            Err(error) => tracing::error!(error, "the kept configuration cannot be used"),
        }
    }
}

fn compiled(
    text: &RawValue,
    allow_unknown: bool,
    introspection: &str,
    languages: &[Arc<dyn PolicyLanguage>],
) -> Result<CompiledConfiguration, String> {
    let configuration: GatewayConfiguration =
        serde_json::from_str(text.get()).map_err(|error| error.to_string())?;
    if configuration.issuer_url.is_empty() {
        // What is no configuration, such as an error with status 200, reads as an empty one.
        return Err("it has no issuer_url".to_owned());
    }
    compile_configuration(&configuration, allow_unknown, introspection, languages)
        .map_err(|error| error.to_string())
}

fn unavailable(cause: &str) -> Unavailable {
    Unavailable::Network {
        cause: cause.to_owned(),
    }
}

impl fmt::Debug for CloudentityPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudentityPoint")
            .field("control_plane", &self.control_plane)
            .finish_non_exhaustive()
    }
}
