//! Those who read much, or for longer than a call takes: pages, exports and streams, of which only so many may be open
//! at once.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::{Decisions, Shared};
use crate::error::ApiError;

/// A place among the readers, until it is dropped.
pub(super) struct Reader {
    pub(super) shared: Arc<Shared>,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// Takes a place; 429 where there is none.
    pub(super) fn enter(decisions: &Decisions) -> Result<Self, ApiError> {
        let shared = Arc::clone(decisions.shared()?);
        let place = Arc::clone(&shared.readers).try_acquire_owned();
        let place = place.map_err(|_| ApiError::too_many_readers())?;
        Ok(Self {
            shared,
            _place: place,
        })
    }
}
