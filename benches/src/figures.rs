//! The figures, and how each is measured.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use portcullis_test_support::http;
use portcullis_test_support::lambda::Function;
use serde_json::json;

use crate::decision_service::{AUDIENCE, CREDENTIAL};
use crate::own_cost;

/// How many processes are started for the time to the first request.
pub(crate) const STARTS: usize = 41;
/// How many decisions are measured after the warm-up.
pub(crate) const DECISIONS: usize = 5_000;
pub(crate) const WARM_UP: usize = 500;

/// What was measured.
pub(crate) struct Figures {
    /// From process start to the first request for an event: median and slowest.
    pub(crate) start: (Duration, Duration),
    /// `VmHWM` after all decisions, in KiB.
    pub(crate) peak_memory_kib: u64,
    /// From the event's departure to the answer's arrival: median and 99th percentile.
    pub(crate) decision: (Duration, Duration),
    /// The same for the first event of an instance, which also connects: median.
    pub(crate) first_decision: Duration,
    /// The same where the service is behind TLS: median.
    pub(crate) first_decision_tls: Duration,
    /// The authorizer's own cost.
    pub(crate) own_cost: Duration,
    /// Bytes of `bootstrap` and of a zip with it.
    pub(crate) size: (u64, u64),
}

impl Figures {
    pub(crate) fn measure(bootstrap: &Path, service_url: &str, token: &str) -> Result<Self> {
        let environment = [
            ("SERVICE_URL", service_url),
            ("SECRET_HEADER_VALUE", CREDENTIAL),
            ("PORTCULLIS_BASE_URL", AUDIENCE),
            ("PORTCULLIS_STRIP_STAGE", "true"),
        ];
        let event = event(token);
        let mut firsts_tls = first_decisions_over_tls(bootstrap, &event)?;
        let mut starts = Vec::with_capacity(STARTS);
        let mut firsts = Vec::with_capacity(STARTS);
        for _ in 0..STARTS {
            let mut function = Function::start(bootstrap, &environment);
            starts.push(function.ready());
            firsts.push(decide(&mut function, &event)?);
        }
        let mut function = Function::start(bootstrap, &environment);
        function.ready();
        for _ in 0..WARM_UP {
            decide(&mut function, &event)?;
        }
        let mut decisions = (0..DECISIONS)
            .map(|_| decide(&mut function, &event))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            start: (percentile(&mut starts, 50)?, percentile(&mut starts, 100)?),
            peak_memory_kib: function.peak_memory_kib(),
            decision: (
                percentile(&mut decisions, 50)?,
                percentile(&mut decisions, 99)?,
            ),
            first_decision: percentile(&mut firsts, 50)?,
            first_decision_tls: percentile(&mut firsts_tls, 50)?,
            own_cost: own_cost::measure(&event)?,
            size: (fs::metadata(bootstrap)?.len(), zip_size(&[bootstrap])?),
        })
    }
}

/// The first decisions of instances whose service is behind TLS on loopback. It echoes each request,
/// which is a permit, so that what is measured is the authorizer and its handshake.
fn first_decisions_over_tls(bootstrap: &Path, event: &str) -> Result<Vec<Duration>> {
    let (address, certificate) = http::listen_tls(|mut connection| {
        while let Some(request) = connection.read()? {
            connection.write(
                "200 OK",
                "Content-Type: application/json\r\n",
                &request.body,
            )?;
        }
        Ok(())
    });
    let url = format!("https://{address}");
    let environment = [
        ("SERVICE_URL", url.as_str()),
        ("SECRET_HEADER_VALUE", CREDENTIAL),
        ("PORTCULLIS_ROOT_CA", &certificate),
    ];
    let first = |_| {
        let mut function = Function::start(bootstrap, &environment);
        function.ready();
        decide(&mut function, event)
    };
    (0..STARTS).map(first).collect()
}

/// One decision that must come out as an allow.
pub(crate) fn decide(function: &mut Function, event: &str) -> Result<Duration> {
    let invocation = function.invoke(event);
    match invocation.outcome {
        Ok(answer) if answer.contains("\"Allow\"") => Ok(invocation.elapsed),
        other => bail!("expected an allow, got {other:?}"),
    }
}

/// A REST REQUEST event with the headers that a browser and API Gateway send.
pub(crate) fn event(token: &str) -> String {
    let headers = [
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Authorization", &format!("Bearer {token}")),
        ("Host", "v4npdwpiab.execute-api.us-east-1.amazonaws.com"),
        (
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36",
        ),
        (
            "X-Amzn-Trace-Id",
            "Root=1-5e66d96f-7491f09xmpl79d18acf3d050",
        ),
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
    ];
    let single: serde_json::Map<_, _> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let multiple: serde_json::Map<_, _> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!([value])))
        .collect();
    json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:v4npdwpiab/prod/GET/planets",
        "resource": "/planets", "path": "/planets", "httpMethod": "GET",
        "headers": single, "multiValueHeaders": multiple,
        "queryStringParameters": {}, "multiValueQueryStringParameters": {},
        "pathParameters": {}, "stageVariables": {},
        "requestContext": {
            "resourceId": "abc123", "resourcePath": "/planets", "httpMethod": "GET", "path": "/prod/planets",
            "accountId": "123456789012", "protocol": "HTTP/1.1", "stage": "prod", "apiId": "v4npdwpiab",
            "domainName": "v4npdwpiab.execute-api.us-east-1.amazonaws.com", "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": { "sourceIp": "203.0.113.7", "userAgent": "Mozilla/5.0" },
        },
    })
    .to_string()
}

fn percentile(times: &mut [Duration], percent: usize) -> Result<Duration> {
    times.sort();
    let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(at).copied().context("nothing was measured")
}

/// Bytes of a zip with these files, and folders and all that is in them.
pub(crate) fn zip_size(content: &[&Path]) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let zip = folder.path().join("function.zip");
    let status = Command::new("python3")
        .args(["-m", "zipfile", "-c"])
        .arg(&zip)
        .args(content)
        .status()?;
    ensure!(status.success(), "python3 -m zipfile failed");
    Ok(fs::metadata(&zip)?.len())
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "tokens need the real time")]
pub(crate) fn unix_now() -> Result<u64> {
    Ok(SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_secs())
}
