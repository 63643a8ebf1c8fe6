//! What is wrong with how APIs are protected, and what to do about each.

mod authorizers;
mod functions;
mod routes;

use serde::Serialize;

use crate::account::{Account, Api};
use crate::policy_view::PolicyView;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody gets in who should not, or nobody who should.
    Error,
    /// It may become that.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What is wrong. The words are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingCode {
    /// Nobody authorizes a route.
    UnprotectedRoute,
    /// A route is authorized in the draft, and a stage still serves it open.
    UndeployedAuthorization,
    /// A stage does not serve the draft.
    UndeployedChange,
    /// API Gateway may not invoke the function.
    InvokePermissionMissing,
    /// The authorizers of every API may invoke the function.
    InvokePermissionWide,
    /// An authorizer calls a function that is not there.
    FunctionMissing,
    /// A function could not be looked at.
    FunctionUnread,
    /// Answers are cached, and not by the credential.
    CacheWithoutCredential,
    /// A yes is cached for every route.
    CachedSimpleResponse,
    /// Answers are cached that a decision point gives for one request.
    CacheContradictsDecisionPoint,
    /// Answers are cached that the policy gives for one request.
    CacheContradictsPolicy,
    /// The function does not know for how long its answers are cached.
    CacheTtlMismatch,
    /// The function answers in another form than the authorizer expects.
    HttpResponseMismatch,
    /// API Gateway refuses requests without a credential to what the policy says is public.
    IdentitySourceBlocksPublic,
    /// An authorizer that no route uses.
    AuthorizerUnused,
    /// The policy is about none of the APIs.
    PolicyCoversNoApi,
}

impl FindingCode {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnprotectedRoute => "unprotected_route",
            Self::UndeployedAuthorization => "undeployed_authorization",
            Self::UndeployedChange => "undeployed_change",
            Self::InvokePermissionMissing => "invoke_permission_missing",
            Self::InvokePermissionWide => "invoke_permission_wide",
            Self::FunctionMissing => "function_missing",
            Self::FunctionUnread => "function_unread",
            Self::CacheWithoutCredential => "cache_without_credential",
            Self::CachedSimpleResponse => "cached_simple_response",
            Self::CacheContradictsDecisionPoint => "cache_contradicts_decision_point",
            Self::CacheContradictsPolicy => "cache_contradicts_policy",
            Self::CacheTtlMismatch => "cache_ttl_mismatch",
            Self::HttpResponseMismatch => "http_response_mismatch",
            Self::IdentitySourceBlocksPublic => "identity_source_blocks_public",
            Self::AuthorizerUnused => "authorizer_unused",
            Self::PolicyCoversNoApi => "policy_covers_no_api",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub code: FindingCode,
    /// Id of the API; none for what is about a function or the policy.
    pub api: Option<String>,
    /// What is wrong, where.
    pub message: String,
    /// What to do.
    pub advice: String,
}

/// Looks for what is wrong. With a policy, routes and caches are held against it too.
#[must_use]
pub fn doctor(account: &Account, policy: Option<PolicyView<'_>>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut covered = false;
    for api in &account.apis {
        let patient = Patient {
            account,
            api,
            policy,
        };
        covered |= api
            .stages
            .iter()
            .any(|stage| patient.service(&stage.name).is_some());
        routes::examine(&patient, &mut findings);
        authorizers::examine(&patient, &mut findings);
    }
    functions::examine(account, &mut findings);
    if policy.is_some() && !covered && !account.apis.is_empty() {
        findings.push(Finding {
            severity: Severity::Warning,
            code: FindingCode::PolicyCoversNoApi,
            api: None,
            message: "no service of the policy names one of these APIs".to_owned(),
            advice: "name api_id and stage under aws in the service, or look at other APIs"
                .to_owned(),
        });
    }
    findings.sort_by(|a, b| (a.severity, &a.api, a.code).cmp(&(b.severity, &b.api, b.code)));
    findings
}

/// One API, with what it takes to judge it.
struct Patient<'a> {
    account: &'a Account,
    api: &'a Api,
    policy: Option<PolicyView<'a>>,
}

impl<'a> Patient<'a> {
    fn service(&self, stage: &str) -> Option<&'a portcullis_engine::ApiService> {
        self.policy?.service(self.account, self.api, stage)
    }

    fn finding(
        &self,
        severity: Severity,
        code: FindingCode,
        message: impl std::fmt::Display,
        advice: impl Into<String>,
    ) -> Finding {
        Finding {
            severity,
            code,
            api: Some(self.api.id.clone()),
            message: format!("{}: {message}", self.api.title()),
            advice: advice.into(),
        }
    }
}
