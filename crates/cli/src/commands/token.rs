//! `portcullis token`: why a token is accepted or refused.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use portcullis_engine::{
    AccessToken, Host, InvalidClaims, IssuerUrl, KeySource, Profile, ProofId, ProofUse,
    TokenIssuer, sender_finding,
};
use portcullis_jose::{AwsLc, CompactJws, CryptoProvider, JsonObject, Jwks, SymmetricKeys};
use portcullis_model::{ApiRequest, ClientCertificate, HeaderMap, Method, RequestUrl, Source};
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
        portcullis token verify --jwks keys.json --audience api://default --profile okta --now 1477846100 - < token.txt\n  \
        portcullis token verify --issuer https://idp.example.com --audience api://default --scheme dpop \\\n    \
        --proof \"$PROOF\" --method GET --url https://api.example.com/planets - < token.txt"
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
    /// How far the issuer's clock may differ, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = TokenIssuer::DEFAULT_LEEWAY,
        value_parser = clap::value_parser!(u64).range(..=TokenIssuer::MAX_LEEWAY))]
    leeway: u64,
    /// The scheme that the token is sent under.
    #[arg(long, value_name = "SCHEME", default_value = "bearer", value_parser = ["bearer", "dpop"])]
    scheme: String,
    /// The DPoP proof that is sent with it.
    #[arg(long, value_name = "PROOF", requires_all = ["method", "url"])]
    proof: Option<String>,
    /// The method of the request that the proof is for.
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// The URL of the request that the proof is for.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A file with the client certificate of the request (PEM).
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
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
        Ok(jws) => verify(arguments, &token, &jws, now)?,
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

/// The request that the token comes with, as far as the arguments tell.
fn request(arguments: &VerifyArguments, token: &str) -> Result<ApiRequest> {
    let mut headers = HeaderMap::new();
    let scheme = match arguments.scheme.as_str() {
        "dpop" => "DPoP",
        _ => "Bearer",
    };
    headers
        .append("Authorization", &format!("{scheme} {token}"))
        .context("the token cannot be sent in a header")?;
    if let Some(proof) = &arguments.proof {
        headers
            .append("DPoP", proof)
            .context("--proof cannot be sent in a header")?;
    }
    let method = arguments.method.as_deref().unwrap_or("GET");
    let url = arguments.url.as_deref().unwrap_or("https://localhost/");
    let certificate = match &arguments.certificate {
        None => None,
        Some(path) => Some(ClientCertificate {
            pem: String::from_utf8(read_file(path)?)
                .with_context(|| format!("{} is no PEM", path.display()))?,
        }),
    };
    Ok(ApiRequest {
        method: Method::parse(method).with_context(|| format!("--method {method}"))?,
        url: RequestUrl::parse(url).with_context(|| format!("--url {url}"))?,
        http_version: "1.1".to_owned(),
        headers,
        source: Source::default(),
        client_certificate: certificate,
        body: None,
        entry: None,
    })
}

/// A host that sees one proof, and so none twice.
struct OneProof;

impl KeySource for OneProof {
    fn keys(&self, _: &IssuerUrl) -> Option<Arc<Jwks>> {
        None
    }
}

impl Host for OneProof {
    fn crypto(&self) -> &dyn CryptoProvider {
        &AwsLc
    }

    fn note_proof(&self, _: ProofId, _: u64, _: u64) -> ProofUse {
        ProofUse::First
    }
}

fn verify(
    arguments: &VerifyArguments,
    token: &str,
    jws: &CompactJws<'_>,
    now: u64,
) -> Result<Report> {
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
    let request = request(arguments, token)?;
    match sender_finding(jws.payload(), &issuer, &request, &OneProof, now) {
        None => report.passed.push("sender"),
        Some(finding) => {
            report
                .failed
                .push(Finding::new("sender", finding.message, finding.reference));
        }
    }
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
    Ok(issuer.map(|issuer| TokenIssuer {
        leeway: arguments.leeway,
        ..TokenIssuer::new(issuer, arguments.audience.clone(), profile)
    }))
}

fn keys(arguments: &VerifyArguments, issuer: Option<&IssuerUrl>) -> Result<Arc<Jwks>> {
    if let Some(path) = &arguments.jwks {
        let text = read_file(path)?;
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

fn read_file(path: &Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_INPUT_BYTES).read_to_end(&mut text))
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text)
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
