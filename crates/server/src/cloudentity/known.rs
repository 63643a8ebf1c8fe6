//! Configurations that were made before: gateways ask every few seconds, and most of the time nothing has changed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use portcullis_store::{CloudentityGateway, Id, Moment};

use super::Plane;
use super::configuration::{Configured, configuration};
use super::refusal::Refusal;
use crate::secret::sha256;

/// Most configurations that are kept; beyond them, all are made anew.
const MAX_KNOWN: usize = 256;

/// The configurations of the last moments.
#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<(Id, String), (Moment, Arc<Made>)>>);

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
        if let Some(made) = self.get(&key, moment) {
            return Ok(made);
        }
        let workspace = plane.store().workspace().await?;
        let configured = configuration(&workspace, gateway, tenant)?;
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
            known.insert(key, (workspace.moment(), Arc::clone(&made)));
        }
        Ok(made)
    }

    fn get(&self, key: &(Id, String), now: Moment) -> Option<Arc<Made>> {
        let known = self.0.lock().ok()?;
        let (moment, made) = known.get(key)?;
        (*moment == now).then(|| Arc::clone(made))
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Known(..)")
    }
}
