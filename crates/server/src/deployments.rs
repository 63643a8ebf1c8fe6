//! Decides with the current deployment of a database, and with the next one as soon as there is one.
//!
//! What decides is always a whole deployment. One that does not compile, or a database that is away,
//! changes nothing: the last one keeps deciding.

use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::{Diagnostics, PolicyLanguage, compile};
use portcullis_pdp::PolicySet;
use portcullis_pdp::local::LocalDecisionPoint;
use portcullis_policies::{Worker, WorkerError};
use portcullis_store::{Deployment, Store};

use crate::health::Readiness;
use crate::management::deployments::files;
use crate::metrics::{Loaded, Metrics};

/// How long to wait before the database is asked again that gave no answer.
const RETRY: Duration = Duration::from_secs(1);

/// What follows the deployments of a database.
pub struct Deployments {
    /// Where they are.
    pub store: Store,
    /// What decides with them.
    pub point: Arc<LocalDecisionPoint>,
    /// What tries policies out before they are compiled here.
    pub worker: Worker,
    /// The languages that policies may be written in beside validators.
    pub languages: Vec<Arc<dyn PolicyLanguage>>,
    /// Where loads are counted.
    pub metrics: Metrics,
    /// Ready once a deployment decides.
    pub readiness: Readiness,
}

impl Deployments {
    /// Follows them for as long as it is polled.
    pub async fn follow(self) {
        let mut tried = None;
        loop {
            match self.store.current_deployment().await {
                Ok(None) => {
                    tracing::warn!(
                        "there is no deployment yet; make one with `portcullis policy push`"
                    );
                }
                Ok(Some(current)) if tried == Some(current.summary.number) => {}
                Ok(Some(current)) => {
                    tried = Some(current.summary.number);
                    self.use_deployment(current).await;
                }
                Err(error) => {
                    tracing::error!(%error, "the database gave no deployment; the last one keeps deciding");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            }
            self.store.watch(tried).changed().await;
        }
    }

    async fn use_deployment(&self, deployment: Deployment) {
        let number = deployment.summary.number;
        let (worker, languages) = (self.worker.clone(), self.languages.clone());
        let compiled =
            tokio::task::spawn_blocking(move || compiled(deployment, &worker, &languages)).await;
        let outcome = match compiled {
            Ok(Ok(policy)) => self
                .point
                .replace(policy)
                .map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        self.metrics.loaded(Loaded::Policy, outcome.is_ok());
        match outcome {
            Ok(()) => {
                tracing::info!(deployment = number, "a deployment decides");
                // In the background: an issuer that is slow must not keep the next deployment waiting.
                let (point, readiness) = (Arc::clone(&self.point), self.readiness.clone());
                tokio::spawn(async move {
                    point.hydrate().await;
                    readiness.set(true);
                });
            }
            Err(error) => {
                tracing::error!(
                    deployment = number,
                    error,
                    "a deployment cannot be used; the last one keeps deciding"
                );
            }
        }
    }
}

/// The policy set of a deployment. Its revision is the number and the digest.
fn compiled(
    deployment: Deployment,
    worker: &Worker,
    languages: &[Arc<dyn PolicyLanguage>],
) -> Result<PolicySet, Unusable> {
    let summary = &deployment.summary;
    let revision = format!("{} sha256:{}", summary.number, summary.sha256.as_str());
    let sources = files(deployment);
    worker.try_out(&sources)?;
    Ok(compile(&sources, languages)?.with_revision(revision))
}

/// Why a deployment cannot decide.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Policy(#[from] Diagnostics),
    #[error(transparent)]
    Worker(#[from] WorkerError),
}
