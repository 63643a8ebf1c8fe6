//! Both sides of the function on the level of bytes: a server that keeps what it was sent and
//! answers with any bytes, and a runtime API that hands out any bytes and keeps what the process
//! wrote to standard output and standard error.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use portcullis_test_support::http;

use crate::support::BOOTSTRAP;

/// What a server does with a request.
pub(crate) enum Act {
    /// Writes that and waits for the next request.
    Say(Vec<u8>),
    /// Writes that and hangs up.
    SayAndClose(Vec<u8>),
    /// Says nothing more.
    Hang,
}

/// An answer of 200 with that body.
pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A server on a free port of 127.0.0.1.
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Wire {
    /// `answer` gets the head and the body of a request.
    pub(crate) fn start(
        answer: impl Fn(&str, &[u8]) -> Act + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, answer) = (Arc::clone(&kept), answer.clone());
                thread::spawn(move || converse(stream, &kept, &answer));
            }
        });
        Self { address, heads }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The head of each request that came, as it came.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn converse(
    stream: TcpStream,
    kept: &Mutex<Vec<String>>,
    answer: &impl Fn(&str, &[u8]) -> Act,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        kept.lock().unwrap().push(head.clone());
        match answer(&head, &body) {
            Act::Say(bytes) => reader.get_mut().write_all(&bytes).ok()?,
            Act::SayAndClose(bytes) => return reader.get_mut().write_all(&bytes).ok(),
            Act::Hang => {
                // Until the client hangs up.
                let _ = reader.read_to_end(&mut Vec::new());
                return None;
            }
        }
    }
}

/// What a function did with some events.
pub(crate) struct Life {
    /// For each event, whether the function answered it, and the answer or the error.
    pub(crate) outcomes: Vec<Result<String, String>>,
    /// All that the process wrote to standard output.
    pub(crate) output: String,
    /// All that it wrote to standard error.
    pub(crate) errors: String,
}

/// Runs a function for events of any bytes.
pub(crate) fn live(settings: &[(&str, &str)], events: &[&[u8]]) -> Life {
    let to_send: Arc<Mutex<Vec<Vec<u8>>>> = Arc::new(Mutex::new(
        events.iter().rev().map(|event| event.to_vec()).collect(),
    ));
    let (done, outcomes) = channel();
    let api = http::listen(move |mut connection| {
        while let Some(request) = connection.read()? {
            if request.line.starts_with("GET ") {
                let Some(event) = to_send.lock().unwrap().pop() else {
                    // No further event: Lambda leaves the function waiting.
                    let _ = done.send(None);
                    thread::sleep(Duration::from_mins(1));
                    return Ok(());
                };
                let headers = "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
                               Lambda-Runtime-Deadline-Ms: 4102444800000\r\n\
                               Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:1:function:a\r\n";
                connection.write("200 OK", headers, &event)?;
            } else {
                let body = String::from_utf8_lossy(&request.body).into_owned();
                let answered = request.line.ends_with("/response");
                let _ = done.send(Some(if answered { Ok(body) } else { Err(body) }));
                connection.write("202 Accepted", "", b"{}")?;
            }
        }
        Ok(())
    });
    let mut child = Command::new(BOOTSTRAP)
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", api.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "portcullis-authorizer")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "log")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "log")
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut came = Vec::new();
    while let Ok(Some(outcome)) = outcomes.recv_timeout(Duration::from_secs(30)) {
        came.push(outcome);
    }
    let _ = child.kill();
    let written = child.wait_with_output().unwrap();
    Life {
        outcomes: came,
        output: String::from_utf8(written.stdout).unwrap(),
        errors: String::from_utf8(written.stderr).unwrap(),
    }
}
