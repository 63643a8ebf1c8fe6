//! What a decision says: the permit with what statements change, the denies with their challenges, the checks of
//! the trace.

use std::borrow::Cow;

use portcullis_model::{
    Challenge, ChallengeError, ChallengeScheme, Check, CheckOutcome, Decision, Deny, Level,
    Outcome, Reason, ReasonCode, RequestEdits,
};
use serde_json::Value;

use super::Course;
use crate::ask::{change, turn_away};
use crate::dpop::InvalidProof;
use crate::rules::Refusal;
use crate::sender::NotTheSender;
use crate::statement::{Message, Statement};

impl Course<'_> {
    /// A permit with what statements change about the request, or a deny where one that is obligatory
    /// cannot be carried out.
    pub(super) fn permit_with(
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
        let edits = match changed.finish() {
            Ok(edits) => edits,
            Err(unfit) => {
                return self.deny(
                    Deny::status(500),
                    ReasonCode::StatementUnfulfilled,
                    format!("after the statements: {unfit}"),
                );
            }
        };
        let mut decision = self.permit(code, message, subject);
        decision.outcome = Outcome::Permit(RequestEdits {
            headers: edits.headers,
            url: edits.query.map(|query| with_query(url.as_str(), &query)),
            body: edits.body,
        });
        decision
    }

    pub(super) fn permit(
        self,
        code: ReasonCode,
        message: &'static str,
        subject: Option<&str>,
    ) -> Decision {
        let mut decision = Decision::permit(Reason::new(code, message));
        decision.principal = subject.map(str::to_owned);
        decision.trace = self.trace;
        decision
    }

    pub(super) fn refused(
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

    /// 401 without an error code: there was nothing to be wrong (RFC 6750 section 3.1).
    pub(super) fn missing_token(mut self) -> Decision {
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
    pub(super) fn invalid_token(
        &mut self,
        code: ReasonCode,
        message: impl Into<Cow<'static, str>>,
    ) -> Decision {
        self.unauthorized("token", code, ChallengeError::InvalidToken, message)
    }

    /// 401 with an error that says what was wrong with the credential.
    pub(super) fn unauthorized(
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
    pub(super) fn not_the_sender(mut self, error: NotTheSender) -> Decision {
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
            NotTheSender::NotCheckable
            | NotTheSender::SentAsBearer
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

    pub(super) fn deny(
        self,
        deny: Deny,
        code: ReasonCode,
        message: impl Into<Cow<'static, str>>,
    ) -> Decision {
        let mut decision = Decision::deny(deny, Reason::new(code, message));
        decision.trace = self.trace;
        decision
    }

    /// What every challenge of the service says.
    pub(super) fn challenge(&self) -> Challenge {
        self.service.challenge(self.scheme)
    }

    pub(super) fn passed(&mut self, name: &'static str, detail: &'static str) {
        self.note(name, CheckOutcome::Passed, detail.into());
    }

    pub(super) fn failed(&mut self, name: &'static str, detail: Cow<'static, str>) {
        self.note(name, CheckOutcome::Failed, detail);
    }

    /// A step that is asked of every request.
    pub(super) fn note(
        &mut self,
        name: &'static str,
        outcome: CheckOutcome,
        detail: Cow<'static, str>,
    ) {
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
