//! The languages, beside validators, that the policies of a function may be written in.

use std::fmt;
use std::sync::Arc;

use portcullis_engine::PolicyLanguage;

/// Languages of policies. `bootstrap` has none; `bootstrap-rego` has Rego.
#[derive(Clone, Default)]
pub struct Languages(pub Vec<Arc<dyn PolicyLanguage>>);

impl Languages {
    /// No language but validators.
    pub const NONE: Self = Self(Vec::new());

    /// Whether the language with that extension is missing.
    #[must_use]
    pub fn is_without(&self, extension: &str) -> bool {
        self.0
            .iter()
            .all(|language| language.extension() != extension)
    }
}

/// The extensions of their files.
impl fmt::Debug for Languages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extensions = self.0.iter().map(|language| language.extension());
        f.debug_list().entries(extensions).finish()
    }
}
