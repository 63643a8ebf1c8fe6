//! The request as an enforcement point describes it: the body of `POST /sideband/request`.

use std::fmt;
use std::net::IpAddr;

use portcullis_model::{
    ApiRequest, InvalidHeader, InvalidMethod, InvalidUrl, Method, RequestUrl, Source,
};
use serde::{Deserialize, Serialize};

use crate::certificate::ClientCertificateJwk;
use crate::header::Headers;
use crate::{loose, object};

/// The address that is sent where none is known: the unspecified address (RFC 1122 section
/// 3.2.1.3), which no policy takes for a client's.
pub const UNKNOWN_SOURCE_IP: &str = "0.0.0.0";
/// The port that is sent where none is known, which is always so on API Gateway: the protocol
/// demands one from 1 to 65535. This is the first of the ephemeral ports (RFC 6335 section 6).
pub const UNKNOWN_SOURCE_PORT: u16 = 49152;
/// Longest `http_version`, in bytes.
const MAX_VERSION_BYTES: usize = 64;
/// Longest `source_ip`, in bytes: some gateways send the whole of `X-Forwarded-For`.
const MAX_SOURCE_BYTES: usize = 1024;

/// A request to decide on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidebandRequest {
    /// The client's IP address.
    pub source_ip: String,
    /// The client's port; a number on the wire, and a string from some gateways.
    #[serde(deserialize_with = "loose::port")]
    pub source_port: u16,
    /// The method.
    pub method: String,
    /// The absolute URL as the client sent it.
    pub url: String,
    /// The HTTP version without `HTTP/`.
    #[serde(default = "http_1_1")]
    pub http_version: String,
    /// The header fields.
    pub headers: Headers,
    /// The body, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The certificate of mutual TLS.
    #[serde(
        default,
        deserialize_with = "object::deserialize_optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub client_certificate: Option<ClientCertificateJwk>,
    // A member `access_token`, claims that a gateway has parsed, is left out like any unknown
    // member: believing them would let whoever holds a gateway's credential make up tokens.
}

impl SidebandRequest {
    /// Reads the body of a call.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidRequest> {
        object::from_slice(body).map_err(InvalidRequest::Json)
    }

    /// Describes a request.
    #[must_use]
    pub fn from_api_request(request: &ApiRequest) -> Self {
        Self {
            source_ip: request
                .source
                .ip
                .map_or_else(|| UNKNOWN_SOURCE_IP.to_owned(), |ip| ip.to_string()),
            source_port: request
                .source
                .port
                .filter(|port| *port > 0)
                .unwrap_or(UNKNOWN_SOURCE_PORT),
            method: request.method.as_str().to_owned(),
            url: request.url.as_str().to_owned(),
            http_version: request.http_version.clone(),
            headers: Headers::from_model(&request.headers),
            body: request.body.clone(),
            client_certificate: request
                .client_certificate
                .as_ref()
                .and_then(ClientCertificateJwk::from_model),
        }
    }

    /// The request that is described.
    pub fn to_api_request(&self) -> Result<ApiRequest, InvalidRequest> {
        if self.source_port == 0 {
            return Err(InvalidRequest::SourcePort);
        }
        if self.source_ip.len() > MAX_SOURCE_BYTES || self.http_version.len() > MAX_VERSION_BYTES {
            return Err(InvalidRequest::TooLong);
        }
        let certificate = self.client_certificate.as_ref();
        let client_certificate = certificate.map(ClientCertificateJwk::to_model).transpose();
        Ok(ApiRequest {
            method: Method::parse(&self.method)?,
            url: RequestUrl::parse(&self.url)?,
            http_version: self.http_version.clone(),
            headers: self.headers.to_model()?,
            source: Source {
                ip: known_address(&self.source_ip),
                port: Some(self.source_port),
            },
            client_certificate: client_certificate
                .map_err(|_| InvalidRequest::Certificate)?
                .flatten(),
            body: self.body.clone(),
            entry: None,
        })
    }
}

/// Method and sizes only: URL, headers and body may hold credentials.
impl fmt::Debug for SidebandRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SidebandRequest")
            .field("method", &self.method)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

fn http_1_1() -> String {
    "1.1".to_owned()
}

/// The address, where it is one. Some gateways send a host name or a list here, of which the client
/// may have written the beginning; that is no reason to deny, and names nobody. Nor does the
/// unspecified address ([`UNKNOWN_SOURCE_IP`]).
fn known_address(source_ip: &str) -> Option<IpAddr> {
    let address: IpAddr = source_ip.parse().ok()?;
    (!address.is_unspecified()).then_some(address)
}

/// Why the description of a request was refused. No message holds a value of the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// Not the JSON object that is expected; says which member and where.
    #[error("the body is not a sideband request: {0}")]
    Json(String),
    /// `method` is no method.
    #[error("method: {0}")]
    Method(#[from] InvalidMethod),
    /// `url` is no absolute URL.
    #[error("url: {0}")]
    Url(#[from] InvalidUrl),
    /// `headers` holds what is no header.
    #[error("headers: {0}")]
    Header(#[from] InvalidHeader),
    /// `client_certificate.x5c` holds what is no certificate.
    #[error("client_certificate: expected base64 DER in x5c (RFC 7517 section 4.7)")]
    Certificate,
    /// `response_code` is no status.
    #[error("response_code: expected a status from 100 to 599")]
    Status,
    /// `source_port` is 0.
    #[error("source_port: expected a port from 1 to 65535")]
    SourcePort,
    /// `source_ip` or `http_version` is too long.
    #[error(
        "source_ip and http_version have at most {MAX_SOURCE_BYTES} and {MAX_VERSION_BYTES} bytes"
    )]
    TooLong,
}
