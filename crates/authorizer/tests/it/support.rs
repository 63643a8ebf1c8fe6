//! A function with the sideband service that it asks.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use portcullis_test_support::http;
use portcullis_test_support::lambda::Function;
use serde_json::{Value, json};

pub(crate) const CREDENTIAL: &str = "gateway-credential-5f1c";
pub(crate) const TOKEN: &str = "dG9rZW4tOWEz.c2VjcmV0.c2ln";
pub(crate) const BOOTSTRAP: &str = env!("CARGO_BIN_EXE_bootstrap");

/// A sideband service on loopback that answers each call with what a function says.
pub(crate) struct Service {
    pub(crate) url: String,
    calls: Arc<AtomicUsize>,
    last: Arc<Mutex<Value>>,
}

impl Service {
    /// `answer` gets the request and gives status and body.
    pub(crate) fn start(
        answer: impl Fn(&Value) -> (&'static str, String) + Clone + Send + 'static,
    ) -> Self {
        let (calls, last) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(Mutex::new(Value::Null)),
        );
        let (counter, writer) = (Arc::clone(&calls), Arc::clone(&last));
        let address = http::listen(move |mut connection| {
            while let Some(request) = connection.read()? {
                counter.fetch_add(1, Ordering::SeqCst);
                let sent: Value = serde_json::from_slice(&request.body).unwrap();
                let (status, body) = answer(&sent);
                *writer.lock().unwrap() = sent;
                connection.write(status, "Correlation-Id: 4f6c-11\r\n", body.as_bytes())?;
            }
            Ok(())
        });
        Self {
            url: format!("http://{address}"),
            calls,
            last,
        }
    }

    /// Permits everything.
    pub(crate) fn permitting() -> Self {
        Self::start(|sent| ("200 OK", sent.to_string()))
    }

    /// Denies everything with that response.
    pub(crate) fn denying(response: Value) -> Self {
        Self::start(move |sent| {
            let mut reply = sent.clone();
            reply["response"] = response.clone();
            ("200 OK", reply.to_string())
        })
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// The last request that came.
    pub(crate) fn last(&self) -> Value {
        self.last.lock().unwrap().clone()
    }

    /// A function that asks this service, ready for events.
    pub(crate) fn function(&self, settings: &[(&str, &str)]) -> Function {
        let own = [
            ("SERVICE_URL", self.url.as_str()),
            ("SECRET_HEADER_VALUE", CREDENTIAL),
        ];
        let mut function = Function::start(Path::new(BOOTSTRAP), &[&own[..], settings].concat());
        function.ready();
        function
    }
}

/// A recorded event.
pub(crate) fn recorded(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/events");
    #[expect(clippy::disallowed_methods, reason = "a recorded event")]
    fs::read_to_string(format!("{folder}/{name}.json")).unwrap()
}

/// A REST REQUEST event for that path, with a token.
pub(crate) fn rest_event(path: &str) -> Value {
    json!({
        "type": "REQUEST",
        "methodArn": format!("arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET{path}"),
        "resource": path, "path": path, "httpMethod": "GET",
        "headers": { "Authorization": format!("Bearer {TOKEN}") },
        "multiValueHeaders": { "Authorization": [format!("Bearer {TOKEN}")] },
        "queryStringParameters": { "key": "query-secret" },
        "requestContext": {
            "path": format!("/prod{path}"), "stage": "prod", "apiId": "abc", "httpMethod": "GET",
            "domainName": "abc.execute-api.us-east-1.amazonaws.com",
            "identity": { "sourceIp": "192.0.2.7" },
        },
    })
}

/// Whether an answer lets anything through.
pub(crate) fn allows(outcome: &Result<String, String>) -> bool {
    outcome.as_ref().is_ok_and(|answer| {
        answer.contains("\"Allow\"") || answer.contains("\"isAuthorized\":true")
    })
}

/// Every line is JSON, and no line holds what only the parties of the request may know.
pub(crate) fn check_log(log: &str) -> Vec<Value> {
    for secret in [TOKEN, CREDENTIAL, "query-secret"] {
        assert!(!log.contains(secret), "the log holds {secret}");
    }
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        let is_metric = line["_aws"]["CloudWatchMetrics"].is_array();
        let is_log = ["timestamp", "level", "message"]
            .iter()
            .all(|member| line[member].is_string());
        assert!(is_metric || is_log, "{line}");
    }
    lines
}

/// The same as text, with that token or none.
pub(crate) fn event(path: &str, token: Option<&str>) -> String {
    let mut event = rest_event(path);
    let values = token.map(|token| json!([format!("Bearer {token}")]));
    event["headers"] = json!({});
    event["multiValueHeaders"] = json!({ "Authorization": values.unwrap_or(json!([])) });
    event.to_string()
}
