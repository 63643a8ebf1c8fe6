//! `portcullis serve`: run the decision service.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use portcullis_pdp::clock::SystemClock;
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::local::{LocalDecisionPoint, LocalSettings, Secrets};
use portcullis_pdp::proofs::{KeyedNonces, MIN_NONCE_KEY_BYTES};
use portcullis_policies::Worker;
use portcullis_server::{
    AppState, GatewayCredentials, MIN_STATE_KEY_BYTES, Readiness, StateKey, router, serve, watch,
};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::{Outcome, directory};

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    PORTCULLIS_GATEWAY_CREDENTIALS=\"$(openssl rand -hex 32)\" portcullis serve --policy policy/\n  \
    portcullis serve --policy policy/ --credentials credentials.txt --listen 0.0.0.0:8080\n  \
    portcullis serve --policy policy/ --insecure-no-credentials")]
pub(crate) struct Arguments {
    /// The policy directory. Edits are picked up; a broken edit keeps the old policy.
    #[arg(long, value_name = "DIR")]
    policy: PathBuf,
    /// The address and port to listen on; port 0 takes a free one and logs it.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// A file with the gateway credentials that are accepted, one a line.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure_no_credentials")]
    credentials: Option<PathBuf>,
    /// The same, separated by commas.
    #[arg(
        long,
        env = "PORTCULLIS_GATEWAY_CREDENTIALS",
        hide_env_values = true,
        hide = true
    )]
    gateway_credentials: Option<String>,
    /// With a key, DPoP proofs must carry a nonce (RFC 9449 section 9). All replicas share the key.
    #[arg(
        long,
        env = "PORTCULLIS_DPOP_NONCE_KEY",
        hide_env_values = true,
        hide = true
    )]
    dpop_nonce_key: Option<String>,
    /// What the states are sealed with that gateways hand back with responses: the same for every
    /// replica. Without it, states are good in the process that made them only.
    #[arg(
        long,
        env = "PORTCULLIS_STATE_KEY",
        hide_env_values = true,
        value_name = "TEXT",
        hide = true
    )]
    state_key: Option<String>,
    /// Answer anyone, on a loopback address only.
    #[arg(long)]
    insecure_no_credentials: bool,
    /// A file of certificates (PEM) that are trusted beside the public ones when keys are fetched.
    #[arg(long, value_name = "FILE")]
    root_ca: Option<PathBuf>,
    /// The least severe level that is logged.
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = ["trace", "debug", "info", "warn", "error"])]
    log_level: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome> {
    start_log(arguments.log_level.parse()?);
    let credentials = credentials(arguments)?;
    let directory = directory(&arguments.policy);
    let seen = directory.fingerprint()?;
    let policy = directory.load()?;
    let worker = Worker::new(std::env::current_exe()?, &["compile-worker"]);
    let clock = Arc::new(SystemClock);
    let http = HttpClient::new(&roots(arguments)?)?;
    let services = policy.services().len();
    let settings = LocalSettings {
        nonces: nonces(arguments)?,
        secrets: Some(Secrets::new(environment_variable)),
        ..LocalSettings::default()
    };
    let point = LocalDecisionPoint::with_settings(
        policy,
        Arc::new(http),
        Arc::clone(&clock) as _,
        settings,
    )?;
    let point = Arc::new(point);
    let readiness = Readiness::default();
    let state = AppState {
        decision_point: Arc::clone(&point) as _,
        credentials: credentials.map(Arc::new),
        state_key: Arc::new(state_key(arguments)?),
        readiness: readiness.clone(),
        clock,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(arguments.listen)
            .await
            .with_context(|| format!("cannot listen on {}", arguments.listen))?;
        let address = listener.local_addr()?;
        let stop = stop_signal()?;
        tracing::info!(%address, services, "the decision service listens");
        if !address.ip().is_loopback() {
            tracing::warn!("calls are not encrypted: put TLS in front, as gateway credentials and tokens pass here");
        }
        tokio::spawn({
            let (point, readiness) = (Arc::clone(&point), readiness.clone());
            async move {
                point.hydrate().await;
                readiness.set(true);
                tracing::info!("ready");
                watch(directory, seen, point, worker).await;
            }
        });
        serve(listener, router(state), async {
            stop.await;
            readiness.set(false);
            tracing::info!("stopping: requests under way are finished first");
        })
        .await;
        Ok(Outcome::Yes)
    })
}

/// The gateway credentials that are accepted; `None` where the user insists on none.
fn credentials(arguments: &Arguments) -> Result<Option<GatewayCredentials>> {
    let from_file = match &arguments.credentials {
        Some(path) => {
            #[expect(
                clippy::disallowed_methods,
                reason = "the file that --credentials names"
            )]
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            Some(text)
        }
        None => None,
    };
    match from_file.or_else(|| arguments.gateway_credentials.clone()) {
        Some(_) if arguments.insecure_no_credentials => {
            bail!(
                "PORTCULLIS_GATEWAY_CREDENTIALS is set and --insecure-no-credentials is given: remove one"
            )
        }
        Some(list) => Ok(Some(GatewayCredentials::parse(&list)?)),
        None if !arguments.insecure_no_credentials => bail!(
            "no gateway credentials: set PORTCULLIS_GATEWAY_CREDENTIALS, name a file with --credentials, \
             or give --insecure-no-credentials on a loopback address"
        ),
        None if !arguments.listen.ip().is_loopback() => {
            bail!(
                "--insecure-no-credentials is for a loopback address only, and {} is none",
                arguments.listen
            )
        }
        None => Ok(None),
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

/// What the states are sealed with that gateways hand back: set, where there are replicas.
fn state_key(arguments: &Arguments) -> Result<StateKey> {
    let Some(text) = &arguments.state_key else {
        return StateKey::random().context("the system gives no random bytes");
    };
    StateKey::from_text(text.trim().as_bytes()).with_context(|| {
        format!("PORTCULLIS_STATE_KEY is [redacted]: expected at least {MIN_STATE_KEY_BYTES} characters, such as those of `openssl rand -hex 32`")
    })
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

/// Done at SIGTERM, which orchestrators send, or SIGINT, which Ctrl-C sends.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// One JSON object a line on standard error, in the same form as the authorizer's. Of libraries only
/// warnings are logged: below them nobody knows what they write.
fn start_log(level: LevelFilter) {
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_writer(std::io::stderr);
    let wanted = Targets::new()
        .with_target("portcullis", level)
        .with_default(level.min(LevelFilter::WARN));
    tracing_subscriber::registry()
        .with(lines.with_filter(wanted))
        .init();
}
