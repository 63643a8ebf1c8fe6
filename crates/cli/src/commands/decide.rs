//! `portcullis decide`: one decision with its trace.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use portcullis_model::{CheckOutcome, Decision, Deny, Outcome as Effect};
use portcullis_pdp::DecisionPoint;
use portcullis_pdp::clock::SystemClock;
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::local::LocalDecisionPoint;
use portcullis_sideband::{SidebandRequest, UNKNOWN_SOURCE_IP, UNKNOWN_SOURCE_PORT};
use serde_json::{Map, Value, json};

use super::{Outcome, directory, print};

/// Largest request file, in bytes.
const MAX_REQUEST_BYTES: u64 = 1024 * 1024;

#[derive(Args)]
#[command(
    after_help = "The request is the JSON of a sideband call; address and headers may be left out:\n  \
    {\"method\": \"GET\", \"url\": \"https://api.example.com/planets\",\n   \
    \"headers\": [{\"Authorization\": \"Bearer ...\"}]}\n\n\
    Examples:\n  portcullis decide --policy policy/ --request request.json\n  \
    portcullis decide --policy policy/ --request - --json < request.json"
)]
pub(crate) struct Arguments {
    /// The policy directory.
    #[arg(long, value_name = "DIR")]
    policy: PathBuf,
    /// The file with the request, or - for standard input.
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome> {
    let policy = directory(&arguments.policy).load()?;
    let request = complete(&read(arguments)?)?;
    let request = request
        .to_api_request()
        .context("the request cannot be decided on")?;
    let http = Arc::new(HttpClient::new(&TlsRoots::public())?);
    let point = LocalDecisionPoint::new(policy, http, Arc::new(SystemClock));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let decision = runtime.block_on(DecisionPoint::decide(&point, &request))?;
    print(&if arguments.json {
        as_json(&decision).to_string()
    } else {
        as_text(&decision)
    })?;
    Ok(if decision.is_permit() {
        Outcome::Yes
    } else {
        Outcome::No
    })
}

fn read(arguments: &Arguments) -> Result<String> {
    let mut text = String::new();
    let name = arguments.request.display();
    if arguments.request.as_os_str() == "-" {
        std::io::stdin()
            .take(MAX_REQUEST_BYTES)
            .read_to_string(&mut text)
    } else {
        std::fs::File::open(&arguments.request)
            .and_then(|file| file.take(MAX_REQUEST_BYTES).read_to_string(&mut text))
    }
    .with_context(|| format!("cannot read the request from {name}"))?;
    Ok(text)
}

/// Fills in what a gateway would know.
fn complete(text: &str) -> Result<SidebandRequest> {
    let mut request: Map<String, Value> =
        serde_json::from_str(text).context("the request is not a JSON object")?;
    for (name, value) in [
        ("source_ip", json!(UNKNOWN_SOURCE_IP)),
        ("source_port", json!(UNKNOWN_SOURCE_PORT)),
        ("headers", json!([])),
    ] {
        request.entry(name).or_insert(value);
    }
    match SidebandRequest::parse(Value::from(request).to_string().as_bytes()) {
        Ok(request) => Ok(request),
        Err(error) => bail!("{error}"),
    }
}

fn as_text(decision: &Decision) -> String {
    let mut lines = vec![match &decision.outcome {
        Effect::Permit(_) => format!("permit  {}", decision.reason),
        Effect::Deny(deny) => format!("deny    {} {}", deny.status, decision.reason),
    }];
    let or_none = |name: &Option<Arc<str>>| name.as_deref().unwrap_or("none").to_owned();
    lines.push(format!("service    {}", or_none(&decision.trace.service)));
    lines.push(format!("operation  {}", or_none(&decision.trace.operation)));
    // The first twelve digits tell two revisions apart; --json has all of them.
    let revision: String = or_none(&decision.trace.revision).chars().take(19).collect();
    lines.push(format!("revision   {revision}"));
    for check in &decision.trace.checks {
        let mark = match check.outcome {
            CheckOutcome::Passed => "passed",
            CheckOutcome::Failed => "FAILED",
        };
        let level = check.level.as_str();
        lines.push(format!(
            "  {mark}  {level:<9}  {}: {}",
            check.name, check.detail
        ));
        let attributes = check.attributes.iter();
        lines.extend(
            attributes.map(|one| format!("                       {}: {}", one.name, one.value)),
        );
    }
    if let Some(miss) = &decision.trace.nearest_miss {
        lines.push(format!("nearest    {miss}"));
    }
    if let Effect::Deny(deny) = &decision.outcome {
        lines.extend(
            deny.www_authenticate()
                .map(|value| format!("WWW-Authenticate: {value}")),
        );
    }
    lines.join("\n")
}

fn as_json(decision: &Decision) -> Value {
    let checks = decision.trace.checks.iter().map(|check| {
        json!({
            "name": check.name,
            "level": check.level.as_str(),
            "passed": check.outcome == CheckOutcome::Passed,
            "detail": check.detail,
            "attributes": check.attributes.iter().map(|one| (one.name.to_string(), json!(one.value))).collect::<Map<_, _>>(),
        })
    });
    let deny = match &decision.outcome {
        Effect::Permit(_) => None,
        Effect::Deny(deny) => Some(deny),
    };
    json!({
        "decision": decision.as_str(),
        "status": decision.status(),
        "reason": decision.reason.code.as_str(),
        "message": decision.reason.message,
        "challenges": deny.into_iter().flat_map(Deny::www_authenticate).collect::<Vec<_>>(),
        "service": decision.trace.service.as_deref(),
        "operation": decision.trace.operation.as_deref(),
        "revision": decision.trace.revision.as_deref(),
        "checks": checks.collect::<Vec<_>>(),
        "nearest_miss": decision.trace.nearest_miss,
        "context": decision.context,
    })
}
