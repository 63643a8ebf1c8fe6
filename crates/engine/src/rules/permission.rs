//! Rule `permission`: the subject holds the named permission.
//!
//! Reason code: `missing_permission`, 403. No challenge: another token would not help.

use portcullis_model::ReasonCode;

use super::Refusal;
use crate::claims::AccessToken;

/// A permission that the subject needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PermissionRule {
    permission: String,
    message: String,
}

impl PermissionRule {
    /// A rule on a permission, which is not empty.
    pub(crate) fn new(permission: String) -> Self {
        let message = format!("the subject does not hold the permission {permission}");
        Self {
            permission,
            message,
        }
    }

    pub(crate) fn check(&self, token: &AccessToken<'_>) -> Result<(), Box<Refusal>> {
        if token.has_permission(&self.permission) {
            return Ok(());
        }
        Err(Box::new(Refusal {
            status: 403,
            code: ReasonCode::MissingPermission,
            message: self.message.clone().into(),
            challenge: None,
        }))
    }
}
