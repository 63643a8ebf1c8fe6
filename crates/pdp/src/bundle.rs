//! A policy set as it travels: one JSON file with the documents of a policy directory and, so that the
//! first decision after a start needs no request, the keys of its issuers.
//!
//! It holds what people have written and reviewed, not something compiled: it is small, and every
//! version reads it anew, with all its checks. The documents are JSON, so that a function need not
//! bring a reader of YAML.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_engine::{
    Diagnostics, DocumentFile, PolicyLanguage, PolicySet, SourceFile, compile, compile_documents,
    documents,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::hexadecimal;

/// What `format` has to say.
pub const FORMAT: &str = "portcullis-bundle/1";
/// Largest bundle, in bytes.
pub const MAX_BUNDLE_BYTES: usize = 16 * 1024 * 1024;

/// A bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// [`FORMAT`].
    format: String,
    /// The SHA-256 digest of the files, in hexadecimal: what the bundle is known by.
    digest: String,
    /// The files of the policy directory: path and document.
    files: BTreeMap<String, Value>,
    /// The JWK sets of issuers (RFC 7517).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, Value>,
}

impl Bundle {
    /// A bundle of the files of a policy directory, with no keys. Compiles them on the way.
    pub fn new(
        sources: &[SourceFile],
        languages: &[Arc<dyn PolicyLanguage>],
    ) -> Result<Self, Diagnostics> {
        compile(sources, languages)?;
        let documents = documents(sources)?;
        compile_documents(&documents, languages)?;
        let files: BTreeMap<String, Value> = documents
            .into_iter()
            .map(|file| (file.path, file.document))
            .collect();
        Ok(Self {
            format: FORMAT.to_owned(),
            digest: digest(&files),
            files,
            keys: BTreeMap::new(),
        })
    }

    /// Reads a bundle and checks that its files are those that were bundled.
    pub fn from_json(json: &[u8]) -> Result<Self, BundleError> {
        if json.len() > MAX_BUNDLE_BYTES {
            return Err(BundleError::TooLarge);
        }
        let bundle: Self =
            serde_json::from_slice(json).map_err(|error| BundleError::Json(error.to_string()))?;
        if bundle.format != FORMAT {
            return Err(BundleError::Format);
        }
        if bundle.digest != digest(&bundle.files) {
            return Err(BundleError::Digest);
        }
        Ok(bundle)
    }

    /// The bundle as it is written.
    #[must_use]
    pub fn to_json(&self) -> String {
        // INVARIANT: maps with text as keys and JSON as values are always JSON.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// What it is known by.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Compiles the files.
    pub fn compile(&self, languages: &[Arc<dyn PolicyLanguage>]) -> Result<PolicySet, Diagnostics> {
        let file = |(path, document): (&String, &Value)| DocumentFile {
            path: path.clone(),
            document: document.clone(),
        };
        let files: Vec<_> = self.files.iter().map(file).collect();
        Ok(compile_documents(&files, languages)?.with_revision(self.digest.as_str()))
    }
}

fn digest(files: &BTreeMap<String, Value>) -> String {
    let documents: Vec<String> = files.values().map(canonical).collect();
    let parts = files
        .keys()
        .zip(&documents)
        .flat_map(|(path, document)| [path, document]);
    hexadecimal(parts.map(String::as_str))
}

/// A document with the members of its objects in the order of their names: whoever rewrites the file may
/// order them otherwise.
fn canonical(document: &Value) -> String {
    let mut sorted = document.clone();
    sorted.sort_all_objects();
    sorted.to_string()
}

/// Why a bundle was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Larger than any policy.
    #[error("it is larger than {MAX_BUNDLE_BYTES} bytes")]
    TooLarge,
    /// Not the JSON of a bundle.
    #[error("it is not the JSON of a bundle: {0}")]
    Json(String),
    /// Another format.
    #[error("its format is not {FORMAT}")]
    Format,
    /// The files were changed after bundling.
    #[error("its files are not those that were bundled: bundle the policy directory again")]
    Digest,
}
