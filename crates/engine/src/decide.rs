//! One decision: service, operation, token, rules, in that order, each step written to the trace.

use std::borrow::Cow;
use std::sync::Arc;

use portcullis_jose::{CompactJws, Jwks, VerifyError};
use portcullis_model::{
    ApiRequest, Challenge, ChallengeError, Check, CheckOutcome, Decision, Deny, Reason, ReasonCode,
    Trace,
};

use crate::bearer;
use crate::claims::AccessToken;
use crate::issuer::IssuerUrl;
use crate::policy_set::{ApiService, Guard, PolicySet, Unmatched};
use crate::rules::{Refusal, Rule};
use crate::screen::screen;

/// Where the keys of an issuer are looked up. It answers at once, from memory.
pub trait KeySource {
    /// The keys of that issuer, or `None` where there are none yet.
    fn keys(&self, issuer: &IssuerUrl) -> Option<Arc<Jwks>>;
}

/// How far a decision got.
#[derive(Debug)]
pub enum Progress {
    /// It is made.
    Decided(Decision),
    /// The keys of that issuer are not there, or none of them is the one that the token names.
    NeedsKeys {
        /// Whose keys to fetch before asking again.
        issuer: IssuerUrl,
        /// The decision if there are no newer keys; `None` where there are no keys at all, and so
        /// no decision.
        otherwise: Option<Decision>,
    },
}

impl PolicySet {
    /// Decides on a request at that time (seconds since 1970).
    ///
    /// Never permits unless an operation or the service says so and every check has passed.
    #[must_use]
    pub fn decide(&self, request: &ApiRequest, keys: &dyn KeySource, now: u64) -> Progress {
        if let Some(refused) = screen(request) {
            return Progress::Decided(refused);
        }
        let Ok(path) = request.url.decoded_path() else {
            // INVARIANT: screening has refused every path that does not decode.
            return Progress::Decided(no_service());
        };
        let Some((service, relative)) = self.service_for(request, &path) else {
            return Progress::Decided(no_service());
        };
        let operation = service
            .index
            .find(&request.method, relative)
            .and_then(|number| service.operations.get(number));
        let mut course = Course {
            service,
            trace: Trace::default(),
        };
        course.trace.service = Some(Arc::clone(&service.name));
        course.trace.operation = operation.map(|operation| Arc::clone(&operation.name));
        match operation.map(|operation| &operation.guard) {
            Some(Guard::Public) => Progress::Decided(course.permit(
                ReasonCode::Public,
                "the operation is public",
                None,
            )),
            Some(Guard::Token(rules)) => course.with_token(request, keys, now, Some(rules)),
            None => course.with_token(request, keys, now, None),
        }
    }
}

fn no_service() -> Decision {
    Decision::deny(
        Deny::status(404),
        Reason::new(ReasonCode::NoService, "no API service covers the URL"),
    )
}

/// A decision under way in one service.
struct Course<'a> {
    service: &'a ApiService,
    trace: Trace,
}

impl Course<'_> {
    /// Asks for a valid token, then for every rule; without rules no operation was found.
    fn with_token(
        mut self,
        request: &ApiRequest,
        keys: &dyn KeySource,
        now: u64,
        rules: Option<&[Rule]>,
    ) -> Progress {
        let compact = match bearer::token(request) {
            Ok(Some(token)) => token,
            Ok(None) => return Progress::Decided(self.missing_token()),
            Err(code) => {
                let message = "the Authorization header does not hold one Bearer token (RFC 6750 section 2.1)";
                return Progress::Decided(self.invalid_token(code, message));
            }
        };
        let jws = match CompactJws::parse(compact) {
            Ok(jws) => jws,
            Err(error) => {
                return Progress::Decided(
                    self.invalid_token(ReasonCode::MalformedToken, error.to_string()),
                );
            }
        };
        let named = jws.payload().get("iss").and_then(serde_json::Value::as_str);
        let Some(issuer) = named.and_then(|name| self.service.issuer(name)) else {
            let message = "the token names no issuer that the API service accepts";
            return Progress::Decided(self.invalid_token(ReasonCode::UnknownIssuer, message));
        };
        let Some(issuer_keys) = keys.keys(&issuer.issuer) else {
            return Progress::NeedsKeys {
                issuer: issuer.issuer.clone(),
                otherwise: None,
            };
        };
        let verified = match jws.verify_with(&issuer_keys) {
            Ok(verified) => verified,
            Err(error) => {
                // The key that is needed may be newer than those that are here, under a new name or
                // under an old one.
                let otherwise = Some(match error {
                    VerifyError::Key(_) => {
                        let message = "none of the issuer's keys fits the token";
                        self.invalid_token(ReasonCode::UnknownKey, message)
                    }
                    error => self.invalid_token(ReasonCode::InvalidSignature, error.to_string()),
                });
                return Progress::NeedsKeys {
                    issuer: issuer.issuer.clone(),
                    otherwise,
                };
            }
        };
        match AccessToken::check(verified.payload(), verified.typ(), issuer, now) {
            Ok(token) => {
                self.passed("token", "signature and claims hold");
                Progress::Decided(self.judge(&token, rules))
            }
            Err(error) => Progress::Decided(self.invalid_token(error.code(), error.to_string())),
        }
    }

    fn judge(mut self, token: &AccessToken<'_>, rules: Option<&[Rule]>) -> Decision {
        let subject = token.subject();
        let Some(rules) = rules else {
            return match self.service.unmatched {
                Unmatched::Token => {
                    let message =
                        "no operation covers the request; the service lets any valid token through";
                    self.permit(ReasonCode::TokenOnly, message, subject)
                }
                Unmatched::Deny => self.deny(
                    Deny::status(403),
                    ReasonCode::NoOperation,
                    "no operation covers the request",
                ),
            };
        };
        for rule in rules {
            match rule.check(token) {
                Ok(()) => self.passed(rule.name(), "holds"),
                Err(refusal) => return self.refused(rule.name(), *refusal),
            }
        }
        self.permit(
            ReasonCode::Permitted,
            "the token satisfies every rule of the operation",
            subject,
        )
    }

    fn permit(self, code: ReasonCode, message: &'static str, subject: Option<&str>) -> Decision {
        let mut decision = Decision::permit(Reason::new(code, message));
        decision.principal = subject.map(str::to_owned);
        decision.trace = self.trace;
        decision
    }

    fn deny(self, deny: Deny, code: ReasonCode, message: impl Into<Cow<'static, str>>) -> Decision {
        let mut decision = Decision::deny(deny, Reason::new(code, message));
        decision.trace = self.trace;
        decision
    }

    fn passed(&mut self, name: &'static str, detail: &'static str) {
        self.trace.checks.push(Check {
            name,
            outcome: CheckOutcome::Passed,
            detail: detail.into(),
        });
    }

    /// 401 without an error code: there was nothing to be wrong (RFC 6750 section 3.1).
    fn missing_token(mut self) -> Decision {
        let message = "the request carries no access token";
        self.failed("token", message.into());
        let challenge = Challenge {
            realm: Some(self.service.realm.clone()),
            ..Challenge::default()
        };
        self.deny(
            Deny::challenge(401, challenge),
            ReasonCode::MissingToken,
            message,
        )
    }

    /// 401 `invalid_token` (RFC 6750 section 3.1).
    fn invalid_token(
        &mut self,
        code: ReasonCode,
        message: impl Into<Cow<'static, str>>,
    ) -> Decision {
        let message = message.into();
        self.failed("token", message.clone());
        let challenge = Challenge {
            realm: Some(self.service.realm.clone()),
            error: Some(ChallengeError::InvalidToken),
            error_description: Some(message.to_string()),
            ..Challenge::default()
        };
        let mut decision =
            Decision::deny(Deny::challenge(401, challenge), Reason::new(code, message));
        decision.trace = std::mem::take(&mut self.trace);
        decision
    }

    fn refused(mut self, rule: &'static str, refusal: Refusal) -> Decision {
        let Refusal {
            status,
            code,
            message,
            challenge,
        } = refusal;
        self.failed(rule, message.clone());
        let deny = match challenge {
            Some(challenge) => {
                let realm = Some(self.service.realm.clone());
                let error_description = Some(message.to_string());
                Deny::challenge(
                    status,
                    Challenge {
                        realm,
                        error_description,
                        ..challenge
                    },
                )
            }
            None => Deny::status(status),
        };
        self.deny(deny, code, message)
    }

    fn failed(&mut self, name: &'static str, detail: Cow<'static, str>) {
        self.trace.checks.push(Check {
            name,
            outcome: CheckOutcome::Failed,
            detail,
        });
    }
}
