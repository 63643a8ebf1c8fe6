//! The least of an HTTP/1.1 server: reads requests with a `Content-Length` from a connection that
//! stays open, and writes answers. Enough for clients of our own, and it hides nothing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request.
#[derive(Debug)]
pub struct Request {
    /// The request line without the version, such as `GET /path`.
    pub line: String,
    /// The header fields, a line each, in lower case but for the values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The first value of a header; the name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// One side of a connection.
pub struct Connection {
    reader: BufReader<Box<dyn Stream>>,
    local: SocketAddr,
}

/// TCP, or TLS on top of it.
trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

impl Connection {
    fn new(stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        let stream: Box<dyn Stream> = match tls {
            Some(config) => {
                let connection = ServerConnection::new(config).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(connection, stream))
            }
            None => Box::new(stream),
        };
        Ok(Self {
            reader: BufReader::new(stream),
            local,
        })
    }

    /// The address that the client connected to.
    #[must_use]
    pub const fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// The next request, or `None` where the client has closed the connection.
    pub fn read(&mut self) -> io::Result<Option<Request>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        let mut length = 0;
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            self.reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(':') else {
                break;
            };
            let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
            if name == "content-length" {
                length = value.parse().unwrap_or(0);
            }
            headers.push((name, value));
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body)?;
        Ok(Some(Request {
            line,
            headers,
            body,
        }))
    }

    /// Writes bytes as they are, which need not be an answer.
    pub fn write_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)?;
        self.reader.get_mut().flush()
    }

    /// Writes an answer; `headers` is lines that end in `\r\n`.
    pub fn write(&mut self, status: &str, headers: &str, body: &[u8]) -> io::Result<()> {
        let mut answer = format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        answer.extend_from_slice(body);
        self.reader.get_mut().write_all(&answer)?;
        self.reader.get_mut().flush()
    }
}

/// Listens on a free port of 127.0.0.1 and hands each connection to a thread of its own, for as
/// long as the process lives.
pub fn listen(serve: impl Fn(Connection) -> io::Result<()> + Clone + Send + 'static) -> SocketAddr {
    start(None, serve)
}

/// The same with TLS. Also gives the certificate, in PEM, that clients have to trust.
pub fn listen_tls(
    serve: impl Fn(Connection) -> io::Result<()> + Clone + Send + 'static,
) -> (SocketAddr, String) {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    (start(Some(Arc::new(config)), serve), own.cert.pem())
}

fn start(
    tls: Option<Arc<ServerConfig>>,
    serve: impl Fn(Connection) -> io::Result<()> + Clone + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (serve, tls) = (serve.clone(), tls.clone());
            // A connection that breaks off is its client's business.
            thread::spawn(move || Connection::new(stream, tls).and_then(serve).ok());
        }
    });
    address
}
