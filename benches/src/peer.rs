//! aws-jwt-verify, in a Node.js process that stays for the whole run and takes its turn like every
//! other contestant. It speaks JSON, one document a line (`benches/peers/verify.mjs`).

use std::io::{BufRead, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use crate::tokens::{AUDIENCE, ISSUER, Tokens};

/// The running peer.
pub(crate) struct AwsJwtVerify {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// The versions of the package and of Node.js.
    pub(crate) versions: (String, String),
}

impl AwsJwtVerify {
    /// Starts it with the keys and the tokens of the run. `root` is the project's folder.
    pub(crate) fn start(root: &Path, tokens: &Tokens) -> Result<Self> {
        let folder = root.join("benches/peers");
        ensure!(
            folder.join("node_modules/aws-jwt-verify").is_dir(),
            "aws-jwt-verify is not there: run `make peers` first"
        );
        let mut child = Command::new("node")
            .arg(folder.join("verify.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("node")?;
        let input = child.stdin.take().context("node has a standard input")?;
        let output = child.stdout.take().context("node has a standard output")?;
        let mut peer = Self {
            child,
            input,
            output: BufReader::new(output).lines(),
            versions: Default::default(),
        };
        let lists = tokens.algorithms.iter();
        let lists: Map<_, _> = lists
            .map(|signed| (signed.algorithm.to_owned(), json!(signed.tokens)))
            .collect();
        let hello = peer.ask(&json!({
            "issuer": ISSUER, "audience": AUDIENCE, "jwks": tokens.jwks, "tokens": lists,
        }))?;
        let text = |name: &str| hello.get(name).and_then(Value::as_str).map(str::to_owned);
        let (version, node) = (text("version"), text("node"));
        peer.versions = (version.context("no version")?, node.context("no version")?);
        Ok(peer)
    }

    /// How long it takes for one token, over so many.
    pub(crate) fn round(&mut self, algorithm: &str, operations: u32) -> Result<Duration> {
        let answer = self.ask(&json!({ "algorithm": algorithm, "operations": operations }))?;
        let nanoseconds = answer.get("nanoseconds").and_then(Value::as_f64);
        let nanoseconds = nanoseconds.context("no time in the peer's answer")?;
        Ok(Duration::from_secs_f64(nanoseconds / 1e9))
    }

    fn ask(&mut self, question: &Value) -> Result<Value> {
        writeln!(self.input, "{question}")?;
        let line = self.output.next().context("the peer has ended")??;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for AwsJwtVerify {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
