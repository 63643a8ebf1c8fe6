//! The decision service under load, beside Cerbos on the same questions: decisions a second, latency, what
//! more operations cost, and memory.

mod growth;
mod load;
mod peak;
mod policy;
mod report;
mod servers;

use std::path::Path;

use anyhow::{Result, ensure};
use portcullis_test_support::issuer::Issuer;

pub(crate) use load::{Connection, Post};
pub(crate) use report::section;

use crate::company::Moment;
use crate::tokens;
use growth::Growth;
use load::Calls;
use peak::{AtHalf, Peak};
use policy::Operations;
use servers::{Log, Server};

/// Operations of the policy that is put under load.
const OPERATIONS: Operations = Operations(100);
/// Different tokens, several times as many as the service remembers: at least seven calls of eight come with
/// one that it has to verify.
const TOKENS: usize = 8_000;

/// What was measured.
pub(crate) struct ServiceFigures {
    /// The contestants, as [`contestants`] has them.
    names: Vec<&'static str>,
    peaks: Vec<Peak>,
    /// At half of what each could at most.
    at_half: Vec<AtHalf>,
    growth: Growth,
    /// Most memory and memory after the load of Portcullis and of Cerbos, in bytes.
    memory: [(f64, f64); 2],
    cerbos_version: String,
    /// What other programs took of the machine meanwhile, in percent.
    others: f64,
}

/// A server and the calls that it answers.
struct Contestant<'a> {
    name: &'static str,
    server: &'a Server,
    calls: Calls,
}

/// The contestants that figures are taken from by name.
const AUTHZEN: usize = 0;
const AUTHZEN_QUIET: usize = 1;
const SAME_TOKEN: usize = 2;
const OTHER_TOKENS: usize = 3;
const CERBOS_AUTHZEN: usize = 4;
const CERBOS_OWN: usize = 5;
const CERBOS_LOGGING: usize = 6;

/// Measures everything: about a minute and a half.
pub(crate) fn measure(root: &Path, binaries: &Path, now: u64) -> Result<ServiceFigures> {
    let begin = Moment::now()?;
    let figures = measure_alone(root, binaries, now)?;
    // The servers have ended, and what they took counts as this program's.
    Ok(ServiceFigures {
        others: Moment::now()?.others_since(begin),
        ..figures
    })
}

fn measure_alone(root: &Path, binaries: &Path, now: u64) -> Result<ServiceFigures> {
    let portcullis = binaries.join("portcullis");
    ensure!(
        portcullis.is_file(),
        "{} is not there: run `make build` first",
        portcullis.display()
    );
    let issuer = Issuer::start();
    let tokens = tokens::many(&issuer, policy::SCOPES, TOKENS, now);
    let growth = Growth::measure(&portcullis, &issuer, &tokens, now)?;

    let own = |log| Server::portcullis(&portcullis, OPERATIONS, issuer.url(), log);
    let cerbos = |log| Server::cerbos(root, OPERATIONS, log);
    let (logging, quiet) = (own(Log::EachDecision)?, own(Log::Warnings)?);
    let (cerbos_logging, cerbos_quiet) = (cerbos(Log::EachDecision)?, cerbos(Log::Warnings)?);
    let servers = [&logging, &quiet, &cerbos_quiet, &cerbos_logging];
    for server in servers {
        let nobody = OPERATIONS.authzen_for(server.address, "openid");
        ensure!(!nobody.permits()?, "everybody is permitted");
    }
    let contestants = contestants(servers, &tokens)?;
    let peaks = peak::measure(&contestants)?;
    let at_half = peak::at_half(
        &contestants,
        &peaks,
        &[AUTHZEN, SAME_TOKEN, OTHER_TOKENS, CERBOS_AUTHZEN],
    )?;
    let memory = |server: &Server| Ok((server.memory("VmHWM")?, server.memory("VmRSS")?));
    let memories: Result<[(f64, f64); 2]> =
        memory(&logging).and_then(|own| Ok([own, memory(&cerbos_quiet)?]));
    Ok(ServiceFigures {
        names: contestants.iter().map(|each| each.name).collect(),
        peaks,
        at_half,
        growth,
        memory: memories?,
        cerbos_version: servers::cerbos_version(root)?,
        others: 0.0,
    })
}

fn contestants<'a>(servers: [&'a Server; 4], tokens: &[String]) -> Result<Vec<Contestant<'a>>> {
    let [logging, quiet, cerbos_quiet, cerbos_logging] = servers;
    let one = tokens.get(..1).unwrap_or_default();
    let contestant = |name, server: &'a Server, calls| Contestant {
        name,
        server,
        calls,
    };
    let authzen = |server: &Server| OPERATIONS.authzen(server.address);
    Ok(vec![
        contestant("Portcullis, AuthZEN", logging, authzen(logging)),
        contestant("the same without its log", quiet, authzen(quiet)),
        contestant(
            "Portcullis, sideband, the same RS256 token again",
            logging,
            OPERATIONS.sideband(logging.address, one)?,
        ),
        contestant(
            "Portcullis, sideband, other RS256 tokens",
            logging,
            OPERATIONS.sideband(logging.address, tokens)?,
        ),
        contestant(
            "Cerbos, AuthZEN, without its log",
            cerbos_quiet,
            authzen(cerbos_quiet),
        ),
        contestant(
            "Cerbos, `/api/check/resources`, without its log",
            cerbos_quiet,
            OPERATIONS.check_resources(cerbos_quiet.address),
        ),
        contestant(
            "Cerbos, AuthZEN, with its log",
            cerbos_logging,
            authzen(cerbos_logging),
        ),
    ])
}
