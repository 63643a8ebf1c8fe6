//! The request that an API client sent, as every enforcement point hands it to a decision point.

use std::fmt;
use std::net::IpAddr;

use crate::header::{HeaderMap, is_token_byte};
use crate::sent_tokens::SentTokens;
use crate::url::{RequestUrl, logged_path};

/// Longest method, in characters.
pub const MAX_METHOD_CHARS: usize = 64;
/// Longest access token, in bytes. API Gateway lets at most 10,240 bytes of headers through.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A request to an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRequest {
    /// The method, case-sensitive (RFC 9110 section 9.1).
    pub method: Method,
    /// The absolute URL as the client sent it.
    pub url: RequestUrl,
    /// The HTTP version without `HTTP/`, such as `1.1`.
    pub http_version: String,
    /// The header fields in the order they came.
    pub headers: HeaderMap,
    /// Who sent it, as far as the enforcement point knows.
    pub source: Source,
    /// The certificate that the client presented in mutual TLS.
    pub client_certificate: Option<ClientCertificate>,
    /// The body, where the enforcement point sees one.
    pub body: Option<String>,
    /// The API Gateway API that it came through, where the enforcement point knows.
    pub entry: Option<AwsEntry>,
}

impl ApiRequest {
    /// The path for a line of a log: without the tokens that the request was sent with, and as much as [`logged_path`]
    /// leaves of it.
    #[must_use]
    pub fn logged_path(&self) -> String {
        let path = SentTokens::of(self).redacted(self.url.path());
        logged_path(&path).to_owned()
    }

    /// The one value of `Authorization`, or `None` where there is none.
    ///
    /// Two of them are refused: which one counts would depend on the reader (RFC 9110 section
    /// 5.3 allows repetition only of lists, which `Authorization` is not).
    pub fn authorization(&self) -> Result<Option<&str>, AmbiguousAuthorization> {
        let mut values = self.headers.values("authorization");
        match (values.next(), values.next()) {
            (Some(value), None) if is_joined(value) => Err(AmbiguousAuthorization::Repeated),
            (Some(value), None) if value.len() > MAX_TOKEN_BYTES => {
                Err(AmbiguousAuthorization::TooLong)
            }
            (value, None) => Ok(value),
            (_, Some(_)) => Err(AmbiguousAuthorization::Repeated),
        }
    }
}

/// Whether a value of a scheme whose credentials never hold a comma does: API Gateway joins the
/// fields of a repeated header with commas in events of HTTP APIs.
fn is_joined(value: &str) -> bool {
    let scheme = value.split(' ').next().unwrap_or(value);
    let without_commas = ["bearer", "dpop", "basic"];
    value.contains(',')
        && without_commas
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
}

/// An `Authorization` header that no decision point should see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmbiguousAuthorization {
    /// More than one header field.
    #[error("the request carries more than one Authorization header")]
    Repeated,
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("the Authorization header is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
}

/// An HTTP method: a token, case-sensitive, at most [`MAX_METHOD_CHARS`] characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Method(String);

impl Method {
    /// Parses a method.
    pub fn parse(method: &str) -> Result<Self, InvalidMethod> {
        let valid = !method.is_empty()
            && method.len() <= MAX_METHOD_CHARS
            && method.bytes().all(is_token_byte);
        if valid {
            Ok(Self(method.to_owned()))
        } else {
            Err(InvalidMethod)
        }
    }

    /// `GET`, the method of every WebSocket handshake (RFC 6455 section 4.1).
    #[must_use]
    pub fn get() -> Self {
        Self("GET".to_owned())
    }

    /// The method as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A method that is not a token of at most [`MAX_METHOD_CHARS`] characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a method is a token of 1 to {MAX_METHOD_CHARS} characters, such as GET (RFC 9110 section 9.1)"
)]
pub struct InvalidMethod;

/// The address that a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Source {
    /// The IP address of the client, as the edge of AWS saw it.
    pub ip: Option<IpAddr>,
    /// The client's TCP port. API Gateway does not tell it.
    pub port: Option<u16>,
}

/// A client certificate from mutual TLS, verified by whoever terminated TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate in PEM (RFC 7468).
    pub pem: String,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertificate([{} bytes])", self.pem.len())
    }
}

/// The API Gateway API and stage that a request came through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsEntry {
    /// The id of the REST, HTTP or WebSocket API.
    pub api_id: String,
    /// The stage, `$default` for the default stage of an HTTP API.
    pub stage: String,
    /// The decoded path below the stage, starting with `/`.
    pub path: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(authorization: &[&str]) -> ApiRequest {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append("Authorization", value).unwrap();
        }
        ApiRequest {
            method: Method::get(),
            url: RequestUrl::parse("https://a.example/").unwrap(),
            http_version: "1.1".into(),
            headers,
            source: Source::default(),
            client_certificate: None,
            body: None,
            entry: None,
        }
    }

    #[test]
    fn only_one_authorization_counts() {
        assert_eq!(request(&[]).authorization(), Ok(None));
        assert_eq!(request(&["Bearer a"]).authorization(), Ok(Some("Bearer a")));
        assert_eq!(
            request(&["Bearer a", "Bearer a"]).authorization(),
            Err(AmbiguousAuthorization::Repeated)
        );
        for joined in [
            "Bearer a,Bearer b",
            "bearer a, b",
            "DPoP a,",
            "Basic a,Bearer b",
        ] {
            assert_eq!(
                request(&[joined]).authorization(),
                Err(AmbiguousAuthorization::Repeated),
                "{joined}"
            );
        }
        let digest = "Digest username=\"a\", realm=\"b\"";
        assert_eq!(request(&[digest]).authorization(), Ok(Some(digest)));
        let long = "x".repeat(MAX_TOKEN_BYTES + 1);
        assert_eq!(
            request(&[&long]).authorization(),
            Err(AmbiguousAuthorization::TooLong)
        );
    }

    #[test]
    fn a_method_is_a_token() {
        assert_eq!(Method::parse("get").unwrap().as_str(), "get");
        for wrong in ["", "GET /", "G\0", &"X".repeat(65)] {
            assert_eq!(Method::parse(wrong), Err(InvalidMethod), "{wrong:?}");
        }
    }
}
