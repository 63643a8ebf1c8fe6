//! The decision service under load, beside Cerbos on the same questions: decisions a second, latency, what
//! more operations cost, and memory.

mod goals;
mod growth;
mod load;
mod panels;
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
    /// Most memory and memory after the load, in bytes.
    memory: (f64, f64),
    /// The same of Cerbos with its version, where it can be run.
    cerbos: Option<(String, (f64, f64))>,
    /// What other programs took of the machine meanwhile, in percent.
    others: f64,
}

/// A server and the calls that it answers.
struct Contestant<'a> {
    name: &'static str,
    server: &'a Server,
    calls: Calls,
}

/// The contestants that figures are taken from by name. Those of Cerbos come last, and there may be none.
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
    let (logging, quiet) = (own(Log::EachDecision)?, own(Log::Warnings)?);
    let cerbos = Cerbos::start(root)?;
    let theirs = cerbos
        .iter()
        .flat_map(|cerbos| [&cerbos.quiet, &cerbos.logging]);
    for server in [&logging, &quiet].into_iter().chain(theirs) {
        let nobody = OPERATIONS.authzen_for(server.address, "openid");
        ensure!(!nobody.permits()?, "everybody is permitted");
    }
    let contestants = contestants(&logging, &quiet, cerbos.as_ref(), &tokens)?;
    let peaks = peak::measure(&contestants)?;
    let mut asked = vec![AUTHZEN, SAME_TOKEN, OTHER_TOKENS];
    asked.extend(cerbos.as_ref().map(|_| CERBOS_AUTHZEN));
    let at_half = peak::at_half(&contestants, &peaks, &asked)?;
    let cerbos = match &cerbos {
        Some(Cerbos { version, quiet, .. }) => Some((version.clone(), memory(quiet)?)),
        None => None,
    };
    Ok(ServiceFigures {
        names: contestants.iter().map(|each| each.name).collect(),
        peaks,
        at_half,
        growth,
        memory: memory(&logging)?,
        cerbos,
        others: 0.0,
    })
}

/// Most memory, and memory now.
fn memory(server: &Server) -> Result<(f64, f64)> {
    Ok((server.memory("VmHWM")?, server.memory("VmRSS")?))
}

/// Cerbos without and with its log.
struct Cerbos {
    version: String,
    quiet: Server,
    logging: Server,
}

impl Cerbos {
    /// Where there is one for this machine.
    fn start(root: &Path) -> Result<Option<Self>> {
        let Some(binary) = servers::cerbos_binary(root)? else {
            return Ok(None);
        };
        let start = |log| Server::cerbos(&binary, OPERATIONS, log);
        Ok(Some(Self {
            version: servers::cerbos_version(&binary)?,
            quiet: start(Log::Warnings)?,
            logging: start(Log::EachDecision)?,
        }))
    }
}

fn contestants<'a>(
    logging: &'a Server,
    quiet: &'a Server,
    cerbos: Option<&'a Cerbos>,
    tokens: &[String],
) -> Result<Vec<Contestant<'a>>> {
    let one = tokens.get(..1).unwrap_or_default();
    let contestant = |name, server: &'a Server, calls| Contestant {
        name,
        server,
        calls,
    };
    let authzen = |server: &Server| OPERATIONS.authzen(server.address);
    let mut contestants = vec![
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
    ];
    if let Some(Cerbos { quiet, logging, .. }) = cerbos {
        contestants.extend([
            contestant("Cerbos, AuthZEN, without its log", quiet, authzen(quiet)),
            contestant(
                "Cerbos, `/api/check/resources`, without its log",
                quiet,
                OPERATIONS.check_resources(quiet.address),
            ),
            contestant("Cerbos, AuthZEN, with its log", logging, authzen(logging)),
        ]);
    }
    Ok(contestants)
}
