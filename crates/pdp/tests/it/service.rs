//! A service on loopback that answers as a script says, well or badly, and remembers what came.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What the service does with one request.
pub(crate) enum Act {
    /// Writes these bytes and waits for the next request.
    Answer(Vec<u8>),
    /// Writes these bytes and closes the connection.
    AnswerAndClose(Vec<u8>),
    /// Closes the connection without a word.
    Close,
    /// Says nothing until the client gives up.
    Hang,
    /// Writes these bytes and then one after the other without an end.
    Drip(Vec<u8>),
}

/// A request that came.
#[derive(Clone)]
pub(crate) struct Seen {
    /// Request line and header fields.
    pub(crate) head: String,
    pub(crate) body: String,
}

type Script = dyn Fn(usize, &Seen) -> Act + Send + Sync;

pub(crate) struct Service {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Service {
    /// Answers the n-th request, counted from 0 over all connections, as the script says.
    pub(crate) fn start(script: impl Fn(usize, &Seen) -> Act + Send + Sync + 'static) -> Self {
        Self::spawn(None, Arc::new(script))
    }

    /// The same behind TLS.
    pub(crate) fn start_tls(
        tls: ServerConfig,
        script: impl Fn(usize, &Seen) -> Act + Send + Sync + 'static,
    ) -> Self {
        Self::spawn(Some(Arc::new(tls)), Arc::new(script))
    }

    fn spawn(tls: Option<Arc<ServerConfig>>, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            seen: Arc::default(),
        };
        let (connections, seen) = (Arc::clone(&service.connections), Arc::clone(&service.seen));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (tls, script, seen) = (tls.clone(), Arc::clone(&script), Arc::clone(&seen));
                thread::spawn(move || match tls {
                    None => converse(stream, &*script, &seen),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).unwrap();
                        converse(StreamOwned::new(connection, stream), &*script, &seen);
                    }
                });
            }
        });
        service
    }

    /// Resets every connection at its first byte.
    pub(crate) fn resetting() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            seen: Arc::default(),
        };
        let connections = Arc::clone(&service.connections);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                reset(stream);
            }
        });
        service
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn https_url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// How many connections were opened.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The requests that came, in order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// A response with a length.
pub(crate) fn response(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Whatever\r\n{headers}content-length: {length}\r\n\r\n{body}").into()
}

/// An answer of the given body.
pub(crate) fn ok(body: &str) -> Act {
    Act::Answer(response(200, "content-type: application/json\r\n", body))
}

/// A port that nobody listens on.
pub(crate) fn deserted_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn converse(mut stream: impl Read + Write, script: &Script, seen: &Mutex<Vec<Seen>>) {
    while let Some(request) = read_request(&mut stream) {
        let index = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        match script(index, &request) {
            Act::Answer(bytes) => {
                if stream
                    .write_all(&bytes)
                    .and_then(|()| stream.flush())
                    .is_err()
                {
                    return;
                }
            }
            Act::AnswerAndClose(bytes) => {
                let _ = stream.write_all(&bytes).and_then(|()| stream.flush());
                return;
            }
            Act::Close => return,
            Act::Hang => {
                let _ = stream.read(&mut [0]);
                return;
            }
            Act::Drip(beginning) => {
                let mut written = stream.write_all(&beginning);
                while written.is_ok() {
                    thread::sleep(Duration::from_millis(10));
                    written = stream.write_all(b"x").and_then(|()| stream.flush());
                }
                return;
            }
        }
    }
}

fn read_request(stream: &mut impl Read) -> Option<Seen> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            // A TLS handshake begins otherwise than a method.
            Ok(1) if head.is_empty() && !byte[0].is_ascii_uppercase() => return None,
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    Some(Seen { head, body })
}

/// The kernel resets a connection that is closed with bytes unread.
fn reset(mut stream: TcpStream) {
    let _ = stream.read(&mut [0]);
}
