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
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, status $status:literal, look_at $look_at:literal;)*) => {
        /// The stable code of a reason. Codes are never renamed or reused; docs/reference/reason-codes.md is written from
        /// them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ReasonCode {
            $($(#[doc = $doc])+ $variant,)*
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

            /// What it means, in sentences.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+),)*
                }
            }

            /// The HTTP status that a sideband client gets, in words where it depends; `none` for a permit.
            #[must_use]
            pub const fn status(self) -> &'static str {
                match self {
                    $(Self::$variant => $status,)*
                }
            }

            /// Where to look for the cause, in sentences; empty where there is nothing to look for.
            #[must_use]
            pub const fn look_at(self) -> &'static str {
                match self {
                    $(Self::$variant => $look_at,)*
                }
            }
        }
    };
}

reason_codes! {
    /// The token satisfies every rule of the operation.
    Permitted = "permitted",
        status "none",
        look_at "";
    /// The operation is public.
    Public = "public",
        status "none",
        look_at "";
    /// No operation covers the request, and the service lets any valid token through.
    TokenOnly = "token_only",
        status "none",
        look_at "`unmatched` of the service.";
    /// No operation covers the request, and the service lets everyone through.
    Unmatched = "unmatched",
        status "none",
        look_at "`unmatched: open` of the service; `ENFORCEMENT_ALLOW_UNKNOWN`.";
    /// Cloudentity: the API has no policy.
    Unrestricted = "unrestricted",
        status "none",
        look_at "The policy of the API.";
    /// Cloudentity: no service is bound to the API Gateway API and stage.
    Unbound = "unbound",
        status "403",
        look_at "The APIs of the gateway, Connect.";
    /// Cloudentity: the service has no API with this method and path.
    UnknownApi = "unknown_api",
        status "403",
        look_at "Discovery; `ENFORCEMENT_ALLOW_UNKNOWN`.";
    /// A remote decision point permitted.
    PermittedByDecisionPoint = "permitted_by_decision_point",
        status "none",
        look_at "Its log.";
    /// A remote decision point denied, or permitted on an obligation that cannot be met here.
    DeniedByDecisionPoint = "denied_by_decision_point",
        status "as it says; 403 over AuthZEN",
        look_at "Its log.";
    /// No API service covers the URL.
    NoService = "no_service",
        status "404",
        look_at "`base_urls`; on AWS also `PORTCULLIS_BASE_URL` and `PORTCULLIS_STRIP_STAGE`.";
    /// No operation covers the request.
    NoOperation = "no_operation",
        status "403",
        look_at "`paths` and `methods` of the service, or `unmatched: token`.";
    /// The path has more than one reading: `..`, `//`, `;`, `%2F`, `%25`, a backslash, a control character, a needless
    /// escape, or any escape where the service says `paths: plain`.
    AmbiguousPath = "ambiguous_path",
        status "400",
        look_at "The client.";
    /// There is no `Authorization` header.
    MissingToken = "missing_token",
        status "401",
        look_at "The client.";
    /// There is more than one `Authorization` header (or several joined by commas), or it is longer than 16 KiB.
    AmbiguousAuthorization = "ambiguous_authorization",
        status "400",
        look_at "The client.";
    /// The header does not hold one token under the scheme Bearer or DPoP.
    UnsupportedAuthorization = "unsupported_authorization",
        status "401",
        look_at "The client.";
    /// The token is not a well-formed signed JWT.
    MalformedToken = "malformed_token",
        status "401",
        look_at "The client; for opaque tokens, `introspection` of the issuer.";
    /// The issuer says that the opaque token is not active.
    TokenInactive = "token_inactive",
        status "401",
        look_at "A token that expired or was revoked.";
    /// The token names none of the issuers of the service.
    UnknownIssuer = "unknown_issuer",
        status "401",
        look_at "`issuer`, character by character.";
    /// None of the issuer's keys fits the token.
    UnknownKey = "unknown_key",
        status "401",
        look_at "Key rotation: keys are fetched again at most every 10 s.";
    /// The signature does not hold.
    InvalidSignature = "invalid_signature",
        status "401",
        look_at "A forged or damaged token.";
    /// The token is not an access token.
    WrongTokenType = "wrong_token_type",
        status "401",
        look_at "`profile` of the issuer; an ID token sent by mistake.";
    /// A claim is missing or of another type.
    InvalidClaim = "invalid_claim",
        status "401",
        look_at "`profile` of the issuer.";
    /// The token is meant for another audience.
    WrongAudience = "wrong_audience",
        status "401",
        look_at "`audiences` of the issuer.";
    /// The token has expired.
    TokenExpired = "token_expired",
        status "401",
        look_at "The client; the clocks.";
    /// `nbf` or `iat` lies in the future.
    TokenNotYetValid = "token_not_yet_valid",
        status "401",
        look_at "The clocks.";
    /// The token is bound to a key or a certificate and was not sent with it, or it is bound to nothing and the
    /// operation asks that it be.
    SenderConstraintUnmet = "sender_constraint_unmet",
        status "401",
        look_at "`sender_constraint` of the operation; the client; mutual TLS of the API.";
    /// The DPoP proof is missing, for another request, too old, or used before.
    InvalidDpopProof = "invalid_dpop_proof",
        status "401",
        look_at "`portcullis token verify --scheme dpop`; the URL that the client sees and the one that the service sees (`PORTCULLIS_BASE_URL`, `PORTCULLIS_STRIP_STAGE`); the clocks.";
    /// The DPoP proof lacks the nonce that comes with the answer (`DPoP-Nonce`).
    DpopNonceRequired = "dpop_nonce_required",
        status "401",
        look_at "Nothing, if the client tries again.";
    /// There is no room to remember DPoP proofs, so that a replay could not be told.
    ReplayStoreFull = "replay_store_full",
        status "503",
        look_at "The rate of requests; more replicas.";
    /// The token lacks a scope.
    InsufficientScope = "insufficient_scope",
        status "403",
        look_at "The `scopes` rule; the grant of the client.";
    /// The user did not authenticate as strongly or as recently as the operation, or an AuthZEN decision point
    /// (`step-up`), asks.
    InsufficientUserAuthentication = "insufficient_user_authentication",
        status "401",
        look_at "The `authentication` rule; the claims `acr` and `auth_time`; the log of the decision point.";
    /// The subject is in none of the groups.
    MissingGroup = "missing_group",
        status "403",
        look_at "The `groups` rule; the claim `groups`.";
    /// The subject does not hold the permission.
    MissingPermission = "missing_permission",
        status "403",
        look_at "The `permission` rule; the claim `permissions`.";
    /// A custom policy denied.
    DeniedByPolicy = "denied_by_policy",
        status "403",
        look_at "The trace (`portcullis decide`), which names the policy and what came nearest to a permit.";
    /// A custom policy gave no answer: an error in a Cedar `forbid`, or an `allow` that is neither true nor false.
    PolicyFailed = "policy_failed",
        status "403",
        look_at "The policy; `portcullis policy test`.";
    /// A custom policy took more time, steps or memory than it may.
    PolicyLimitExceeded = "policy_limit_exceeded",
        status "403",
        look_at "The policy; the size of claims and bodies that it walks over.";
    /// An obligatory statement could not be carried out: an attribute is missing, or the body is no JSON.
    StatementUnfulfilled = "statement_unfulfilled",
        status "500",
        look_at "The trace, which names the statement and what it lacked; `obligatory: false`.";
    /// At CloudFront: the body is longer than the 40 KB that a function sees, or no text, and `PORTCULLIS_PARTIAL_BODY`
    /// is `deny`.
    PartialBody = "partial_body",
        status "413",
        look_at "The client; a trigger without the body; `PORTCULLIS_PARTIAL_BODY`.";
    /// No decision could be had, and `PORTCULLIS_ON_UNAVAILABLE` is `deny`.
    DecisionPointUnavailable = "decision_point_unavailable",
        status "503; at CloudFront 403",
        look_at "The log line with the cause.";
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
