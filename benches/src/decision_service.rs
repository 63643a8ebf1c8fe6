//! A real decision service on loopback, with one scope rule.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result};
use tempfile::TempDir;

/// The audience that the policy asks for.
pub(crate) const AUDIENCE: &str = "https://api.example.com";
/// The scope that it asks for.
pub(crate) const SCOPE: &str = "silver";
/// The credential of the authorizer.
pub(crate) const CREDENTIAL: &str = "benchmark-credential";

/// A running `portcullis serve`.
pub(crate) struct DecisionService {
    child: Child,
    address: String,
    _policy: TempDir,
}

impl DecisionService {
    pub(crate) fn start(portcullis: &Path, issuer: &str) -> Result<Self> {
        let policy = tempfile::tempdir()?;
        fs::create_dir(policy.path().join("services"))?;
        let service = format!(
            "name: Benchmark\nbase_urls: [{AUDIENCE}]\ntokens: [{{ issuer: '{issuer}', audiences: ['{AUDIENCE}'] }}]\n\
             operations:\n  - {{ name: Planets, methods: [GET], paths: [/planets], rules: {{ scopes: {{ any_of: [{SCOPE}] }} }} }}\n"
        );
        fs::write(policy.path().join("services/benchmark.yaml"), service)?;
        let mut child = Command::new(portcullis)
            .args(["serve", "--listen", "127.0.0.1:0", "--policy"])
            .arg(policy.path())
            .env("PORTCULLIS_GATEWAY_CREDENTIALS", CREDENTIAL)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| portcullis.display().to_string())?;
        let log = child
            .stderr
            .take()
            .context("the service has a standard error")?;
        let mut lines = BufReader::new(log).lines();
        let address = loop {
            let line = lines
                .next()
                .context("the service ended before it listened")??;
            let entry: serde_json::Value = serde_json::from_str(&line)?;
            if let Some(address) = entry.get("address").and_then(serde_json::Value::as_str) {
                break address.to_owned();
            }
        };
        // The log must be read on, or the service would stop when the pipe is full.
        thread::spawn(move || lines.for_each(drop));
        Ok(Self {
            child,
            address,
            _policy: policy,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for DecisionService {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
