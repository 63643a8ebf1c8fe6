//! Who is measured: the release `bootstrap`, and functions that do the same in Node.js and Python, each as a process under
//! a Lambda runtime API with its settings in the environment, as Lambda runs it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use portcullis_test_support::issuer::Issuer;
use portcullis_test_support::lambda::Function;
use serde_json::json;

use super::least;
use crate::decision_service::{AUDIENCE, CREDENTIAL, SCOPE};
use crate::figures::zip_size;
use crate::node;

/// Where `make peers` puts the packages of Python, and why AWS' runtime client for Node.js is not there, where it is not.
const PYTHON: &str = ".tools/peers-venv/bin/python";
const WHY_NOT: &str = ".tools/aws-lambda-ric.txt";
/// The route of the event that all are asked about.
const ROUTE: &str = "GET /planets";

/// What a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// It verifies the access token and checks a scope.
    Token,
    /// It asks a decision service.
    Sideband,
}

/// In what a function runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runtime {
    Portcullis,
    /// Nothing but the calls: [`mod@super::least`].
    Least,
    /// Node.js with the least of a runtime client: `benches/peers/function/runtime.cjs`.
    Node,
    /// Node.js with AWS' own runtime client.
    NodeRic,
    Python,
}

impl Runtime {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Portcullis => "`bootstrap`",
            Self::Least => "least possible",
            Self::Node => "Node.js, least runtime",
            Self::NodeRic => "Node.js, aws-lambda-ric",
            Self::Python => "Python, awslambdaric",
        }
    }

    /// Whether it is what the targets are for.
    pub(crate) const fn is_node(self) -> bool {
        matches!(self, Self::Node | Self::NodeRic)
    }
}

/// One who is measured.
#[derive(Debug, Clone)]
pub(crate) struct Contestant {
    pub(crate) job: Job,
    pub(crate) runtime: Runtime,
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    /// What of it is in the zip.
    deployed: Vec<PathBuf>,
}

impl Contestant {
    /// A new process.
    pub(crate) fn start(&self) -> Function {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.folder);
        let environment = self.environment.iter();
        let environment: Vec<_> = environment
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        Function::start_command(command, &environment)
    }

    /// This program as the least function.
    fn least(job: Job, environment: Vec<(&'static str, String)>) -> Result<Self> {
        Ok(Self {
            job,
            runtime: Runtime::Least,
            program: env::current_exe()?,
            arguments: vec![least::ARGUMENT.to_owned()],
            folder: PathBuf::from("/"),
            environment,
            deployed: Vec::new(),
        })
    }

    /// Bytes of the zip that is deployed: without what Lambda has itself, which is Node.js or Python and its runtime client.
    pub(crate) fn zip_size(&self) -> Result<u64> {
        let deployed: Vec<_> = self.deployed.iter().map(PathBuf::as_path).collect();
        zip_size(&deployed)
    }
}

/// Everyone who can run here, and the versions of what they run on.
pub(crate) struct Field {
    pub(crate) contestants: Vec<Contestant>,
    /// Why AWS' runtime client for Node.js is not among them.
    pub(crate) without_ric: Option<String>,
    pub(crate) versions: Vec<(String, String)>,
}

impl Field {
    pub(crate) fn new(
        root: &Path,
        bootstrap: &Path,
        issuer: &Issuer,
        service: &str,
        event: &str,
    ) -> Result<Self> {
        let peers = root.join("benches/peers");
        let own = |job| own(bootstrap, job, issuer, service);
        let (node, python) = (Node::find(&peers)?, Python::find(root, &peers)?);
        let settings = [oauth_settings(issuer), sideband_settings(service)];
        let [oauth, sideband] = &settings;
        let least = |job, settings| Contestant::least(job, settings);
        let mut contestants = vec![
            own(Job::Token),
            least(Job::Token, Vec::new())?,
            node.by_itself(Job::Token, oauth),
            own(Job::Sideband),
            least(Job::Sideband, least::settings(service, event)?)?,
            node.by_itself(Job::Sideband, sideband),
        ];
        let without_ric = if node.ric.is_some() {
            contestants.insert(3, node.ric(Job::Token, oauth)?);
            contestants.push(node.ric(Job::Sideband, sideband)?);
            None
        } else {
            Some(why_not(root))
        };
        contestants.push(python.contestant(oauth));
        let mut versions = node.versions()?;
        versions.extend(python.versions);
        Ok(Self {
            contestants,
            without_ric,
            versions,
        })
    }
}

fn own(bootstrap: &Path, job: Job, issuer: &Issuer, service: &str) -> Contestant {
    let environment = match job {
        Job::Token => vec![
            ("PORTCULLIS_ISSUER", issuer.url().to_owned()),
            ("PORTCULLIS_AUDIENCE", AUDIENCE.to_owned()),
            ("PORTCULLIS_SCOPES", format!("{ROUTE} = {SCOPE}")),
        ],
        Job::Sideband => vec![
            ("SERVICE_URL", service.to_owned()),
            ("SECRET_HEADER_VALUE", CREDENTIAL.to_owned()),
            ("PORTCULLIS_BASE_URL", AUDIENCE.to_owned()),
            ("PORTCULLIS_STRIP_STAGE", "true".to_owned()),
        ],
    };
    Contestant {
        job,
        runtime: Runtime::Portcullis,
        program: bootstrap.to_owned(),
        arguments: Vec::new(),
        folder: PathBuf::from("/"),
        environment,
        deployed: vec![bootstrap.to_owned()],
    }
}

/// The settings of `benches/peers/function/oauth.cjs` and `oauth.py`.
fn oauth_settings(issuer: &Issuer) -> Vec<(&'static str, String)> {
    vec![
        ("ISSUER", issuer.url().to_owned()),
        ("AUDIENCE", AUDIENCE.to_owned()),
        ("JWKS_URL", format!("{}/jwks", issuer.url())),
        ("SCOPES", json!({ ROUTE: SCOPE }).to_string()),
    ]
}

/// The settings of `benches/peers/function/sideband.cjs`.
fn sideband_settings(service: &str) -> Vec<(&'static str, String)> {
    vec![
        ("SERVICE_URL", service.to_owned()),
        ("SECRET_HEADER_VALUE", CREDENTIAL.to_owned()),
        ("BASE_URL", AUDIENCE.to_owned()),
        ("MAX_RETRIES", "1".to_owned()),
    ]
}

/// Node.js and what runs in it.
struct Node {
    program: PathBuf,
    peers: PathBuf,
    /// AWS' runtime client, where it was built.
    ric: Option<PathBuf>,
}

impl Node {
    fn find(peers: &Path) -> Result<Self> {
        ensure!(
            peers.join("node_modules/aws-jwt-verify").is_dir(),
            "aws-jwt-verify is not there: run `make peers` first"
        );
        let package = peers.join("aws-lambda-ric/node_modules/aws-lambda-ric");
        let built = package.join("dist/rapid-client.node").is_file();
        Ok(Self {
            program: node::program()?,
            peers: peers.to_owned(),
            ric: built.then_some(package),
        })
    }

    fn by_itself(&self, job: Job, settings: &[(&'static str, String)]) -> Contestant {
        let runtime = self.peers.join("function/runtime.cjs");
        let handler = self.peers.join(handler(job)).with_extension("cjs");
        let arguments = vec![text(&runtime), text(&handler)];
        self.contestant(job, Runtime::Node, arguments, settings)
    }

    fn ric(&self, job: Job, settings: &[(&'static str, String)]) -> Result<Contestant> {
        let package = self.ric.as_ref().context("aws-lambda-ric was built")?;
        let arguments = vec![
            text(&package.join("bin/index.mjs")),
            format!("{}.handler", handler(job)),
        ];
        Ok(self.contestant(job, Runtime::NodeRic, arguments, settings))
    }

    fn contestant(
        &self,
        job: Job,
        runtime: Runtime,
        arguments: Vec<String>,
        settings: &[(&'static str, String)],
    ) -> Contestant {
        let mut deployed = vec![self.peers.join(handler(job)).with_extension("cjs")];
        if job == Job::Token {
            deployed.push(self.peers.join("node_modules/aws-jwt-verify"));
        }
        let limits = node::LIMITS.map(str::to_owned).into_iter();
        Contestant {
            job,
            runtime,
            program: self.program.clone(),
            arguments: limits.chain(arguments).collect(),
            folder: self.peers.clone(),
            environment: settings.to_vec(),
            deployed,
        }
    }

    fn versions(&self) -> Result<Vec<(String, String)>> {
        let package = |folder: &Path, name: &str| -> Result<(String, String)> {
            Ok((name.to_owned(), node::package_version(folder)?))
        };
        let verifier = self.peers.join("node_modules/aws-jwt-verify");
        let mut versions = vec![
            ("Node.js".to_owned(), node::version(&self.program)?),
            package(&verifier, "aws-jwt-verify")?,
        ];
        if let Some(ric) = &self.ric {
            versions.push(package(ric, "aws-lambda-ric")?);
        }
        Ok(versions)
    }
}

/// The file of a handler, without what it ends with.
const fn handler(job: Job) -> &'static str {
    match job {
        Job::Token => "function/oauth",
        Job::Sideband => "function/sideband",
    }
}

/// Python with its packages.
struct Python {
    program: PathBuf,
    peers: PathBuf,
    packages: PathBuf,
    versions: Vec<(String, String)>,
}

impl Python {
    fn find(root: &Path, peers: &Path) -> Result<Self> {
        let program = root.join(PYTHON);
        ensure!(
            program.is_file(),
            "{} is not there: run `make peers` first",
            program.display()
        );
        let script = "import importlib.metadata as m, json, platform, sysconfig\n\
                      print(json.dumps([sysconfig.get_path('platlib'), platform.python_version(), \
                      *map(m.version, ['awslambdaric', 'PyJWT', 'cryptography'])]))";
        let output = Command::new(&program).args(["-c", script]).output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "python: {error}");
        let [packages, versions @ ..]: [String; 5] = serde_json::from_slice(&output.stdout)?;
        let names = ["Python", "awslambdaric", "PyJWT", "cryptography"].map(str::to_owned);
        Ok(Self {
            program,
            peers: peers.to_owned(),
            packages: packages.into(),
            versions: names.into_iter().zip(versions).collect(),
        })
    }

    fn contestant(&self, settings: &[(&'static str, String)]) -> Contestant {
        let mut environment = settings.to_vec();
        environment.extend([
            ("PYTHONPATH", text(&self.peers.join("function"))),
            // In a Lambda function the folder of the handler cannot be written.
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ]);
        // What PyJWT needs; `pycparser` only builds `cffi`.
        let needed = ["jwt", "cryptography", "cffi"].map(|name| self.packages.join(name));
        let mut deployed = vec![self.peers.join("function/oauth.py")];
        deployed.extend(needed);
        deployed.extend(native_part(&self.packages));
        Contestant {
            job: Job::Token,
            runtime: Runtime::Python,
            program: self.program.clone(),
            arguments: ["-m", "awslambdaric", "oauth.handler"]
                .map(str::to_owned)
                .into(),
            folder: self.peers.clone(),
            environment,
            deployed,
        }
    }
}

/// The native part of `cffi`, which lies beside the folders.
fn native_part(packages: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(packages).ok()?;
    let mut files = files.filter_map(|file| Some(file.ok()?.path()));
    files.find(|file| text(file).contains("_cffi_backend"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "`make peers` says in a file why it could not be built"
)]
fn why_not(root: &Path) -> String {
    let why = fs::read_to_string(root.join(WHY_NOT)).unwrap_or_default();
    let last = why.lines().rev().find(|line| !line.trim().is_empty());
    last.map_or_else(
        || "`make peers` was not run".to_owned(),
        |line| line.trim().to_owned(),
    )
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
