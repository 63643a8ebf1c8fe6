//! Why a decision came out as it did: a stable code for machines and a sentence for people.

use std::borrow::Cow;
use std::fmt;

/// The reason of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The stable code.
    pub code: ReasonCode,
    /// One sentence; it never holds a token, a secret or the value of a claim.
    pub message: Cow<'static, str>,
}

impl Reason {
    /// A reason with a sentence of its own.
    pub fn new(code: ReasonCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)*) => {
        /// The stable code of a reason. Codes are never renamed or reused; docs/reason-codes.md
        /// lists them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ReasonCode {
            $($(#[$doc])* $variant,)*
        }

        impl ReasonCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }
        }
    };
}

reason_codes! {
    /// Every rule of the operation holds.
    Permitted = "permitted",
    /// The operation is public.
    Public = "public",
    /// No operation covers the request, and the API service lets any valid token through.
    TokenOnly = "token_only",
    /// No operation covers the request, and the API service lets everyone through.
    Unmatched = "unmatched",
    /// The API has no policy (Cloudentity: it is unrestricted).
    Unrestricted = "unrestricted",
    /// The API Gateway API and stage belong to no service (Cloudentity: the API group is not bound).
    Unbound = "unbound",
    /// The service has no such API (Cloudentity: the API is unknown).
    UnknownApi = "unknown_api",
    /// A remote decision point permitted.
    PermittedByDecisionPoint = "permitted_by_decision_point",
    /// A remote decision point denied.
    DeniedByDecisionPoint = "denied_by_decision_point",
    /// No API service covers the URL.
    NoService = "no_service",
    /// No operation covers the request, and the API service denies such requests.
    NoOperation = "no_operation",
    /// The path has more than one reading.
    AmbiguousPath = "ambiguous_path",
    /// The request carries no access token.
    MissingToken = "missing_token",
    /// More than one `Authorization` header, or one that is too long.
    AmbiguousAuthorization = "ambiguous_authorization",
    /// The `Authorization` header does not hold one bearer token.
    UnsupportedAuthorization = "unsupported_authorization",
    /// The token is not a well-formed signed JWT.
    MalformedToken = "malformed_token",
    /// The token was issued by none of the issuers of the API service.
    UnknownIssuer = "unknown_issuer",
    /// No key of the issuer fits the token.
    UnknownKey = "unknown_key",
    /// The signature does not hold.
    InvalidSignature = "invalid_signature",
    /// The token is of another type than an access token.
    WrongTokenType = "wrong_token_type",
    /// A claim that must be there is missing or of another type.
    InvalidClaim = "invalid_claim",
    /// The token is meant for another audience.
    WrongAudience = "wrong_audience",
    /// The token has expired.
    TokenExpired = "token_expired",
    /// The token is not valid yet.
    TokenNotYetValid = "token_not_yet_valid",
    /// The token is bound to a key, and nothing shows that the client holds that key.
    SenderConstraintUnmet = "sender_constraint_unmet",
    /// The DPoP proof of the request does not hold.
    InvalidDpopProof = "invalid_dpop_proof",
    /// The DPoP proof lacks the nonce that was asked for.
    DpopNonceRequired = "dpop_nonce_required",
    /// There is no room to remember DPoP proofs, so that a replay could not be told.
    ReplayStoreFull = "replay_store_full",
    /// The issuer says that the opaque token is not active.
    TokenInactive = "token_inactive",
    /// The token lacks a scope.
    InsufficientScope = "insufficient_scope",
    /// The user did not authenticate as strongly or as recently as is asked for.
    InsufficientUserAuthentication = "insufficient_user_authentication",
    /// The subject is in none of the groups.
    MissingGroup = "missing_group",
    /// The subject does not hold the permission.
    MissingPermission = "missing_permission",
    /// A custom policy denied.
    DeniedByPolicy = "denied_by_policy",
    /// A custom policy could not be evaluated to its end.
    PolicyFailed = "policy_failed",
    /// A custom policy took more time, steps or memory than it may.
    PolicyLimitExceeded = "policy_limit_exceeded",
    /// A statement that the decision depends on could not be carried out.
    StatementUnfulfilled = "statement_unfulfilled",
    /// The enforcement point sees a part of the body only, and the policy may need all of it.
    PartialBody = "partial_body",
    /// The decision point could not be reached or gave no usable answer.
    DecisionPointUnavailable = "decision_point_unavailable",
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
