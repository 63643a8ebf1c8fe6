//! Custom policies in Rego and Cedar, for whoever decides and can carry their interpreters.
//!
//! Floor 3. The engine knows policies by its trait [`PolicyLanguage`] only, so a function that needs none
//! of this does not link it.

mod cedar;
mod compile;
mod rego;
mod worker;

use std::sync::Arc;

use portcullis_engine::PolicyLanguage;

pub use cedar::Cedar;
pub use rego::Rego;
pub use worker::{Worker, WorkerError, work};

/// Every language of this crate.
#[must_use]
pub fn languages() -> Vec<Arc<dyn PolicyLanguage>> {
    vec![Arc::new(Rego), Arc::new(Cedar)]
}
