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

/// The last configuration of each gateway.
#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<Id, Entry>>);

struct Entry {
    /// What it was made of.
    moment: Moment,
    /// From when on it is to be made anew.
    until: UnixMillis,
    made: Arc<Made>,
}

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
        let id = &gateway.gateway.id;
        let moment = plane.store().moment().await?;
        if let Some(made) = self.get(id, tenant, moment, plane.now) {
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
            let entry = Entry {
                moment: workspace.moment(),
                until,
                made: Arc::clone(&made),
            };
            known.insert(id.clone(), entry);
        }
        Ok(made)
    }

    fn get(&self, id: &Id, tenant: &str, moment: Moment, now: UnixMillis) -> Option<Arc<Made>> {
        let known = self.0.lock().ok()?;
        let entry = known.get(id)?;
        let is_it = entry.made.configured.configuration.tenant_id == tenant;
        let is_good = entry.moment == moment && now < entry.until;
        (is_it && is_good).then(|| Arc::clone(&entry.made))
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Known(..)")
    }
}
