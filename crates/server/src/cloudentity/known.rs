//! Configurations that were made before: gateways ask every few seconds, and most of the time nothing has changed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_store::{CloudentityGateway, Id, Moment, UnixMillis};

use super::Plane;
use super::configuration::{Configured, configuration};
use super::refusal::Refusal;
use crate::secret::sha256;

/// Most configurations that are kept; beyond them, all are made anew.
const MAX_KNOWN: usize = 256;
/// How long a call waits for an issuer to say where its keys are, and for how many milliseconds an issuer is left
/// alone that did not.
const ISSUER_TIME: Duration = Duration::from_secs(2);
const ISSUER_PAUSE: i64 = 60_000;

/// The configurations of the last moments.
#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<Key, Entry>>);

/// The moment that it is of, until when it may be used, and what was made.
type Entry = (Moment, UnixMillis, Arc<Made>);

/// A gateway and a tenant.
type Key = (Id, String);

/// A configuration as it is sent.
pub(super) struct Made {
    pub(super) configured: Configured,
    pub(super) body: Vec<u8>,
    /// The digest of the body, as a strong entity tag.
    pub(super) tag: String,
}

impl Known {
    /// The configuration of a gateway as it is now.
    pub(super) async fn configuration(
        &self,
        plane: &Plane,
        gateway: &CloudentityGateway,
        tenant: &str,
    ) -> Result<Arc<Made>, Refusal> {
        let key = (gateway.gateway.id.clone(), tenant.to_owned());
        let moment = plane.store().moment().await?;
        if let Some(made) = self.get(&key, moment, plane.now) {
            return Ok(made);
        }
        let workspace = plane.store().workspace().await?;
        let mut configured = configuration(&workspace, gateway, tenant)?;
        let made = &mut configured.configuration;
        if !made.services.is_empty() {
            let asked = plane.decision_point.jwks_uri(&made.issuer_url);
            let found = tokio::time::timeout(ISSUER_TIME, asked).await;
            made.jwks_url = found.ok().flatten().unwrap_or_default();
        }
        // An issuer that gave no answer is asked again, but not by every call.
        let is_whole = made.services.is_empty() || !made.jwks_url.is_empty();
        let until = UnixMillis(if is_whole {
            i64::MAX
        } else {
            plane.now.0.saturating_add(ISSUER_PAUSE)
        });
        let body = serde_json::to_vec(&configured.configuration).unwrap_or_default();
        let tag = format!("\"{}\"", sha256(&body).as_str());
        let made = Arc::new(Made {
            configured,
            body,
            tag,
        });
        if let Ok(mut known) = self.0.lock() {
            if known.len() >= MAX_KNOWN {
                known.clear();
            }
            let moment = workspace.moment();
            known.insert(key, (moment, until, Arc::clone(&made)));
        }
        Ok(made)
    }

    fn get(&self, key: &Key, moment: Moment, now: UnixMillis) -> Option<Arc<Made>> {
        let known = self.0.lock().ok()?;
        let (of, until, made) = known.get(key)?;
        (*of == moment && now < *until).then(|| Arc::clone(made))
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Known(..)")
    }
}
