//! One decision: service, operation, token, sender, rules, in that order, each step written to the
//! trace.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;

use portcullis_jose::{CompactJws, VerifyError};
use portcullis_model::{
    ApiRequest, Challenge, ChallengeError, ChallengeScheme, Check, CheckOutcome, Decision, Deny,
    FollowUp, Level, Outcome, Reason, ReasonCode, RequestEdits, Reuse, Trace,
};
use serde_json::{Map, Value};

use crate::ask::{ask_policy, ask_rule, change, turn_away, with_output};
use crate::claims::{AccessToken, InvalidClaims};
use crate::credential::{self, SentToken, TokenHash};
use crate::dpop::InvalidProof;
use crate::host::{Host, Introspection, VerifiedToken};
use crate::issuer::IssuerUrl;
use crate::policy::{PolicyInput, Scene};
use crate::policy_set::{
    ApiService, Guard, Operation, Outbound, PolicySet, Requirement, Step, TokenIssuer, Unmatched,
};
use crate::rules::{Refusal, Rule};
use crate::screen::{refuse, screen};
use crate::sender::{self, NotTheSender};
use crate::statement::{Message, Phase, Statement};

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

/// An opaque access token, on its way to the issuer that can read it.
#[derive(Clone, PartialEq, Eq)]
pub struct OpaqueToken {
    text: String,
    hash: TokenHash,
}

impl OpaqueToken {
    /// The token itself, a secret.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What it is known by in caches.
    #[must_use]
    pub const fn hash(&self) -> TokenHash {
        self.hash
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpaqueToken([{} bytes])", self.text.len())
    }
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

/// A genuine token, or why there is none.
pub(crate) enum Genuine<'a> {
    Jwt(Arc<VerifiedToken>, &'a TokenIssuer),
    Introspected(Arc<Introspection>, &'a TokenIssuer),
    Not(Box<Progress>),
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

    /// Anyone gets through. What a cached answer is worth elsewhere depends on the token, which
    /// nobody is made to wait for here.
    pub(crate) fn public(self) -> Decision {
        self.anyone(ReasonCode::Public, "the operation is public")
    }

    /// The same where no operation covers the request, and the service lets everyone through.
    pub(crate) fn open(self) -> Decision {
        let message = "no operation covers the request; the service lets everyone through";
        self.anyone(ReasonCode::Unmatched, message)
    }

    fn anyone(mut self, code: ReasonCode, message: &'static str) -> Decision {
        let reuse = if self.reusable {
            self.reuse_of_public()
        } else {
            Reuse::ThisRequest
        };
        self.trace.checks.clear();
        let outbound = self.outbound();
        let statements: Vec<&Statement> = outbound
            .statements
            .iter()
            .filter(|statement| statement.is_for(Phase::Request, true))
            .collect();
        let document = if statements.is_empty() {
            Value::Null
        } else {
            let parameters = self.parameters();
            let input = PolicyInput::new(None, self.scene(), &parameters, None);
            with_output(input.document(), &Map::new())
        };
        let mut decision = self.permit_with(code, message, None, &statements, &document);
        let wanted = decision.is_permit() && outbound.wants_response();
        decision.follow_up = wanted.then_some(FollowUp::Anonymous);
        decision.reuse = reuse;
        decision
    }

    fn reuse_of_public(&mut self) -> Reuse {
        let Ok(Some(sent)) = credential::token(self.request) else {
            return self
                .service
                .coverage(None)
                .map_or(Reuse::ThisRequest, Reuse::SameCredential);
        };
        let hash = TokenHash::of(sent.text, self.host.crypto());
        let coverage = match self.genuine(&sent, hash) {
            // A token that is not accepted opens what is public; one that is not known yet may open more.
            Genuine::Not(progress) => match *progress {
                Progress::Decided(_) => self.service.coverage(None),
                Progress::NeedsKeys { .. } | Progress::NeedsIntrospection { .. } => None,
            },
            Genuine::Jwt(verified, issuer) => {
                let typ = verified.typ.as_deref();
                match AccessToken::check(&verified.claims, typ, issuer, self.now) {
                    Ok(token) => self.service.coverage(Some(&token)),
                    // It will open more soon.
                    Err(InvalidClaims::NotYetValid) => None,
                    Err(_) => self.service.coverage(None),
                }
            }
            Genuine::Introspected(introspection, issuer) => match &*introspection {
                Introspection::Active(claims) => {
                    match AccessToken::check_introspected(claims, issuer, self.now) {
                        Ok(token) => self.service.coverage(Some(&token)),
                        Err(_) => self.service.coverage(None),
                    }
                }
                Introspection::Inactive => self.service.coverage(None),
            },
        };
        coverage.map_or(Reuse::ThisRequest, Reuse::SameCredential)
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

    /// Finds out whether the token is one of an issuer that the service trusts.
    pub(crate) fn genuine(&mut self, sent: &SentToken<'_>, hash: TokenHash) -> Genuine<'a> {
        if let Some(known) = self.remembered(&hash) {
            return known;
        }
        if let Some(issuer) = self.service.introspecting_issuer()
            && !sent.has_jws_form()
        {
            return match self.host.introspection(&issuer.issuer, &hash) {
                Some(introspection) => Genuine::Introspected(introspection, issuer),
                None => Genuine::Not(Box::new(Progress::NeedsIntrospection {
                    issuer: issuer.issuer.clone(),
                    token: OpaqueToken {
                        text: sent.text.to_owned(),
                        hash,
                    },
                })),
            };
        }
        let jws = match CompactJws::parse(sent.text) {
            Ok(jws) => jws,
            Err(error) => {
                return Genuine::Not(Box::new(Progress::Decided(
                    self.invalid_token(ReasonCode::MalformedToken, error.to_string()),
                )));
            }
        };
        let named = jws.payload().get("iss").and_then(Value::as_str);
        let Some(issuer) = named.and_then(|name| self.service.issuer(name)) else {
            let message = "the token names no issuer that the API service accepts";
            return Genuine::Not(Box::new(Progress::Decided(
                self.invalid_token(ReasonCode::UnknownIssuer, message),
            )));
        };
        let Some(keys) = self.host.keys(&issuer.issuer) else {
            return Genuine::Not(Box::new(Progress::NeedsKeys {
                issuer: issuer.issuer.clone(),
                otherwise: None,
            }));
        };
        if let Err(error) = jws.verify_with(&keys).map(drop) {
            // The key that is needed may be newer than those that are here, under a new name or
            // under an old one.
            let otherwise = Some(match error {
                VerifyError::Key(_) => {
                    let message = "none of the issuer's keys fits the token";
                    self.invalid_token(ReasonCode::UnknownKey, message)
                }
                error => self.invalid_token(ReasonCode::InvalidSignature, error.to_string()),
            });
            return Genuine::Not(Box::new(Progress::NeedsKeys {
                issuer: issuer.issuer.clone(),
                otherwise,
            }));
        }
        let verified = Arc::new(VerifiedToken {
            typ: jws.typ().map(str::to_owned),
            claims: jws.into_payload(),
            keys,
        });
        // Only what would be accepted now is worth a place.
        let typ = verified.typ.as_deref();
        if AccessToken::check(&verified.claims, typ, issuer, self.now).is_ok()
            && let Some(expires) = verified.claims.get("exp").and_then(Value::as_f64)
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a NumericDate is checked not to be negative, and a cast of a float saturates"
            )]
            let expires = (expires.ceil() as u64).saturating_add(issuer.leeway);
            self.host
                .keep_verified_token(hash, Arc::clone(&verified), expires);
        }
        Genuine::Jwt(verified, issuer)
    }

    /// A token whose signature was verified before with the keys that the issuer still has.
    fn remembered(&self, hash: &TokenHash) -> Option<Genuine<'a>> {
        let verified = self.host.verified_token(hash, self.now)?;
        let named = verified.claims.get("iss").and_then(|iss| iss.as_str())?;
        let issuer = self.service.issuer(named)?;
        let keys = self.host.keys(&issuer.issuer)?;
        Arc::ptr_eq(&keys, &verified.keys).then_some(Genuine::Jwt(verified, issuer))
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

    /// A permit with what statements change about the request, or a deny where one that is obligatory
    /// cannot be carried out.
    fn permit_with(
        mut self,
        code: ReasonCode,
        message: &'static str,
        subject: Option<&str>,
        statements: &[&Statement],
        document: &Value,
    ) -> Decision {
        if statements.is_empty() {
            return self.permit(code, message, subject);
        }
        let url = &self.request.url;
        let query = url.query().unwrap_or_default().to_owned();
        let body = self.request.body.as_deref();
        let mut changed = Message::new(&self.request.headers, Some(query), body);
        if let Err(unfulfilled) = change(&mut changed, statements, document, &mut self.trace) {
            return self.deny(
                Deny::status(500),
                ReasonCode::StatementUnfulfilled,
                unfulfilled,
            );
        }
        let edits = changed.finish();
        let mut decision = self.permit(code, message, subject);
        decision.outcome = Outcome::Permit(RequestEdits {
            headers: edits.headers,
            url: edits.query.map(|query| with_query(url.as_str(), &query)),
            body: edits.body,
        });
        decision
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
        self.note(name, CheckOutcome::Passed, detail.into());
    }

    /// What every challenge of the service says.
    fn challenge(&self) -> Challenge {
        self.service.challenge(self.scheme)
    }

    /// 401 without an error code: there was nothing to be wrong (RFC 6750 section 3.1).
    fn missing_token(mut self) -> Decision {
        let message = "the request carries no access token";
        self.failed("token", message.into());
        let challenge = self.challenge();
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
        self.unauthorized("token", code, ChallengeError::InvalidToken, message)
    }

    /// 401 with an error that says what was wrong with the credential.
    fn unauthorized(
        &mut self,
        check: &'static str,
        code: ReasonCode,
        error: ChallengeError,
        message: impl Into<Cow<'static, str>>,
    ) -> Decision {
        let message = message.into();
        self.failed(check, message.clone());
        let challenge = Challenge {
            error: Some(error),
            error_description: Some(message.to_string()),
            ..self.challenge()
        };
        let mut decision =
            Decision::deny(Deny::challenge(401, challenge), Reason::new(code, message));
        decision.trace = std::mem::take(&mut self.trace);
        decision
    }

    /// A genuine token that was not taken from whoever sent it (RFC 9449 section 7.1, RFC 8705
    /// section 3).
    fn not_the_sender(mut self, error: NotTheSender) -> Decision {
        let message = error.to_string();
        match error {
            NotTheSender::NoRoom => {
                self.failed("sender", message.clone().into());
                self.deny(Deny::status(503), ReasonCode::ReplayStoreFull, message)
            }
            NotTheSender::Proof(InvalidProof::Nonce) => {
                let mut decision = self.unauthorized(
                    "sender",
                    ReasonCode::DpopNonceRequired,
                    ChallengeError::UseDpopNonce,
                    message,
                );
                if let (Some(nonces), Outcome::Deny(deny)) =
                    (self.host.nonces(), &mut decision.outcome)
                {
                    // A nonce is made of characters that a header can hold.
                    let _ = deny.headers.append("DPoP-Nonce", &nonces.current(self.now));
                }
                decision
            }
            NotTheSender::Proof(_) => self.unauthorized(
                "sender",
                ReasonCode::InvalidDpopProof,
                ChallengeError::InvalidDpopProof,
                message,
            ),
            NotTheSender::SentAsBearer
            | NotTheSender::NotBound
            | NotTheSender::NoCertificate
            | NotTheSender::OtherCertificate => {
                if error == NotTheSender::SentAsBearer {
                    self.scheme = ChallengeScheme::Dpop;
                }
                self.unauthorized(
                    "sender",
                    ReasonCode::SenderConstraintUnmet,
                    ChallengeError::InvalidToken,
                    message,
                )
            }
        }
    }

    fn refused(
        mut self,
        refusal: Refusal,
        statements: &[&Statement],
        document: &Value,
    ) -> Decision {
        let Refusal {
            status,
            code,
            message,
            challenge,
        } = refusal;
        let mut deny = match challenge {
            Some(challenge) => {
                if challenge.scheme == ChallengeScheme::Dpop {
                    self.scheme = ChallengeScheme::Dpop;
                }
                let common = self.challenge();
                Deny::challenge(
                    status,
                    Challenge {
                        scheme: common.scheme,
                        realm: common.realm,
                        resource_metadata: common.resource_metadata,
                        algs: common.algs,
                        error_description: Some(message.to_string()),
                        ..challenge
                    },
                )
            }
            None => Deny::status(status),
        };
        let common = self.challenge();
        turn_away(&mut deny, statements, &common, document, &mut self.trace);
        self.deny(deny, code, message)
    }

    fn failed(&mut self, name: &'static str, detail: Cow<'static, str>) {
        self.note(name, CheckOutcome::Failed, detail);
    }

    /// A step that is asked of every request.
    fn note(&mut self, name: &'static str, outcome: CheckOutcome, detail: Cow<'static, str>) {
        self.trace.checks.push(Check {
            name,
            level: Level::Request,
            outcome,
            detail,
            attributes: Vec::new(),
        });
    }
}

/// The same URL with another query.
fn with_query(url: &str, query: &str) -> String {
    let before = url.split_once('?').map_or(url, |(before, _)| before);
    if query.is_empty() {
        before.to_owned()
    } else {
        format!("{before}?{query}")
    }
}
