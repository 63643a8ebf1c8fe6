//! Decisions on a subject, an action and a resource that somebody vouches for, as AuthZEN asks for them:
//! the action is a method, the resource a route, the subject's properties are taken for claims.
//!
//! No token is verified here. Whoever asks has done so, or is trusted to know whom it speaks for.

use portcullis_jose::{CryptoProvider, JsonObject};
use portcullis_model::{
    ApiRequest, Decision, Deny, HeaderMap, Method, Reason, ReasonCode, RequestUrl, Source,
};
use serde_json::Value;

use crate::claims::AccessToken;
use crate::decide::Course;
use crate::policy_set::{ApiService, Guard, Operation, Order, PolicySet, Unmatched};
use crate::rehearsal::Rehearsal;
use crate::screen::screen;

/// Methods that an operation without a list of methods stands for when somebody asks which are permitted
/// (RFC 9110 section 9.3, RFC 5789).
const USUAL_METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A question.
#[derive(Debug, Clone)]
pub struct Question {
    /// Whom it is about: what a token's `sub` would say.
    pub subject: String,
    /// What is known of the subject, as claims.
    pub claims: JsonObject,
    /// The method.
    pub method: Method,
    /// The template of an operation's path, such as `/todos/{todoId}`, or a path.
    pub route: String,
    /// The name of the API service; `None` where the route tells.
    pub service: Option<String>,
    /// Header fields of the request, where they are known.
    pub headers: HeaderMap,
    /// Where the request came from.
    pub source: Source,
}

impl PolicySet {
    /// Answers a question at that time (seconds since 1970).
    ///
    /// A route that more than one API service has is denied unless the question names the service.
    #[must_use]
    pub fn evaluate(&self, question: &Question, crypto: &dyn CryptoProvider, now: u64) -> Decision {
        let mut decision = self.evaluate_now(question, crypto, now);
        decision.trace.revision = self.revision().cloned();
        decision
    }

    fn evaluate_now(&self, question: &Question, crypto: &dyn CryptoProvider, now: u64) -> Decision {
        let refuse = |status, code, message: &'static str| {
            Decision::deny(Deny::status(status), Reason::new(code, message))
        };
        let mut candidates = self
            .services()
            .iter()
            .filter(|service| {
                question
                    .service
                    .as_deref()
                    .is_none_or(|name| name == &*service.name)
            })
            .map(|service| (service, operation_of(service, question)));
        // One service needs no route of its own: what it says of unmatched requests counts.
        let found = if self.services().len() == 1 || question.service.is_some() {
            candidates.next()
        } else {
            let mut matching = candidates.filter(|(_, operation)| operation.is_some());
            match (matching.next(), matching.next()) {
                (Some(one), None) => Some(one),
                (Some(_), Some(_)) => {
                    let message = "more than one API service has the route: name one in resource.properties.service";
                    return refuse(403, ReasonCode::NoService, message);
                }
                (None, _) => None,
            }
        };
        let Some((service, operation)) = found else {
            return refuse(404, ReasonCode::NoService, "no API service has the route");
        };
        let Some(request) = request(service, question) else {
            return refuse(400, ReasonCode::AmbiguousPath, "the resource is no path");
        };
        // A path with two readings is as dangerous here as anywhere.
        if let Some(refused) = screen(&request) {
            return refused;
        }
        let mut claims = question.claims.clone();
        claims.insert("sub".to_owned(), Value::from(question.subject.as_str()));
        let host = Rehearsal::new(JsonObject::new(), None, crypto);
        let course = Course::new(service, operation, &question.route, &request, &host, now);
        let steps = match operation.map(|operation| &operation.guard) {
            Some(Guard::Public) => return course.public(),
            Some(Guard::Token(steps) | Guard::OptionalToken(steps)) => steps,
            None if service.unmatched == Unmatched::Open => return course.open(),
            None => &service.steps,
        };
        let Some(issuer) = service.tokens.first() else {
            let message = "the API service trusts no issuer, so no subject is known to it";
            return refuse(403, ReasonCode::UnknownIssuer, message);
        };
        let scope_claims = issuer.profile.scope_claims();
        let token = AccessToken::of(&claims, scope_claims, issuer, now);
        let mut decision = course.apply(Some(&token), steps);
        decision.principal = Some(question.subject.clone());
        decision
    }

    /// The methods that the subject may use on the route, at that time.
    #[must_use]
    pub fn permitted_methods(
        &self,
        question: &Question,
        crypto: &dyn CryptoProvider,
        now: u64,
    ) -> Vec<String> {
        let mut methods: Vec<&str> = self
            .services()
            .iter()
            .flat_map(ApiService::operations)
            .flat_map(|operation| operation.methods.iter().map(Method::as_str))
            .chain(USUAL_METHODS)
            .collect();
        methods.sort_unstable();
        methods.dedup();
        methods
            .into_iter()
            .filter(|name| {
                Method::parse(name).is_ok_and(|method| {
                    let question = Question {
                        method,
                        ..question.clone()
                    };
                    self.evaluate(&question, crypto, now).is_permit()
                })
            })
            .map(str::to_owned)
            .collect()
    }
}

/// The operation whose template the route is, or that covers it as a path. By order of the file an earlier operation may
/// cover all that a template covers, so that it is looked for as a path first, which every template is of itself.
fn operation_of<'a>(service: &'a ApiService, question: &Question) -> Option<&'a Operation> {
    let index = &service.index;
    let by_path = || index.find(&question.method, &question.route);
    let by_template = || index.find_template(&question.method, &question.route);
    let number = match service.order {
        Order::Specific => by_template().or_else(by_path),
        Order::File => by_path().or_else(by_template),
    }?;
    service.operations().get(number)
}

/// The request that is asked about, as far as it is known.
fn request(service: &ApiService, question: &Question) -> Option<ApiRequest> {
    if !question.route.starts_with('/') {
        return None;
    }
    let base = service.resource().unwrap_or("https://unknown.invalid");
    let path: String = question
        .route
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    Some(ApiRequest {
        method: question.method.clone(),
        url: RequestUrl::parse(&format!("{base}{path}")).ok()?,
        http_version: "1.1".to_owned(),
        headers: question.headers.clone(),
        source: question.source,
        client_certificate: None,
        body: None,
        entry: None,
    })
}
