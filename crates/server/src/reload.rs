//! Picks up edits of the policy directory. A broken edit changes nothing and says so, and a
//! directory that is still being written is left alone until two looks in a row agree.

use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::Diagnostics;
use portcullis_pdp::PolicySet;
use portcullis_pdp::directory::{Fingerprint, LoadError, PolicyDirectory};
use portcullis_pdp::local::LocalDecisionPoint;
use portcullis_policies::{Worker, WorkerError};

use crate::metrics::{Loaded, Metrics};

/// How often the directory is looked at. An edit decides after two to three looks.
pub const RELOAD_INTERVAL: Duration = Duration::from_millis(500);

/// Looks at a policy directory for as long as it is polled, and replaces the policy set whenever
/// the directory changed and compiles; each attempt is counted. `loaded` is what it looked like when
/// it was last compiled.
pub async fn watch(
    directory: PolicyDirectory,
    mut loaded: Fingerprint,
    point: Arc<LocalDecisionPoint>,
    worker: Worker,
    metrics: Metrics,
) {
    let mut last = loaded.clone();
    let mut last_error = String::new();
    let mut good = true;
    loop {
        tokio::time::sleep(RELOAD_INTERVAL).await;
        match look(&directory, &loaded, &last, &worker).await {
            Ok(Look::Settling(seen)) => {
                if !last_error.is_empty() && seen == loaded {
                    // It can be read again and is as it was.
                    last_error.clear();
                    metrics.in_use(Loaded::Policy, good);
                }
                last = seen;
            }
            Ok(Look::Changed(seen, policy)) => {
                (loaded, last) = (seen.clone(), seen);
                last_error.clear();
                good = replace(policy, &point);
                metrics.loaded(Loaded::Policy, good);
            }
            Ok(Look::Broken(seen, error)) => {
                (loaded, last) = (seen.clone(), seen);
                good = false;
                metrics.loaded(Loaded::Policy, false);
                tracing::error!(%error, "the policy directory changed but does not compile; the old policy keeps deciding");
            }
            // What cannot be read now may be readable at the next look, so nothing is remembered
            // but the error, to be told once.
            Err(error) => {
                let error = error.to_string();
                if error != last_error {
                    metrics.loaded(Loaded::Policy, false);
                    tracing::error!(
                        error,
                        "the policy directory cannot be read; the old policy keeps deciding"
                    );
                    last_error = error;
                }
            }
        }
    }
}

/// Whether that policy decides from now on.
fn replace(policy: PolicySet, point: &Arc<LocalDecisionPoint>) -> bool {
    let services = policy.services().len();
    if let Err(error) = point.replace(policy) {
        tracing::error!(%error, "the policy directory changed but cannot be used; the old policy keeps deciding");
        return false;
    }
    tracing::info!(
        services,
        "the policy directory changed; the new policy decides"
    );
    // In the background: an issuer that is slow must not keep the next edit waiting.
    let point = Arc::clone(point);
    tokio::spawn(async move { point.hydrate().await });
    true
}

/// What one look at the directory found.
enum Look {
    /// Nothing new, or something that may still be changing.
    Settling(Fingerprint),
    /// A new policy.
    Changed(Fingerprint, PolicySet),
    /// Something new that does not compile.
    Broken(Fingerprint, Refusal),
}

/// Why files that can be read are no policy.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Policy(#[from] Diagnostics),
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

/// Looks at the directory on a thread that may block.
async fn look(
    directory: &PolicyDirectory,
    loaded: &Fingerprint,
    last: &Fingerprint,
    worker: &Worker,
) -> Result<Look, LoadError> {
    let (directory, loaded, last) = (directory.clone(), loaded.clone(), last.clone());
    let worker = worker.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let seen = directory.fingerprint()?;
        if seen == loaded || seen != last {
            return Ok(Look::Settling(seen));
        }
        let sources = directory.read()?;
        let after = directory.fingerprint()?;
        if after != seen {
            return Ok(Look::Settling(after));
        }
        let outcome = worker
            .try_out(&sources)
            .map_err(Refusal::from)
            .and_then(|()| Ok(directory.compile(&sources)?));
        Ok(match outcome {
            Ok(policy) => Look::Changed(seen, policy),
            Err(error) => Look::Broken(seen, error),
        })
    });
    looked.await.unwrap_or_else(|error| {
        tracing::error!(%error, "compiling the policy directory failed");
        Ok(Look::Settling(Fingerprint::default()))
    })
}
