//! Secrets that are kept in Secrets Manager or SSM Parameter Store and named by their ARN.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

/// A secret on its way.
pub type SecretFuture<'a> = Pin<Box<dyn Future<Output = Result<String, SecretError>> + Send + 'a>>;

/// Reads secrets: each enforcement point has its own way to AWS.
pub trait SecretStore: fmt::Debug + Send + Sync {
    /// Reads the secret with that ARN within that time.
    fn read<'a>(&'a self, arn: &'a str, time: Duration) -> SecretFuture<'a>;
}

/// Where a secret is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// AWS Secrets Manager.
    SecretsManager,
    /// AWS Systems Manager Parameter Store.
    ParameterStore,
}

impl SecretKind {
    /// Where the secret with that ARN is kept, in any partition; `None` where it is no such ARN.
    #[must_use]
    pub fn of(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':');
        let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        if arn != "arn" || !partition.starts_with("aws") {
            return None;
        }
        match service {
            "secretsmanager" => Some(Self::SecretsManager),
            "ssm" => Some(Self::ParameterStore),
            _ => None,
        }
    }

    /// The Region in that ARN; `None` where there is no text that can be one: it becomes a part of a host name.
    #[must_use]
    pub fn region(arn: &str) -> Option<&str> {
        let region = arn.split(':').nth(3)?;
        let is_region = (1..=32).contains(&region.len())
            && region
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        is_region.then_some(region)
    }
}

/// Whether a text is the ARN of a secret or a parameter, in any partition, and says which Region to ask.
pub(crate) fn is_secret_arn(arn: &str) -> bool {
    SecretKind::of(arn).is_some() && SecretKind::region(arn).is_some()
}

/// Why a secret could not be read. Never holds any of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It could not be had; says what to look at.
    #[error("{0}")]
    Store(String),
    /// The secret is a JSON object, as the console of Secrets Manager makes them.
    #[error("the secret is a JSON object: store the gateway credential itself, as plain text")]
    Json,
    /// The secret cannot be sent in a header.
    #[error("the secret is no gateway credential: expected visible ASCII characters")]
    Credential,
}
