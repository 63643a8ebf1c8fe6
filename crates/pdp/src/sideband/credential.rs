//! The credential of a gateway, and what a credential of PingOne says about its service.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// Longest credential, in bytes.
const MAX_CREDENTIAL_BYTES: usize = 8 * 1024;

/// The shared secret of a gateway.
#[derive(Clone, PartialEq, Eq)]
pub struct GatewayCredential(String);

impl GatewayCredential {
    /// Parses a credential: visible ASCII characters, as a header can carry them.
    pub fn parse(credential: &str) -> Result<Self, InvalidCredential> {
        let sendable = credential.bytes().all(|byte| byte.is_ascii_graphic());
        if credential.is_empty() || credential.len() > MAX_CREDENTIAL_BYTES || !sendable {
            return Err(InvalidCredential);
        }
        Ok(Self(credential.to_owned()))
    }

    /// Parses the whole value of a header, such as `Bearer` and a token: visible ASCII characters and
    /// spaces between them (RFC 9110 section 5.5).
    pub fn header_value(value: &str) -> Result<Self, InvalidHeaderValue> {
        let inside = !value.starts_with(' ') && !value.ends_with(' ');
        let sendable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if value.is_empty()
            || value.len() > MAX_CREDENTIAL_BYTES
            || !inside
            || !value.bytes().all(sendable)
        {
            return Err(InvalidHeaderValue);
        }
        Ok(Self(value.to_owned()))
    }

    /// The secret itself, for the header and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for GatewayCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayCredential([redacted])")
    }
}

/// A credential that no header can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("1 to {MAX_CREDENTIAL_BYTES} visible ASCII characters")]
pub struct InvalidCredential;

/// A credential that no header can carry, not even with spaces in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("1 to {MAX_CREDENTIAL_BYTES} visible ASCII characters, with spaces between them at most")]
pub struct InvalidHeaderValue;

/// The service URL that a PingOne gateway credential carries in its claim `httpAccessApiUrl`.
///
/// The credential is our own configuration, so its signature is not checked: whoever can change it
/// can also change `SERVICE_URL`.
#[must_use]
pub fn service_url_from_credential(credential: &str) -> Option<String> {
    let mut parts = credential.split('.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&claims).ok()?;
    claims.get("httpAccessApiUrl")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_may_name_its_service() {
        let claims = BASE64_URL_SAFE_NO_PAD
            .encode(r#"{"httpAccessApiUrl":"https://a.example/v1/environments/x"}"#);
        let credential = format!("e30.{claims}.c2ln");
        assert_eq!(
            service_url_from_credential(&credential).as_deref(),
            Some("https://a.example/v1/environments/x")
        );
        for other in ["secret", "a.b.c", "e30.e30.x", "e30.e30.x.y", ""] {
            assert_eq!(service_url_from_credential(other), None, "{other}");
        }
    }
}
