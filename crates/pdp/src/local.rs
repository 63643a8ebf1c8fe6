//! The decision point in this process: the engine on a policy set, with keys and introspection answers
//! from the network.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_engine::{
    Host, Inspection, Introspection, IssuerUrl, KeySource, Nonces, OpaqueToken, PolicySet,
    Progress, ProofId, ProofUse, Question, TokenHash, VerifiedToken,
};
use portcullis_jose::{CryptoProvider, JsonObject, Jwks};
use portcullis_model::{ApiRequest, ApiResponse, Decision, FollowUp, ResponseDecision};

use crate::clock::{Clock, timeout};
use crate::crypto::Crypto;
use crate::decision_point::{
    DecisionFuture, DecisionPoint, InspectionFuture, JwksUriFuture, Unavailable,
};
use crate::introspection::{Introspector, InvalidIntrospection};
use crate::keys::{Fetch, KeyStore, jwks_uri};
use crate::proofs::ProofStore;
use crate::verified_tokens::VerifiedTokens;

/// How long a decision waits for new keys where old ones would do.
const PATIENCE_WITH_OLD_KEYS: Duration = Duration::from_millis(250);

/// What may be set about a decision point in this process.
#[derive(Debug, Default)]
pub struct LocalSettings {
    /// Whether answers are cached in front, so that decisions say what becomes of other requests.
    pub for_cache: bool,
    /// The nonces that DPoP proofs must carry, where they must.
    pub nonces: Option<Arc<dyn Nonces>>,
    /// Keys that came with the policy.
    pub bundled_keys: Vec<(IssuerUrl, Jwks)>,
    /// Where the secrets are that a policy names, to ask issuers about opaque tokens. Without them such
    /// a policy cannot decide on opaque tokens.
    pub secrets: Option<Secrets>,
    /// Whether decisions carry the claims that they were made on ([`Decision::claims`]), for records.
    pub keep_claims: bool,
}

/// Finds the value of a named secret, such as an environment variable.
#[derive(Clone)]
pub struct Secrets(Arc<FindSecret>);

type FindSecret = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Secrets {
    /// Secrets that a function finds.
    pub fn new(find: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

/// Decides with a policy set that can be replaced while requests are being decided.
#[derive(Debug)]
pub struct LocalDecisionPoint {
    loaded: ArcSwap<Loaded>,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    for_cache: bool,
    secrets: Option<Secrets>,
    keep_claims: bool,
}

/// A policy set and what belongs to it; swapped as one.
#[derive(Debug)]
struct Loaded {
    policy: Arc<PolicySet>,
    host: LocalHost,
}

/// What decisions ask for, in memory.
#[derive(Debug)]
struct LocalHost {
    keys: KeyStore,
    tokens: VerifiedTokens,
    proofs: Arc<ProofStore>,
    nonces: Option<Arc<dyn Nonces>>,
    introspector: Option<Introspector>,
}

impl LocalDecisionPoint {
    /// Decides with that policy set from now on.
    #[must_use]
    pub fn new(
        policy: impl Into<Arc<PolicySet>>,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::assemble(policy.into(), fetch, clock, LocalSettings::default(), None)
    }

    /// The same with settings. Fails where the policy names a secret that is not there or not usable.
    pub fn with_settings(
        policy: impl Into<Arc<PolicySet>>,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        settings: LocalSettings,
    ) -> Result<Self, InvalidIntrospection> {
        let policy = policy.into();
        let introspector = introspector(&policy, &fetch, &clock, settings.secrets.as_ref())?;
        Ok(Self::assemble(policy, fetch, clock, settings, introspector))
    }

    /// The same for a policy whose issuers are not to be asked about opaque tokens, which cannot fail.
    pub(crate) fn without_secrets(
        policy: Arc<PolicySet>,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        settings: LocalSettings,
    ) -> Self {
        Self::assemble(policy, fetch, clock, settings, None)
    }

    fn assemble(
        policy: Arc<PolicySet>,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        settings: LocalSettings,
        introspector: Option<Introspector>,
    ) -> Self {
        let keys = KeyStore::new(Arc::clone(&fetch), Arc::clone(&clock), policy.issuers());
        for (issuer, bundled) in settings.bundled_keys {
            keys.bundle(&issuer, bundled);
        }
        let host = LocalHost {
            keys,
            tokens: VerifiedTokens::default(),
            proofs: Arc::default(),
            nonces: settings.nonces,
            introspector,
        };
        Self {
            loaded: ArcSwap::from_pointee(Loaded { policy, host }),
            fetch,
            clock,
            for_cache: settings.for_cache,
            secrets: settings.secrets,
            keep_claims: settings.keep_claims,
        }
    }

    /// Replaces the policy set; requests under way finish with the old one. Changes nothing where the
    /// policy names a secret that is not there or not usable.
    pub fn replace(&self, policy: PolicySet) -> Result<(), InvalidIntrospection> {
        let secrets = self.secrets.as_ref();
        let introspector = introspector(&policy, &self.fetch, &self.clock, secrets)?;
        let before = self.loaded.load();
        let host = LocalHost {
            keys: before.host.keys.for_issuers(policy.issuers()),
            tokens: VerifiedTokens::default(),
            proofs: Arc::clone(&before.host.proofs),
            nonces: before.host.nonces.clone(),
            introspector,
        };
        self.loaded.store(Arc::new(Loaded {
            policy: Arc::new(policy),
            host,
        }));
        Ok(())
    }

    /// Fetches the keys of every issuer that has none.
    pub async fn hydrate(&self) {
        self.loaded.load_full().host.keys.hydrate().await;
    }

    async fn decide(&self, request: &ApiRequest) -> Result<Decision, Unavailable> {
        let loaded = self.loaded.load_full();
        let keys = &loaded.host.keys;
        let mut refreshed = None;
        let mut answer = None;
        let mut claims = None;
        let mut decision = loop {
            let host = Answered {
                host: &loaded.host,
                answer: answer.as_ref(),
                claims: self.keep_claims.then(RefCell::default),
            };
            let now = self.clock.unix_now();
            let progress = if self.for_cache {
                loaded.policy.decide_for_cache(request, &host, now)
            } else {
                loaded.policy.decide(request, &host, now)
            };
            if let Some(noted) = host.claims {
                claims = noted.into_inner();
            }
            match progress {
                Progress::Decided(decision) => break decision,
                Progress::NeedsKeys { issuer, otherwise } => match (&refreshed, otherwise) {
                    (None, otherwise) => {
                        // A decision with the keys that are there would be a deny, or they have
                        // grown old.
                        let only_old = otherwise.is_none() && keys.has_old_keys(&issuer);
                        refreshed = Some(refresh(&*self.clock, keys, &issuer, only_old).await);
                    }
                    (Some(_), Some(decision)) => break decision,
                    (Some(outcome), None) => {
                        return Err(Unavailable::Keys {
                            issuer: issuer.to_string(),
                            cause: outcome
                                .as_ref()
                                .err()
                                .map_or_else(|| "they are too old".to_owned(), ToString::to_string),
                        });
                    }
                },
                Progress::NeedsIntrospection { issuer, token } => {
                    answer = Some(loaded.host.introspect(issuer, &token).await?);
                }
            }
        };
        keys.renew_bundled();
        decision.claims = claims;
        Ok(decision)
    }
}

impl LocalDecisionPoint {
    /// What a token stands for to the first of those services that takes it.
    async fn inspect(
        &self,
        services: &[String],
        token: &str,
    ) -> Result<Option<JsonObject>, Unavailable> {
        let loaded = self.loaded.load_full();
        let mut failed = None;
        for service in services {
            match self.inspect_for(&loaded, service, token).await {
                Ok(Some(claims)) => return Ok(Some(claims)),
                Ok(None) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    async fn inspect_for(
        &self,
        loaded: &Loaded,
        service: &str,
        token: &str,
    ) -> Result<Option<JsonObject>, Unavailable> {
        let mut refreshed = None;
        let mut answer = None;
        loop {
            let host = Answered {
                host: &loaded.host,
                answer: answer.as_ref(),
                claims: None,
            };
            let now = self.clock.unix_now();
            match loaded.policy.inspect(service, token, &host, now) {
                Inspection::Active(claims) => return Ok(Some(claims)),
                Inspection::Inactive => return Ok(None),
                Inspection::NeedsKeys(issuer) => match &refreshed {
                    None => {
                        let outcome =
                            refresh(&*self.clock, &loaded.host.keys, &issuer, false).await;
                        refreshed = Some(outcome);
                    }
                    // There are keys, and none of them fits.
                    Some(Ok(())) => return Ok(None),
                    Some(Err(error)) => {
                        return Err(Unavailable::Keys {
                            issuer: issuer.to_string(),
                            cause: error.to_string(),
                        });
                    }
                },
                Inspection::NeedsIntrospection { issuer, token } => {
                    answer = Some(loaded.host.introspect(issuer, &token).await?);
                }
            }
        }
    }
}

/// Who asks the issuers of a policy about opaque tokens; `None` where it has no such issuer or nobody
/// knows any secret.
fn introspector(
    policy: &PolicySet,
    fetch: &Arc<dyn Fetch>,
    clock: &Arc<dyn Clock>,
    secrets: Option<&Secrets>,
) -> Result<Option<Introspector>, InvalidIntrospection> {
    let policies = policy.introspections();
    let Some(Secrets(find)) = secrets.filter(|_| !policies.is_empty()) else {
        return Ok(None);
    };
    Introspector::new(Arc::clone(fetch), Arc::clone(clock), policies, &**find).map(Some)
}

async fn refresh(
    clock: &dyn Clock,
    keys: &KeyStore,
    issuer: &IssuerUrl,
    only_old: bool,
) -> Result<(), crate::keys::KeyError> {
    let refresh = keys.refresh(issuer);
    if only_old {
        // The fetch goes on when nobody waits for it any more.
        timeout(clock, PATIENCE_WITH_OLD_KEYS, refresh)
            .await
            .unwrap_or(Ok(()))
    } else {
        refresh.await
    }
}

/// An issuer's answer about one token.
struct Answer {
    issuer: IssuerUrl,
    token: TokenHash,
    introspection: Arc<Introspection>,
}

impl LocalHost {
    /// Asks the issuer about an opaque token.
    async fn introspect(
        &self,
        issuer: IssuerUrl,
        token: &OpaqueToken,
    ) -> Result<Answer, Unavailable> {
        let unavailable = |cause: String| Unavailable::Introspection {
            issuer: issuer.to_string(),
            cause,
        };
        let introspector = self
            .introspector
            .as_ref()
            .ok_or_else(|| unavailable("no credentials were given for it".to_owned()))?;
        let introspection = introspector
            .ask(&issuer, token, &self.keys)
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        Ok(Answer {
            issuer,
            token: token.hash(),
            introspection,
        })
    }
}

/// The host of one decision: with the answer that was waited for, also where it is not to be kept.
struct Answered<'a> {
    host: &'a LocalHost,
    answer: Option<&'a Answer>,
    /// The claims that were decided on, where they are to be kept.
    claims: Option<RefCell<Option<JsonObject>>>,
}

impl KeySource for Answered<'_> {
    fn keys(&self, issuer: &IssuerUrl) -> Option<Arc<Jwks>> {
        self.host.keys.keys(issuer)
    }
}

impl Host for Answered<'_> {
    fn crypto(&self) -> &dyn CryptoProvider {
        &Crypto
    }

    fn verified_token(&self, token: &TokenHash, now: u64) -> Option<Arc<VerifiedToken>> {
        self.host.tokens.find(token, now)
    }

    fn keep_verified_token(&self, token: TokenHash, verified: Arc<VerifiedToken>, expires: u64) {
        self.host.tokens.keep(token, verified, expires);
    }

    fn introspection(&self, issuer: &IssuerUrl, token: &TokenHash) -> Option<Arc<Introspection>> {
        if let Some(answer) = self.answer
            && answer.issuer == *issuer
            && answer.token == *token
        {
            return Some(Arc::clone(&answer.introspection));
        }
        self.host.introspector.as_ref()?.known(issuer, token)
    }

    fn note_claims(&self, claims: &JsonObject) {
        if let Some(noted) = &self.claims {
            noted.replace(Some(claims.clone()));
        }
    }

    fn note_proof(&self, proof: ProofId, until: u64, now: u64) -> ProofUse {
        self.host.proofs.note(proof, until, now)
    }

    fn nonces(&self) -> Option<&dyn Nonces> {
        let nonces = self.host.nonces.as_deref()?;
        Some(nonces)
    }
}

impl DecisionPoint for LocalDecisionPoint {
    fn decide<'a>(&'a self, request: &'a ApiRequest) -> DecisionFuture<'a> {
        Box::pin(LocalDecisionPoint::decide(self, request))
    }

    fn decide_response(
        &self,
        request: &ApiRequest,
        known: Option<&FollowUp>,
        response: &ApiResponse,
    ) -> ResponseDecision {
        let loaded = self.loaded.load();
        let now = self.clock.unix_now();
        loaded.policy.decide_response(request, known, response, now)
    }

    fn evaluate(&self, question: &Question) -> Decision {
        let now = self.clock.unix_now();
        self.loaded.load().policy.evaluate(question, &Crypto, now)
    }

    fn permitted_methods(&self, question: &Question) -> Vec<String> {
        let now = self.clock.unix_now();
        let loaded = self.loaded.load();
        loaded.policy.permitted_methods(question, &Crypto, now)
    }

    fn inspect<'a>(&'a self, services: &'a [String], token: &'a str) -> InspectionFuture<'a> {
        Box::pin(LocalDecisionPoint::inspect(self, services, token))
    }

    fn jwks_uri<'a>(&'a self, issuer: &'a str) -> JwksUriFuture<'a> {
        Box::pin(async move {
            let issuers = self.loaded.load().policy.issuers();
            let issuer = issuers.iter().find(|one| one.as_str() == issuer)?;
            jwks_uri(&*self.fetch, issuer).await.ok()
        })
    }
}
