//! TLS of the service itself: a certificate and its key from two files, looked at again and again,
//! so that a renewed certificate needs no restart. Connections that are open go on as they began.
//!
//! TLS 1.2 (RFC 5246) and 1.3 (RFC 8446) by rustls on aws-lc; ALPN (RFC 7301) offers `http/1.1`.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::metrics::{Loaded, Metrics};

/// How often the files are looked at. A change counts once two looks in a row agree.
pub const TLS_RELOAD_INTERVAL: Duration = Duration::from_secs(1);
/// Largest certificate or key file, in bytes: room for a long chain.
const MAX_PEM_BYTES: u64 = 256 * 1024;

/// A certificate and its key, the newest that could be used.
pub struct TlsIdentity {
    files: TlsFiles,
    /// What the files looked like before they were first read.
    loaded: Fingerprint,
    current: ArcSwap<ServerConfig>,
}

/// Where certificate and key are.
#[derive(Debug, Clone)]
struct TlsFiles {
    /// PEM (RFC 7468) with the service's own certificate first, then those that lead to an authority.
    certificate: PathBuf,
    /// PEM with one private key that is not encrypted: PKCS#8, PKCS#1 or SEC1.
    key: PathBuf,
}

/// What the two files looked like: equal as long as nothing was changed; `None` where one is missing.
type Fingerprint = [Option<[i64; 8]>; 2];

impl TlsIdentity {
    /// Reads certificate and key. Fails where they cannot be read or do not belong together.
    pub fn load(
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, InvalidTls> {
        let (certificate, key) = (certificate.into(), key.into());
        let files = TlsFiles { certificate, key };
        let loaded = files.look();
        let current = ArcSwap::from_pointee(files.load()?);
        Ok(Self {
            files,
            loaded,
            current,
        })
    }

    /// Looks at the files for as long as it is polled, every `interval`, and takes a new pair for new
    /// connections. A broken pair changes nothing and is told in the log, once.
    pub async fn watch(&self, interval: Duration, metrics: Metrics) {
        let mut tried = Some(self.loaded);
        let mut last = self.loaded;
        let mut last_error = String::new();
        loop {
            tokio::time::sleep(interval).await;
            let seen = self.files.look_apart().await;
            let settled = seen == last;
            last = seen;
            if !settled || tried == Some(seen) {
                continue;
            }
            let outcome = self.files.load_apart().await;
            if self.files.look_apart().await != seen {
                continue;
            }
            match outcome {
                Ok(config) => {
                    tracing::info!(
                        certificate = %self.files.certificate.display(),
                        "the certificate changed; new connections get the new one"
                    );
                    tried = Some(seen);
                    last_error.clear();
                    self.current.store(Arc::new(config));
                    metrics.loaded(Loaded::Certificate, true);
                }
                Err(error) => {
                    // What cannot be read now may be readable at the next look.
                    tried = (!matches!(error, InvalidTls::Io { .. })).then_some(seen);
                    let error = error.to_string();
                    if error != last_error {
                        metrics.loaded(Loaded::Certificate, false);
                        tracing::error!(
                            error,
                            "the certificate changed but cannot be used; the old one stays"
                        );
                        last_error = error;
                    }
                }
            }
        }
    }

    /// For one handshake, with the newest pair.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsIdentity").field(&self.files).finish()
    }
}

impl TlsFiles {
    fn load(&self) -> Result<ServerConfig, InvalidTls> {
        let certificates = certificates(&self.certificate)?;
        let key = private_key(&self.key)?;
        let provider = Arc::new(default_provider());
        let key =
            provider
                .key_provider
                .load_private_key(key)
                .map_err(|_| InvalidTls::UnusableKey {
                    path: self.key.clone(),
                })?;
        let pair = CertifiedKey::new(certificates, key);
        match pair.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(InvalidTls::Mismatch {
                    certificate: self.certificate.clone(),
                    key: self.key.clone(),
                });
            }
            Err(cause) => {
                return Err(InvalidTls::UnusableCertificate {
                    path: self.certificate.clone(),
                    cause: cause.to_string(),
                });
            }
        }
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|cause| InvalidTls::UnusableCertificate {
                path: self.certificate.clone(),
                cause: cause.to_string(),
            })?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// The same on a thread that may block.
    async fn load_apart(&self) -> Result<ServerConfig, InvalidTls> {
        let files = self.clone();
        let loaded = tokio::task::spawn_blocking(move || files.load()).await;
        loaded
            .unwrap_or_else(|error| Err(InvalidTls::io(&self.certificate, io::Error::other(error))))
    }

    /// What the files look like now.
    fn look(&self) -> Fingerprint {
        [look_at(&self.certificate), look_at(&self.key)]
    }

    /// The same on a thread that may block.
    async fn look_apart(&self) -> Fingerprint {
        let files = self.clone();
        let looked = tokio::task::spawn_blocking(move || files.look()).await;
        looked.unwrap_or_default()
    }
}

/// Follows links, as Kubernetes swaps the files of a secret behind one.
fn look_at(path: &Path) -> Option<[i64; 8]> {
    let meta = fs::metadata(path).ok()?;
    Some([
        meta.size().cast_signed(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec(),
        meta.ino().cast_signed(),
        meta.dev().cast_signed(),
        i64::from(meta.mode()),
    ])
}

/// The one place that reads these files.
fn read(path: &Path) -> Result<Vec<u8>, InvalidTls> {
    let failed = |cause| InvalidTls::io(path, cause);
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_PEM_BYTES + 1).read_to_end(&mut text))
        .map_err(failed)?;
    if text.len() as u64 > MAX_PEM_BYTES {
        return Err(InvalidTls::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, InvalidTls> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let path = path.to_owned();
    match found {
        Ok(found) if found.is_empty() => Err(InvalidTls::NoCertificate { path }),
        Ok(found) => Ok(found),
        Err(_) => Err(InvalidTls::Pem { path }),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, InvalidTls> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|cause| {
        let path = path.to_owned();
        match cause {
            pem::Error::NoItemsFound => InvalidTls::NoKey { path },
            // The cause may quote a line of the file.
            _ => InvalidTls::Pem { path },
        }
    })
}

/// Why a certificate and its key cannot be used. No message holds anything of the files.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTls {
    /// A file cannot be read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file is larger than any chain of certificates.
    #[error("{}: larger than {MAX_PEM_BYTES} bytes; is this a PEM file?", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// A file begins as PEM and does not go on as such.
    #[error("{}: broken PEM: expected whole -----BEGIN ...----- blocks (RFC 7468)", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
    },
    /// The certificate file holds none.
    #[error(
        "{}: no certificate: expected PEM with a -----BEGIN CERTIFICATE----- block, the service's own first",
        path.display()
    )]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// The key file holds none.
    #[error(
        "{}: no private key: expected PEM with a -----BEGIN PRIVATE KEY----- block (or RSA or EC PRIVATE KEY), not encrypted",
        path.display()
    )]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// The key is of a kind that TLS here cannot use.
    #[error(
        "{}: this private key cannot be used: expected RSA of 2048 bits or more, ECDSA on P-256, P-384 or P-521, or Ed25519",
        path.display()
    )]
    UnusableKey {
        /// Which.
        path: PathBuf,
    },
    /// The certificate is not one.
    #[error("{}: the first certificate cannot be used: {cause}", path.display())]
    UnusableCertificate {
        /// Which.
        path: PathBuf,
        /// What TLS says about it.
        cause: String,
    },
    /// Certificate and key are of different pairs.
    #[error(
        "{}: this private key does not belong to the first certificate in {}",
        key.display(),
        certificate.display()
    )]
    Mismatch {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
    },
}

impl InvalidTls {
    fn io(path: &Path, cause: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            cause,
        }
    }
}
