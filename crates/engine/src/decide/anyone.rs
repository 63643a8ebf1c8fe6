//! Requests that get through whoever sends them, and what a cached answer to one is worth elsewhere.

use portcullis_model::{Decision, FollowUp, ReasonCode, Reuse};
use serde_json::{Map, Value};

use super::{Course, Genuine, Progress};
use crate::ask::with_output;
use crate::claims::{AccessToken, InvalidClaims};
use crate::credential::{self, TokenHash};
use crate::host::Introspection;
use crate::policy::PolicyInput;
use crate::sender;
use crate::statement::{Phase, Statement};

impl Course<'_> {
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
            let certificate = self.request.client_certificate.as_ref();
            let certificate = certificate.and_then(|one| sender::thumbprint(one, self.host));
            let input = PolicyInput::new(None, self.scene(), &parameters, certificate);
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
}
