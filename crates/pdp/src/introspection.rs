//! Asking an issuer about an opaque token (RFC 7662), also with signed answers (RFC 9701).
//!
//! An answer is kept under the token's SHA-256 digest, never past the token's `exp` and never longer
//! than the policy says; that a token is not active is kept for a few seconds. One request runs at a
//! time for a token, few in all, and after a failure none for a second, so that a flood of made-up
//! tokens neither floods the issuer nor pushes good answers out.

mod authentication;
mod client_key;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex as SyncMutex;
use std::time::Duration;

use portcullis_engine::{
    Introspection, IntrospectionPolicy, IssuerUrl, KeySource, OpaqueToken, TokenHash,
};
use portcullis_jose::{CompactJws, JsonError, JsonObject, parse_json_object};
use quick_cache::sync::Cache;
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell, Semaphore};

use authentication::Client;
pub use authentication::InvalidClientSecret;

use crate::clock::{Clock, Moment};
use crate::keys::{Fetch, FetchError, FormPost, KeyError, KeyStore, introspection_endpoint};

/// Most answers that are kept: so many active ones, and as many of the others. At the edge there is less memory.
pub const MAX_ANSWERS: usize = if cfg!(target_family = "wasm") {
    250
} else {
    4096
};
/// How long it is kept that a token is not active.
pub const INACTIVE_AGE: Duration = Duration::from_secs(5);
/// Most requests at a time.
pub const MAX_REQUESTS: usize = 32;
/// How long an issuer that could not be reached is left alone.
pub const COOL_DOWN: Duration = Duration::from_secs(1);
/// Largest answer, in bytes.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// How far the issuer's clock may differ, and how old a signed answer may be, in seconds.
const LEEWAY: u64 = 5;
const SIGNED_ANSWER_SECONDS: u64 = 60;

const JSON: &str = "application/json";
/// The media type of signed answers (RFC 9701 section 4).
const SIGNED: &str = "application/token-introspection+jwt";

/// Asks the issuers of one policy set about tokens.
pub struct Introspector {
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    issuers: HashMap<IssuerUrl, Issuer>,
    active: Cache<(IssuerUrl, TokenHash), Kept>,
    inactive: Cache<(IssuerUrl, TokenHash), Kept>,
    /// Tokens that are being asked about.
    asking: Asking,
    requests: Semaphore,
}

type Asking = SyncMutex<HashMap<(IssuerUrl, TokenHash), Arc<Mutex<()>>>>;

/// A place among those who ask about one token; the last one to leave, also by being cancelled, clears
/// up.
struct Turn<'a> {
    asking: &'a Asking,
    key: (IssuerUrl, TokenHash),
    lock: Arc<Mutex<()>>,
}

impl<'a> Turn<'a> {
    fn take(asking: &'a Asking, key: (IssuerUrl, TokenHash)) -> Result<Self, IntrospectionError> {
        let lock = match asking.lock() {
            Ok(mut asking) => Arc::clone(asking.entry(key.clone()).or_default()),
            Err(_) => return Err(IntrospectionError::Interrupted),
        };
        Ok(Self { asking, key, lock })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // The map's own handle and this one: nobody else is waiting.
        if let Ok(mut asking) = self.asking.lock()
            && Arc::strong_count(&self.lock) <= 2
        {
            asking.remove(&self.key);
        }
    }
}

#[derive(Debug)]
struct Issuer {
    policy: IntrospectionPolicy,
    client: Client,
    endpoint: OnceCell<String>,
    failed: SyncMutex<Option<Moment>>,
}

#[derive(Clone)]
struct Kept {
    answer: Arc<Introspection>,
    asked: Moment,
}

impl Introspector {
    /// Asks as those policies say; `secret` gives the value of an environment variable.
    pub fn new(
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        policies: Vec<(IssuerUrl, IntrospectionPolicy)>,
        secret: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, InvalidIntrospection> {
        let mut issuers = HashMap::new();
        for (issuer, policy) in policies {
            let wrong = |cause: String| InvalidIntrospection {
                variable: policy.secret.clone(),
                issuer: issuer.to_string(),
                cause,
            };
            let value = secret(&policy.secret).ok_or_else(|| wrong("it is not set".to_owned()))?;
            let client = Client::new(&policy.client_id, policy.authentication, &value)
                .map_err(|error| wrong(error.to_string()))?;
            let endpoint = OnceCell::new_with(policy.endpoint.clone());
            issuers.insert(
                issuer.clone(),
                Issuer {
                    policy,
                    client,
                    endpoint,
                    failed: SyncMutex::default(),
                },
            );
        }
        Ok(Self {
            fetch,
            clock,
            issuers,
            active: Cache::new(MAX_ANSWERS),
            inactive: Cache::new(MAX_ANSWERS),
            asking: SyncMutex::default(),
            requests: Semaphore::new(MAX_REQUESTS),
        })
    }

    /// What the issuer said about a token not long ago.
    #[must_use]
    pub fn known(&self, issuer: &IssuerUrl, token: &TokenHash) -> Option<Arc<Introspection>> {
        let max_age = Duration::from_secs(self.issuers.get(issuer)?.policy.max_age);
        let key = (issuer.clone(), *token);
        let now = self.clock.monotonic();
        let fresh = |kept: &Kept, age: Duration| now.saturating_duration_since(kept.asked) < age;
        if let Some(kept) = self.active.get(&key) {
            if fresh(&kept, max_age) && !self.has_expired(&kept.answer) {
                return Some(kept.answer);
            }
            self.active.remove(&key);
        }
        let kept = self.inactive.get(&key)?;
        fresh(&kept, INACTIVE_AGE.min(max_age)).then_some(kept.answer)
    }

    /// Asks the issuer, unless somebody else is asking the same.
    pub async fn ask(
        &self,
        issuer: &IssuerUrl,
        token: &OpaqueToken,
        keys: &KeyStore,
    ) -> Result<Arc<Introspection>, IntrospectionError> {
        let settings = self
            .issuers
            .get(issuer)
            .ok_or(IntrospectionError::NotConfigured)?;
        let turn = Turn::take(&self.asking, (issuer.clone(), token.hash()))?;
        let _alone = turn.lock.lock().await;
        match self.known(issuer, &token.hash()) {
            Some(answer) => Ok(answer),
            None => self.ask_alone(issuer, settings, token, keys).await,
        }
    }

    async fn ask_alone(
        &self,
        issuer: &IssuerUrl,
        settings: &Issuer,
        token: &OpaqueToken,
        keys: &KeyStore,
    ) -> Result<Arc<Introspection>, IntrospectionError> {
        let asked = self.clock.monotonic();
        if settings.is_cooling_down(asked) {
            return Err(IntrospectionError::CoolingDown);
        }
        let permit = self
            .requests
            .try_acquire()
            .map_err(|_| IntrospectionError::TooMany)?;
        let outcome = self.request(issuer, settings, token, keys).await;
        drop(permit);
        if matches!(
            outcome,
            Err(IntrospectionError::Fetch(_) | IntrospectionError::Status { status: 500.. })
        ) {
            settings.note_failure(self.clock.monotonic());
        }
        let answer = Arc::new(outcome?);
        let cache = match &*answer {
            Introspection::Active(_) => &self.active,
            Introspection::Inactive => &self.inactive,
        };
        let kept = Kept {
            answer: Arc::clone(&answer),
            asked,
        };
        cache.insert((issuer.clone(), token.hash()), kept);
        Ok(answer)
    }

    async fn request(
        &self,
        issuer: &IssuerUrl,
        settings: &Issuer,
        token: &OpaqueToken,
        keys: &KeyStore,
    ) -> Result<Introspection, IntrospectionError> {
        let discover = || introspection_endpoint(&*self.fetch, issuer);
        let endpoint = settings.endpoint.get_or_try_init(discover).await?;
        let now = self.clock.unix_now();
        let (form, authorization) = settings
            .client
            .request(token.expose(), issuer, now)
            .ok_or(IntrospectionError::Interrupted)?;
        let post = FormPost {
            url: endpoint,
            form,
            authorization,
            accept: if settings.policy.signed { SIGNED } else { JSON },
            max_bytes: MAX_ANSWER_BYTES,
        };
        let response = self.fetch.post(post).await?;
        match response.status {
            200 => {}
            status @ (400 | 401 | 403) => return Err(IntrospectionError::Refused { status }),
            status => return Err(IntrospectionError::Status { status }),
        }
        let is = |kind: &str| {
            let named = response.content_type.split(';').next().unwrap_or_default();
            named.trim().eq_ignore_ascii_case(kind)
        };
        let object = if settings.policy.signed {
            if !is(SIGNED) {
                return Err(IntrospectionError::NotSigned);
            }
            self.signed(issuer, &settings.client.id, &response.body, keys)
                .await?
        } else if is(JSON) {
            parse_json_object(&response.body)?
        } else {
            return Err(IntrospectionError::ContentType);
        };
        match object.get("active") {
            Some(Value::Bool(true)) => Ok(Introspection::Active(object)),
            Some(Value::Bool(false)) => Ok(Introspection::Inactive),
            _ => Err(IntrospectionError::Active),
        }
    }

    /// The answer in a signed one (RFC 9701 section 5).
    async fn signed(
        &self,
        issuer: &IssuerUrl,
        client: &str,
        body: &[u8],
        keys: &KeyStore,
    ) -> Result<JsonObject, IntrospectionError> {
        let wrong = IntrospectionError::Signed;
        let text = std::str::from_utf8(body).map_err(|_| wrong("it is no JWT"))?;
        let jws = CompactJws::parse(text.trim()).map_err(|_| wrong("it is no JWT"))?;
        let verifies = || {
            let held = keys.keys(issuer)?;
            jws.verify_with(&held).ok().map(drop)
        };
        if verifies().is_none() {
            keys.refresh(issuer).await?;
            verifies().ok_or(wrong("its signature is not the issuer's"))?;
        }
        if !jws.typ().is_some_and(|typ| {
            typ.eq_ignore_ascii_case("token-introspection+jwt") || typ.eq_ignore_ascii_case(SIGNED)
        }) {
            return Err(wrong("its typ is not token-introspection+jwt"));
        }
        let claims = jws.payload();
        if claims.get("iss").and_then(Value::as_str) != Some(issuer.as_str()) {
            return Err(wrong("its iss is another issuer"));
        }
        let for_us = match claims.get("aud") {
            Some(Value::String(audience)) => audience == client,
            Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == client),
            _ => false,
        };
        if !for_us {
            return Err(wrong("its aud is not this client"));
        }
        let now = self.clock.unix_now();
        let iat = claims.get("iat").and_then(Value::as_u64);
        let recent = iat.is_some_and(|iat| {
            iat <= now.saturating_add(LEEWAY) && now <= iat.saturating_add(SIGNED_ANSWER_SECONDS)
        });
        if !recent {
            return Err(wrong("its iat is missing, old or in the future"));
        }
        match claims.get("token_introspection") {
            Some(Value::Object(object)) => Ok(object.clone()),
            _ => Err(wrong("it has no object token_introspection")),
        }
    }

    /// Whether the token has expired since; what else its claims are worth is asked elsewhere.
    fn has_expired(&self, answer: &Introspection) -> bool {
        let Introspection::Active(claims) = answer else {
            return false;
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "a NumericDate may have a fraction; seconds fit 52 bits"
        )]
        let now = self.clock.unix_now() as f64;
        let expires = claims.get("exp").and_then(Value::as_f64);
        expires.is_some_and(|expires| now >= expires)
    }
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector")
            .field("issuers", &self.issuers)
            .finish_non_exhaustive()
    }
}

impl Issuer {
    fn is_cooling_down(&self, now: Moment) -> bool {
        self.failed.lock().is_ok_and(|failed| {
            failed.is_some_and(|failed| now.saturating_duration_since(failed) < COOL_DOWN)
        })
    }

    fn note_failure(&self, now: Moment) {
        if let Ok(mut failed) = self.failed.lock() {
            *failed = Some(now);
        }
    }
}

/// An issuer that cannot be asked as the policy says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}, which is to authenticate at issuer {issuer} for introspection: {cause}")]
pub struct InvalidIntrospection {
    /// The environment variable.
    pub variable: String,
    /// The issuer.
    pub issuer: String,
    /// What is wrong with it.
    pub cause: String,
}

/// Why nothing is known about a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntrospectionError {
    /// The policy does not say how to ask that issuer.
    #[error("the policy does not say how to ask that issuer")]
    NotConfigured,
    /// The process is about to end.
    #[error("the request was broken off")]
    Interrupted,
    /// The last failure is too recent.
    #[error("the last failure was less than {} ms ago", COOL_DOWN.as_millis())]
    CoolingDown,
    /// Too many requests at a time.
    #[error("more than {MAX_REQUESTS} requests at a time")]
    TooMany,
    /// The endpoint could not be found.
    #[error(transparent)]
    Discovery(#[from] KeyError),
    /// The endpoint could not be reached.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The endpoint does not take our credentials.
    #[error(
        "the endpoint refused our own credentials with status {status}; look at client_id, authentication and secret under introspection"
    )]
    Refused {
        /// The status.
        status: u16,
    },
    /// Another status than 200.
    #[error("expected status 200, got {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// Neither JSON nor asked for.
    #[error("expected an answer of type {JSON}")]
    ContentType,
    /// A signed answer was asked for.
    #[error("expected a signed answer of type {SIGNED} (RFC 9701), got another one")]
    NotSigned,
    /// Not a JSON object.
    #[error("the answer is not usable: {0}")]
    Json(#[from] JsonError),
    /// `active` is missing or no boolean.
    #[error(
        "the answer does not say with true or false whether the token is active (RFC 7662 section 2.2)"
    )]
    Active,
    /// A signed answer that does not hold.
    #[error("the signed answer is refused: {0} (RFC 9701 section 5)")]
    Signed(&'static str),
}
