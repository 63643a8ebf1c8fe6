//! A Lambda function as Lambda runs it: a process that asks the runtime API for events.
//!
//! Source: AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes". The
//! real service cannot be had on a development machine; `tests/e2e` runs the same binary under an
//! independent implementation of this API.

use std::fs;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::http::{self, Connection};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running function.
#[derive(Debug)]
pub struct Function {
    child: Child,
    output: Option<JoinHandle<String>>,
    events: Sender<String>,
    signals: Receiver<Signal>,
    started: Instant,
    next_id: u64,
}

/// What came of one event.
#[derive(Debug)]
pub struct Invocation {
    /// The answer, or the error that the function reported.
    pub outcome: Result<String, String>,
    /// From the event's departure to the answer's arrival.
    pub elapsed: Duration,
}

#[derive(Debug)]
enum Signal {
    Waiting(Instant),
    Sent(Instant),
    Answer { ok: bool, body: String, at: Instant },
}

impl Function {
    /// Starts a function with nothing in its environment but what is given and what Lambda sets.
    #[must_use]
    pub fn start(binary: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start_command(Command::new(binary), environment)
    }

    /// The same for a program with arguments or a working directory of its own, such as an interpreter with a handler.
    #[must_use]
    pub fn start_command(command: Command, environment: &[(&str, &str)]) -> Self {
        let (events, to_send) = channel::<String>();
        let (signal, signals) = channel();
        let to_send = Arc::new(Mutex::new(to_send));
        let extension = Arc::<Extension>::default();
        let api = http::listen(move |connection| serve(connection, &to_send, &signal, &extension));
        Self::spawn(command, environment, api, events, signals)
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    fn spawn(
        mut command: Command,
        environment: &[(&str, &str)],
        api: SocketAddr,
        events: Sender<String>,
        signals: Receiver<Signal>,
    ) -> Self {
        command.env_clear().envs(environment.iter().copied());
        command.env("AWS_LAMBDA_RUNTIME_API", api.to_string());
        command.env("AWS_LAMBDA_FUNCTION_NAME", "portcullis-authorizer");
        command.env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST");
        command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
        command.env("AWS_LAMBDA_LOG_STREAM_NAME", "log");
        command.env("AWS_LAMBDA_LOG_GROUP_NAME", "log");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let started = Instant::now();
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
        let mut stdout = child.stdout.take().unwrap();
        // Read as it comes: a function that logs more than a pipe holds would stop otherwise.
        let output = thread::spawn(move || {
            let mut output = String::new();
            stdout.read_to_string(&mut output).unwrap();
            output
        });
        Self {
            child,
            output: Some(output),
            events,
            signals,
            started,
            next_id: 0,
        }
    }

    /// Waits for the first request for an event; the time since the process was started.
    pub fn ready(&mut self) -> Duration {
        match self.signals.recv_timeout(PATIENCE) {
            Ok(Signal::Waiting(at)) => at.duration_since(self.started),
            other => panic!("the function did not ask for an event: {other:?}"),
        }
    }

    /// Sends an event and waits for what comes of it. Call [`Self::ready`] first.
    pub fn invoke(&mut self, event: &str) -> Invocation {
        self.next_id += 1;
        self.events.send(event.to_owned()).unwrap();
        let mut sent = self.started;
        loop {
            match self.signals.recv_timeout(PATIENCE) {
                Ok(Signal::Sent(at)) => sent = at,
                Ok(Signal::Answer { ok, body, at }) => {
                    let outcome = if ok { Ok(body) } else { Err(body) };
                    self.ready();
                    return Invocation {
                        outcome,
                        elapsed: at.duration_since(sent),
                    };
                }
                other => panic!("the function did not answer: {other:?}"),
            }
        }
    }

    /// The number of its process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that the process ever held, in KiB (`VmHWM`).
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the kernel tells it in a file")]
    pub fn peak_memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Ends the process and gives back all that it wrote to standard output.
    #[must_use]
    pub fn stop(mut self) -> String {
        self.child.kill().unwrap();
        self.output.take().unwrap().join().unwrap()
    }

    /// Waits for a process that ends by itself: its exit code and what it wrote.
    #[must_use]
    pub fn wait(mut self) -> (Option<i32>, String) {
        let output = self.output.take().unwrap().join().unwrap();
        (self.child.wait().unwrap().code(), output)
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An internal extension of the function, where it has registered one ("Lambda Extensions API").
#[derive(Debug, Default)]
struct Extension {
    state: Mutex<ExtensionState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct ExtensionState {
    registered: bool,
    /// Whether it waits for an event.
    waiting: bool,
    events: u64,
}

impl Extension {
    /// A function is frozen between events: the next one comes when its extension is ready, too.
    fn event(&self) {
        let mut state = self.state.lock().unwrap();
        while state.registered && !state.waiting {
            state = self.changed.wait(state).unwrap();
        }
        state.waiting = false;
        state.events += 1;
        self.changed.notify_all();
    }

    fn next(&self) {
        let mut state = self.state.lock().unwrap();
        let seen = state.events;
        state.waiting = true;
        self.changed.notify_all();
        while state.events == seen {
            state = self.changed.wait(state).unwrap();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn serve(
    mut connection: Connection,
    events: &Mutex<Receiver<String>>,
    signal: &Sender<Signal>,
    extension: &Extension,
) -> io::Result<()> {
    let gone = |_| io::ErrorKind::BrokenPipe;
    while let Some(request) = connection.read()? {
        let at = Instant::now();
        if request.line.ends_with("/extension/register") {
            assert!(request.header("lambda-extension-name").is_some());
            extension.state.lock().unwrap().registered = true;
            connection.write("200 OK", "Lambda-Extension-Identifier: e1\r\n", b"{}")?;
        } else if request.line.ends_with("/extension/event/next") {
            assert_eq!(request.header("lambda-extension-identifier"), Some("e1"));
            extension.next();
            connection.write("200 OK", "", br#"{"eventType":"INVOKE"}"#)?;
        } else if request.line.starts_with("GET ") {
            signal.send(Signal::Waiting(at)).map_err(gone)?;
            let event = events
                .lock()
                .unwrap()
                .recv()
                .map_err(|_| io::ErrorKind::BrokenPipe)?;
            extension.event();
            signal.send(Signal::Sent(Instant::now())).map_err(gone)?;
            let headers = "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
                           Lambda-Runtime-Deadline-Ms: 4102444800000\r\n\
                           Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:a\r\n\
                           Content-Type: application/json\r\n";
            connection.write("200 OK", headers, event.as_bytes())?;
        } else {
            let ok = request.line.ends_with("/response");
            let body = String::from_utf8_lossy(&request.body).into_owned();
            signal.send(Signal::Answer { ok, body, at }).map_err(gone)?;
            connection.write("202 Accepted", "", b"{}")?;
        }
    }
    Ok(())
}
