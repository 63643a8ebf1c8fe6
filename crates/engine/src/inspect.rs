//! What a token is worth by itself, and what a policy says to claims that nobody has signed: for those who answer
//! questions about tokens and policies, and let nobody through.

use portcullis_jose::{CryptoProvider, JsonObject};
use portcullis_model::{
    ApiRequest, ChallengeScheme, Decision, HeaderMap, Method, RequestUrl, Source,
};

use crate::claims::AccessToken;
use crate::credential::{SentToken, TokenHash};
use crate::decide::{Course, Genuine, OpaqueToken, Progress};
use crate::host::{Host, Introspection};
use crate::issuer::IssuerUrl;
use crate::policy_set::{Guard, PolicySet};
use crate::rehearsal::Rehearsal;

/// What is known of a token.
#[derive(Debug)]
pub enum Inspection {
    /// No issuer that the service trusts says that it is good now.
    Inactive,
    /// It is good now. Whether it was sent by whom it is bound to, nobody has asked.
    Active(JsonObject),
    /// The keys of that issuer are not there, or none of them is the one that the token names.
    NeedsKeys(IssuerUrl),
    /// Only the issuer knows.
    NeedsIntrospection {
        /// Whom to ask before asking again here.
        issuer: IssuerUrl,
        /// About which token.
        token: OpaqueToken,
    },
}

impl PolicySet {
    /// Finds out what a token is worth to an API service at that time (seconds since 1970). A service that is not
    /// there trusts nobody.
    #[must_use]
    pub fn inspect(&self, service: &str, token: &str, host: &dyn Host, now: u64) -> Inspection {
        let Some(service) = self.services().iter().find(|one| &*one.name == service) else {
            return Inspection::Inactive;
        };
        let Some(request) = nothing() else {
            return Inspection::Inactive;
        };
        let sent = SentToken {
            scheme: ChallengeScheme::Bearer,
            text: token,
        };
        let hash = TokenHash::of(token, host.crypto());
        let mut course = Course::new(service, None, "/", &request, host, now);
        match course.genuine(&sent, hash) {
            Genuine::Jwt(verified, issuer) => {
                let typ = verified.typ.as_deref();
                match AccessToken::check(&verified.claims, typ, issuer, now) {
                    Ok(_) => Inspection::Active(verified.claims.clone()),
                    Err(_) => Inspection::Inactive,
                }
            }
            Genuine::Introspected(introspection, issuer) => match &*introspection {
                Introspection::Active(claims)
                    if AccessToken::check_introspected(claims, issuer, now).is_ok() =>
                {
                    Inspection::Active(claims.clone())
                }
                Introspection::Active(_) | Introspection::Inactive => Inspection::Inactive,
            },
            Genuine::Not(progress) => match *progress {
                Progress::Decided(_) => Inspection::Inactive,
                Progress::NeedsKeys { issuer, .. } => Inspection::NeedsKeys(issuer),
                Progress::NeedsIntrospection { issuer, token } => {
                    Inspection::NeedsIntrospection { issuer, token }
                }
            },
        }
    }

    /// Decides on a request as if it came with a valid token of those claims, or with none. `None` where no service
    /// covers it, or where nothing is asked of it.
    #[must_use]
    pub fn rehearse(
        &self,
        request: &ApiRequest,
        claims: Option<&JsonObject>,
        crypto: &dyn CryptoProvider,
        now: u64,
    ) -> Option<Decision> {
        let path = request.url.decoded_path().ok()?;
        let (service, relative) = self.service_for(request, &path)?;
        let number = service.index.find(&request.method, relative)?;
        let operation = service.operations().get(number)?;
        let (Guard::Token(steps) | Guard::OptionalToken(steps)) = &operation.guard else {
            return None;
        };
        let host = Rehearsal::new(JsonObject::new(), None, crypto);
        let course = Course::new(service, Some(operation), relative, request, &host, now);
        let issuer = service.tokens.first()?;
        let scope_claims = issuer.profile.scope_claims();
        let token = claims.map(|claims| AccessToken::of(claims, scope_claims, issuer, now));
        Some(course.apply(token.as_ref(), steps))
    }
}

/// A request that nobody looks at.
fn nothing() -> Option<ApiRequest> {
    Some(ApiRequest {
        method: Method::get(),
        url: RequestUrl::parse("https://unknown.invalid/").ok()?,
        http_version: "1.1".to_owned(),
        headers: HeaderMap::new(),
        source: Source {
            ip: None,
            port: None,
        },
        client_certificate: None,
        body: None,
        entry: None,
    })
}
