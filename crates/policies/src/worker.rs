//! Compiles policies in another process, which may crash, hang or run out of memory without taking a
//! service with it. What came out well there is then compiled here.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use portcullis_engine::{SourceFile, compile};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::{Value, json};

use crate::languages;

/// How long the process may take.
const MAX_TIME: Duration = Duration::from_secs(30);
/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(5);
/// The processor time that it may take, in seconds, and the address space, in bytes, most of which is
/// reserved only.
const MAX_CPU_SECONDS: u64 = 20;
const MAX_ADDRESS_SPACE: u64 = 8 * 1024 * 1024 * 1024;
/// Largest input, in bytes.
const MAX_INPUT: u64 = 64 * 1024 * 1024;

/// A program that compiles policies when it is started with certain arguments.
#[derive(Debug, Clone)]
pub struct Worker {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Worker {
    /// A program that calls [`work`] when it is started with those arguments.
    #[must_use]
    pub fn new(program: PathBuf, arguments: &[&str]) -> Self {
        Self {
            program,
            arguments: arguments.iter().map(|one| (*one).to_owned()).collect(),
        }
    }

    /// Whether compiling these files comes back. Says nothing about whether they compile: that is found
    /// out again, with every problem, by whoever compiles them next. Blocks for up to 30 s.
    ///
    /// Validators are read by this workspace's own code, so a process is started only where there are
    /// policies of other languages.
    pub fn try_out(&self, sources: &[SourceFile]) -> Result<(), WorkerError> {
        let languages = languages();
        let foreign = |file: &SourceFile| {
            let extension = file.path.rsplit_once('.').map(|(_, extension)| extension);
            languages
                .iter()
                .any(|one| Some(one.extension()) == extension)
        };
        if !sources.iter().any(foreign) {
            return Ok(());
        }
        let files: Vec<Value> = sources
            .iter()
            .map(|file| json!({ "path": file.path, "text": file.text }))
            .collect();
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(WorkerError::Start)?;
        if let Some(mut input) = child.stdin.take() {
            let text = Value::from(files).to_string();
            // A process that dies early breaks the pipe; how it died is what counts.
            thread::spawn(move || drop(input.write_all(text.as_bytes())));
        }
        wait(&mut child)
    }
}

fn wait(child: &mut Child) -> Result<(), WorkerError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "another process is waited for, on a thread that blocks"
    )]
    let started = Instant::now();
    loop {
        match child.try_wait().map_err(WorkerError::Start)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(WorkerError::Died(status.to_string())),
            None if started.elapsed() > MAX_TIME => {
                // It may be gone by now, which is as good.
                let _ = child.kill();
                let _ = child.wait();
                return Err(WorkerError::TooSlow);
            }
            None => thread::sleep(PAUSE),
        }
    }
}

/// What the process does: limits itself, reads files from standard input and compiles them.
pub fn work() -> io::Result<()> {
    for (resource, most) in [
        (Resource::Cpu, MAX_CPU_SECONDS),
        (Resource::As, MAX_ADDRESS_SPACE),
        (Resource::Core, 0),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)?;
    }
    let mut text = String::new();
    io::stdin().take(MAX_INPUT).read_to_string(&mut text)?;
    let files: Vec<Value> = serde_json::from_str(&text)?;
    let part = |file: &Value, name: &str| {
        let value = file.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let sources: Vec<SourceFile> = files
        .iter()
        .map(|file| SourceFile {
            path: part(file, "path"),
            text: part(file, "text"),
        })
        .collect();
    // Whether they compile is found out again by whoever asked.
    drop(compile(&sources, &languages()));
    Ok(())
}

/// Why policies were not compiled.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The process could not be started.
    #[error("the process that compiles policies could not be started: {0}")]
    Start(io::Error),
    /// A policy crashed the compiler, or took all its memory or processor time.
    #[error("compiling the policies ended the process that did it: {0}")]
    Died(String),
    /// It did not come back.
    #[error("compiling the policies took longer than {} s", MAX_TIME.as_secs())]
    TooSlow,
}
