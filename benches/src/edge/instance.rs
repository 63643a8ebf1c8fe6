//! An instance of a Lambda@Edge function: a process of Node.js with `benches/peers/edge-driver.cjs`, which loads the
//! handler, calls it and tells the times. It speaks JSON, one document a line.

use std::io::{self, BufRead, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::thread;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::package::Package;
use crate::node::LIMITS;

/// What of Node.js is there before the handler is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// The modules that handlers of this kind use, so that what is left is the handler's own.
    Modules,
    /// What Node.js has by itself.
    Nothing,
}

/// Who answers the requests of the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// The service that its package names.
    Http,
    /// The driver itself, in place of the HTTP client of Node.js.
    Stub,
}

/// How long something took, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    /// On the clock.
    pub(crate) time: f64,
    /// Of the processors, by all threads of the process.
    pub(crate) processor: f64,
}

/// The memory of an instance after a collection, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Of the whole process (`VmRSS`).
    pub(crate) resident: f64,
    /// What JavaScript holds, in its heap and beside it, where the memory of the WebAssembly module is.
    pub(crate) held: f64,
    /// The memory of the WebAssembly module alone.
    pub(crate) module: f64,
    /// The most that the process ever had (`VmHWM`).
    pub(crate) peak: f64,
}

/// A running instance. It ends with this value.
pub(crate) struct Instance {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStderr>>,
    /// Loading the handler.
    pub(crate) load: Took,
    /// The version of Node.js.
    pub(crate) node: String,
}

impl Instance {
    /// Starts a process, loads the handler and makes the event known. `certificate` is a file with one that Node.js trusts
    /// beside its own.
    pub(crate) fn start(
        root: &Path,
        package: &Package,
        before: Before,
        transport: Transport,
        certificate: Option<&Path>,
        event: &Value,
    ) -> Result<Self> {
        let mut command = Command::new("node");
        command
            .args(LIMITS)
            // The collector, to be called before memory is read.
            .arg("--expose-gc")
            .arg(root.join("benches/peers/edge-driver.cjs"))
            .arg(package.handler())
            .arg(match before {
                Before::Modules => "modules",
                Before::Nothing => "none",
            })
            .arg(match transport {
                Transport::Http => "none",
                Transport::Stub => "stub",
            })
            .env("AWS_REGION", "us-east-1")
            .env("AWS_LAMBDA_FUNCTION_NAME", "us-east-1.portcullis-edge")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(file) = certificate {
            command.env("NODE_EXTRA_CA_CERTS", file);
        }
        let mut child = command.spawn().context("node")?;
        let input = child.stdin.take().context("node has a standard input")?;
        let answers = child.stderr.take().context("node has a standard error")?;
        let mut log = child.stdout.take().context("node has a standard output")?;
        // Like Lambda: the log goes into a pipe, and somebody reads it.
        thread::spawn(move || io::copy(&mut log, &mut io::sink()).ok());
        let mut instance = Self {
            child,
            input,
            output: BufReader::new(answers).lines(),
            load: Took {
                time: 0.0,
                processor: 0.0,
            },
            node: String::new(),
        };
        let loaded = instance.answer()?;
        instance.load = took(&loaded)?;
        let node = loaded.get("node").and_then(Value::as_str);
        node.context("the version of Node.js")?
            .clone_into(&mut instance.node);
        instance.ask(&json!({ "ask": "event", "event": event }))?;
        Ok(instance)
    }

    /// The times of so many decisions, one by one, in seconds.
    pub(crate) fn each(&mut self, decisions: u32) -> Result<Vec<f64>> {
        let answer = self.ask(&json!({ "ask": "each", "decisions": decisions }))?;
        let times = answer.get("times").and_then(Value::as_array);
        let times = times.context("no times in the driver's answer")?.iter();
        times
            .map(|time| Ok(time.as_f64().context("a time")? / 1e3))
            .collect()
    }

    /// What one decision takes, over so many.
    pub(crate) fn round(&mut self, decisions: u32) -> Result<Took> {
        took(&self.ask(&json!({ "ask": "round", "decisions": decisions }))?)
    }

    /// The memory after so many decisions more.
    pub(crate) fn memory(&mut self, decisions: u32) -> Result<Memory> {
        let answer = self.ask(&json!({ "ask": "memory", "decisions": decisions }))?;
        let module = number(&answer, "linear")?;
        Ok(Memory {
            resident: number(&answer, "rss")?,
            held: number(&answer, "heapUsed")? + number(&answer, "external")?,
            module,
            peak: number(&answer, "peak")?,
        })
    }

    fn ask(&mut self, question: &Value) -> Result<Value> {
        writeln!(self.input, "{question}")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value> {
        let line = self.output.next().context("the driver has ended")??;
        serde_json::from_str(&line).with_context(|| format!("the driver says: {line}"))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds, of an answer in milliseconds.
fn took(answer: &Value) -> Result<Took> {
    Ok(Took {
        time: number(answer, "time")? / 1e3,
        processor: number(answer, "processor")? / 1e3,
    })
}

fn number(answer: &Value, name: &str) -> Result<f64> {
    let number = answer.get(name).and_then(Value::as_f64);
    number.with_context(|| format!("no {name} in the driver's answer"))
}
