//! TLS of the service: what a client sees of it, renewal without a restart, and what is said about
//! files that are no good.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use portcullis_server::{Limits, TlsIdentity};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::running::{Answer, Gate, Running, Setup, call, good, until};

fn pair() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap()
}

/// Two files.
struct Files(TempDir);

impl Files {
    fn with(pair: &CertifiedKey<KeyPair>) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write(pair);
        files
    }

    fn write(&self, pair: &CertifiedKey<KeyPair>) {
        fs::write(self.path("tls.crt"), pair.cert.pem()).unwrap();
        fs::write(self.path("tls.key"), pair.signing_key.serialize_pem()).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn load(&self) -> Result<TlsIdentity, String> {
        TlsIdentity::load(self.path("tls.crt"), self.path("tls.key"))
            .map_err(|error| error.to_string())
    }

    /// A service with this certificate that looks at the files all the time.
    async fn serve(&self) -> Running {
        let tls = Arc::new(self.load().unwrap());
        let setup = Setup {
            tls: Some(tls.clone()),
            ..Setup::default()
        };
        let service = Running::start(Gate::open(), setup).await;
        let metrics = service.metrics.clone();
        tokio::spawn(async move { tls.watch(Duration::from_millis(10), metrics).await });
        service
    }
}

/// Shakes hands, trusting that certificate alone.
async fn connect(
    service: &Running,
    trusted: &CertifiedKey<KeyPair>,
    version: &'static SupportedProtocolVersion,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(trusted.cert.der().to_vec()))
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, service.connect().await)
        .await
}

#[tokio::test]
async fn calls_are_answered_over_tls() {
    let pair = pair();
    let service = Files::with(&pair).serve().await;
    for (version, protocol) in [
        (&TLS12, rustls::ProtocolVersion::TLSv1_2),
        (&TLS13, rustls::ProtocolVersion::TLSv1_3),
    ] {
        let mut stream = connect(&service, &pair, version).await.unwrap();
        stream.write_all(&call(&good())).await.unwrap();
        assert_eq!(Answer::next(&mut stream).await.status, 200);
        let session = stream.get_ref().1;
        assert_eq!(session.protocol_version(), Some(protocol));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
    // Plain HTTP is no handshake.
    let answer = service.get("/health/live").await;
    assert_eq!(answer.status, 0, "{answer:?}");
    service
        .until(
            "portcullis_connections_failed_total{cause=\"handshake\"}",
            1.0,
        )
        .await;
    assert!(
        connect(&service, &self::pair(), &TLS13).await.is_err(),
        "it trusts a stranger"
    );
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_given_up() {
    let limits = Limits {
        handshake_time: Duration::from_millis(100),
        ..Limits::default()
    };
    let tls = Some(Arc::new(Files::with(&pair()).load().unwrap()));
    let service = Running::start(
        Gate::open(),
        Setup {
            tls,
            limits,
            ..Setup::default()
        },
    )
    .await;
    let mut stream = service.connect().await;
    stream.write_all(b"\x16\x03\x01").await.unwrap();
    assert_eq!(stream.read(&mut [0; 64]).await.unwrap_or(0), 0);
    service
        .until(
            "portcullis_connections_failed_total{cause=\"handshake\"}",
            1.0,
        )
        .await;
}

#[tokio::test]
async fn a_renewed_certificate_needs_no_restart_and_a_broken_one_changes_nothing() {
    let (old, new) = (pair(), pair());
    let files = Files::with(&old);
    let service = files.serve().await;
    let mut kept = connect(&service, &old, &TLS13).await.unwrap();
    let loads =
        |result| format!("portcullis_loads_total{{what=\"certificate\",result=\"{result}\"}}");

    // The certificate of one pair and the key of the other.
    fs::write(files.path("tls.crt"), new.cert.pem()).unwrap();
    service.until(&loads("failure"), 1.0).await;
    assert_eq!(
        service.value("portcullis_last_load_success{what=\"certificate\"}"),
        Some(0.0)
    );
    connect(&service, &old, &TLS13).await.unwrap();
    // Gone altogether, as between the two steps of a careless tool.
    fs::remove_file(files.path("tls.key")).unwrap();
    service.until(&loads("failure"), 2.0).await;
    connect(&service, &old, &TLS13).await.unwrap();

    files.write(&new);
    service.until(&loads("success"), 1.0).await;
    assert_eq!(
        service.value("portcullis_last_load_success{what=\"certificate\"}"),
        Some(1.0)
    );
    connect(&service, &new, &TLS13).await.unwrap();
    assert!(connect(&service, &old, &TLS13).await.is_err());
    kept.write_all(&call(&good())).await.unwrap();
    assert_eq!(
        Answer::next(&mut kept).await.status,
        200,
        "an old connection goes on"
    );
}

#[tokio::test]
async fn files_behind_a_link_that_is_swapped_are_seen() {
    let (old, new) = (pair(), pair());
    let root = tempfile::tempdir().unwrap();
    let place = |name: &str, pair: &CertifiedKey<KeyPair>| {
        let folder = root.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("tls.crt"), pair.cert.pem()).unwrap();
        fs::write(folder.join("tls.key"), pair.signing_key.serialize_pem()).unwrap();
    };
    place("1", &old);
    place("2", &new);
    let link = |to: &str| {
        std::os::unix::fs::symlink(to, root.path().join("next")).unwrap();
        fs::rename(root.path().join("next"), root.path().join("now")).unwrap();
    };
    link("1");
    let now = root.path().join("now");
    let tls = Arc::new(TlsIdentity::load(now.join("tls.crt"), now.join("tls.key")).unwrap());
    let setup = Setup {
        tls: Some(tls.clone()),
        ..Setup::default()
    };
    let service = Running::start(Gate::open(), setup).await;
    let metrics = service.metrics.clone();
    tokio::spawn(async move { tls.watch(Duration::from_millis(10), metrics).await });
    connect(&service, &old, &TLS12).await.unwrap();
    link("2");
    service
        .until(
            "portcullis_loads_total{what=\"certificate\",result=\"success\"}",
            1.0,
        )
        .await;
    connect(&service, &new, &TLS12).await.unwrap();
}

#[test]
fn says_what_is_wrong_with_the_files() {
    let (pair, other) = (pair(), pair());
    let files = Files::with(&pair);
    let key_text = pair.signing_key.serialize_pem();
    let check = |file: &str, text: &str, expected: &str| {
        fs::write(files.path(file), text).unwrap();
        let error = files.load().unwrap_err();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(error.contains(file), "{error} does not name {file}");
        let line = key_text.lines().nth(1).unwrap();
        assert!(!error.contains(line), "the key is in the error");
        files.write(&pair);
        files.load().unwrap();
    };
    check("tls.crt", "", "no certificate");
    check("tls.crt", &key_text, "no certificate");
    check("tls.crt", "-----BEGIN CERTIFICATE-----\n!!\n", "broken PEM");
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check("tls.crt", junk, "cannot be used");
    check("tls.key", "", "no private key");
    check("tls.key", &pair.cert.pem(), "no private key");
    let encrypted = key_text.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    check("tls.key", &encrypted, "not encrypted");
    let broken = key_text.replace("-----END", "-----");
    check("tls.key", &broken, "broken PEM");
    let junk = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    check("tls.key", junk, "this private key cannot be used");
    check(
        "tls.key",
        &other.signing_key.serialize_pem(),
        "does not belong to",
    );
    check("tls.crt", &"x".repeat(300 * 1024), "larger than");
    fs::remove_file(files.path("tls.key")).unwrap();
    assert!(files.load().unwrap_err().contains("tls.key: No such file"));
    let none = TlsIdentity::load("/no/such.crt", Path::new("/no/such.key")).unwrap_err();
    assert!(none.to_string().starts_with("/no/such.crt: "), "{none}");
}

#[tokio::test]
async fn stopping_does_not_wait_for_handshakes() {
    let tls = Some(Arc::new(Files::with(&pair()).load().unwrap()));
    let service = Running::start(
        Gate::open(),
        Setup {
            tls,
            ..Setup::default()
        },
    )
    .await;
    let mut stream = service.connect().await;
    service.until("portcullis_connections_open", 1.0).await;
    service
        .signals
        .send(portcullis_server::StopSignal::Terminate)
        .await
        .unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    until("it stops", || service.served.is_finished()).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_over_tls_too() {
    const LARGE: usize = 64 * 1024 * 1024;
    let pair = pair();
    let routes = Router::new().route("/large", get(|| async { vec![b'x'; LARGE] }));
    let limits = Limits {
        answer_time: Duration::from_millis(300),
        ..Limits::default()
    };
    let tls = Some(Arc::new(Files::with(&pair).load().unwrap()));
    let setup = Setup {
        tls,
        limits,
        ..Setup::default()
    };
    let service = Running::start_router(routes, setup).await;
    let mut stream = connect(&service, &pair, &TLS13).await.unwrap();
    stream
        .write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    service
        .until("portcullis_connections_failed_total{cause=\"http\"}", 1.0)
        .await;
    service.until("portcullis_connections_open", 0.0).await;
}
