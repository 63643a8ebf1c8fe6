//! Picks up edits of the policy directory. A broken edit changes nothing and says so.

use std::sync::Arc;
use std::time::Duration;

use portcullis_pdp::directory::{Fingerprint, LoadError, PolicyDirectory};
use portcullis_pdp::local::LocalDecisionPoint;

/// How often the directory is looked at.
pub const RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// Looks at a policy directory for as long as it is polled, and replaces the policy set whenever
/// the directory changed and compiles. `loaded` is what it looked like when it was last compiled.
pub async fn watch(
    directory: PolicyDirectory,
    mut loaded: Fingerprint,
    point: Arc<LocalDecisionPoint>,
) {
    let mut last_error = String::new();
    loop {
        tokio::time::sleep(RELOAD_INTERVAL).await;
        match reload(&directory, &loaded).await {
            Ok(None) => {}
            Ok(Some((seen, outcome))) => {
                loaded = seen;
                match outcome {
                    Ok(policy) => {
                        tracing::info!(
                            services = policy.services().len(),
                            "the policy directory changed; the new policy decides"
                        );
                        point.replace(policy);
                        point.hydrate().await;
                    }
                    Err(error) => {
                        tracing::error!(%error, "the policy directory changed but cannot be used; the old policy keeps deciding");
                    }
                }
                last_error.clear();
            }
            Err(error) => {
                let error = error.to_string();
                if error != last_error {
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

type Changed = (Fingerprint, Result<portcullis_pdp::PolicySet, LoadError>);

/// Reads the directory on a thread that may block; `None` where nothing changed.
///
/// The fingerprint is taken before the files are read: an edit in between shows at the next look.
async fn reload(
    directory: &PolicyDirectory,
    loaded: &Fingerprint,
) -> Result<Option<Changed>, LoadError> {
    let (directory, loaded) = (directory.clone(), loaded.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let seen = directory.fingerprint()?;
        if seen == loaded {
            return Ok(None);
        }
        let outcome = directory.load();
        Ok(Some((seen, outcome)))
    });
    looked.await.unwrap_or(Ok(None))
}
