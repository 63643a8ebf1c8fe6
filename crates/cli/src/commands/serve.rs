//! `portcullis serve`: run the decision service.

mod database;
mod decisions;
mod policy;
mod secrets;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use portcullis_engine::IssuerUrl;
use portcullis_pdp::clock::{Clock, SystemClock};
use portcullis_pdp::http::HttpClient;
use portcullis_policies::Worker;
use portcullis_server::{
    AppState, CountedDecisions, DEFAULT_DRAIN_DELAY, DEFAULT_MAX_REQUESTS, DRAIN_TIME,
    DecisionWriter, GatewayCredentials, LARGEST_MAX_REQUESTS, Limits, Loaded,
    MIN_UNGUESSABLE_BYTES, Metrics, Operations, Readiness, Serving, StopSignal, Stopper, Stopping,
    TLS_RELOAD_INTERVAL, TlsIdentity, TraceSettings, Traces, metrics_router, router, serve,
};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use self::database::{Database, administration, all_credentials};
use self::decisions::DecisionArguments;
use self::policy::{follow, load};
use self::secrets::{credentials, state_key, system_issuer};
use super::Outcome;

/// Most connections at once to the address for metrics alone.
const MAX_METRICS_CONNECTIONS: usize = 16;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    PORTCULLIS_GATEWAY_CREDENTIALS=\"$(openssl rand -hex 32)\" portcullis serve --policy policy/\n  \
    portcullis serve --policy policy/ --credentials credentials.txt --listen 0.0.0.0:8080\n  \
    portcullis serve --policy policy/ --credentials credentials.txt --listen 0.0.0.0:8443 \\\n    \
    --tls-certificate tls.crt --tls-key tls.key --metrics-listen 0.0.0.0:9090\n  \
    portcullis serve --policy policy/ --insecure-no-credentials")]
pub(crate) struct Arguments {
    /// The policy directory. Edits are picked up; a broken edit keeps the old policy.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "database_url",
        required_unless_present = "database_url"
    )]
    policy: Option<PathBuf>,
    /// A database whose current deployment decides: `sqlite:PATH` or
    /// `postgres://USER:PASSWORD@HOST/NAME`.
    #[arg(
        long,
        value_name = "URL",
        env = "PORTCULLIS_DATABASE_URL",
        hide_env_values = true
    )]
    database_url: Option<String>,
    /// The address and port to listen on; port 0 takes a free one and logs it.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// A file with the gateway credentials that are accepted, one a line.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure_no_credentials")]
    credentials: Option<PathBuf>,
    /// The gateway credentials that are accepted, separated by commas, where no file is given.
    #[arg(
        long,
        env = "PORTCULLIS_GATEWAY_CREDENTIALS",
        hide_env_values = true,
        hide = true
    )]
    gateway_credentials: Option<String>,
    /// With a key of at least 32 characters, DPoP proofs must carry a nonce (RFC 9449 section 9). All replicas share
    /// the key.
    #[arg(
        long,
        env = "PORTCULLIS_DPOP_NONCE_KEY",
        hide_env_values = true,
        hide = true
    )]
    dpop_nonce_key: Option<String>,
    /// What the states are sealed with that gateways hand back with responses, and the key that signs the tokens of
    /// Cloudentity gateways: at least 32 characters, the same for every replica. Without it, both are good in the
    /// process that made them only.
    #[arg(
        long,
        env = "PORTCULLIS_STATE_KEY",
        hide_env_values = true,
        value_name = "TEXT",
        hide = true
    )]
    state_key: Option<String>,
    /// Where traces go: the base URL of a collector that takes OTLP (http/protobuf).
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide = true)]
    otlp_endpoint: Option<String>,
    /// Where traces go: the whole URL.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", hide = true)]
    otlp_traces_endpoint: Option<String>,
    /// The name of this service in traces.
    #[arg(
        long,
        env = "OTEL_SERVICE_NAME",
        hide = true,
        default_value = "portcullis"
    )]
    otel_service_name: String,
    /// `true` turns traces off, whatever the other variables say.
    #[arg(long, env = "OTEL_SDK_DISABLED", hide = true, default_value = "")]
    otel_sdk_disabled: String,
    /// An administrator token of at least 32 characters, a deployer, that is good beside those of the database.
    #[arg(
        long,
        env = "PORTCULLIS_ADMIN_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        hide = true
    )]
    admin_token: Option<String>,
    /// The URL that clients find this service under, for the metadata of AuthZEN and the issuer of
    /// Cloudentity gateways.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Answer anyone, on a loopback address only.
    #[arg(long)]
    insecure_no_credentials: bool,
    /// A file of certificates (PEM) that are trusted beside the public ones when keys are fetched.
    #[arg(long, value_name = "FILE")]
    root_ca: Option<PathBuf>,
    /// The certificate of the service (PEM, its own first). A new one is picked up.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The private key of that certificate (PEM, not encrypted).
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// An address for metrics alone, plain HTTP for anyone who can connect. Without it, a loopback
    /// --listen answers at /metrics and others do not.
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,
    /// How many requests may be decided at once; more are answered with 429.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_REQUESTS,
        value_parser = clap::value_parser!(u16).range(1..=i64::from(LARGEST_MAX_REQUESTS)))]
    max_requests: u16,
    /// Seconds, up to 600, for which calls are still taken after SIGTERM while /health/ready says no [default: 5, on
    /// loopback addresses 0].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(0..=600))]
    drain_delay: Option<u16>,
    #[command(flatten)]
    decisions: DecisionArguments,
    /// The least severe level that is logged.
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = ["trace", "debug", "info", "warn", "error"])]
    log_level: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome> {
    start_log(arguments.log_level.parse()?);
    let given = credentials(arguments)?;
    let short = given.as_ref().map_or(0, GatewayCredentials::short);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let database = match &arguments.database_url {
        Some(url) => Some(runtime.block_on(Database::open(url, &*clock))?),
        None => None,
    };
    let metrics = Metrics::new(Arc::clone(&clock));
    let tls = tls(arguments, &metrics)?;
    let loaded = load(arguments, &clock, &metrics)?;
    let worker = Worker::new(std::env::current_exe()?, &["compile-worker"]);
    let readiness = Readiness::default();
    let stopper = Stopper::new(readiness.clone(), drain_delay(arguments));
    let stopping = stopper.stopping();
    let kept_in = database.as_ref().map(|one| one.store.clone());
    let decisions = arguments
        .decisions
        .open(kept_in, &clock, &metrics, &stopping)?;
    let state = AppState {
        decision_point: Arc::new(CountedDecisions::new(
            Arc::clone(&loaded.point) as _,
            Arc::clone(&clock),
            metrics.clone(),
        )),
        credentials: all_credentials(given, arguments, database.as_ref()),
        administration: Arc::new(administration(arguments, database.as_ref())?),
        decisions: decisions.clone(),
        management: database
            .as_ref()
            .map(|one| Arc::new(one.management(&worker, system_issuer(arguments)))),
        state_key: Arc::new(state_key(arguments)?),
        public_url: public_url(arguments)?,
        readiness: readiness.clone(),
        clock: Arc::clone(&clock),
    };
    let traces = traces(arguments, loaded.http.clone(), runtime.handle())?;
    let operations = Operations {
        metrics: metrics.clone(),
        max_requests: arguments.max_requests,
        stopping: stopping.clone(),
        traces: traces.clone(),
    };
    let mut routes = router(state);
    if arguments.metrics_listen.is_none() && arguments.listen.ip().is_loopback() {
        routes = routes.merge(metrics_router(metrics.clone()));
    }
    let routes = operations.surround(routes);
    let serving = Serving {
        tls: tls.clone(),
        metrics: metrics.clone(),
        stopping,
        limits: Limits::default(),
    };
    runtime.block_on(async {
        let listener = bind(arguments.listen).await?;
        let address = listener.local_addr()?;
        tokio::spawn(stopper.run(signals()?));
        let recorded = decisions.start();
        let for_metrics = match arguments.metrics_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        tracing::info!(%address, services = loaded.services, tls = tls.is_some(), "the decision service listens");
        if tls.is_none() && !address.ip().is_loopback() {
            tracing::warn!("calls are not encrypted: give --tls-certificate and --tls-key, or put TLS in front, as gateway credentials and tokens pass here");
        }
        if short > 0 {
            tracing::warn!(
                count = short,
                "gateway credentials shorter than {MIN_UNGUESSABLE_BYTES} characters can be guessed: replace them, such as by `openssl rand -hex 32`"
            );
        }
        if let Some(tls) = tls {
            let metrics = metrics.clone();
            tokio::spawn(async move { tls.watch(TLS_RELOAD_INTERVAL, metrics).await });
        }
        if let Some(listener) = for_metrics {
            serve_metrics(listener, &metrics, &serving)?;
        }
        follow(loaded, database.as_ref(), worker, metrics, readiness, clock);
        let stopping = serving.stopping.clone();
        serve(listener, routes, serving).await;
        finish(recorded, database, traces, &stopping).await;
        Ok(Outcome::Yes)
    })
}

/// Stores and sends what is left, unless a second signal says that there is no time for it.
async fn finish(
    recorded: DecisionWriter,
    database: Option<Database>,
    traces: Option<Traces>,
    stopping: &Stopping,
) {
    let stored = async {
        recorded.finish(DRAIN_TIME).await;
        if let Some(database) = database {
            database.close().await;
        }
    };
    let sent = async {
        if let Some(traces) = traces {
            traces.finish().await;
        }
    };
    tokio::select! {
        _ = async { tokio::join!(stored, sent) } => {}
        () = stopping.ended() => {}
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

/// The traces, where the standard variables of OpenTelemetry say where they go.
fn traces(
    arguments: &Arguments,
    client: Arc<HttpClient>,
    runtime: &Handle,
) -> Result<Option<Traces>> {
    let given = |url: &Option<String>| url.clone().filter(|url| !url.is_empty());
    let whole = given(&arguments.otlp_traces_endpoint);
    let base = || given(&arguments.otlp_endpoint);
    let below = |base: String| format!("{}/v1/traces", base.trim_end_matches('/'));
    let disabled = arguments.otel_sdk_disabled.eq_ignore_ascii_case("true");
    let Some(endpoint) = whole.or_else(|| base().map(below)).filter(|_| !disabled) else {
        return Ok(None);
    };
    let settings = TraceSettings {
        endpoint,
        service_name: arguments.otel_service_name.clone(),
    };
    let traces = Traces::new(&settings, client, runtime.clone())?;
    tracing::info!(service_name = settings.service_name, "traces are sent");
    Ok(Some(traces))
}

/// The certificate of the service, where it speaks TLS.
fn tls(arguments: &Arguments, metrics: &Metrics) -> Result<Option<Arc<TlsIdentity>>> {
    let (Some(certificate), Some(key)) = (&arguments.tls_certificate, &arguments.tls_key) else {
        return Ok(None);
    };
    let identity = TlsIdentity::load(certificate, key)?;
    metrics.loaded(Loaded::Certificate, true);
    Ok(Some(Arc::new(identity)))
}

/// Metrics on an address of their own, in the background: they go on while the service drains.
fn serve_metrics(listener: TcpListener, metrics: &Metrics, serving: &Serving) -> Result<()> {
    tracing::info!(metrics_address = %listener.local_addr()?, "metrics are served");
    let serving = Serving {
        tls: None,
        // Who reads the metrics is not counted among the clients of the service.
        metrics: Metrics::new(Arc::new(SystemClock)),
        limits: Limits {
            max_connections: MAX_METRICS_CONNECTIONS,
            ..Limits::default()
        },
        stopping: serving.stopping.clone(),
    };
    tokio::spawn(serve(listener, metrics_router(metrics.clone()), serving));
    Ok(())
}

/// How long calls are still taken after SIGTERM. Nothing balances load to a loopback address.
fn drain_delay(arguments: &Arguments) -> Duration {
    match arguments.drain_delay {
        Some(seconds) => Duration::from_secs(seconds.into()),
        None if arguments.listen.ip().is_loopback() => Duration::ZERO,
        None => DEFAULT_DRAIN_DELAY,
    }
}

/// Where clients find the service, for metadata.
fn public_url(arguments: &Arguments) -> Result<Option<Arc<str>>> {
    let Some(url) = &arguments.public_url else {
        return Ok(None);
    };
    let trimmed = url.trim_end_matches('/');
    // An issuer has the same form: https but for loopback addresses, no query, no fragment.
    IssuerUrl::parse(trimmed).map_err(|_| {
        anyhow!("--public-url {url}: expected an https URL without query and fragment, such as https://pdp.example.com")
    })?;
    Ok(Some(trimmed.into()))
}

/// SIGTERM, which orchestrators send, and SIGINT, which Ctrl-C sends, from now on.
fn signals() -> Result<mpsc::Receiver<StopSignal>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let signal = tokio::select! {
                _ = terminate.recv() => StopSignal::Terminate,
                _ = interrupt.recv() => StopSignal::Interrupt,
            };
            if sender.send(signal).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
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
