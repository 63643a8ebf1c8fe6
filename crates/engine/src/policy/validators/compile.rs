//! From the document of a validators policy to the policy, with the place of everything that is wrong.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::comparator::{Comparator, InvalidComparator, NAMES};
use super::{Check, Test, Validator, Validators};
use crate::diagnostic::{Diagnostic, suggestion};
use crate::directory::document::{list, place, present};
use crate::policy::attribute::{Operand, Path};

/// Most validators of a policy, those inside others and in files that are embedded counted, as often as they are.
const MAX_VALIDATORS: usize = 1000;
/// Deepest nesting of validators, files that are embedded counted.
const MAX_DEPTH: usize = 8;
const VALIDATORS: [&str; 7] = [
    "identity-context",
    "attributes",
    "header",
    "if",
    "policy",
    "true",
    "false",
];

/// `policies/*.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValidatorsDocument {
    #[serde(default, deserialize_with = "present")]
    #[expect(dead_code, reason = "says what the policy is for; files have names")]
    name: Option<String>,
    validators: Vec<Spanned<ValidatorDocument>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ValidatorDocument {
    name: Spanned<String>,
    #[serde(default, deserialize_with = "present")]
    conf: Option<Spanned<ConfDocument>>,
    #[serde(default, deserialize_with = "list")]
    recovery: Vec<RecoveryDocument>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfDocument {
    #[serde(default, deserialize_with = "list")]
    fields: Vec<Spanned<FieldDocument>>,
    #[serde(default, rename = "if", deserialize_with = "list")]
    condition: Vec<Spanned<ValidatorDocument>>,
    #[serde(default, deserialize_with = "list")]
    then: Vec<Spanned<ValidatorDocument>>,
    #[serde(default, rename = "else", deserialize_with = "list")]
    otherwise: Vec<Spanned<ValidatorDocument>>,
    #[serde(default, deserialize_with = "present")]
    policy: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldDocument {
    field: Spanned<String>,
    comparator: Spanned<String>,
    #[serde(default)]
    value: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecoveryDocument {
    #[serde(rename = "type")]
    kind: String,
}

/// Compiles the validators policies of a directory, which may embed each other.
///
/// A file is compiled after those that it embeds: each is counted by itself, and what is said of a file does not depend on
/// which one was asked for first.
pub(crate) struct ValidatorsReader<'a> {
    documents: HashMap<&'a str, ValidatorsDocument>,
    done: HashMap<String, Option<Arc<Validators>>>,
    /// The files that are done, and those that wait for files that they embed.
    begun: HashSet<String>,
    /// The files that are not done, each embedded by the one before it.
    open: Vec<Open>,
    /// The validators of the file that is being compiled so far, those of embedded files among them.
    count: usize,
    /// The deepest nesting in it so far.
    height: usize,
    /// Whether something that it embeds is missing, of which the problems say why.
    incomplete: bool,
    problems: &'a mut Vec<Diagnostic>,
}

/// A file that is not done.
struct Open {
    file: String,
    /// The files that it embeds and that were not looked at yet, the first one last.
    embedded: Vec<String>,
}

impl<'a> ValidatorsReader<'a> {
    /// A reader of documents by file name, relative to `policies/`; `None` for those that cannot be read, of which the
    /// problems say why.
    pub(crate) fn new(
        documents: HashMap<&'a str, Option<ValidatorsDocument>>,
        problems: &'a mut Vec<Diagnostic>,
    ) -> Self {
        let unread = documents.iter().filter(|(_, document)| document.is_none());
        let done = unread.map(|(name, _)| ((*name).to_owned(), None));
        Self {
            done: done.collect(),
            documents: documents
                .into_iter()
                .filter_map(|(name, document)| Some((name, document?)))
                .collect(),
            begun: HashSet::new(),
            open: Vec::new(),
            count: 0,
            height: 0,
            incomplete: false,
            problems,
        }
    }

    /// The policy of a file; `None` where something in it is wrong, which is among the problems then.
    pub(crate) fn compile(&mut self, file: &str) -> Option<Arc<Validators>> {
        self.begin(file);
        // Not by recursion: a chain of files may be as long as there are files.
        while let Some(open) = self.open.last_mut() {
            match open.embedded.pop() {
                Some(embedded) => self.begin(&embedded),
                None => self.finish(),
            }
        }
        self.done.get(file).cloned().flatten()
    }

    fn begin(&mut self, file: &str) {
        let Some(document) = self.documents.get(file) else {
            return;
        };
        if !self.begun.insert(file.to_owned()) {
            return;
        }
        let mut embedded = Vec::new();
        embedded_files(&document.validators, 1, &mut embedded);
        embedded.reverse();
        let file = file.to_owned();
        self.open.push(Open { file, embedded });
    }

    /// Compiles the innermost open file.
    fn finish(&mut self) {
        let file = self.open.last().map_or("", |open| open.file.as_str());
        let validators = match self.documents.get(file) {
            Some(document) => document.validators.clone(),
            None => Vec::new(),
        };
        let before = self.problems.len();
        (self.count, self.height, self.incomplete) = (0, 0, false);
        if validators.is_empty() {
            self.report(None, "a policy without validators permits everyone; write a validator \"true\" where that is meant");
        }
        let policy = Validators {
            list: self.validators(&validators, 1),
            count: self.count,
            height: self.height,
        };
        let whole = self.problems.len() == before && !self.incomplete;
        if let Some(open) = self.open.pop() {
            self.done.insert(open.file, whole.then(|| Arc::new(policy)));
        }
    }

    fn report(&mut self, at: Option<(u64, u64)>, message: impl Into<String>) {
        let file = format!(
            "policies/{}",
            self.open.last().map_or("", |open| open.file.as_str())
        );
        self.problems.push(Diagnostic::new(&file, at, message));
    }

    fn problem<T>(&mut self, value: &Spanned<T>, message: impl Into<String>) {
        self.report(place(value.referenced), message);
    }

    fn unknown<'n>(
        &mut self,
        value: &Spanned<String>,
        kind: &str,
        known: impl IntoIterator<Item = &'n str> + Clone,
    ) {
        let help = suggestion(&value.value, known);
        let file = format!(
            "policies/{}",
            self.open.last().map_or("", |open| open.file.as_str())
        );
        let message = format!("there is no {kind} \"{}\"", value.value.escape_debug());
        let at = place(value.referenced);
        self.problems
            .push(Diagnostic::new(&file, at, message).help(help));
    }

    fn validators(
        &mut self,
        documents: &[Spanned<ValidatorDocument>],
        depth: usize,
    ) -> Vec<Validator> {
        documents
            .iter()
            .filter_map(|document| self.validator(document, depth))
            .collect()
    }

    fn validator(
        &mut self,
        document: &Spanned<ValidatorDocument>,
        depth: usize,
    ) -> Option<Validator> {
        if !self.has_room(document, depth, 1) {
            return None;
        }
        let ValidatorDocument {
            name,
            conf,
            recovery,
        } = &document.value;
        let Some(known) = VALIDATORS.iter().find(|known| **known == name.value) else {
            self.unknown(name, "validator", VALIDATORS);
            return None;
        };
        let empty = ConfDocument::default();
        let given = conf.as_ref().map_or(&empty, |conf| &conf.value);
        let expected: &[&str] = match *known {
            "true" | "false" => &[],
            "if" => &["if", "then", "else"],
            "policy" => &["policy"],
            _ => &["fields"],
        };
        let mut wrong = false;
        for (key, there) in [
            ("fields", !given.fields.is_empty()),
            ("if", !given.condition.is_empty()),
            ("then", !given.then.is_empty()),
            ("else", !given.otherwise.is_empty()),
            ("policy", given.policy.is_some()),
        ] {
            // An "else" may be left out: nothing more is asked for then.
            if there && !expected.contains(&key) {
                self.problem(name, format!("validator \"{known}\" has no \"{key}\""));
                wrong = true;
            } else if !there && expected.contains(&key) && key != "else" {
                self.problem(
                    name,
                    format!("validator \"{known}\" needs \"{key}\" in its conf"),
                );
                wrong = true;
            }
        }
        if wrong {
            return None;
        }
        let check = match *known {
            "true" => Check::Constant(true),
            "false" => Check::Constant(false),
            "if" => Check::Branch {
                condition: self.validators(&given.condition, depth + 1),
                then: self.validators(&given.then, depth + 1),
                otherwise: self.validators(&given.otherwise, depth + 1),
            },
            "policy" => self.embedded(given.policy.as_ref()?, depth)?,
            fields => Check::Fields(
                given
                    .fields
                    .iter()
                    .filter_map(|field| self.test(field, fields))
                    .collect(),
            ),
        };
        Some(Validator {
            name: known,
            check,
            recovery: self.recovery(document, recovery),
        })
    }

    /// Counts so many validators, the deepest of them at that depth; reports where they are too many or too deep.
    fn has_room<T>(&mut self, at: &Spanned<T>, depth: usize, count: usize) -> bool {
        let before = self.count;
        self.count += count;
        self.height = self.height.max(depth);
        if depth > MAX_DEPTH {
            let message = format!("validators are nested deeper than {MAX_DEPTH}");
            self.problem(at, message);
            return false;
        }
        // One of them says so, not each that comes after.
        if before <= MAX_VALIDATORS && self.count > MAX_VALIDATORS {
            self.problem(at, format!("more than {MAX_VALIDATORS} validators"));
        }
        self.count <= MAX_VALIDATORS
    }

    fn recovery(
        &mut self,
        document: &Spanned<ValidatorDocument>,
        recovery: &[RecoveryDocument],
    ) -> Vec<String> {
        // They become one parameter of a challenge, separated by spaces (RFC 9470 section 3).
        if let Some(wrong) = recovery
            .iter()
            .find(|one| !crate::rules::is_scope_token(&one.kind))
        {
            let message = format!(
                "\"{}\" is not the type of a recovery: no spaces, quotes or backslashes",
                wrong.kind.escape_debug()
            );
            self.problem(document, message);
        }
        recovery.iter().map(|one| one.kind.clone()).collect()
    }

    fn embedded(&mut self, file: &Spanned<String>, depth: usize) -> Option<Check> {
        let Some(done) = self.done.get(&file.value) else {
            if self.documents.contains_key(file.value.as_str()) {
                // It waits for this one.
                let message = format!("policy \"{}\" would embed itself", file.value);
                self.problem(file, message);
                return None;
            }
            let mut known: Vec<String> = self
                .documents
                .keys()
                .map(|name| (*name).to_owned())
                .collect();
            // The same message in every run.
            known.sort_unstable();
            self.unknown(file, "validators policy", known.iter().map(String::as_str));
            return None;
        };
        let Some(policy) = done.clone() else {
            self.incomplete = true;
            return None;
        };
        if !self.has_room(file, depth + policy.height, policy.count) {
            return None;
        }
        Some(Check::Embedded {
            file: file.value.as_str().into(),
            policy,
        })
    }

    fn test(&mut self, field: &Spanned<FieldDocument>, validator: &str) -> Option<Test> {
        let FieldDocument {
            field: name,
            comparator,
            value,
        } = &field.value;
        let attribute = match validator {
            "identity-context" => Path::in_context(&name.value),
            "header" => Path::header(&name.value),
            _ => Path::from_root(name.value.trim_start_matches('$')),
        };
        let attribute = match attribute {
            Ok(path) => path,
            Err(error) => {
                self.problem(name, format!("\"{}\": {error}", name.value.escape_debug()));
                return None;
            }
        };
        let Some((_, compares)) = NAMES.iter().find(|(known, _)| *known == comparator.value) else {
            self.unknown(comparator, "comparator", NAMES.map(|(known, _)| known));
            return None;
        };
        let operand = match value {
            None | Some(Value::Null) => Operand::None,
            Some(Value::String(text)) if text.starts_with('$') => {
                match Path::from_root(text.trim_start_matches('$')) {
                    Ok(path) => Operand::Reference(path),
                    Err(error) => {
                        self.problem(field, format!("\"{}\": {error}", text.escape_debug()));
                        return None;
                    }
                }
            }
            Some(value) => Operand::Value(value.clone()),
        };
        if *compares == (operand == Operand::None) {
            let needs = if *compares {
                "needs a value"
            } else {
                "takes no value"
            };
            self.problem(
                comparator,
                format!("comparator \"{}\" {needs}", comparator.value),
            );
            return None;
        }
        let literal = match &operand {
            Operand::Value(value) => Some(value),
            _ => None,
        };
        match Comparator::named(&comparator.value, literal) {
            Ok(comparator) => Some(Test {
                attribute,
                comparator,
                operand,
            }),
            Err(InvalidComparator::Unknown) => None,
            Err(error) => {
                self.problem(comparator, error.to_string());
                None
            }
        }
    }
}

/// The files that validators embed, in their order.
fn embedded_files(list: &[Spanned<ValidatorDocument>], depth: usize, files: &mut Vec<String>) {
    // What is nested deeper is refused.
    if depth > MAX_DEPTH {
        return;
    }
    for conf in list.iter().filter_map(|one| one.value.conf.as_ref()) {
        let conf = &conf.value;
        files.extend(conf.policy.iter().map(|file| file.value.clone()));
        for inner in [&conf.condition, &conf.then, &conf.otherwise] {
            embedded_files(inner, depth + 1, files);
        }
    }
}
