//! Custom policies in Rego and Cedar, for whoever decides and can carry their interpreters.
//!
//! Floor 3. The engine knows policies by its trait [`PolicyLanguage`] only, so a function that needs none
//! of this does not link it. It builds for WebAssembly, without the process that tries policies out.

#[cfg(feature = "cedar")]
mod cedar;
#[cfg(any(feature = "cedar", feature = "rego"))]
mod compile;
#[cfg(feature = "rego")]
mod rego;
#[cfg(not(target_family = "wasm"))]
mod worker;

use std::sync::Arc;

use portcullis_engine::PolicyLanguage;

#[cfg(feature = "cedar")]
pub use cedar::Cedar;
#[cfg(feature = "rego")]
pub use rego::Rego;
#[cfg(not(target_family = "wasm"))]
pub use worker::{Worker, WorkerError, work};

/// Every language that this crate was built with: both, unless its features `rego` and `cedar` say otherwise.
#[must_use]
pub fn languages() -> Vec<Arc<dyn PolicyLanguage>> {
    vec![
        #[cfg(feature = "rego")]
        Arc::new(Rego),
        #[cfg(feature = "cedar")]
        Arc::new(Cedar),
    ]
}
