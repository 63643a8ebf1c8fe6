//! The decision on what a backend answered: policies of the response, then statements.

use std::sync::Arc;

use portcullis_model::{
    ApiRequest, ApiResponse, ChallengeScheme, Deny, FollowUp, Level, Reason, ReasonCode,
    ResponseDecision, ResponseEdits, ResponseOutcome, Trace,
};
use serde_json::Map;

use crate::ask::{ask_policy, change, turn_away, with_output};
use crate::claims::AccessToken;
use crate::policy::{PolicyInput, Scene};
use crate::policy_set::{ApiService, Outbound, PolicySet};
use crate::statement::{Message, Phase, Statement};

impl PolicySet {
    /// Decides on the response to a request that was permitted, at that time (seconds since 1970).
    ///
    /// `known` is what the decision on the request left behind (`Decision::follow_up`). Where it was lost
    /// and something is to be asked or done, the response is denied. A policy set that changed in between
    /// decides as it is now.
    #[must_use]
    pub fn decide_response(
        &self,
        request: &ApiRequest,
        known: Option<&FollowUp>,
        response: &ApiResponse,
        now: u64,
    ) -> ResponseDecision {
        let mut trace = Trace {
            revision: self.revision().cloned(),
            ..Trace::default()
        };
        let outcome = self.judge_response(request, known, response, now, &mut trace);
        let (outcome, reason) = match outcome {
            Ok(edits) => (
                ResponseOutcome::Permit(edits),
                Reason::new(
                    ReasonCode::Permitted,
                    "nothing is in the way of the response",
                ),
            ),
            Err((deny, reason)) => (ResponseOutcome::Deny(deny), reason),
        };
        ResponseDecision {
            outcome,
            reason,
            trace,
        }
    }

    fn judge_response(
        &self,
        request: &ApiRequest,
        known: Option<&FollowUp>,
        response: &ApiResponse,
        now: u64,
        trace: &mut Trace,
    ) -> Result<ResponseEdits, (Deny, Reason)> {
        let refuse = |status, code, message: &'static str| {
            (Deny::status(status), Reason::new(code, message))
        };
        let no_service = || refuse(404, ReasonCode::NoService, "no API service covers the URL");
        let path = request.url.decoded_path().map_err(|_| no_service())?;
        let (service, relative) = self.service_for(request, &path).ok_or_else(no_service)?;
        let number = service.index.find(&request.method, relative);
        let operation = number.and_then(|number| service.operations().get(number));
        trace.service = Some(Arc::clone(&service.name));
        trace.operation = operation.map(|operation| Arc::clone(&operation.name));
        let outbound = operation.map_or(&service.outbound, |operation| &operation.outbound);
        if !outbound.wants_response() {
            return Ok(ResponseEdits::default());
        }
        let lost = "what was known of the token of the request was lost on the way";
        let token = match known {
            None => return Err(refuse(403, ReasonCode::MissingToken, lost)),
            Some(FollowUp::Anonymous) => None,
            Some(FollowUp::Token { issuer, claims }) => {
                let untrusted = "the API service does not trust the issuer of the token any more";
                let issuer = service
                    .issuer(issuer)
                    .ok_or_else(|| refuse(403, ReasonCode::UnknownIssuer, untrusted))?;
                let scope_claims = issuer.profile.scope_claims();
                Some(AccessToken::of(claims, scope_claims, issuer, now))
            }
        };
        let parameters = operation
            .and_then(|operation| {
                operation
                    .paths
                    .iter()
                    .find_map(|path| path.captures(relative))
            })
            .unwrap_or_default();
        let scene = Scene {
            request,
            response: Some(response),
            now,
            service: &service.name,
            operation: operation.map(|operation| &*operation.name),
            path: relative,
        };
        let input = PolicyInput::new(token.as_ref(), scene, &parameters, None);
        respond(service, outbound, &input, response, trace)
    }
}

fn respond(
    service: &ApiService,
    outbound: &Outbound,
    input: &PolicyInput<'_>,
    response: &ApiResponse,
    trace: &mut Trace,
) -> Result<ResponseEdits, (Deny, Reason)> {
    let mut output = Map::new();
    let mut refusal = None;
    for policy in &outbound.policies {
        let answer = ask_policy(Level::Operation, policy, input);
        trace.checks.push(answer.check);
        output.extend(answer.output);
        if answer.refusal.is_some() {
            trace.nearest_miss = answer.nearest_miss;
            refusal = answer.refusal;
            break;
        }
    }
    let permitted = refusal.is_none();
    let statements: Vec<&Statement> = outbound
        .statements
        .iter()
        .filter(|statement| statement.is_for(Phase::Response, permitted))
        .collect();
    let document = with_output(input.document(), &output);
    if let Some(refusal) = refusal {
        // A response challenges nobody: the client was let in already.
        let mut deny = Deny::status(403);
        let common = service.challenge(ChallengeScheme::Bearer);
        turn_away(&mut deny, &statements, &common, &document, trace);
        return Err((deny, Reason::new(refusal.code, refusal.message)));
    }
    let mut message = Message::new(&response.headers, None, response.body.as_deref());
    let refuse = |unfulfilled: String| {
        let reason = Reason::new(ReasonCode::StatementUnfulfilled, unfulfilled);
        (Deny::status(500), reason)
    };
    change(&mut message, &statements, &document, trace).map_err(refuse)?;
    let edits = message
        .finish()
        .map_err(|unfit| refuse(format!("after the statements: {unfit}")))?;
    Ok(ResponseEdits {
        headers: edits.headers,
        body: edits.body,
    })
}
