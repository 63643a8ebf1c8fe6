//! The way from a request to a decision, whoever decides: screened first, bounded in time, and never a permit
//! where no decision could be had.

use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::screen;
use portcullis_model::{ApiRequest, Decision, Outcome};
use portcullis_pdp::clock::{Clock, timeout};
use portcullis_pdp::cloudentity::CloudentityPoint;
use portcullis_pdp::http::Http;
use portcullis_pdp::local::{LocalDecisionPoint, LocalSettings, Secrets};
use portcullis_pdp::{DecisionPoint, Unavailable};

use crate::authzen::Authzen;
use crate::cloudentity::cloudentity_point;
use crate::environment::Environment;
use crate::local_policy::LocalPolicy;
use crate::secret::SecretStore;
use crate::settings::DecisionPointSettings;
use crate::sideband::Sideband;

/// What an enforcement point stands on.
#[derive(Debug, Clone)]
pub struct Platform {
    /// Sends requests.
    pub http: Arc<dyn Http>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Reads secrets that are kept elsewhere.
    pub secrets: Arc<dyn SecretStore>,
    /// The variables, among which a policy finds its secrets.
    pub environment: Environment,
}

/// The enforcement point cannot work as it is set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

/// Who decides.
pub enum Decider {
    /// A sideband service.
    Sideband(Box<Sideband>),
    /// A check of the token, then an AuthZEN service.
    Authzen(Box<Authzen>),
    /// A policy that the enforcement point holds.
    Local(Box<LocalDecisionPoint>),
    /// The configuration of a Cloudentity control plane.
    Cloudentity(Box<CloudentityPoint>),
}

impl Decider {
    /// Whoever those settings name. Makes no request. `for_cache` says that answers are cached in front, so that
    /// decisions say what becomes of other requests.
    pub fn new(
        settings: DecisionPointSettings,
        budget: Duration,
        for_cache: bool,
        platform: &Platform,
    ) -> Result<Self, StartError> {
        Ok(match settings {
            DecisionPointSettings::Sideband(source) => {
                Self::Sideband(Box::new(Sideband::new(source, budget, platform)?))
            }
            DecisionPointSettings::Authzen(source) => {
                Self::Authzen(Box::new(Authzen::new(*source, budget, platform)?))
            }
            DecisionPointSettings::Cloudentity(source) => {
                let (_, point) = cloudentity_point(*source, None, platform);
                Self::Cloudentity(Box::new(point))
            }
            DecisionPointSettings::Local(LocalPolicy { policy, keys }) => {
                let environment = platform.environment.clone();
                let secrets = Secrets::new(move |name| environment.value(name).map(str::to_owned));
                let settings = LocalSettings {
                    for_cache,
                    bundled_keys: keys,
                    secrets: Some(secrets),
                    ..LocalSettings::default()
                };
                let (http, clock) = (Arc::clone(&platform.http), Arc::clone(&platform.clock));
                let point = LocalDecisionPoint::with_settings(policy, http, clock, settings)
                    .map_err(|error| StartError(error.to_string()))?;
                Self::Local(Box::new(point))
            }
        })
    }

    /// Reads the credential of a service, where it is kept elsewhere, before it is needed. For an enforcement point that
    /// can do so before its first event.
    pub async fn prepare(&self) {
        match self {
            Self::Sideband(sideband) => sideband.prepare().await,
            Self::Authzen(authzen) => authzen.prepare().await,
            Self::Local(_) | Self::Cloudentity(_) => {}
        }
    }

    /// Fetches what decisions will need.
    pub async fn hydrate(&self) {
        match self {
            Self::Sideband(_) => {}
            Self::Authzen(authzen) => authzen.hydrate().await,
            Self::Local(point) => point.hydrate().await,
            Self::Cloudentity(point) => point.refresh().await,
        }
    }

    /// Decides within that time.
    pub async fn decide(
        &self,
        request: &ApiRequest,
        budget: Duration,
        clock: &dyn Clock,
    ) -> Result<Decision, Unavailable> {
        match self {
            // These keep to the budget themselves, retries included.
            Self::Sideband(sideband) => screened(request, sideband.ask(request)).await,
            Self::Authzen(authzen) => screened(request, authzen.ask(request)).await,
            Self::Local(point) => {
                let ask = within(clock, budget, point.decide(request));
                screened(request, ask).await
            }
            Self::Cloudentity(point) => {
                let ask = async { Ok(point.decide(request).await?.decision) };
                screened(request, within(clock, budget, ask)).await
            }
        }
    }
}

/// A decision that is had within that time.
pub async fn within(
    clock: &dyn Clock,
    budget: Duration,
    ask: impl Future<Output = Result<Decision, Unavailable>>,
) -> Result<Decision, Unavailable> {
    timeout(clock, budget, ask)
        .await
        .unwrap_or(Err(Unavailable::Timeout { budget }))
}

/// A decision on a request that nobody could understand in two ways; others are refused, and nobody is asked. A deny
/// with a server error is no decision.
pub async fn screened(
    request: &ApiRequest,
    ask: impl Future<Output = Result<Decision, Unavailable>>,
) -> Result<Decision, Unavailable> {
    if let Some(refused) = screen(request) {
        return Ok(refused);
    }
    let decision = ask.await?;
    match &decision.outcome {
        // A decision point that denies with a server error says that it could not decide.
        Outcome::Deny(deny) if deny.status >= 500 => Err(Unavailable::Status {
            status: deny.status,
            hint: "the decision point denied with a server error; look at its log",
        }),
        _ => Ok(decision),
    }
}
