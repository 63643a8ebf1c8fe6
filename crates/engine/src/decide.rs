//! One decision: service, operation, token, sender, rules, in that order, each step written to the
//! trace.

mod answer;
mod anyone;
mod token;

use std::cell::OnceCell;
use std::sync::Arc;

use portcullis_model::{
    ApiRequest, ChallengeScheme, Check, CheckOutcome, Decision, Deny, FollowUp, Reason, ReasonCode,
    Reuse, Trace,
};
use serde_json::Map;

use crate::ask::{ask_policy, ask_rule, with_output};
use crate::claims::AccessToken;
use crate::credential::{self, SentToken, TokenHash};
use crate::host::{Host, Introspection};
use crate::issuer::IssuerUrl;
use crate::policy::{PolicyInput, Scene};
use crate::policy_set::{
    ApiService, Guard, Operation, Outbound, PolicySet, Requirement, Step, Unmatched,
};
use crate::rules::Rule;
use crate::screen::{refuse, screen};
use crate::sender;
use crate::statement::{Phase, Statement};

pub(crate) use self::token::Genuine;
pub use self::token::OpaqueToken;

/// The signature algorithms of DPoP proofs, as challenges name them (RFC 9449 section 7.1).
pub(crate) const DPOP_ALGORITHMS: &str =
    "ES256 ES384 ES512 ES256K Ed25519 EdDSA PS256 PS384 PS512 RS256 RS384 RS512";

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
    /// Only the issuer knows what the token is worth, and it was not asked yet.
    NeedsIntrospection {
        /// Whom to ask before asking again here.
        issuer: IssuerUrl,
        /// About which token.
        token: OpaqueToken,
    },
}

/// What a decision is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breadth {
    /// The request at hand.
    Request,
    /// The request at hand, and every other one that a cache could answer with the same decision.
    Credential,
}

impl PolicySet {
    /// Decides on a request at that time (seconds since 1970).
    ///
    /// Never permits unless an operation or the service says so and every check has passed.
    #[must_use]
    pub fn decide(&self, request: &ApiRequest, host: &dyn Host, now: u64) -> Progress {
        self.dated(self.decide_with(request, host, now, Breadth::Request))
    }

    /// The same for an enforcement point whose answers are cached: the decision also says, where
    /// that can be said, what becomes of every other request with the same credential
    /// ([`Reuse::SameCredential`]).
    #[must_use]
    pub fn decide_for_cache(&self, request: &ApiRequest, host: &dyn Host, now: u64) -> Progress {
        self.dated(self.decide_with(request, host, now, Breadth::Credential))
    }

    /// The decision with the revision of the policy set that made it.
    fn dated(&self, mut progress: Progress) -> Progress {
        if let Progress::Decided(decision)
        | Progress::NeedsKeys {
            otherwise: Some(decision),
            ..
        } = &mut progress
        {
            decision.trace.revision = self.revision().cloned();
        }
        progress
    }

    fn decide_with(
        &self,
        request: &ApiRequest,
        host: &dyn Host,
        now: u64,
        breadth: Breadth,
    ) -> Progress {
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
        if service.plain_paths && !is_plain(request.url.path()) {
            let message = "the API service takes paths without escapes only (paths: plain)";
            return Progress::Decided(refuse(ReasonCode::AmbiguousPath, message.to_owned()));
        }
        let operation = service
            .index
            .find(&request.method, relative)
            .and_then(|number| service.operations.get(number));
        let reusable =
            breadth == Breadth::Credential && self.covers_api(service, request, relative);
        let mut course = Course::new(service, operation, relative, request, host, now);
        course.reusable = reusable;
        match operation.map(|operation| &operation.guard) {
            Some(Guard::Public) => Progress::Decided(course.public()),
            Some(Guard::Token(steps)) => course.with_token(steps),
            Some(Guard::OptionalToken(steps)) => course.with_optional_token(steps),
            None if service.unmatched == Unmatched::Open => Progress::Decided(course.open()),
            None => course.with_token(&service.steps),
        }
    }
}

/// Whether a path has one spelling only.
fn is_plain(path: &str) -> bool {
    path.bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'%' | b';' | b'\\'))
}

/// The scheme of the challenge to a client that has sent nothing yet.
fn wanted_scheme(guard: Option<&Guard>) -> ChallengeScheme {
    guard
        .and_then(Guard::steps)
        .unwrap_or_default()
        .iter()
        .filter_map(Step::rule)
        .map(|rule| match rule {
            Rule::SenderConstraint(rule) => rule.scheme(),
            _ => ChallengeScheme::Bearer,
        })
        .find(|scheme| *scheme == ChallengeScheme::Dpop)
        .unwrap_or_default()
}

/// Whether a request was turned away because its token is not valid.
fn is_about_the_token(decision: &Decision) -> bool {
    let failed = |check: &Check| check.name == "token" && check.outcome == CheckOutcome::Failed;
    !decision.is_permit() && decision.trace.checks.last().is_some_and(failed)
}

fn no_service() -> Decision {
    Decision::deny(
        Deny::status(404),
        Reason::new(ReasonCode::NoService, "no API service covers the URL"),
    )
}

/// A decision under way in one service.
pub(crate) struct Course<'a> {
    service: &'a ApiService,
    operation: Option<&'a Operation>,
    /// The decoded path below the base URL.
    relative: &'a str,
    request: &'a ApiRequest,
    host: &'a dyn Host,
    now: u64,
    /// Whether a cache could answer other requests to the service with this decision.
    reusable: bool,
    /// The scheme of challenges.
    scheme: ChallengeScheme,
    trace: Trace,
}

impl<'a> Course<'a> {
    pub(crate) fn new(
        service: &'a ApiService,
        operation: Option<&'a Operation>,
        relative: &'a str,
        request: &'a ApiRequest,
        host: &'a dyn Host,
        now: u64,
    ) -> Self {
        let trace = Trace {
            service: Some(Arc::clone(&service.name)),
            operation: operation.map(|operation| Arc::clone(&operation.name)),
            ..Trace::default()
        };
        Self {
            service,
            operation,
            relative,
            request,
            host,
            now,
            reusable: false,
            scheme: wanted_scheme(operation.map(|operation| &operation.guard)),
            trace,
        }
    }

    /// Asks for a valid token, then for every step.
    fn with_token(mut self, steps: &[Step]) -> Progress {
        let sent = match credential::token(self.request) {
            Ok(Some(sent)) => sent,
            Ok(None) => return Progress::Decided(self.missing_token()),
            Err(code) => {
                let message = "the Authorization header does not hold one access token under the scheme Bearer or DPoP (RFC 6750 section 2.1)";
                return Progress::Decided(self.invalid_token(code, message));
            }
        };
        if sent.scheme == ChallengeScheme::Dpop {
            self.scheme = ChallengeScheme::Dpop;
        }
        let hash = TokenHash::of(sent.text, self.host.crypto());
        match self.genuine(&sent, hash) {
            Genuine::Not(progress) => *progress,
            Genuine::Jwt(verified, issuer) => {
                self.host.note_claims(&verified.claims);
                let typ = verified.typ.as_deref();
                let checked = AccessToken::check(&verified.claims, typ, issuer, self.now);
                Progress::Decided(match checked {
                    Ok(token) => {
                        self.passed("token", "signature and claims hold");
                        self.judge(&token, &sent, &hash, steps)
                    }
                    Err(error) => self.invalid_token(error.code(), error.to_string()),
                })
            }
            Genuine::Introspected(introspection, issuer) => {
                let Introspection::Active(claims) = &*introspection else {
                    let message = "the issuer says that the token is not active";
                    return Progress::Decided(
                        self.invalid_token(ReasonCode::TokenInactive, message),
                    );
                };
                self.host.note_claims(claims);
                Progress::Decided(
                    match AccessToken::check_introspected(claims, issuer, self.now) {
                        Ok(token) => {
                            self.passed(
                                "token",
                                "the issuer says that it is active, and its claims hold",
                            );
                            self.judge(&token, &sent, &hash, steps)
                        }
                        Err(error) => self.invalid_token(error.code(), error.to_string()),
                    },
                )
            }
        }
    }

    /// Asks every step, with a valid token or without one.
    fn with_optional_token(mut self, steps: &'a [Step]) -> Progress {
        // What becomes of the request when there is no valid token, and what was wrong with it.
        let anonymous = |mut course: Self, decision: Option<Decision>| {
            let (code, why) = decision.map_or(
                (ReasonCode::MissingToken, "there is none".into()),
                |decision| (decision.reason.code, decision.reason.message),
            );
            course.trace.checks.clear();
            let detail = format!("{why}; the policy decides without one ({})", code.as_str());
            course.note("token", CheckOutcome::Passed, detail.into());
            course.apply(None, steps)
        };
        if matches!(credential::token(self.request), Ok(None)) {
            return Progress::Decided(anonymous(self, None));
        }
        let bare = Self {
            trace: self.trace.clone(),
            ..self
        };
        self.reusable = false;
        match self.with_token(steps) {
            Progress::Decided(decision) if is_about_the_token(&decision) => {
                Progress::Decided(anonymous(bare, Some(decision)))
            }
            Progress::NeedsKeys {
                issuer,
                otherwise: Some(decision),
            } => Progress::NeedsKeys {
                issuer,
                otherwise: Some(anonymous(bare, Some(decision))),
            },
            other => other,
        }
    }

    fn judge(
        mut self,
        token: &AccessToken<'_>,
        sent: &SentToken<'_>,
        hash: &TokenHash,
        steps: &[Step],
    ) -> Decision {
        if let Err(error) = sender::check(token, sent, hash, self.request, self.host) {
            return self.not_the_sender(error);
        }
        if token.is_bound() {
            self.passed(
                "sender",
                "the token was sent by whoever holds what it is bound to",
            );
        }
        let coverage = if self.reusable {
            self.service.coverage(Some(token))
        } else {
            None
        };
        let reuse = coverage.map_or(Reuse::ThisRequest, Reuse::SameCredential);
        let mut decision = self.apply(Some(token), steps);
        decision.reuse = reuse;
        decision.principal = token.subject().map(str::to_owned);
        decision
    }

    /// Asks every step. Without a token no rule holds.
    pub(crate) fn apply(mut self, token: Option<&AccessToken<'_>>, steps: &[Step]) -> Decision {
        if self.operation.is_none() && self.service.unmatched == Unmatched::Deny {
            self.trace.nearest_miss = self.service.nearest_operation(self.request, self.relative);
            let message = "no operation covers the request";
            return self.deny(Deny::status(403), ReasonCode::NoOperation, message);
        }
        let mut checks = std::mem::take(&mut self.trace.checks);
        checks.reserve(steps.len());
        // Found out and built only if some policy or statement looks at it.
        let outbound = self.outbound();
        let asks = |step: &Step| matches!(step.requirement, Requirement::Policy(_));
        let parameters = if outbound.statements.is_empty() && !steps.iter().any(asks) {
            Vec::new()
        } else {
            self.parameters()
        };
        let certificate = self.request.client_certificate.as_ref();
        let input = OnceCell::new();
        let build = || {
            let certificate = certificate.and_then(|one| sender::thumbprint(one, self.host));
            PolicyInput::new(token, self.scene(), &parameters, certificate)
        };
        let mut context = Map::new();
        let mut refusal = None;
        let mut nearest_miss = None;
        for step in steps {
            let (check, refused) = match &step.requirement {
                Requirement::Rule(rule) => match token {
                    Some(token) => ask_rule(step.level, rule, token),
                    None => return self.missing_token(),
                },
                Requirement::Policy(policy) => {
                    let answer = ask_policy(step.level, policy, input.get_or_init(build));
                    context.extend(answer.output);
                    nearest_miss = nearest_miss.or(answer.nearest_miss);
                    (answer.check, answer.refusal)
                }
            };
            checks.push(check);
            refusal = refused;
            if refusal.is_some() {
                break;
            }
        }
        let permitted = refusal.is_none();
        let statements: Vec<&Statement> = outbound
            .statements
            .iter()
            .filter(|statement| statement.is_for(Phase::Request, permitted))
            .collect();
        let document = (!statements.is_empty())
            .then(|| with_output(input.get_or_init(build).document(), &context));
        let follow_up = (permitted && (outbound.wants_response() || self.service.tells_claims))
            .then(|| token.map_or(FollowUp::Anonymous, AccessToken::follow_up));
        self.trace.checks = checks;
        self.trace.nearest_miss = nearest_miss;
        let document = document.unwrap_or_default();
        if let Some(refusal) = refusal {
            return self.refused(*refusal, &statements, &document);
        }
        let (code, message) = if token.is_none() {
            (
                ReasonCode::Permitted,
                "the policy of the operation permits without a token",
            )
        } else if self.operation.is_some() {
            (
                ReasonCode::Permitted,
                "the token satisfies every rule of the operation",
            )
        } else {
            (
                ReasonCode::TokenOnly,
                "no operation covers the request; the service lets any valid token through",
            )
        };
        let subject = token.and_then(AccessToken::subject);
        let mut decision = self.permit_with(code, message, subject, &statements, &document);
        decision.context = context;
        decision.follow_up = follow_up.filter(|_| decision.is_permit());
        decision
    }

    /// What happens beside letting through.
    fn outbound(&self) -> &'a Outbound {
        self.operation
            .map_or(&self.service.outbound, |operation| &operation.outbound)
    }

    fn scene(&self) -> Scene<'a> {
        Scene {
            request: self.request,
            response: None,
            now: self.now,
            service: &self.service.name,
            operation: self.operation.map(|operation| &*operation.name),
            path: self.relative,
        }
    }

    /// The path parameters of the operation's pattern that covers the request.
    fn parameters(&self) -> Vec<(&'a str, &'a str)> {
        let relative = self.relative;
        self.operation
            .and_then(|operation| {
                operation
                    .paths
                    .iter()
                    .find_map(|path| path.captures(relative))
            })
            .unwrap_or_default()
    }
}
