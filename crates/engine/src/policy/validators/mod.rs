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

use std::fmt;
use std::sync::Arc;

use portcullis_model::Attribute;
use serde_json::Value;

pub(crate) use compile::{ValidatorsDocument, ValidatorsReader};

use self::comparator::Comparator;
use super::attribute::{Operand, Path};
use super::{CustomPolicy, PolicyFailure, PolicyFile, PolicyInput, PolicyPlace, Verdict};

/// Most comparisons of two values in one evaluation.
const MAX_STEPS: u32 = 100_000;

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
    steps: u32,
    attributes: Vec<Attribute>,
}

/// The first check that does not hold.
struct Miss {
    what: String,
    recovery: Vec<String>,
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
            steps: MAX_STEPS,
            attributes: Vec::new(),
        };
        let miss = run.all(&self.list)?;
        let attributes = run.attributes;
        Ok(match miss {
            None => Verdict {
                permit: true,
                detail: "every validator holds".into(),
                attributes,
                ..Verdict::default()
            },
            Some(miss) => Verdict {
                detail: "a validator does not hold".into(),
                attributes,
                nearest_miss: Some(miss.what),
                recovery: miss.recovery,
                ..Verdict::default()
            },
        })
    }
}

impl Run<'_> {
    /// The first of the validators that does not hold.
    fn all(&mut self, list: &[Validator]) -> Result<Option<Miss>, PolicyFailure> {
        for validator in list {
            if let Some(mut miss) = self.one(validator)? {
                if miss.recovery.is_empty() {
                    miss.recovery.clone_from(&validator.recovery);
                }
                return Ok(Some(miss));
            }
        }
        Ok(None)
    }

    fn one(&mut self, validator: &Validator) -> Result<Option<Miss>, PolicyFailure> {
        match &validator.check {
            Check::Constant(true) => Ok(None),
            Check::Constant(false) => Ok(Some(Miss::new("validator \"false\" never holds"))),
            Check::Fields(tests) => {
                for test in tests {
                    if !self.test(test)? {
                        let what = format!("validator {}: {test} does not hold", validator.name);
                        return Ok(Some(Miss::new(what)));
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
                let miss = self.all(&policy.list)?;
                Ok(miss.map(|miss| Miss {
                    what: format!("{file}: {}", miss.what),
                    ..miss
                }))
            }
        }
    }

    fn test(&mut self, test: &Test) -> Result<bool, PolicyFailure> {
        let found = test.attribute.find(self.document);
        self.attributes
            .push(Attribute::describe(test.attribute.to_string(), found));
        let other = match &test.operand {
            Operand::Reference(path) => {
                let other = path.find(self.document);
                self.attributes
                    .push(Attribute::describe(path.to_string(), other));
                other
            }
            Operand::Value(value) => Some(value),
            Operand::None => None,
        };
        // What comes from the request never acts as a pattern.
        let wildcards = matches!(test.operand, Operand::Value(_));
        test.comparator
            .compare(found, other, wildcards, &mut self.steps)
    }
}

impl Miss {
    fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            recovery: Vec::new(),
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
