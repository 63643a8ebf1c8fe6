//! The reader of a policy directory: YAML files that people write and review, compiled into a
//! [`PolicySet`](crate::PolicySet).
//!
//! Reading is all or nothing: whatever cannot be understood is an error with file, line and
//! column, and every error of a directory is reported at once.

mod document;
mod service;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::policy_set::PolicySet;

use document::{RootDocument, ServiceDocument};
use service::ServiceReader;

/// Largest policy file, in bytes.
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
    let counts = |file: &&SourceFile| matches!(kind(&file.path), Kind::Root | Kind::Service);
    let mut problems = Vec::new();
    let mut documents = Vec::new();
    for file in files.iter().filter(counts) {
        match document::parse(file) {
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
pub fn compile_documents(files: &[DocumentFile]) -> Result<PolicySet, Diagnostics> {
    compile_files(
        files,
        |file| &file.path,
        document::from_json,
        document::from_json,
    )
}

/// Compiles a policy directory.
///
/// `portcullis.yaml` is optional; every `services/*.yaml` (or `.yml`) is one API service. Files
/// in `policies/` are refused, because this version cannot run them; files in `tests/` and other
/// files are left alone.
pub fn compile(files: &[SourceFile]) -> Result<PolicySet, Diagnostics> {
    compile_files(files, |file| &file.path, document::parse, document::parse)
}

fn compile_files<F>(
    files: &[F],
    path: impl Fn(&F) -> &str,
    read_root: impl Fn(&F) -> Result<RootDocument, Diagnostic>,
    read_service: impl Fn(&F) -> Result<ServiceDocument, Diagnostic>,
) -> Result<PolicySet, Diagnostics> {
    let mut problems = Vec::new();
    let mut shared = RootDocument::default();
    let mut documents = Vec::new();
    let mut root = None;
    for file in files {
        let path = path(file);
        let parsed = match kind(path) {
            Kind::Root => match root.replace(path) {
                None => read_root(file).map(|document| shared = document),
                Some(other) => Err(Diagnostic::new(path, None, format!("there is {other} too"))
                    .help("keep one of the two")),
            },
            Kind::Service => read_service(file).map(|document| documents.push((path, document))),
            Kind::Policy => Err(Diagnostic::new(path, None, "custom policies are not supported by this version")
                .help("use the rules of an operation, or remove the file")),
            Kind::Stray => Err(Diagnostic::new(path, None, "not a file that is read")
                .help("API services are files services/<name>.yaml; a name with a dot before it is left alone")),
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
        reader.read(file, &document);
    }
    let services = reader.finish();
    if problems.is_empty() {
        Ok(PolicySet::new(services))
    } else {
        Err(Diagnostics(problems))
    }
}

enum Kind {
    Root,
    Service,
    Policy,
    /// In a folder that is read, but of a kind that is not.
    Stray,
    Other,
}

fn kind(path: &str) -> Kind {
    let is_yaml = |name: &str| matches!(name.rsplit_once('.'), Some((_, "yaml" | "yml")));
    match path.split_once('/') {
        None if path == "portcullis.yaml" || path == "portcullis.yml" => Kind::Root,
        Some(("services", name)) if is_yaml(name) && !name.contains('/') => Kind::Service,
        Some(("services", _)) => Kind::Stray,
        Some(("policies", _)) => Kind::Policy,
        _ => Kind::Other,
    }
}
