//! A PostgreSQL server of a test's own: a temporary directory, a unix socket and a free port of 127.0.0.1. It
//! ends with the value or with the test process, however that ends.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// The password of the user `postgres` in the URLs, percent-encoded as there.
pub const PASSWORD: &str = "opensesame%2F%40%3A";
/// The same password as it is.
const PLAIN_PASSWORD: &str = "opensesame/@:";

/// Waits until the test process has gone, then stops the server and removes its directory. What ends the test
/// with a signal to its process group does not end this.
const GUARD: &str =
    r#"trap '' INT TERM HUP; read -r _; "$1" -D "$2/data" -m immediate stop; rm -rf "$2""#;

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    programs: Programs,
    directory: PathBuf,
    port: u16,
    databases: AtomicU32,
    /// One at a time may create a database or stop the server.
    turn: Mutex<()>,
    guard: Child,
}

/// Where the programs of PostgreSQL are.
#[derive(Debug)]
struct Programs {
    initdb: PathBuf,
    pg_ctl: PathBuf,
    psql: PathBuf,
}

impl Postgres {
    /// The server that all tests of this process share; each has a database of its own.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts a server that this test may stop.
    #[must_use]
    pub fn start() -> Self {
        let programs = Programs::find();
        let made =
            output(unprivileged(Path::new("mktemp")).args(["-d", "-t", "portcullis-pg.XXXXXX"]));
        let directory = PathBuf::from(made.trim());
        let guard = unprivileged(Path::new("sh"))
            .args(["-c", GUARD, "sh"])
            .args([&programs.pg_ctl, &directory])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let password = directory.join("password");
        fs::write(&password, PLAIN_PASSWORD).unwrap();
        output(
            unprivileged(&programs.initdb)
                .args([
                    "--username=postgres",
                    "--auth-local=trust",
                    "--auth-host=scram-sha-256",
                ])
                .args(["--encoding=UTF8", "--no-locale", "--no-sync"])
                .arg("--pwfile")
                .arg(password)
                .arg("-D")
                .arg(directory.join("data")),
        );
        let server = Self {
            programs,
            directory,
            port: free_port(),
            databases: AtomicU32::new(0),
            turn: Mutex::new(()),
            guard,
        };
        server.resume();
        server
    }

    /// Creates an empty database and returns its URL, with the password.
    #[must_use]
    pub fn database(&self) -> String {
        let _turn = self.turn.lock().unwrap();
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        output(
            unprivileged(&self.programs.psql)
                .args([
                    "--no-psqlrc",
                    "--quiet",
                    "--username=postgres",
                    "--dbname=postgres",
                ])
                .arg("--host")
                .arg(&self.directory)
                .args(["--port", &self.port.to_string()])
                .args(["--command", &format!("CREATE DATABASE {name}")]),
        );
        format!(
            "postgres://postgres:{PASSWORD}@127.0.0.1:{}/{name}",
            self.port
        )
    }

    /// Stops the server; connections are cut off.
    pub fn stop(&self) {
        let _turn = self.turn.lock().unwrap();
        output(self.pg_ctl().args(["-m", "fast", "stop"]));
    }

    /// Starts it again on the same port, and waits until it answers.
    pub fn resume(&self) {
        let _turn = self.turn.lock().unwrap();
        let socket = self.directory.display();
        let settings = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories={socket} -c fsync=off",
            self.port
        );
        output(
            self.pg_ctl()
                .arg("-l")
                .arg(self.directory.join("log"))
                .args(["-o", &settings, "start"]),
        );
    }

    fn pg_ctl(&self) -> Command {
        let mut command = unprivileged(&self.programs.pg_ctl);
        command
            .args(["-w", "-t", "60", "-D"])
            .arg(self.directory.join("data"));
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // Nothing to be done about it where it cannot be waited for.
        let _ = self.guard.wait();
    }
}

impl Programs {
    fn find() -> Self {
        Self {
            initdb: program("initdb"),
            pg_ctl: program("pg_ctl"),
            psql: program("psql"),
        }
    }
}

/// A program of PostgreSQL: from the PATH, or from where Debian puts them, the newest version first.
#[expect(
    clippy::disallowed_methods,
    reason = "the PATH says where programs are"
)]
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let number = |path: &PathBuf| -> u32 {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.parse().unwrap_or(0)
    };
    versions.sort_by_key(|path| std::cmp::Reverse(number(path)));
    std::env::split_paths(&path)
        .chain(versions.into_iter().map(|version| version.join("bin")))
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!(
                "these tests need PostgreSQL, and {name} is neither on the PATH nor in /usr/lib/postgresql/*/bin: \
                 install it, on Debian with: apt-get install postgresql (make does that as root)"
            )
        })
}

/// A command as a user who may run PostgreSQL, which refuses to run as root: then it is `postgres`, the user that
/// the package makes.
fn unprivileged(program: &Path) -> Command {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                "--",
            ])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    // The directory of the test may be closed to that user.
    command.current_dir("/").stdin(Stdio::null());
    command
}

/// Runs a command that must succeed, and returns what it printed.
fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
