//! Cloudentity mode: the configuration of a gateway, polled from its control plane, decides in this function.

mod analytics;
mod discovery;
mod extension;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use portcullis_enforcement::{CloudentitySource, Environment, Platform, cloudentity_point};
use portcullis_model::{ApiRequest, Decision};
use portcullis_pdp::Unavailable;
use portcullis_pdp::clock::Clock;
use portcullis_pdp::cloudentity::{CloudentityPoint, ControlPlane};
use portcullis_pdp::http::Http;
use tokio::sync::{Mutex, Notify, OnceCell};
use tokio::task::JoinHandle;

pub use analytics::AnalyticsSettings;
use analytics::{Analytics, Observed};
use discovery::Discovery;
pub use discovery::DiscoverySettings;
use extension::Extension;
pub use settings::CloudentityExtras;

/// Longest time that the work after an answer may take. Lambda charges for it.
const AFTER_ANSWER: Duration = Duration::from_secs(3);

/// The decision point and what is done beside the way of requests.
pub(crate) struct Cloudentity {
    point: Arc<CloudentityPoint>,
    analytics: Option<Arc<Analytics>>,
    discovery: Option<Discovery>,
    control_plane: Arc<ControlPlane>,
    clock: Arc<dyn Clock>,
    /// Told when an event was answered.
    answered: Notify,
    /// What was begun after an answer.
    under_way: Mutex<Vec<JoinHandle<()>>>,
    /// What keeps the function from being frozen while there is work.
    extension: OnceCell<Extension>,
}

impl Cloudentity {
    /// A decision point that has asked for nothing yet.
    pub(crate) fn new(
        source: CloudentitySource,
        extras: CloudentityExtras,
        platform: &Platform,
    ) -> Self {
        let CloudentityExtras {
            analytics,
            discovery,
            copy,
        } = extras;
        let Platform { http, clock, .. } = platform;
        let (control_plane, point) = cloudentity_point(source, Some(copy), platform);
        let discovery =
            discovery.map(|settings| Discovery::new(settings, Arc::clone(http), Arc::clone(clock)));
        Self {
            point: Arc::new(point),
            analytics: analytics.map(|settings| Arc::new(Analytics::new(settings))),
            discovery,
            control_plane,
            clock: Arc::clone(clock),
            answered: Notify::new(),
            under_way: Mutex::default(),
            extension: OnceCell::new(),
        }
    }

    /// Becomes an internal extension of Lambda, which freezes the function only when the extension is ready, too. That
    /// has to be done before the first event is asked for.
    pub(crate) async fn register(&self, environment: &Environment, http: &dyn Http) {
        if let Some(host) = environment.value("AWS_LAMBDA_RUNTIME_API")
            && let Some(extension) = Extension::register(host, http).await
        {
            // Nobody registers twice.
            let _ = self.extension.set(extension);
        }
    }

    /// Fetches the configuration for the first time.
    pub(crate) async fn hydrate(&self) {
        self.point.refresh().await;
    }

    /// Decides on a request.
    pub(crate) async fn ask(&self, request: &ApiRequest) -> Result<Decision, Unavailable> {
        let started = self.clock.monotonic();
        let made = self.point.decide(request).await?;
        if let Some(analytics) = &self.analytics {
            let duration = self.clock.monotonic().saturating_duration_since(started);
            analytics.note(&Observed {
                request,
                decision: &made.decision,
                api: made.api.as_ref(),
                duration,
            });
        }
        Ok(made.decision)
    }

    /// Says that an event was answered.
    pub(crate) fn answered(&self) {
        self.answered.notify_one();
    }

    /// What is done when a schedule says so: APIs are looked for, the configuration is asked for, and what waits is
    /// sent.
    pub(crate) async fn scheduled(&self) {
        if let Some(discovery) = &self.discovery {
            discovery.run(&self.control_plane).await;
        }
        self.point.refresh().await;
        self.send().await;
    }

    /// What is done after each answer, before Lambda freezes the function. What takes longer is frozen with it and goes
    /// on after the next answer: nothing is begun twice and nothing is lost.
    async fn after_answer(&self) {
        let mut under_way = self.under_way.lock().await;
        under_way.retain(|task| !task.is_finished());
        if under_way.is_empty() {
            if self.point.wants_refresh() {
                let point = Arc::clone(&self.point);
                under_way.push(tokio::spawn(async move { point.refresh().await }));
            }
            if let Some(analytics) = self.analytics.clone() {
                let most = self.point.events_per_second();
                let (control_plane, clock) =
                    (Arc::clone(&self.control_plane), Arc::clone(&self.clock));
                let send = async move { analytics.send(&control_plane, most, &*clock).await };
                under_way.push(tokio::spawn(send));
            }
        }
        let finished = async {
            for task in under_way.iter_mut() {
                // A task that panicked is over, too.
                let _ = task.await;
            }
        };
        if tokio::time::timeout(AFTER_ANSWER, finished).await.is_err() {
            tracing::debug!("the work after an answer goes on after the next one");
        }
    }

    async fn send(&self) {
        if let Some(analytics) = &self.analytics {
            let most = self.point.events_per_second();
            analytics
                .send(&self.control_plane, most, &*self.clock)
                .await;
        }
    }

    /// Works after each answer, for as long as it is polled. Without an extension the work may be cut short by the
    /// freeze, and goes on after the next event.
    pub(crate) async fn run(&self, http: &dyn Http) {
        let mut extension = self.extension.get();
        loop {
            if let Some(registered) = extension
                && !registered.next(http).await
            {
                tracing::warn!("the extensions API failed; work after answers may be cut short");
                extension = None;
            }
            self.answered.notified().await;
            self.after_answer().await;
        }
    }
}
