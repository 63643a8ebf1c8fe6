//! The signing keys of token issuers: found by discovery, kept in memory, fetched again when a
//! token names a key that is not there.
//!
//! Metadata comes from OpenID Connect Discovery 1.0 section 4 and, where that is not offered, from
//! RFC 8414 section 3; its `issuer` must be the configured one, character by character. One fetch
//! runs at a time for an issuer, and the cool-down between two begins before the first, so that a
//! flood of tokens with made-up key ids costs an issuer one request every [`COOL_DOWN`]. A fetch
//! goes on when its caller hangs up, or whoever keeps hanging up would keep the keys from all.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex as SyncMutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use portcullis_engine::{IssuerUrl, KeySource};
use portcullis_jose::{Jwks, SymmetricKeys};
use portcullis_model::{RequestUrl, Scheme};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::clock::{Clock, Moment};
use crate::crypto::Crypto;
use crate::http::is_loopback;
use crate::task::spawn;

/// Keys older than this are fetched again before they are used.
pub const MAX_AGE: Duration = Duration::from_hours(1);
/// Keys that cannot be fetched again are used up to this age.
pub const MAX_STALE_AGE: Duration = Duration::from_hours(24);
/// The time between two fetches for one issuer, once there are keys.
pub const COOL_DOWN: Duration = Duration::from_secs(10);
/// The same while there are no keys yet.
pub const COOL_DOWN_WITHOUT_KEYS: Duration = Duration::from_secs(1);
/// Largest metadata document or JWKS, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 512 * 1024;

/// A document on its way.
pub type FetchFuture<'a> = Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>>;

/// Gets a document by HTTP: 200 only, no redirects, at most so many bytes.
pub trait Fetch: fmt::Debug + Send + Sync {
    /// Gets the document at an `https` URL (`http` on loopback).
    fn get<'a>(&'a self, url: &'a str, max_bytes: usize) -> FetchFuture<'a>;

    /// Posts a form to such a URL. Whoever only gets documents need not.
    fn post<'a>(&'a self, post: FormPost<'a>) -> PostFuture<'a> {
        let error = FetchError {
            url: post.url.to_owned(),
            cause: "nothing can be posted from here".to_owned(),
        };
        Box::pin(async move { Err(error) })
    }
}

/// A form to post. It may hold a token and a secret.
pub struct FormPost<'a> {
    /// Where to.
    pub url: &'a str,
    /// The form, encoded (`application/x-www-form-urlencoded`).
    pub form: String,
    /// The value of `Authorization`.
    pub authorization: Option<String>,
    /// The media type of the answer that is asked for.
    pub accept: &'static str,
    /// The largest answer.
    pub max_bytes: usize,
}

impl fmt::Debug for FormPost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FormPost([{} bytes])", self.form.len())
    }
}

/// The answer to a form.
#[derive(Debug, Clone)]
pub struct PostAnswer {
    /// The status.
    pub status: u16,
    /// The value of `Content-Type`, empty where there is none.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
}

/// The answer to a form on its way.
pub type PostFuture<'a> = Pin<Box<dyn Future<Output = Result<PostAnswer, FetchError>> + Send + 'a>>;

/// Why a document could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("GET {url}: {cause}")]
pub struct FetchError {
    /// The URL.
    pub url: String,
    /// What went wrong.
    pub cause: String,
}

/// The keys of the issuers of one policy set.
#[derive(Debug)]
pub struct KeyStore {
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    entries: HashMap<IssuerUrl, Arc<Entry>>,
}

#[derive(Debug, Default)]
struct Entry {
    /// Whether the keys came with the policy and the issuer was not asked yet.
    bundled: AtomicBool,
    held: ArcSwapOption<Held>,
    /// The last fetch; held while one runs, so that there is one at a time.
    last_attempt: Arc<Mutex<Option<Attempt>>>,
    /// Until when old keys are used without asking again: while a fetch runs and after it failed.
    lenient_until: SyncMutex<Option<Moment>>,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    began: Moment,
    ended: Moment,
}

struct Held {
    keys: Arc<Jwks>,
    fetched: Moment,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("fetched", &self.fetched)
            .finish_non_exhaustive()
    }
}

impl KeyStore {
    /// A store for those issuers, with no keys yet.
    #[must_use]
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>, issuers: Vec<IssuerUrl>) -> Self {
        let entries = issuers
            .into_iter()
            .map(|issuer| (issuer, Arc::default()))
            .collect();
        Self {
            fetch,
            clock,
            entries,
        }
    }

    /// A store for other issuers that shares the keys of those which stay.
    #[must_use]
    pub fn for_issuers(&self, issuers: Vec<IssuerUrl>) -> Self {
        let entry = |issuer: &IssuerUrl| self.entries.get(issuer).cloned().unwrap_or_default();
        let entries = issuers
            .into_iter()
            .map(|issuer| (issuer.clone(), entry(&issuer)))
            .collect();
        Self {
            fetch: Arc::clone(&self.fetch),
            clock: Arc::clone(&self.clock),
            entries,
        }
    }

    /// Takes keys that came with the policy, so that the first decision after a start needs no
    /// request. They count as fetched now; [`renew_bundled`](Self::renew_bundled) asks for newer ones.
    pub fn bundle(&self, issuer: &IssuerUrl, keys: Jwks) {
        if let Some(entry) = self.entries.get(issuer) {
            entry.bundled.store(true, Ordering::Relaxed);
            entry.held.store(Some(Arc::new(Held {
                keys: Arc::new(keys),
                fetched: self.clock.monotonic(),
            })));
        }
    }

    /// Fetches the keys of every issuer whose keys came with the policy, once, while decisions go on
    /// with those: a key that was withdrawn since is not used for long.
    pub fn renew_bundled(&self) {
        for (issuer, entry) in &self.entries {
            if entry.bundled.swap(false, Ordering::Relaxed) {
                let (store, issuer) = (self.for_issuers(vec![issuer.clone()]), issuer.clone());
                // A failure is logged where it happens, and the keys stay.
                drop(spawn(async move { store.refresh(&issuer).await }));
            }
        }
    }

    /// Fetches the keys of every issuer that has none, so that the first request finds them. Asks
    /// all at once: ready is who has waited for the slowest.
    pub async fn hydrate(&self) {
        let mut fetches = Vec::new();
        for issuer in self.entries.keys() {
            if self.keys(issuer).is_some() {
                continue;
            }
            let (store, issuer) = (self.for_issuers(vec![issuer.clone()]), issuer.clone());
            fetches.push(spawn(async move {
                if let Err(error) = store.refresh(&issuer).await {
                    tracing::warn!(issuer = issuer.as_str(), %error, "the keys of an issuer could not be had yet");
                }
            }));
        }
        for fetch in fetches {
            // One that was broken off is over, too.
            let _ = fetch.await;
        }
    }

    /// Fetches the keys of an issuer, unless another caller just did or the cool-down runs.
    pub async fn refresh(&self, issuer: &IssuerUrl) -> Result<(), KeyError> {
        let Some(entry) = self.entries.get(issuer) else {
            return Err(KeyError::UnknownIssuer);
        };
        let asked = self.clock.monotonic();
        let mut last_attempt = Arc::clone(&entry.last_attempt).lock_owned().await;
        let held = entry.held.load();
        if held.as_ref().is_some_and(|held| held.fetched >= asked) {
            return Ok(());
        }
        let now = self.clock.monotonic();
        let cool_down = if held.is_some() {
            COOL_DOWN
        } else {
            COOL_DOWN_WITHOUT_KEYS
        };
        // Whoever waited for a fetch that failed does not try in turn, or the last would wait as
        // many times as long as there are callers.
        if last_attempt.is_some_and(|last| {
            last.ended >= asked || now.saturating_duration_since(last.began) < cool_down
        }) {
            return Err(KeyError::CoolingDown);
        }
        *last_attempt = Some(Attempt {
            began: now,
            ended: now,
        });
        // Old keys go on being used while the fetch runs, so that a slow issuer delays nobody.
        entry.be_lenient_until(now + COOL_DOWN);
        let (fetch, clock) = (Arc::clone(&self.fetch), Arc::clone(&self.clock));
        let (issuer, entry) = (issuer.clone(), Arc::clone(entry));
        let attempt = spawn(async move {
            let fetched = fetch_keys(&*fetch, &issuer).await;
            let now = clock.monotonic();
            if let Some(attempt) = last_attempt.as_mut() {
                attempt.ended = now;
            }
            entry.take(fetched, &issuer, now)
        });
        attempt.await.unwrap_or(Err(KeyError::Interrupted))
    }
}

impl KeyStore {
    /// Whether there are keys that may be used if newer ones cannot be had.
    #[must_use]
    pub fn has_old_keys(&self, issuer: &IssuerUrl) -> bool {
        let held = self
            .entries
            .get(issuer)
            .and_then(|entry| entry.held.load_full());
        let now = self.clock.monotonic();
        held.is_some_and(|held| now.saturating_duration_since(held.fetched) <= MAX_STALE_AGE)
    }
}

impl KeySource for KeyStore {
    fn keys(&self, issuer: &IssuerUrl) -> Option<Arc<Jwks>> {
        let entry = self.entries.get(issuer)?;
        let held = entry.held.load_full()?;
        let now = self.clock.monotonic();
        let age = now.saturating_duration_since(held.fetched);
        let usable = age <= MAX_AGE || (age <= MAX_STALE_AGE && entry.is_lenient(now));
        usable.then(|| Arc::clone(&held.keys))
    }
}

impl Entry {
    /// Keeps keys that were fetched at that moment, or what held until then.
    fn take(
        &self,
        fetched: Result<Jwks, KeyError>,
        issuer: &IssuerUrl,
        now: Moment,
    ) -> Result<(), KeyError> {
        match fetched {
            Ok(keys) => {
                let skipped = keys.skipped().len();
                tracing::info!(
                    issuer = issuer.as_str(),
                    keys = keys.keys().len(),
                    skipped,
                    "fetched the keys of an issuer"
                );
                self.held.store(Some(Arc::new(Held {
                    keys: Arc::new(keys),
                    fetched: now,
                })));
                Ok(())
            }
            Err(error) => {
                tracing::warn!(issuer = issuer.as_str(), %error, "fetching the keys of an issuer failed");
                self.be_lenient_until(now + COOL_DOWN);
                Err(error)
            }
        }
    }

    fn be_lenient_until(&self, then: Moment) {
        if let Ok(mut until) = self.lenient_until.lock() {
            *until = Some(then);
        }
    }

    fn is_lenient(&self, now: Moment) -> bool {
        self.lenient_until
            .lock()
            .is_ok_and(|until| until.is_some_and(|until| now < until))
    }
}

async fn fetch_keys(fetch: &dyn Fetch, issuer: &IssuerUrl) -> Result<Jwks, KeyError> {
    import_keys(&fetch_document(fetch, issuer).await?)
}

/// The JWK set of an issuer as it serves it, after making sure that it can be used.
pub async fn fetch_jwks(
    fetch: &dyn Fetch,
    issuer: &IssuerUrl,
) -> Result<serde_json::Value, KeyError> {
    let document = fetch_document(fetch, issuer).await?;
    import_keys(&document)?;
    serde_json::from_slice(&document).map_err(|error| KeyError::Jwks(error.to_string()))
}

/// Where the keys of an issuer are, as its metadata says (RFC 8414 section 2).
pub(crate) async fn jwks_uri(fetch: &dyn Fetch, issuer: &IssuerUrl) -> Result<String, KeyError> {
    let metadata = discover(fetch, issuer).await?;
    check_fetchable(&metadata.jwks_uri, issuer)?;
    Ok(metadata.jwks_uri)
}

async fn fetch_document(fetch: &dyn Fetch, issuer: &IssuerUrl) -> Result<Bytes, KeyError> {
    let metadata = discover(fetch, issuer).await?;
    check_fetchable(&metadata.jwks_uri, issuer)?;
    Ok(fetch.get(&metadata.jwks_uri, MAX_DOCUMENT_BYTES).await?)
}

/// The keys of a JWK set that may verify tokens: those of public keys (RFC 7517 section 5).
pub fn import_keys(document: &[u8]) -> Result<Jwks, KeyError> {
    Jwks::from_json(document, SymmetricKeys::Refuse, &Crypto)
        .map_err(|error| KeyError::Jwks(error.to_string()))
}

/// Where an issuer is asked about tokens, as its metadata says (RFC 8414 section 2).
pub(crate) async fn introspection_endpoint(
    fetch: &dyn Fetch,
    issuer: &IssuerUrl,
) -> Result<String, KeyError> {
    let metadata = discover(fetch, issuer).await?;
    let endpoint = metadata
        .introspection_endpoint
        .ok_or(KeyError::IntrospectionEndpoint)?;
    check_fetchable(&endpoint, issuer).map_err(|_| KeyError::IntrospectionEndpoint)?;
    Ok(endpoint)
}

async fn discover(fetch: &dyn Fetch, issuer: &IssuerUrl) -> Result<Metadata, KeyError> {
    let [openid, oauth] = metadata_urls(issuer);
    let document = match fetch.get(&openid, MAX_DOCUMENT_BYTES).await {
        Ok(document) => document,
        // The second place is asked only where the first has nothing; its error is the one
        // that most users can act on, as nearly every server has an OpenID document.
        Err(first) => fetch
            .get(&oauth, MAX_DOCUMENT_BYTES)
            .await
            .map_err(|_| first)?,
    };
    let metadata: Metadata =
        serde_json::from_slice(&document).map_err(|error| KeyError::Metadata(error.to_string()))?;
    if metadata.issuer == issuer.as_str() {
        Ok(metadata)
    } else {
        Err(KeyError::OtherIssuer)
    }
}

/// The members of the metadata that are used (RFC 8414 section 2).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
    introspection_endpoint: Option<String>,
}

/// Where the metadata may be: appended for OpenID Connect, inserted before the path for OAuth.
fn metadata_urls(issuer: &IssuerUrl) -> [String; 2] {
    let whole = issuer.as_str();
    let trimmed = whole.strip_suffix('/').unwrap_or(whole);
    let openid = format!("{trimmed}/.well-known/openid-configuration");
    let path_at = trimmed
        .find("://")
        .and_then(|at| trimmed.get(at + 3..)?.find('/').map(|slash| at + 3 + slash));
    let (origin, path) = path_at.map_or((trimmed, ""), |at| trimmed.split_at(at));
    [
        openid,
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ]
}

/// `https`, or `http` on loopback where the issuer itself is there: an issuer elsewhere has no say
/// in what is asked of this machine.
fn check_fetchable(url: &str, issuer: &IssuerUrl) -> Result<(), KeyError> {
    let parsed = RequestUrl::parse(url).map_err(|_| KeyError::JwksUri)?;
    let issuer = RequestUrl::parse(issuer.as_str()).map_err(|_| KeyError::JwksUri)?;
    let local = is_loopback(issuer.host()) && is_loopback(parsed.host());
    if parsed.scheme() == Scheme::Https || local {
        Ok(())
    } else {
        Err(KeyError::JwksUri)
    }
}

/// Why the keys of an issuer could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The policy set does not name that issuer.
    #[error("no API service accepts that issuer")]
    UnknownIssuer,
    /// The last fetch is too recent.
    #[error("the last attempt was less than {} s ago", COOL_DOWN.as_secs())]
    CoolingDown,
    /// The process is about to end.
    #[error("the fetch was broken off")]
    Interrupted,
    /// A document could not be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The metadata is not a JSON object with `issuer` and `jwks_uri`.
    #[error("the metadata is not a JSON object with issuer and jwks_uri: {0}")]
    Metadata(String),
    /// The metadata names another issuer.
    #[error(
        "the metadata names another issuer than the one configured; they must be the same, character by character (RFC 8414 section 3.3)"
    )]
    OtherIssuer,
    /// `jwks_uri` is not an https URL.
    #[error("the metadata's jwks_uri is not an https URL")]
    JwksUri,
    /// `introspection_endpoint` is missing or not an https URL.
    #[error(
        "the metadata has no introspection_endpoint that is an https URL; set endpoint under introspection"
    )]
    IntrospectionEndpoint,
    /// The JWKS cannot be used.
    #[error("the JWKS cannot be used: {0}")]
    Jwks(String),
}
