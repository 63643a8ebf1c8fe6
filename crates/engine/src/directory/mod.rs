//! The reader of a policy directory: YAML files that people write and review, compiled into a
//! [`PolicySet`](crate::PolicySet).
//!
//! Reading is all or nothing: whatever cannot be understood is an error with file, line and
//! column, and every error of a directory is reported at once.

pub(crate) mod document;
mod policies;
mod service;

use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::policy_set::PolicySet;

use crate::policy::PolicyLanguage;
use crate::policy::validators::ValidatorsDocument;

use document::{RootDocument, ServiceDocument};
use policies::PolicyFiles;
use service::ServiceReader;

/// Largest file of a policy directory, in bytes. Policies of services and operations are smaller
/// ([`MAX_POLICY_BYTES`](crate::MAX_POLICY_BYTES)).
pub const MAX_SOURCE_BYTES: usize = 1024 * 1024;
/// Most API services in a directory.
const MAX_SERVICES: usize = 1000;

/// A file of a policy directory, read by whoever may read files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path relative to the directory, with `/`, such as `services/solar-system.yaml`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A file of a policy directory as a JSON document: how a bundle carries it.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentFile {
    /// Its path relative to the directory.
    pub path: String,
    /// What it says.
    pub document: Value,
}

/// Turns the files of a policy directory that count into JSON documents, which need no reader of YAML
/// to be compiled. Whoever calls it compiles them to see that they still say the same: a text that
/// looks like a number has to stand in quotes.
pub fn documents(files: &[SourceFile]) -> Result<Vec<DocumentFile>, Diagnostics> {
    let mut problems = Vec::new();
    let mut documents = Vec::new();
    for file in files {
        let document = match kind(&file.path) {
            Kind::Root | Kind::Service | Kind::Validators(_) => document::parse(file),
            Kind::Policy(_) => Ok(Value::String(file.text.clone())),
            Kind::Stray | Kind::Other => continue,
        };
        match document {
            Ok(document) => documents.push(DocumentFile {
                path: file.path.clone(),
                document,
            }),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(documents)
    } else {
        Err(Diagnostics(problems))
    }
}

/// Compiles the documents of a policy directory.
pub fn compile_documents(
    files: &[DocumentFile],
    languages: &[Arc<dyn PolicyLanguage>],
) -> Result<PolicySet, Diagnostics> {
    let reader = Reader {
        path: |file: &DocumentFile| file.path.as_str(),
        root: document::from_json,
        service: document::from_json,
        validators: policies::validators_from_json,
        text: |file: &DocumentFile| file.document.as_str(),
    };
    reader.compile(files, languages)
}

/// Compiles a policy directory.
///
/// `portcullis.yaml` is optional; every `services/*.yaml` (or `.yml`) is one API service; every
/// `policies/*.yaml` is a policy of validators, and a policy file of any other kind is for the language
/// that has its extension. Files in `tests/` and other files are left alone.
pub fn compile(
    files: &[SourceFile],
    languages: &[Arc<dyn PolicyLanguage>],
) -> Result<PolicySet, Diagnostics> {
    let reader = Reader {
        path: |file: &SourceFile| file.path.as_str(),
        root: document::parse,
        service: document::parse,
        validators: policies::parse_validators,
        text: |file: &SourceFile| Some(file.text.as_str()),
    };
    reader.compile(files, languages)
}

/// How files of one form are read.
struct Reader<F> {
    path: fn(&F) -> &str,
    root: fn(&F) -> Result<RootDocument, Diagnostic>,
    service: fn(&F) -> Result<ServiceDocument, Diagnostic>,
    validators: fn(&F) -> Result<ValidatorsDocument, Diagnostic>,
    text: fn(&F) -> Option<&str>,
}

impl<F> Reader<F> {
    fn compile(
        &self,
        files: &[F],
        languages: &[Arc<dyn PolicyLanguage>],
    ) -> Result<PolicySet, Diagnostics> {
        let mut problems = Vec::new();
        let mut policies = PolicyFiles::default();
        let mut shared = RootDocument::default();
        let mut documents = Vec::new();
        let mut root = None;
        for file in files {
            let path = (self.path)(file);
            let parsed = match kind(path) {
            Kind::Root => match root.replace(path) {
                None => (self.root)(file).map(|document| shared = document),
                Some(other) => Err(Diagnostic::new(path, None, format!("there is {other} too"))
                    .help("keep one of the two")),
            },
            Kind::Service => (self.service)(file).map(|document| documents.push((path, document))),
            Kind::Validators(name) => policies.add_validators(name, (self.validators)(file)),
            Kind::Policy(name) => {
                let text = (self.text)(file);
                let nothing = || Diagnostic::new(path, None, "expected the text of a policy");
                policies.add_text(name, text.ok_or_else(nothing))
            }
            Kind::Stray => Err(Diagnostic::new(path, None, "not a file that is read")
                .help("API services are files services/<name>.yaml, policies are files policies/<name>.<language>; a name with a dot before it is left alone")),
            Kind::Other => Ok(()),
        };
            problems.extend(parsed.err());
        }
        if documents.len() > MAX_SERVICES {
            problems.push(Diagnostic::new(
                "services",
                None,
                format!("more than {MAX_SERVICES} API services"),
            ));
        }
        if documents.is_empty() && problems.is_empty() {
            problems.push(
                Diagnostic::new("services", None, "the policy directory has no API service")
                    .help("write one into services/<name>.yaml"),
            );
        }
        let mut reader = ServiceReader::new(&shared, &mut problems);
        for (file, document) in documents {
            reader.read(file, document);
        }
        let (mut services, wanted) = reader.finish();
        policies.bind(&mut services, &wanted, languages, &mut problems);
        if problems.is_empty() {
            Ok(PolicySet::new(services))
        } else {
            Err(Diagnostics(problems))
        }
    }
}

enum Kind<'a> {
    Root,
    Service,
    /// A policy of validators; its name below `policies/`.
    Validators(&'a str),
    /// A policy of another language.
    Policy(&'a str),
    /// In a folder that is read, but of a kind that is not.
    Stray,
    Other,
}

fn kind(path: &str) -> Kind<'_> {
    let is_yaml = |name: &str| matches!(name.rsplit_once('.'), Some((_, "yaml" | "yml")));
    match path.split_once('/') {
        None if path == "portcullis.yaml" || path == "portcullis.yml" => Kind::Root,
        Some(("services", name)) if is_yaml(name) && !name.contains('/') => Kind::Service,
        Some(("policies", name)) if is_yaml(name) && !name.contains('/') => Kind::Validators(name),
        Some(("policies", name)) if !name.contains('/') && name.contains('.') => Kind::Policy(name),
        Some(("services" | "policies", _)) => Kind::Stray,
        _ => Kind::Other,
    }
}
