//! How an attribute is compared. A missing attribute, or one of a type that cannot be compared,
//! satisfies no comparator but `not_exists`.

use std::net::IpAddr;

use regex_lite::{Regex, RegexBuilder};
use serde_json::Value;

use crate::policy::PolicyFailure;

/// Longest text that a regular expression is run on, in bytes.
const MAX_REGEX_INPUT: usize = 16 * 1024;
/// Longest regular expression, in bytes, and the most memory that it may take once it is compiled.
const MAX_REGEX_BYTES: usize = 1000;
const MAX_REGEX_SIZE: usize = 256 * 1024;

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
    Matches(Regex),
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
            "regex" => Self::Matches(regex(value)?),
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

    /// Whether it holds. In the values of a policy `*` stands for any text (`wildcards`).
    pub(super) fn compare(
        &self,
        attribute: Option<&Value>,
        operand: Option<&Value>,
        wildcards: bool,
        steps: &mut u32,
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
            Self::Matches(regex) => return any_text(attribute, steps, |text| matched(regex, text)),
            Self::Cidr(networks) => {
                return any_text(attribute, steps, |text| Ok(within(text, networks)));
            }
            _ => {}
        }
        let Some(operand) = operand.filter(|value| !value.is_null()) else {
            return Ok(false);
        };
        let mut same = |one: &Value, other: &Value| equal(one, other, wildcards, steps);
        match self {
            Self::Equals => same(attribute, operand),
            Self::NotEquals => same(attribute, operand).map(|equal| !equal),
            Self::Contains => contains(attribute, operand, &mut same),
            Self::NotContains => contains(attribute, operand, &mut same).map(|has| !has),
            Self::ContainsAll => {
                let wanted = items(operand);
                each(wanted, |one| contains_item(attribute, one, &mut same))
            }
            Self::ContainsAny => {
                for one in items(operand) {
                    if contains_item(attribute, one, &mut same)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::StartsWith => {
                Ok(texts(attribute, operand).is_some_and(|(a, b)| a.starts_with(b)))
            }
            Self::EndsWith => Ok(texts(attribute, operand).is_some_and(|(a, b)| a.ends_with(b))),
            Self::Greater => Ok(numbers(attribute, operand).is_some_and(|(a, b)| a > b)),
            Self::GreaterOrEqual => Ok(numbers(attribute, operand).is_some_and(|(a, b)| a >= b)),
            Self::Less => Ok(numbers(attribute, operand).is_some_and(|(a, b)| a < b)),
            Self::LessOrEqual => Ok(numbers(attribute, operand).is_some_and(|(a, b)| a <= b)),
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
fn contains(
    attribute: &Value,
    operand: &Value,
    same: &mut impl FnMut(&Value, &Value) -> Compared,
) -> Compared {
    if let (Value::String(text), Value::String(part)) = (attribute, operand) {
        return Ok(text.contains(part.as_str()) || same(attribute, operand)?);
    }
    contains_item(attribute, operand, same)
}

fn contains_item(
    attribute: &Value,
    operand: &Value,
    same: &mut impl FnMut(&Value, &Value) -> Compared,
) -> Compared {
    for item in items(attribute) {
        if same(item, operand)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(one: &Value, other: &Value, wildcards: bool, steps: &mut u32) -> Compared {
    spend(steps)?;
    Ok(match (single(one), other) {
        (Value::String(text), Value::String(pattern)) if wildcards => glob(pattern, text),
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(_), Value::Array(_)) => one == other,
        (one, other) => one == other,
    })
}

fn texts<'a>(attribute: &'a Value, operand: &'a Value) -> Option<(&'a str, &'a str)> {
    Some((single(attribute).as_str()?, single(operand).as_str()?))
}

/// Both sides as numbers; header fields and query parameters are texts that may be numbers.
fn numbers(attribute: &Value, operand: &Value) -> Option<(f64, f64)> {
    let number = |value: &Value| match single(value) {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    };
    Some((number(attribute)?, number(operand)?))
}

fn any_text(
    attribute: &Value,
    steps: &mut u32,
    mut holds: impl FnMut(&str) -> Compared,
) -> Compared {
    for text in items(attribute).iter().filter_map(Value::as_str) {
        spend(steps)?;
        if holds(text)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn spend(steps: &mut u32) -> Result<(), PolicyFailure> {
    *steps = steps.checked_sub(1).ok_or(PolicyFailure::Limit("steps"))?;
    Ok(())
}

fn matched(regex: &Regex, text: &str) -> Compared {
    if text.len() > MAX_REGEX_INPUT {
        return Err(PolicyFailure::Limit("text for a regular expression"));
    }
    Ok(regex.is_match(text))
}

/// Whether a text fits a pattern in which `*` stands for any text and `\*` for a star. Takes time in
/// proportion to the product of both lengths at most.
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

fn within(text: &str, networks: &[Network]) -> bool {
    let Ok(address) = text.parse::<IpAddr>() else {
        return false;
    };
    networks.iter().any(|network| network.holds(address))
}

fn regex(value: Option<&Value>) -> Result<Regex, InvalidComparator> {
    let Some(Value::String(pattern)) = value else {
        return Err(InvalidComparator::NotAnExpression);
    };
    if pattern.len() > MAX_REGEX_BYTES {
        return Err(InvalidComparator::NotAnExpression);
    }
    RegexBuilder::new(pattern)
        .size_limit(MAX_REGEX_SIZE)
        .build()
        .map_err(|error| InvalidComparator::Expression(error.to_string()))
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
