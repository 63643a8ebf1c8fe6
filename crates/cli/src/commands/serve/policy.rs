//! The policy that the decision service decides with: from its directory or a database, with what it asks of the
//! network and the environment, and kept up to date.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use portcullis_engine::Nonces;
use portcullis_pdp::PolicySet;
use portcullis_pdp::clock::Clock;
use portcullis_pdp::directory::{Fingerprint, PolicyDirectory};
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::local::{LocalDecisionPoint, LocalSettings, Secrets};
use portcullis_pdp::nonces::{KeyedNonces, MIN_NONCE_KEY_BYTES};
use portcullis_policies::Worker;
use portcullis_server::{CountedFetch, Deployments, Loaded, Metrics, Readiness, watch};

use super::Arguments;
use super::database::Database;
use crate::commands::directory;

/// A policy that decides, and what its directory looked like. Of a database nothing is loaded yet.
pub(super) struct LoadedPolicy {
    directory: Option<(PolicyDirectory, Fingerprint)>,
    pub(super) point: Arc<LocalDecisionPoint>,
    pub(super) services: usize,
    pub(super) http: Arc<HttpClient>,
}

pub(super) fn load(
    arguments: &Arguments,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
) -> Result<LoadedPolicy> {
    let (directory, policy) = match &arguments.policy {
        Some(path) => {
            let directory = directory(path);
            let seen = directory.fingerprint()?;
            let policy = directory.load()?;
            metrics.loaded(Loaded::Policy, true);
            (Some((directory, seen)), policy)
        }
        // Nothing is covered until there is a deployment.
        None => (None, PolicySet::default()),
    };
    let services = policy.services().len();
    let http = Arc::new(HttpClient::new(&roots(arguments)?)?);
    let fetch = CountedFetch::new(Arc::clone(&http) as _, metrics.clone());
    let settings = LocalSettings {
        nonces: nonces(arguments)?.map(|nonces| Arc::new(nonces) as Arc<dyn Nonces>),
        secrets: Some(Secrets::new(if arguments.database_url.is_some() {
            deployed_secret
        } else {
            environment_variable
        })),
        keep_claims: arguments.decisions.keeps_claims(),
        ..LocalSettings::default()
    };
    let point =
        LocalDecisionPoint::with_settings(policy, Arc::new(fetch), Arc::clone(clock), settings)?;
    Ok(LoadedPolicy {
        directory,
        point: Arc::new(point),
        services,
        http,
    })
}

/// Keeps the policy and the credentials up to date, in the background.
pub(super) fn follow(
    loaded: LoadedPolicy,
    database: Option<&Database>,
    worker: Worker,
    metrics: Metrics,
    readiness: Readiness,
    clock: Arc<dyn Clock>,
) {
    if let Some(database) = database {
        let (store, credentials) = (database.store.clone(), Arc::clone(&database.credentials));
        tokio::spawn(async move { credentials.follow(&store, &*clock).await });
        let deployments = Deployments {
            store: database.store.clone(),
            point: loaded.point,
            worker,
            languages: portcullis_policies::languages(),
            metrics,
            readiness,
        };
        tokio::spawn(deployments.follow());
    } else if let Some((directory, seen)) = loaded.directory {
        tokio::spawn(async move {
            loaded.point.hydrate().await;
            readiness.set(true);
            tracing::info!("ready");
            watch(directory, seen, loaded.point, worker, metrics).await;
        });
    }
}

/// A variable that the policy names as the place of a secret.
#[expect(
    clippy::disallowed_methods,
    reason = "which variables hold secrets is up to the policy"
)]
fn environment_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The same for a deployment. Who may deploy is not who runs this process: no other variable of it may be sent to
/// an introspection endpoint that a deployment names.
fn deployed_secret(name: &str) -> Option<String> {
    name.starts_with("INTROSPECTION_")
        .then(|| environment_variable(name))
        .flatten()
}

/// The nonces that DPoP proofs must carry, where there is a key for them.
fn nonces(arguments: &Arguments) -> Result<Option<KeyedNonces>> {
    let Some(key) = &arguments.dpop_nonce_key else {
        return Ok(None);
    };
    let nonces = KeyedNonces::new(key.trim().as_bytes());
    let too_short = || {
        anyhow!(
            "PORTCULLIS_DPOP_NONCE_KEY is [redacted]: expected at least {MIN_NONCE_KEY_BYTES} characters, such as those of `openssl rand -hex 32`"
        )
    };
    nonces.map(Some).ok_or_else(too_short)
}

fn roots(arguments: &Arguments) -> Result<TlsRoots> {
    let Some(path) = &arguments.root_ca else {
        return Ok(TlsRoots::public());
    };
    #[expect(clippy::disallowed_methods, reason = "the file that --root-ca names")]
    let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    TlsRoots::with_pem(&pem)
        .with_context(|| format!("{} holds no usable certificates", path.display()))
}
