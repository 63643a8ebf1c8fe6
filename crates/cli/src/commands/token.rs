//! `portcullis token`: why a token is accepted or refused.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use portcullis_engine::{AccessToken, InvalidClaims, IssuerUrl, KeySource, Profile, TokenIssuer};
use portcullis_jose::{AwsLc, CompactJws, JsonObject, Jwks, SymmetricKeys};
use portcullis_pdp::clock::{Clock, SystemClock};
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_pdp::keys::KeyStore;
use serde_json::json;

use super::{Outcome, print};

/// Largest token or key file, in bytes.
const MAX_INPUT_BYTES: u64 = 1024 * 1024;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Verify an access token and print every check that fails. Never prints the token.
    #[command(
        after_help = "Exit status: 0 the token is accepted, 1 it is refused, 2 it could not be verified.\n\n\
        Examples:\n  \
        portcullis token verify --issuer https://idp.example.com --audience api://default - < token.txt\n  \
        portcullis token verify --jwks keys.json --audience api://default --profile okta --now 1477846100 - < token.txt"
    )]
    Verify(VerifyArguments),
}

#[derive(Args)]
pub(crate) struct VerifyArguments {
    /// The issuer that the token must come from; its keys are fetched unless --jwks is given.
    #[arg(long, value_name = "URL", required_unless_present = "jwks")]
    issuer: Option<String>,
    /// A file with the issuer's keys (JWKS). Without --issuer, whatever issuer the token names is
    /// taken as the right one.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// The audience that the token must name; may be given several times.
    #[arg(long, value_name = "AUDIENCE", required = true)]
    audience: Vec<String>,
    /// How the tokens of the issuer look.
    #[arg(long, value_name = "PROFILE", default_value = "rfc9068",
        value_parser = clap::builder::PossibleValuesParser::new(Profile::ALL.iter().map(|(name, _)| *name)))]
    profile: String,
    /// The time to verify at, in seconds since 1970; now where it is left out.
    #[arg(long, value_name = "UNIX")]
    now: Option<u64>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// The token, or - for standard input, which keeps it out of the list of processes.
    #[arg(value_name = "TOKEN")]
    token: String,
}

pub(crate) fn run(command: &Command) -> Result<Outcome> {
    let Command::Verify(arguments) = command;
    let token = read_token(&arguments.token)?;
    let clock = SystemClock;
    let now = arguments.now.unwrap_or_else(|| clock.unix_now());
    let report = match CompactJws::parse(&token) {
        Ok(jws) => verify(arguments, &jws, now)?,
        Err(error) => Report {
            passed: Vec::new(),
            failed: vec![Finding::new("form", error.to_string(), error.reference())],
        },
    };
    print(&if arguments.json {
        report.as_json()
    } else {
        report.as_text()
    })?;
    Ok(if report.failed.is_empty() {
        Outcome::Yes
    } else {
        Outcome::No
    })
}

fn verify(arguments: &VerifyArguments, jws: &CompactJws<'_>, now: u64) -> Result<Report> {
    let issuer = trusted_issuer(arguments, jws.payload())?;
    let keys = keys(arguments, issuer.as_ref().map(|issuer| &issuer.issuer))?;
    let mut report = Report {
        passed: vec!["form"],
        failed: Vec::new(),
    };
    match jws.verify_with(&keys) {
        Ok(_) => report.passed.push("signature"),
        Err(error) => {
            let skipped = keys.skipped().len();
            let hint = if skipped == 0 {
                String::new()
            } else {
                format!(" ({skipped} keys of the set cannot be used)")
            };
            report.failed.push(Finding::new(
                "signature",
                format!("{error}{hint}"),
                error.reference(),
            ));
        }
    }
    let Some(issuer) = issuer else {
        let message = "the token names no issuer that is an https URL".to_owned();
        report
            .failed
            .push(Finding::new("claims", message, "RFC 9068 section 2.2"));
        return Ok(report);
    };
    let findings = AccessToken::findings(jws.payload(), jws.typ(), &issuer, now);
    if findings.is_empty() {
        report.passed.push("claims");
    }
    report
        .failed
        .extend(findings.into_iter().map(Finding::of_claim));
    Ok(report)
}

/// The issuer as the engine would trust it; `None` where the token names nothing usable and the
/// user named none.
fn trusted_issuer(arguments: &VerifyArguments, claims: &JsonObject) -> Result<Option<TokenIssuer>> {
    let issuer = match &arguments.issuer {
        Some(issuer) => {
            Some(IssuerUrl::parse(issuer).with_context(|| format!("--issuer {issuer}"))?)
        }
        None => claims
            .get("iss")
            .and_then(|iss| iss.as_str())
            .and_then(|iss| IssuerUrl::parse(iss).ok()),
    };
    // INVARIANT: the argument parser accepts only the names of profiles.
    let profile = Profile::named(&arguments.profile).unwrap_or_default();
    Ok(issuer.map(|issuer| TokenIssuer::new(issuer, arguments.audience.clone(), profile)))
}

fn keys(arguments: &VerifyArguments, issuer: Option<&IssuerUrl>) -> Result<Arc<Jwks>> {
    if let Some(path) = &arguments.jwks {
        let mut text = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_INPUT_BYTES).read_to_end(&mut text))
            .with_context(|| format!("cannot read {}", path.display()))?;
        let keys = Jwks::from_json(&text, SymmetricKeys::Refuse, &AwsLc)
            .with_context(|| format!("{} holds no usable keys", path.display()))?;
        return Ok(Arc::new(keys));
    }
    let Some(issuer) = issuer else {
        bail!("give --issuer or --jwks")
    };
    let http = Arc::new(HttpClient::new(&TlsRoots::public())?);
    let store = KeyStore::new(http, Arc::new(SystemClock), vec![issuer.clone()]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime
        .block_on(store.refresh(issuer))
        .with_context(|| format!("cannot get the keys of {issuer}"))?;
    store.keys(issuer).context("the issuer has no keys")
}

fn read_token(argument: &str) -> Result<String> {
    if argument != "-" {
        return Ok(argument.trim().to_owned());
    }
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_INPUT_BYTES)
        .read_to_string(&mut text)
        .context("cannot read the token from standard input")?;
    Ok(text.trim().to_owned())
}

/// What holds and what does not.
struct Report {
    passed: Vec<&'static str>,
    failed: Vec<Finding>,
}

struct Finding {
    check: &'static str,
    reason: Option<&'static str>,
    message: String,
    reference: &'static str,
}

impl Finding {
    fn new(check: &'static str, message: String, reference: &'static str) -> Self {
        Self {
            check,
            reason: None,
            message,
            reference,
        }
    }

    fn of_claim(error: InvalidClaims) -> Self {
        let reason = Some(error.code().as_str());
        Self {
            check: "claims",
            reason,
            message: error.to_string(),
            reference: error.reference(),
        }
    }
}

impl Report {
    fn as_text(&self) -> String {
        let verdict = if self.failed.is_empty() {
            "accepted"
        } else {
            "refused"
        };
        let passed = self.passed.iter().map(|check| format!("  holds   {check}"));
        let failed = self.failed.iter().map(|finding| {
            format!(
                "  FAILED  {}: {} ({})",
                finding.check, finding.message, finding.reference
            )
        });
        let verdict = std::iter::once(format!("The token is {verdict}."));
        verdict
            .chain(passed)
            .chain(failed)
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn as_json(&self) -> String {
        let failed = self.failed.iter().map(|finding| {
            json!({
                "check": finding.check,
                "reason": finding.reason,
                "message": finding.message,
                "reference": finding.reference,
            })
        });
        json!({
            "accepted": self.failed.is_empty(),
            "passed": self.passed,
            "failed": failed.collect::<Vec<_>>(),
        })
        .to_string()
    }
}
