//! The validators language: a list of checks that must all hold, as Cloudentity's policies write them.
//!
//! ```yaml
//! validators:
//!   - name: identity-context
//!     conf: { fields: [{ field: amr, comparator: contains_all, value: [pwd, mfa] }] }
//!     recovery: [{ type: mfa }]
//!   - name: attributes
//!     conf: { fields: [{ field: "request.mtls.x5t#S256", comparator: equals, value: "$authnCtx.cnf.x5t#S256" }] }
//! ```
//!
//! The shapes of `identity-context`, `attributes`, `true`, `false` and `recovery` are those of
//! Cloudentity's samples; it does not publish those of `header`, `if` and `policy`, so they are ours.
//! A missing attribute satisfies `not_exists` and nothing else.

mod comparator;
mod compile;
mod steps;

use std::fmt;
use std::sync::Arc;

use portcullis_model::Attribute;
use serde_json::Value;

pub(crate) use compile::{ValidatorsDocument, ValidatorsReader};

use self::comparator::Comparator;
use self::steps::Steps;
use super::attribute::{Operand, Path};
use super::{CustomPolicy, PolicyFailure, PolicyFile, PolicyInput, PolicyPlace, Verdict};

/// Most attributes that an evaluation notes for its trace, as often as each was looked at.
const MAX_ATTRIBUTES: usize = 1000;
/// Names of members that are looked for in a step.
const LOOKS_A_STEP: usize = 16;

/// A compiled policy.
#[derive(Debug)]
pub(crate) struct Validators {
    list: Vec<Validator>,
    /// How many validators are evaluated at most, those inside others and in files that are embedded among them.
    count: usize,
    /// How deep they are nested, files that are embedded among them.
    height: usize,
}

/// One check.
#[derive(Debug)]
struct Validator {
    /// Its name in the file.
    name: &'static str,
    check: Check,
    /// Authentication context classes with which the user may try again where it does not hold.
    recovery: Vec<String>,
}

#[derive(Debug)]
enum Check {
    Constant(bool),
    /// Every test holds.
    Fields(Vec<Test>),
    /// What is to hold depends on a condition.
    Branch {
        condition: Vec<Validator>,
        then: Vec<Validator>,
        otherwise: Vec<Validator>,
    },
    /// Another file.
    Embedded {
        file: Arc<str>,
        policy: Arc<Validators>,
    },
}

/// A comparison of an attribute with a value or with another attribute.
#[derive(Debug)]
struct Test {
    attribute: Path,
    comparator: Comparator,
    operand: Operand,
}

/// What is left to spend, and what was seen on the way.
struct Run<'a> {
    document: &'a Value,
    steps: Steps,
    attributes: Vec<Attribute>,
    /// Whether more attributes were looked at than are noted.
    more: bool,
}

/// The first check that does not hold. What is said of it is written once it is known to be what the policy came to:
/// conditions need not hold.
struct Miss<'p> {
    /// The files that it is in, innermost first.
    files: Vec<&'p str>,
    /// The name of the validator.
    validator: &'static str,
    /// Which of its tests; `None` for one that never holds.
    test: Option<&'p Test>,
    recovery: &'p [String],
}

impl PolicyFile for Arc<Validators> {
    fn bind(&self, _place: &PolicyPlace<'_>) -> Arc<dyn CustomPolicy> {
        Arc::<Validators>::clone(self)
    }
}

impl CustomPolicy for Validators {
    fn evaluate(&self, input: &PolicyInput<'_>) -> Result<Verdict, PolicyFailure> {
        let mut run = Run {
            document: input.document(),
            steps: Steps::all(),
            attributes: Vec::new(),
            more: false,
        };
        let miss = run.all(&self.list)?;
        let detail = match miss {
            None => "every validator holds",
            Some(_) => "a validator does not hold",
        };
        Ok(Verdict {
            permit: miss.is_none(),
            detail: if run.more {
                format!("{detail}; only the first {MAX_ATTRIBUTES} attributes are noted").into()
            } else {
                detail.into()
            },
            attributes: run.attributes,
            nearest_miss: miss.as_ref().map(Miss::to_string),
            recovery: miss.map(|miss| miss.recovery.to_vec()).unwrap_or_default(),
            ..Verdict::default()
        })
    }
}

impl<'a> Run<'a> {
    /// The first of the validators that does not hold.
    fn all<'p>(&mut self, list: &'p [Validator]) -> Result<Option<Miss<'p>>, PolicyFailure> {
        for validator in list {
            if let Some(mut miss) = self.one(validator)? {
                if miss.recovery.is_empty() {
                    miss.recovery = &validator.recovery;
                }
                return Ok(Some(miss));
            }
        }
        Ok(None)
    }

    fn one<'p>(&mut self, validator: &'p Validator) -> Result<Option<Miss<'p>>, PolicyFailure> {
        let miss = |test| Miss {
            files: Vec::new(),
            validator: validator.name,
            test,
            recovery: &[],
        };
        match &validator.check {
            Check::Constant(true) => Ok(None),
            Check::Constant(false) => Ok(Some(miss(None))),
            Check::Fields(tests) => {
                for test in tests {
                    if !self.test(test)? {
                        return Ok(Some(miss(Some(test))));
                    }
                }
                Ok(None)
            }
            Check::Branch {
                condition,
                then,
                otherwise,
            } => {
                let holds = self.all(condition)?.is_none();
                self.all(if holds { then } else { otherwise })
            }
            Check::Embedded { file, policy } => {
                let mut miss = self.all(&policy.list)?;
                if let Some(miss) = &mut miss {
                    miss.files.push(file);
                }
                Ok(miss)
            }
        }
    }

    fn test(&mut self, test: &Test) -> Result<bool, PolicyFailure> {
        // Before anything is noted: most comparators take no step of their own.
        self.steps.take(1)?;
        let found = self.look(&test.attribute)?;
        let other = match &test.operand {
            Operand::Reference(path) => self.look(path)?,
            Operand::Value(value) => Some(value),
            Operand::None => None,
        };
        // What comes from the request never acts as a pattern.
        let wildcards = matches!(test.operand, Operand::Value(_));
        test.comparator
            .compare(found, other, wildcards, &mut self.steps)
    }

    /// What is at that path, which is noted.
    fn look(&mut self, path: &Path) -> Result<Option<&'a Value>, PolicyFailure> {
        let mut looks = 0;
        let found = path.find_counting(self.document, &mut looks);
        self.steps.take(looks / LOOKS_A_STEP)?;
        if self.attributes.len() < MAX_ATTRIBUTES {
            self.attributes
                .push(Attribute::describe(path.to_string(), found));
        } else {
            self.more = true;
        }
        Ok(found)
    }
}

impl fmt::Display for Miss<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in self.files.iter().rev() {
            write!(f, "{file}: ")?;
        }
        match self.test {
            None => write!(f, "validator \"{}\" never holds", self.validator),
            Some(test) => write!(f, "validator {}: {test} does not hold", self.validator),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.attribute, self.comparator.name())?;
        match &self.operand {
            Operand::None => Ok(()),
            Operand::Reference(path) => write!(f, " ${path}"),
            Operand::Value(value) => {
                let text = value.to_string();
                match text.char_indices().nth(120) {
                    None => write!(f, " {text}"),
                    Some((end, _)) => write!(f, " {}...", text.get(..end).unwrap_or_default()),
                }
            }
        }
    }
}
