//! ARNs of Lambda functions, and the URIs by which authorizers name them.

use std::fmt;

use serde::Serialize;

use crate::apis::Identity;

/// Longest ARN, in characters (Lambda API reference, `FunctionArn`, has 140 for the name within it).
const MAX_CHARS: usize = 256;

/// `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FunctionArn(String);

impl FunctionArn {
    /// Reads an ARN, of at most 256 characters.
    pub fn parse(text: &str) -> Result<Self, InvalidArn> {
        let invalid = || InvalidArn(text.chars().take(MAX_CHARS).collect());
        if text.len() > MAX_CHARS {
            return Err(invalid());
        }
        let parts: Vec<_> = text.split(':').collect();
        let (head, tail) = match parts.as_slice() {
            [
                "arn",
                partition,
                "lambda",
                region,
                account,
                "function",
                tail @ ..,
            ] if (1..=2).contains(&tail.len()) => ([*partition, *region, *account], tail),
            _ => return Err(invalid()),
        };
        let plain = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_$".contains(c))
        };
        let [_, _, account] = head;
        let digits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || !head.iter().chain(tail).all(|part| plain(part)) {
            return Err(invalid());
        }
        Ok(Self(text.to_owned()))
    }

    /// A function of the account: by its ARN, or by its name and perhaps `:ALIAS`.
    pub fn within(identity: &Identity, text: &str) -> Result<Self, InvalidArn> {
        if text.starts_with("arn:") {
            return Self::parse(text);
        }
        let (partition, region) = (&identity.partition, &identity.region);
        let whole = format!(
            "arn:{partition}:lambda:{region}:{}:function:{text}",
            identity.account
        );
        Self::parse(&whole).map_err(|_| InvalidArn(text.chars().take(MAX_CHARS).collect()))
    }

    /// The function that the URI of an authorizer calls
    /// (`arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/ARN/invocations`); `None` where it names
    /// none, such as with a stage variable.
    #[must_use]
    pub fn of_uri(uri: &str) -> Option<Self> {
        let (_, rest) = uri.split_once("/functions/")?;
        Self::parse(rest.strip_suffix("/invocations")?).ok()
    }

    /// The URI by which an authorizer names it.
    #[must_use]
    pub fn uri(&self) -> String {
        let mut parts = self.0.split(':');
        let partition = parts.nth(1).unwrap_or_default();
        let region = parts.nth(1).unwrap_or_default();
        format!(
            "arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/{}/invocations",
            self.0
        )
    }

    /// The ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The region that it is in.
    #[must_use]
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }

    /// The name, without a qualifier.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split(':').nth(6).unwrap_or_default()
    }

    /// The version or alias, where it names one. A permission belongs to it alone.
    #[must_use]
    pub fn qualifier(&self) -> Option<&str> {
        self.0.split(':').nth(7)
    }

    /// The ARN without the version or alias, as calls take it that name the qualifier apart.
    #[must_use]
    pub fn unqualified(&self) -> &str {
        match self.qualifier() {
            None => &self.0,
            Some(qualifier) => self
                .0
                .strip_suffix(qualifier)
                .and_then(|text| text.strip_suffix(':'))
                .unwrap_or(&self.0),
        }
    }
}

impl fmt::Display for FunctionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no ARN of a function.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "\"{0}\" is no Lambda function: expected its name or arn:aws:lambda:REGION:ACCOUNT:function:NAME, and perhaps :ALIAS"
)]
pub struct InvalidArn(String);
