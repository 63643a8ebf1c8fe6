//! Cloudentity mode: reading a configuration, deciding with it, and what a function takes that holds it.
//!
//! Reading and deciding are measured in this process; start and memory are those of the release `bootstrap` with a
//! control plane on loopback, made by hand, that serves a configuration.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use portcullis_cloudentity::GatewayConfiguration;
use portcullis_engine::Progress;
use portcullis_jose::{Jwks, SymmetricKeys};
use portcullis_model::{ApiRequest, AwsEntry, HeaderMap, Method, RequestUrl, Source};
use portcullis_pdp::cloudentity::{CompiledConfiguration, compile_configuration};
use portcullis_test_support::http;
use portcullis_test_support::lambda::Function;
use serde_json::{Value, json};

use crate::goals::{Goal, Target, Unit};
use crate::policy_decision::{AnySignature, Keys};
use crate::report::{machine, thousands};
use crate::rounds::{Samples, Spread, take_turns, timed};
use crate::section::Section;
use crate::tokens::{ISSUER, Tokens};

/// APIs of the configuration that is decided with, and of the large one.
const APIS: usize = 1_000;
const MANY_APIS: usize = 5_000;
/// APIs of one service.
const OF_SERVICE: usize = 250;
/// Policies that the APIs have by turns.
const POLICIES: usize = 20;
/// How often the large one is read, and how many functions are started with it.
const READS: usize = 31;
const STARTS: usize = 11;
const ROUNDS: usize = 300;
const DECISIONS: u32 = 500;

const MAX_DECISION: f64 = 60e-6;
const MAX_READ: f64 = 0.2;
const MAX_MEMORY: f64 = 64e6;

/// What was measured.
pub(crate) struct Figures {
    bytes: usize,
    read: Spread,
    /// A new token each time, and the same again is left out: it is what other modes show.
    decision: Spread,
    /// From the start of the process to the first answer.
    first_answer: Spread,
    peak_memory_kib: u64,
}

impl Figures {
    /// In bytes.
    fn peak_memory(&self) -> Result<f64> {
        Ok(f64::from(u32::try_from(self.peak_memory_kib)?) * 1024.0)
    }
}

pub(crate) fn measure(binaries: &Path, now: u64) -> Result<Figures> {
    let text = configuration(MANY_APIS).to_string();
    let (first_answer, peak_memory_kib) = function(&binaries.join("bootstrap"), &text)?;
    Ok(Figures {
        bytes: text.len(),
        read: reading(&text)?,
        decision: deciding(now)?,
        first_answer,
        peak_memory_kib,
    })
}

/// A configuration of that many APIs, a tenth of them unrestricted.
fn configuration(apis: usize) -> Value {
    let service = |number: usize| {
        json!({
            "id": format!("s{number}"), "name": format!("Service {number}"), "type": "oauth2", "gateway_id": "g",
            "api_group_metadata": { "type": "aws", "aws": { "api_id": format!("api{number}"), "api_name": "x", "stage": "prod" } },
        })
    };
    let api = |number: usize| {
        let policy = if number.is_multiple_of(10) {
            String::new()
        } else {
            format!("p{}", number % POLICIES)
        };
        let method = ["GET", "POST", "PUT", "DELETE"].get(number % 4);
        json!({
            "id": format!("a{number}"), "service_id": format!("s{}", number / OF_SERVICE), "api_type": "rest",
            "method": method, "path": format!("/resource{}/{{id}}/items", number / 4),
            "policy_id": policy, "position": number % OF_SERVICE, "can_have_policy": true, "tenant_id": "t", "server_id": "w",
        })
    };
    let policy = |number: usize| {
        json!({
            "id": format!("p{number}"), "policy_name": format!("Policy {number}"), "language": "cloudentity", "type": "api",
            "validators": [{ "name": "identity-context", "conf": { "fields": [
                { "field": "scope", "comparator": "contains", "value": "planets.read" },
                { "field": "sub", "comparator": "exists" },
            ] } }],
        })
    };
    json!({
        "tenant_id": "t", "server_id": "w", "issuer_url": ISSUER, "jwks_url": format!("{ISSUER}/jwks"),
        "services": (0..apis.div_ceil(OF_SERVICE)).map(service).collect::<Vec<_>>(),
        "apis": (0..apis).map(api).collect::<Vec<_>>(),
        "policies": (0..POLICIES).map(policy).collect::<Vec<_>>(),
    })
}

fn read(text: &str) -> Result<CompiledConfiguration> {
    let configuration: GatewayConfiguration = serde_json::from_str(text)?;
    let endpoint = "https://acp.example.com/api/system/t/gateways/introspect";
    compile_configuration(&configuration, false, endpoint, &[])
        .map_err(|problems| anyhow!("{problems}"))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn reading(text: &str) -> Result<Spread> {
    let mut samples = Vec::new();
    for _ in 0..READS {
        let started = Instant::now();
        let compiled = read(text)?;
        samples.push(started.elapsed().as_secs_f64());
        ensure!(
            compiled.warnings.is_empty(),
            "{:?}",
            compiled.warnings.first()
        );
        ensure!(
            compiled.apis.len() == MANY_APIS,
            "{} APIs",
            compiled.apis.len()
        );
    }
    samples.into_iter().collect::<Samples>().spread()
}

fn deciding(now: u64) -> Result<Spread> {
    let compiled = read(&configuration(APIS).to_string())?;
    let tokens = Tokens::new(now)?;
    let jwks = tokens.jwks.to_string();
    let keys = Jwks::from_json(jwks.as_bytes(), SymmetricKeys::Refuse, &AnySignature)?;
    let keys = Keys::of(keys);
    let signed = tokens
        .algorithms
        .iter()
        .find(|signed| signed.algorithm == "ES256");
    let tokens = &signed.context("there are ES256 tokens")?.tokens;
    // The last API of the last service.
    let (number, service) = (APIS - 1, APIS / OF_SERVICE - 1);
    let path = format!("/resource{}/7/items", number / 4);
    let requests = tokens
        .iter()
        .map(|token| {
            let mut headers = HeaderMap::new();
            headers.append("Accept", "application/json")?;
            headers.append("Authorization", &format!("Bearer {token}"))?;
            headers.append("X-Forwarded-For", "203.0.113.7")?;
            Ok(ApiRequest {
                method: Method::parse("DELETE")?,
                url: RequestUrl::parse(&format!("https://api.example.com{path}"))?,
                http_version: "1.1".into(),
                headers,
                source: Source::default(),
                client_certificate: None,
                body: None,
                entry: Some(AwsEntry {
                    api_id: format!("api{service}"),
                    stage: "prod".to_owned(),
                    path: path.clone(),
                }),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    for request in &requests {
        match compiled.policy.decide(request, &keys, now) {
            Progress::Decided(decision) => ensure!(decision.is_permit(), "{:?}", decision.reason),
            other => bail!("everything is there, but {other:?}"),
        }
    }
    let round = || {
        timed(DECISIONS, |number| {
            let request = requests.get(number % requests.len());
            if let Some(request) = request {
                black_box(compiled.policy.decide(black_box(request), &keys, now));
            }
            Ok(())
        })
    };
    let samples = take_turns(&mut [Box::new(round)], ROUNDS)?;
    samples.first().context("one contestant")?.spread()
}

/// Functions that start with that configuration: the time to the first answer, and the most memory of one that also
/// reads it again.
fn function(bootstrap: &Path, text: &str) -> Result<(Spread, u64)> {
    ensure!(
        bootstrap.is_file(),
        "{} is not there: run `make build` first",
        bootstrap.display()
    );
    let served = text.to_owned();
    let address = http::listen(move |mut connection| {
        while let Some(request) = connection.read()? {
            let json = "Content-Type: application/json\r\n";
            if request.line.ends_with("/oauth2/token") {
                connection.write("200 OK", json, br#"{"access_token":"t","expires_in":600}"#)?;
            } else if request.line.starts_with("GET ") {
                // Without an entity tag: it is read again every time.
                connection.write("200 OK", json, served.as_bytes())?;
            } else {
                connection.write("200 OK", json, b"{}")?;
            }
        }
        Ok(())
    });
    let directory = tempfile::tempdir()?;
    let copy = directory.path().join("copy.json");
    let issuer = format!("http://{address}/t/system");
    let environment = [
        ("ACP_ISSUER_URL", issuer.as_str()),
        ("ACP_CLIENT_ID", "gateway"),
        ("ACP_CLIENT_SECRET", "benchmark-secret"),
        (
            "PORTCULLIS_CONFIGURATION_COPY",
            copy.to_str().unwrap_or_default(),
        ),
    ];
    let event = unrestricted().to_string();
    let mut samples = Vec::new();
    let mut peak = 0;
    for _ in 0..STARTS {
        let mut function = Function::start(bootstrap, &environment);
        let ready = function.ready();
        let answer = function.invoke(&event);
        ensure!(
            answer
                .outcome
                .as_ref()
                .is_ok_and(|text| text.contains("\"Allow\"")),
            "expected an allow, got {:?}",
            answer.outcome
        );
        samples.push((ready + answer.elapsed).as_secs_f64());
        let scheduled =
            json!({ "source": "aws.events", "detail-type": "Scheduled Event" }).to_string();
        for _ in 0..3 {
            function.invoke(&scheduled);
        }
        peak = peak.max(function.peak_memory_kib());
    }
    Ok((samples.into_iter().collect::<Samples>().spread()?, peak))
}

/// An event for an API without a policy: no token is in the way of the figure.
fn unrestricted() -> Value {
    json!({
        "type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:123456789012:api0/prod/GET/resource0/7/items",
        "resource": "/resource0/{id}/items", "path": "/resource0/7/items", "httpMethod": "GET", "headers": {}, "multiValueHeaders": {},
        "requestContext": {
            "path": "/prod/resource0/7/items", "stage": "prod", "apiId": "api0", "httpMethod": "GET",
            "domainName": "api0.execute-api.us-east-1.amazonaws.com", "identity": { "sourceIp": "192.0.2.7" },
        },
    })
}

/// The section of docs/benchmarks.md.
pub(crate) fn section(figures: &Figures) -> Result<Section> {
    let goals = goals(figures)?;
    let verdict = |at: usize| goals.get(at).map_or("", Goal::verdict);
    let millis = |spread: Spread| {
        let Spread { low, median, high } = spread;
        format!(
            "{:.1} ms ({:.1}–{:.1})",
            median * 1e3,
            low * 1e3,
            high * 1e3
        )
    };
    let Spread { low, median, high } = figures.decision;
    let decision = format!(
        "{:.2} µs ({:.2}–{:.2})",
        median * 1e6,
        low * 1e6,
        high * 1e6
    );
    let mut text = format!("## Cloudentity mode\n\nMeasured with {}.\n\n", machine()?);
    text.push_str("| figure | measured | target | |\n|---|---|---|---|\n");
    writeln!(
        text,
        "| decision beside the signature check, configuration of 1,000 APIs | {decision} | 60 µs | {} |",
        verdict(0)
    )?;
    writeln!(
        text,
        "| parsing and compiling a configuration of 5,000 APIs ({:.2} MB) | {} | 200 ms | {} |",
        f64::from(u32::try_from(figures.bytes)?) / 1e6,
        millis(figures.read),
        verdict(1)
    )?;
    writeln!(
        text,
        "| peak memory (VmHWM) of a function that holds it and has read it four times | {:.1} MB | 64 MB | {} |",
        figures.peak_memory()? / 1e6,
        verdict(2)
    )?;
    writeln!(
        text,
        "| process start to the first answer, with 5,000 APIs to fetch first | {} | — | |",
        millis(figures.first_answer)
    )?;
    write!(
        text,
        "\nA value is the median, with the bounds of its middle half in brackets.\n\n\
         - Services of {OF_SERVICE} APIs each, {POLICIES} policies with two comparisons, a tenth of the APIs unrestricted. The request \
         is for the last API of the last service; its ES256 token is one of 16 by turns, none of which is known from before. \
         Cryptography is left out as in the section on policy decisions. {ROUNDS} rounds of {DECISIONS} decisions.\n\
         - Parsing and compiling is from the text to what decides, {READS} times.\n\
         - The function is the release `bootstrap` under a Lambda runtime API on loopback, {STARTS} times; its control plane is \
         on loopback, too, made by hand, and sends no entity tags.\n"
    )?;
    Ok(Section {
        text,
        goals,
        ..Section::default()
    })
}

/// The targets: decision, reading, memory.
fn goals(figures: &Figures) -> Result<Vec<Goal>> {
    let goal = |figure: &str, value, most, unit, why: String| {
        let figure = format!("Cloudentity mode: {figure}");
        Goal::new(&figure, value, Target::AtMost(most), unit, why)
    };
    let megabytes = Unit::Bytes.shown(f64::from(u32::try_from(figures.bytes)?));
    let (decision, read) = (figures.decision.median, figures.read.median);
    Ok(vec![
        goal(
            "decision beside the signature check, 1,000 APIs",
            decision,
            MAX_DECISION,
            Unit::Seconds,
            format!(
                "a token that was not seen before is hashed, decoded and parsed, the API is found among {}, and the two comparisons of \
                 its policy are made in the claims",
                thousands(APIS)
            ),
        ),
        goal(
            "parsing and compiling 5,000 APIs",
            read,
            MAX_READ,
            Unit::Seconds,
            format!(
                "{megabytes} of JSON are parsed, and all paths and policies compiled, before anything is decided"
            ),
        ),
        goal(
            "peak memory (VmHWM), 5,000 APIs",
            figures.peak_memory()?,
            MAX_MEMORY,
            Unit::Bytes,
            format!(
                "what is compiled of the configuration stays, and each answer of the control plane, {megabytes}, is held beside it until \
                 the two are compared"
            ),
        ),
    ])
}
