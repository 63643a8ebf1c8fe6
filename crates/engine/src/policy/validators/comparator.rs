//! How an attribute is compared. A missing attribute, or one of a type that cannot be compared,
//! satisfies no comparator but `not_exists`.

use std::net::IpAddr;

use regex_lite::{Regex, RegexBuilder};
use serde_json::Value;

use super::steps::Steps;
use crate::policy::PolicyFailure;

/// Longest text that a regular expression is run on, in bytes.
const MAX_REGEX_INPUT: usize = 16 * 1024;
/// Longest regular expression, in bytes, and the most memory that it may take once it is compiled.
const MAX_REGEX_BYTES: usize = 1000;
const MAX_REGEX_SIZE: usize = 256 * 1024;
/// What a step pays for when a regular expression is run: the memory of the expression in KiB times the bytes of the text.
const REGEX_WORK_A_STEP: usize = 64;
/// Blocks of addresses that an address is looked for in, in a step.
const NETWORKS_A_STEP: usize = 16;

/// A comparator.
#[derive(Debug)]
pub(super) enum Comparator {
    Equals,
    NotEquals,
    Contains,
    NotContains,
    ContainsAll,
    ContainsAny,
    StartsWith,
    EndsWith,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Matches(Expression),
    Cidr(Vec<Network>),
    Exists,
    NotExists,
}

/// Names of comparators and whether each is compared with something.
pub(super) const NAMES: [(&str, bool); 16] = [
    ("equals", true),
    ("not_equals", true),
    ("contains", true),
    ("not_contains", true),
    ("contains_all", true),
    ("contains_any", true),
    ("starts_with", true),
    ("ends_with", true),
    ("greater", true),
    ("greater_or_equal", true),
    ("less", true),
    ("less_or_equal", true),
    ("regex", true),
    ("cidr", true),
    ("exists", false),
    ("not_exists", false),
];

type Compared = Result<bool, PolicyFailure>;

impl Comparator {
    /// The comparator of that name; `value` is what stands beside it where that is no reference.
    pub(super) fn named(name: &str, value: Option<&Value>) -> Result<Self, InvalidComparator> {
        Ok(match name {
            "equals" => Self::Equals,
            "not_equals" => Self::NotEquals,
            "contains" => Self::Contains,
            "not_contains" => Self::NotContains,
            "contains_all" => Self::ContainsAll,
            "contains_any" => Self::ContainsAny,
            "starts_with" => Self::StartsWith,
            "ends_with" => Self::EndsWith,
            "greater" => Self::Greater,
            "greater_or_equal" => Self::GreaterOrEqual,
            "less" => Self::Less,
            "less_or_equal" => Self::LessOrEqual,
            "exists" => Self::Exists,
            "not_exists" => Self::NotExists,
            "regex" => Self::Matches(Expression::new(value)?),
            "cidr" => Self::Cidr(networks(value)?),
            _ => return Err(InvalidComparator::Unknown),
        })
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::NotEquals => "not_equals",
            Self::Contains => "contains",
            Self::NotContains => "not_contains",
            Self::ContainsAll => "contains_all",
            Self::ContainsAny => "contains_any",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::Greater => "greater",
            Self::GreaterOrEqual => "greater_or_equal",
            Self::Less => "less",
            Self::LessOrEqual => "less_or_equal",
            Self::Matches(_) => "regex",
            Self::Cidr(_) => "cidr",
            Self::Exists => "exists",
            Self::NotExists => "not_exists",
        }
    }

    /// Whether it holds. In the values of a policy `*` stands for any text (`wildcards`). The step of the test itself is
    /// the caller's to take.
    pub(super) fn compare(
        &self,
        attribute: Option<&Value>,
        operand: Option<&Value>,
        wildcards: bool,
        steps: &mut Steps,
    ) -> Compared {
        match self {
            Self::Exists => return Ok(attribute.is_some_and(|value| !value.is_null())),
            Self::NotExists => return Ok(attribute.is_none_or(Value::is_null)),
            _ => {}
        }
        let Some(attribute) = attribute.filter(|value| !value.is_null()) else {
            return Ok(false);
        };
        match self {
            Self::Matches(expression) => {
                return any_text(attribute, steps, |text, steps| {
                    expression.is_in(text, steps)
                });
            }
            Self::Cidr(networks) => {
                return any_text(attribute, steps, |text, steps| {
                    within(text, networks, steps)
                });
            }
            _ => {}
        }
        let Some(operand) = operand.filter(|value| !value.is_null()) else {
            return Ok(false);
        };
        match self {
            Self::Equals => equal(attribute, operand, wildcards, steps),
            Self::NotEquals => equal(attribute, operand, wildcards, steps).map(|equal| !equal),
            Self::Contains => contains(attribute, operand, wildcards, steps),
            Self::NotContains => contains(attribute, operand, wildcards, steps).map(|has| !has),
            Self::ContainsAll => each(items(operand), |one| {
                contains_item(attribute, one, wildcards, steps)
            }),
            Self::ContainsAny => {
                for one in items(operand) {
                    if contains_item(attribute, one, wildcards, steps)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::StartsWith => texts(attribute, operand, steps, |a, b| a.starts_with(b)),
            Self::EndsWith => texts(attribute, operand, steps, |a, b| a.ends_with(b)),
            Self::Greater => numbers(attribute, operand, steps, |a, b| a > b),
            Self::GreaterOrEqual => numbers(attribute, operand, steps, |a, b| a >= b),
            Self::Less => numbers(attribute, operand, steps, |a, b| a < b),
            Self::LessOrEqual => numbers(attribute, operand, steps, |a, b| a <= b),
            // Done above.
            Self::Matches(_) | Self::Cidr(_) | Self::Exists | Self::NotExists => Ok(false),
        }
    }
}

/// A value as a list: one that is no list is a list of one.
fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(list) => list,
        one => std::slice::from_ref(one),
    }
}

/// The only value of a list of one, or the value itself: header fields and query parameters are lists.
fn single(value: &Value) -> &Value {
    match value.as_array().map(Vec::as_slice) {
        Some([one]) => one,
        _ => value,
    }
}

fn each(list: &[Value], mut holds: impl FnMut(&Value) -> Compared) -> Compared {
    for one in list {
        if !holds(one)? {
            return Ok(false);
        }
    }
    // Everything of nothing is nothing that a policy asks for.
    Ok(!list.is_empty())
}

/// A text contains another one; a list contains a value.
fn contains(attribute: &Value, operand: &Value, wildcards: bool, steps: &mut Steps) -> Compared {
    if let (Value::String(text), Value::String(part)) = (attribute, operand) {
        steps.read(text.len() + part.len())?;
        return Ok(text.contains(part.as_str()) || equal(attribute, operand, wildcards, steps)?);
    }
    contains_item(attribute, operand, wildcards, steps)
}

fn contains_item(
    attribute: &Value,
    operand: &Value,
    wildcards: bool,
    steps: &mut Steps,
) -> Compared {
    for item in items(attribute) {
        if equal(item, operand, wildcards, steps)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(one: &Value, other: &Value, wildcards: bool, steps: &mut Steps) -> Compared {
    steps.take(1)?;
    match (single(one), other) {
        (Value::String(text), Value::String(pattern)) if wildcards => {
            steps.read(text.len() + pattern.len())?;
            Ok(glob(pattern, text))
        }
        (Value::Number(one), Value::Number(other)) => Ok(one.as_f64() == other.as_f64()),
        (one, other) => identical(one, other, steps),
    }
}

/// Whether two values are the same; a step for each value that is in both.
fn identical(one: &Value, other: &Value, steps: &mut Steps) -> Compared {
    match (one, other) {
        (Value::String(one), Value::String(other)) if one.len() == other.len() => {
            steps.read(one.len())?;
            Ok(one == other)
        }
        (Value::Array(ones), Value::Array(others)) if ones.len() == others.len() => {
            for (one, other) in ones.iter().zip(others) {
                steps.take(1)?;
                if !identical(one, other, steps)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Object(ones), Value::Object(others)) if ones.len() == others.len() => {
            for (name, one) in ones {
                steps.take(1)?;
                steps.read(name.len())?;
                match others.get(name) {
                    Some(other) if identical(one, other, steps)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (
            Value::String(_) | Value::Array(_) | Value::Object(_),
            Value::String(_) | Value::Array(_) | Value::Object(_),
        ) => Ok(false),
        (one, other) => Ok(one == other),
    }
}

fn texts(
    attribute: &Value,
    operand: &Value,
    steps: &mut Steps,
    holds: fn(&str, &str) -> bool,
) -> Compared {
    let (Value::String(text), Value::String(part)) = (single(attribute), single(operand)) else {
        return Ok(false);
    };
    steps.read(text.len().min(part.len()))?;
    Ok(holds(text, part))
}

/// Both sides as numbers; header fields and query parameters are texts that may be numbers.
fn numbers(
    attribute: &Value,
    operand: &Value,
    steps: &mut Steps,
    holds: fn(f64, f64) -> bool,
) -> Compared {
    let mut number = |value: &Value| -> Result<Option<f64>, PolicyFailure> {
        match single(value) {
            Value::Number(number) => Ok(number.as_f64()),
            Value::String(text) => {
                steps.read(text.len())?;
                Ok(text.parse().ok().filter(|number: &f64| number.is_finite()))
            }
            _ => Ok(None),
        }
    };
    let both = number(attribute)?.zip(number(operand)?);
    Ok(both.is_some_and(|(one, other)| holds(one, other)))
}

fn any_text(
    attribute: &Value,
    steps: &mut Steps,
    mut holds: impl FnMut(&str, &mut Steps) -> Compared,
) -> Compared {
    for item in items(attribute) {
        steps.take(1)?;
        if let Value::String(text) = item
            && holds(text, steps)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A regular expression with what it takes.
#[derive(Debug)]
pub(super) struct Expression {
    regex: Regex,
    /// The memory that it takes, in KiB, rounded up to a power of two: it is run in time that is in proportion to it.
    size: usize,
}

impl Expression {
    fn new(value: Option<&Value>) -> Result<Self, InvalidComparator> {
        let pattern = value
            .and_then(Value::as_str)
            .filter(|pattern| pattern.len() <= MAX_REGEX_BYTES)
            .ok_or(InvalidComparator::NotAnExpression)?;
        // What an expression takes cannot be asked, only whether it is more than a limit.
        let mut size = 1;
        loop {
            let limit = (size * 1024).min(MAX_REGEX_SIZE);
            match RegexBuilder::new(pattern).size_limit(limit).build() {
                Ok(regex) => return Ok(Self { regex, size }),
                Err(_) if limit < MAX_REGEX_SIZE => size *= 2,
                Err(error) => return Err(InvalidComparator::Expression(error.to_string())),
            }
        }
    }

    /// Whether it is found in a text.
    fn is_in(&self, text: &str, steps: &mut Steps) -> Compared {
        if text.len() > MAX_REGEX_INPUT {
            return Err(PolicyFailure::Limit("text for a regular expression"));
        }
        steps.take(self.size * text.len() / REGEX_WORK_A_STEP)?;
        Ok(self.regex.is_match(text))
    }
}

/// Whether a text fits a pattern in which `*` stands for any text and `\*` for a star. Takes time in
/// proportion to the sum of both lengths.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = vec![String::new()];
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '*' => parts.push(String::new()),
            '\\' if letters.clone().next() == Some('*') => {
                letters.next();
                if let Some(part) = parts.last_mut() {
                    part.push('*');
                }
            }
            other => {
                if let Some(part) = parts.last_mut() {
                    part.push(other);
                }
            }
        }
    }
    let Some((first, others)) = parts.split_first() else {
        return text.is_empty();
    };
    let Some((last, between)) = others.split_last() else {
        return text == first;
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else {
        return false;
    };
    for part in between {
        match rest.find(part.as_str()) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

/// A block of IP addresses (RFC 4632, RFC 4291 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= bits)?;
        Some(Self { address, prefix })
    }

    fn holds(self, address: IpAddr) -> bool {
        // An IPv4 address that was written as IPv6 is the IPv4 address (RFC 4291 section 2.5.5.2).
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - self.prefix;
                network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - self.prefix;
                network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

fn within(text: &str, networks: &[Network], steps: &mut Steps) -> Compared {
    let Ok(address) = text.parse::<IpAddr>() else {
        return Ok(false);
    };
    steps.take(networks.len() / NETWORKS_A_STEP)?;
    Ok(networks.iter().any(|network| network.holds(address)))
}

fn networks(value: Option<&Value>) -> Result<Vec<Network>, InvalidComparator> {
    let list = value.map(items).unwrap_or_default();
    let networks = list
        .iter()
        .map(|one| one.as_str().and_then(Network::parse))
        .collect::<Option<Vec<_>>>();
    networks
        .filter(|networks| !networks.is_empty())
        .ok_or(InvalidComparator::NotNetworks)
}

/// Why a comparator cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidComparator {
    /// There is none of that name.
    #[error("there is no such comparator")]
    Unknown,
    /// The value is no regular expression.
    #[error(
        "regex needs a regular expression of at most {MAX_REGEX_BYTES} bytes that stands in the policy"
    )]
    NotAnExpression,
    /// The regular expression is wrong.
    #[error("the regular expression: {0}")]
    Expression(String),
    /// The value is no block of addresses.
    #[error(
        "cidr needs one block of addresses or several that stand in the policy, such as 10.0.0.0/8"
    )]
    NotNetworks,
}

#[cfg(test)]
mod tests;
