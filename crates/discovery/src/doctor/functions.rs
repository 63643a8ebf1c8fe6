//! Functions that too many may invoke, or that could not be looked at.

use crate::account::Account;
use crate::doctor::{Finding, FindingCode, Severity};

pub(super) fn examine(account: &Account, findings: &mut Vec<Finding>) {
    for (function, view) in &account.functions {
        for permission in &view.permissions {
            if !permission.is_wide(&account.partition, &account.region, &account.id) {
                continue;
            }
            let statement = permission.statement.as_deref().unwrap_or("without an id");
            let (severity, who) = match (permission.anyone, permission.one_account) {
                (true, _) => (Severity::Error, "anyone"),
                (false, false) if permission.sources.is_empty() => {
                    (Severity::Error, "every API of every AWS account")
                }
                (false, _) => (Severity::Warning, "every API of the account"),
            };
            findings.push(Finding {
                severity,
                code: FindingCode::InvokePermissionWide,
                api: None,
                message: format!(
                    "statement {statement} lets {who} invoke {}, with events of its own making",
                    function.name()
                ),
                advice: "bind adds one permission for each authorizer; remove this one after it"
                    .to_owned(),
            });
        }
    }
    for function in &account.unread_functions {
        findings.push(Finding {
            severity: Severity::Note,
            code: FindingCode::FunctionUnread,
            api: None,
            message: format!("{function} could not be looked at"),
            advice:
                "it needs lambda:GetPolicy and lambda:GetFunctionConfiguration, in its own region"
                    .to_owned(),
        });
    }
}
