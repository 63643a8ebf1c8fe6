//! The custom policies of a directory: each file compiled once, then bound to every place that asks
//! for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use portcullis_model::Level;
use serde_json::Value;

use super::{DocumentFile, SourceFile, document};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::policy::validators::{ValidatorsDocument, ValidatorsReader};
use crate::policy::{
    OperationOutline, PolicyFile, PolicyLanguage, PolicyPlace, ServiceOutline, World, check_size,
    check_text,
};
use crate::policy_set::{ApiService, BoundPolicy, Requirement, Step};
use crate::statement::Phase;

/// Most policy files of a directory.
const MAX_POLICIES: usize = 1000;

/// Parses a policy of validators. Its brackets are not counted: the parser bounds depth, the compiler nesting.
pub(super) fn parse_validators(file: &SourceFile) -> Result<ValidatorsDocument, Diagnostic> {
    bounded(&file.path, file.text.len())?;
    // What an alias repeats counts as often as it is repeated. Without an anchor there is none.
    if file.text.contains('&') {
        bounded(&file.path, document_bytes(&document::parse(file)?))?;
    }
    document::parse(file)
}

/// Reads a policy of validators that was turned into JSON.
pub(super) fn validators_from_json(file: &DocumentFile) -> Result<ValidatorsDocument, Diagnostic> {
    bounded(&file.path, document_bytes(&file.document))?;
    document::from_json(file)
}

fn bounded(path: &str, bytes: usize) -> Result<(), Diagnostic> {
    check_size(path, bytes).map_err(|problem| {
        problem
            .help("put a part of it into another file, and embed that with a validator \"policy\"")
    })
}

/// The bytes of the texts and names of a document, and one for each value: no more than the YAML has that it was made of,
/// unless that is full of escapes.
fn document_bytes(value: &Value) -> usize {
    1 + match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(document_bytes).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| name.len() + document_bytes(value))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// A policy that a service or one of its operations asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) service: usize,
    /// The number of the operation; `None` where the service asks.
    pub(super) operation: Option<usize>,
    pub(super) phase: Phase,
    /// The file, relative to `policies/`.
    pub(super) policy: String,
    /// Where it is asked for.
    pub(super) file: String,
    pub(super) place: Option<(u64, u64)>,
}

/// The policy files of a directory, by their names below `policies/`.
#[derive(Default)]
pub(super) struct PolicyFiles<'a> {
    /// `None` for those that cannot be read, of which the problems say why.
    validators: HashMap<&'a str, Option<ValidatorsDocument>>,
    texts: BTreeMap<&'a str, &'a str>,
    /// Whether there are files that cannot be read.
    unread: bool,
}

impl<'a> PolicyFiles<'a> {
    /// Adds a policy of validators, or notes that it is there and cannot be read.
    pub(super) fn add_validators(
        &mut self,
        name: &'a str,
        read: Result<ValidatorsDocument, Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let (document, outcome) = match read {
            Ok(document) => (Some(document), Ok(())),
            Err(problem) => (None, Err(problem)),
        };
        self.unread |= outcome.is_err();
        self.validators.insert(name, document);
        outcome
    }

    /// Adds a policy of another language, or notes that there is one that cannot be read.
    pub(super) fn add_text(
        &mut self,
        name: &'a str,
        read: Result<&'a str, Diagnostic>,
    ) -> Result<(), Diagnostic> {
        self.unread |= read.is_err();
        self.texts.insert(name, read?);
        Ok(())
    }

    /// Compiles every file, and binds those that are wanted into the steps of the services.
    pub(super) fn bind(
        self,
        services: &mut [ApiService],
        wanted: &[Wanted],
        languages: &[Arc<dyn PolicyLanguage>],
        problems: &mut Vec<Diagnostic>,
    ) {
        if self.validators.len() + self.texts.len() > MAX_POLICIES {
            let message = format!("more than {MAX_POLICIES} policies");
            problems.push(Diagnostic::new("policies", None, message));
            return;
        }
        let (before, unread) = (problems.len(), self.unread);
        let files = self.compile(services, languages, problems);
        // What cannot be read or does not compile is among the problems; that nothing can be found in it is not worth
        // another one, and nothing is wrong with the service that asks for it.
        let complete = problems.len() == before && !unread;
        for want in wanted {
            let Some(file) = files.get(&want.policy) else {
                if complete {
                    problems.push(unknown(want, files.keys().map(String::as_str)));
                }
                continue;
            };
            if let Some(service) = services.get_mut(want.service) {
                place(service, want, &**file);
            }
        }
    }

    fn compile(
        self,
        services: &[ApiService],
        languages: &[Arc<dyn PolicyLanguage>],
        problems: &mut Vec<Diagnostic>,
    ) -> BTreeMap<String, Arc<dyn PolicyFile>> {
        let mut files: BTreeMap<String, Arc<dyn PolicyFile>> = BTreeMap::new();
        let world = world(services);
        for (name, text) in self.texts {
            let path = format!("policies/{name}");
            let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
            let Some(language) = languages.iter().find(|one| one.extension() == extension) else {
                let known: Vec<_> = languages
                    .iter()
                    .map(|one| one.extension())
                    .chain(["yaml"])
                    .collect();
                problems.push(
                    Diagnostic::new(
                        &path,
                        None,
                        "this program cannot run policies of that language",
                    )
                    .help(format!("it runs {}", known.join(", "))),
                );
                continue;
            };
            let compiled = check_text(&path, text)
                .map_err(|problem| vec![problem])
                .and_then(|()| language.compile(&path, text, &world));
            match compiled {
                Ok(file) => drop(files.insert(name.to_owned(), file)),
                Err(found) => problems.extend(found),
            }
        }
        let mut names: Vec<_> = self.validators.keys().copied().collect();
        names.sort_unstable();
        let mut reader = ValidatorsReader::new(self.validators, problems);
        for name in names {
            if let Some(policy) = reader.compile(name) {
                files.insert(name.to_owned(), Arc::new(policy));
            }
        }
        files
    }
}

fn unknown<'n>(want: &Wanted, known: impl Iterator<Item = &'n str> + Clone) -> Diagnostic {
    let message = format!("there is no file policies/{}", want.policy.escape_debug());
    let problem = Diagnostic::new(&want.file, want.place, message);
    let help = did_you_mean(&want.policy, known);
    problem.help(help.unwrap_or_else(|| {
        "a policy is named by its file below policies/, such as moons.rego".to_owned()
    }))
}

fn world(services: &[ApiService]) -> World<'_> {
    World {
        services: services
            .iter()
            .map(|service| ServiceOutline {
                name: &service.name,
                operations: service
                    .operations
                    .iter()
                    .map(|operation| OperationOutline {
                        name: &operation.name,
                        methods: &operation.methods,
                        paths: &operation.paths,
                    })
                    .collect(),
                claims: service
                    .claim_types
                    .iter()
                    .map(|(name, kind)| (name.as_str(), *kind))
                    .collect(),
            })
            .collect(),
    }
}

/// Adds the policy to what whoever asks for it does with responses: those of the service first.
fn place_for_responses(service: &mut ApiService, want: &Wanted, file: &dyn PolicyFile) {
    let name = Arc::clone(&service.name);
    let bound = |operation: Option<&str>| BoundPolicy {
        file: want.policy.as_str().into(),
        policy: file.bind(&PolicyPlace {
            service: &name,
            operation,
        }),
    };
    if let Some(number) = want.operation {
        if let Some(operation) = service.operations.get_mut(number) {
            let policy = bound(Some(&operation.name));
            operation.outbound.policies.push(policy);
        }
        return;
    }
    service.outbound.policies.push(bound(None));
    for operation in &mut service.operations {
        let policy = bound(Some(&operation.name));
        operation.outbound.policies.insert(0, policy);
    }
}

/// Adds the policy to the steps of whoever asks for it: after the rules of the same level.
fn place(service: &mut ApiService, want: &Wanted, file: &dyn PolicyFile) {
    if want.phase == Phase::Response {
        return place_for_responses(service, want, file);
    }
    let name = Arc::clone(&service.name);
    let bound = |operation: Option<&str>| {
        Requirement::Policy(BoundPolicy {
            file: want.policy.as_str().into(),
            policy: file.bind(&PolicyPlace {
                service: &name,
                operation,
            }),
        })
    };
    let (level, numbers) = if let Some(number) = want.operation {
        (Level::Operation, number..number + 1)
    } else {
        let requirement = bound(None);
        let level = Level::Service;
        service.steps.push(Step { level, requirement });
        (level, 0..service.operations.len())
    };
    for operation in service.operations.get_mut(numbers).unwrap_or_default() {
        if let Some(steps) = operation.guard.steps_mut() {
            let at = steps.iter().filter(|step| step.level <= level).count();
            let requirement = bound(Some(&operation.name));
            steps.insert(at, Step { level, requirement });
        }
    }
}
