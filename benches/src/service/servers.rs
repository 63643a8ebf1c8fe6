//! The servers that are measured, as processes of their own on loopback.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::load::Connection;
use super::policy::Operations;
use crate::decision_service::CREDENTIAL;

/// Where the Makefile puts Cerbos. Its packages for other machines are not asked for, as none was tried.
const CERBOS: &str = "tests/cerbos/node_modules/@cerbos/cerbos-linux-x64/cerbos-linux-x64";
/// Why there may be none.
pub(crate) const NO_CERBOS: &str = "its npm package has no binary for this machine";
/// How often a server that starts is asked whether it is ready, and the pause between.
const TRIES: usize = 1500;
const PAUSE: Duration = Duration::from_millis(20);
/// How often a server is started with other ports. One that was free may be another program's by the time the server asks
/// for it; and on port 0 `portcullis serve` says where it listens in a line that is not logged where only warnings are.
const STARTS: usize = 3;
/// The last lines of its log, where a server does not become ready.
const LOG_LINES: usize = 20;
/// Ticks of the processor time that the kernel tells, in a second: `USER_HZ`, 100 on Linux.
const TICKS: f64 = 100.0;

/// Whether a server writes its line for each decision, as both do when nothing else is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    /// As by default, into a file.
    EachDecision,
    /// Warnings only.
    Warnings,
}

/// A running server. It ends with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    log: File,
    folder: TempDir,
}

impl Server {
    /// `portcullis serve` on a policy of its own.
    pub(crate) fn portcullis(
        binary: &Path,
        operations: Operations,
        issuer: &str,
        log: Log,
    ) -> Result<Self> {
        with_other_ports(|| Self::portcullis_once(binary, operations, issuer, log))
    }

    fn portcullis_once(
        binary: &Path,
        operations: Operations,
        issuer: &str,
        log: Log,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("services"))?;
        let policy = operations.for_portcullis(issuer);
        fs::write(folder.path().join("services/benchmark.yaml"), policy)?;
        let address = free_address()?;
        let mut command = Command::new(binary);
        command
            .args(["serve", "--listen", &address.to_string(), "--policy"])
            .arg(folder.path())
            .env("PORTCULLIS_GATEWAY_CREDENTIALS", CREDENTIAL);
        if log == Log::Warnings {
            command.args(["--log-level", "warn"]);
        }
        Self::start(command, address, folder, "/health/ready")
    }

    /// Cerbos on the same policy in its own words.
    pub(crate) fn cerbos(binary: &Path, operations: Operations, log: Log) -> Result<Self> {
        with_other_ports(|| Self::cerbos_once(binary, operations, log))
    }

    fn cerbos_once(binary: &Path, operations: Operations, log: Log) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let policies = folder.path().join("policies");
        fs::create_dir(&policies)?;
        for (number, policy) in operations.for_cerbos() {
            fs::write(policies.join(format!("resource{number}.yaml")), policy)?;
        }
        let (address, grpc) = (free_address()?, free_address()?);
        let configuration = format!(
            "server: {{ httpListenAddr: '{address}', grpcListenAddr: '{grpc}' }}\n\
             storage: {{ driver: disk, disk: {{ directory: '{}', watchForChanges: false }} }}\n\
             audit: {{ enabled: false }}\ntelemetry: {{ disabled: true }}\n",
            policies.display()
        );
        let file = folder.path().join("cerbos.yaml");
        fs::write(&file, configuration)?;
        let mut command = Command::new(binary);
        command
            .args(["server", "--config"])
            .arg(file)
            .env("CERBOS_NO_TELEMETRY", "1");
        if log == Log::Warnings {
            command.arg("--log-level=warn");
        }
        Self::start(command, address, folder, "/_cerbos/health")
    }

    fn start(
        mut command: Command,
        address: SocketAddr,
        folder: TempDir,
        health: &str,
    ) -> Result<Self> {
        let mut appending = OpenOptions::new();
        appending.create(true).append(true);
        let log = appending.open(folder.path().join("log"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .spawn()
            .with_context(|| format!("{command:?}"))?;
        let mut server = Self {
            child,
            address,
            log,
            folder,
        };
        let call = format!("GET {health} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        for _ in 0..TRIES {
            let ready = Connection::open(address).and_then(|mut connection| {
                connection.send(call.as_bytes())?;
                connection.receive().map(drop)
            });
            // Only after the answer, which may be that of another program on the same port.
            if let Some(status) = server.child.try_wait()? {
                let log = server.end_of_log();
                bail!("{command:?} ended before it was ready, {status}:\n{log}");
            }
            if ready.is_ok() {
                return Ok(server);
            }
            thread::sleep(PAUSE);
        }
        let log = server.end_of_log();
        bail!("{command:?} is not ready after half a minute:\n{log}")
    }

    #[expect(clippy::disallowed_methods, reason = "its log is a file of ours")]
    fn end_of_log(&self) -> String {
        let Ok(log) = fs::read_to_string(self.folder.path().join("log")) else {
            return "its log cannot be read".to_owned();
        };
        let lines: Vec<_> = log.lines().collect();
        let from = lines.len().saturating_sub(LOG_LINES);
        lines.get(from..).unwrap_or_default().join("\n")
    }

    /// Throws away what was logged, so that a long run does not fill the disk.
    pub(crate) fn forget_log(&self) -> Result<()> {
        Ok(self.log.set_len(0)?)
    }

    /// How many seconds of the processors it has used.
    pub(crate) fn processor_time(&self) -> Result<f64> {
        let text = self.proc_file("stat")?;
        // The second field is a name in brackets, which may hold anything (proc(5)).
        let (_, fields) = text.rsplit_once(')').context("/proc/…/stat")?;
        let ticks = fields.split_ascii_whitespace().skip(11).take(2);
        let ticks = ticks.map(str::parse::<f64>).sum::<Result<f64, _>>()?;
        Ok(ticks / TICKS)
    }

    /// A line of its status, in bytes: `VmHWM` is the most memory it ever had, `VmRSS` what it has now.
    pub(crate) fn memory(&self, name: &str) -> Result<f64> {
        let text = self.proc_file("status")?;
        let mut lines = text.lines();
        let kibibytes: f64 = lines
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .and_then(|value| value.trim().strip_suffix(" kB"))
            .context("/proc/…/status")?
            .parse()?;
        Ok(kibibytes * 1024.0)
    }

    #[expect(clippy::disallowed_methods, reason = "the kernel tells it in a file")]
    fn proc_file(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(format!(
            "/proc/{}/{name}",
            self.child.id()
        ))?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Cerbos, where npm has one for this machine.
pub(crate) fn cerbos_binary(root: &Path) -> Result<Option<PathBuf>> {
    let binary = root.join(CERBOS);
    if binary.is_file() {
        return Ok(Some(binary));
    }
    ensure!(
        !cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "{} is not there: run `make peers` first",
        binary.display()
    );
    Ok(None)
}

/// What it says of itself.
pub(crate) fn cerbos_version(binary: &Path) -> Result<String> {
    let output = Command::new(binary).arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(str::to_owned).context("no version")
}

/// Starts a server, and where it does not come up a second and a third time.
fn with_other_ports(mut start: impl FnMut() -> Result<Server>) -> Result<Server> {
    for _ in 1..STARTS {
        if let Ok(server) = start() {
            return Ok(server);
        }
    }
    start().with_context(|| format!("started {STARTS} times, each time on other ports"))
}

/// An address on loopback that was free just now.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::{STARTS, Server, free_address, with_other_ports};

    #[expect(clippy::disallowed_methods, reason = "how long it waits is tested")]
    #[test]
    fn a_server_that_ends_is_not_waited_for_and_says_what_it_logged() {
        let begin = Instant::now();
        let mut starts = 0;
        let error = with_other_ports(|| {
            starts += 1;
            let mut command = Command::new("sh");
            command.args(["-c", "seq 100 130; echo 'no such policy' >&2; exit 3"]);
            Server::start(command, free_address()?, tempfile::tempdir()?, "/health")
        });
        let error = format!("{:#}", error.unwrap_err());
        assert_eq!(starts, STARTS);
        assert!(begin.elapsed() < Duration::from_secs(10));
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.ends_with("129\n130\nno such policy"), "{error}");
        assert!(!error.contains("110"), "{error}");
    }
}
