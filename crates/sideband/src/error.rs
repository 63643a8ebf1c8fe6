//! The body of a call that failed, in the shape of PingOne's platform errors.

use serde::{Deserialize, Serialize};

/// An error of the call itself, with a status other than 200.
///
/// Every member is optional on receipt: services in front answer with bodies of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SidebandError {
    /// The id under which the service logged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A constant such as `INVALID_REQUEST`. Clients must expect others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// A sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl SidebandError {
    /// Reads the body of a failed call; `None` where it is something else.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let error: Self = serde_json::from_slice(body).ok()?;
        (error != Self::default()).then_some(error)
    }
}
