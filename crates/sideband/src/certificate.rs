//! A client certificate on the wire: a JWK (RFC 7517) of its key, with the certificate in `x5c`.

use portcullis_model::ClientCertificate;
use serde::{Deserialize, Serialize};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// Characters of a line of PEM (RFC 7468 section 2).
const LINE_CHARS: usize = 64;

/// A client certificate on the wire: a JWK (RFC 7517) with the chain in `x5c`.
///
/// Only `x5c` is sent, and only it is read: the key that `kty`, `n` and `e` would repeat is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificateJwk {
    /// Certificates in base64 DER, the client's first (RFC 7517 section 4.7).
    #[serde(default)]
    pub x5c: Vec<String>,
}

impl ClientCertificateJwk {
    /// The first certificate of a PEM text, without its armour; `None` where there is none.
    pub(crate) fn from_model(certificate: &ClientCertificate) -> Option<Self> {
        let (_, rest) = certificate.pem.split_once(BEGIN)?;
        let (base64, _) = rest.split_once(END)?;
        let der: String = base64.split_ascii_whitespace().collect();
        is_base64(&der).then(|| Self { x5c: vec![der] })
    }

    /// The client's certificate in PEM, or `None` where `x5c` is empty: then nothing shows which
    /// certificate the client holds.
    pub(crate) fn to_model(&self) -> Result<Option<ClientCertificate>, NotBase64> {
        let Some(der) = self.x5c.first() else {
            return Ok(None);
        };
        if !is_base64(der) {
            return Err(NotBase64);
        }
        let mut pem = format!("{BEGIN}\n");
        for (index, character) in der.chars().enumerate() {
            if index > 0 && index % LINE_CHARS == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem.push('\n');
        pem.push_str(END);
        pem.push('\n');
        Ok(Some(ClientCertificate { pem }))
    }
}

/// The first entry of `x5c` is not base64, so it could also end the armour and begin another.
pub(crate) struct NotBase64;

/// Base64 with padding (RFC 4648 section 4), as `x5c` has it.
fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    !digits.is_empty()
        && padding <= 2
        && text.len().is_multiple_of(4)
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}
