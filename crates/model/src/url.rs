//! The absolute URL of a request, kept as it was sent and parsed beside it, and the base URL of
//! an API service (RFC 3986; base URL rules of PingOne's API Access Management).
//!
//! The WHATWG parser of the `url` crate resolves `..` and re-encodes while it parses, which would
//! hide what the client sent; `http::Uri` keeps the text.

use std::fmt;

use crate::path::{AmbiguousPath, DecodedPath};

/// Longest URL of a request, in bytes. API Gateway allows 10,240 bytes of request line and headers.
pub const MAX_URL_BYTES: usize = 16 * 1024;
/// Longest base URL of an API service, in characters.
pub const MAX_BASE_URL_CHARS: usize = 256;

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// `http`, default port 80.
    Http,
    /// `https`, default port 443.
    Https,
}

impl Scheme {
    /// The scheme in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port where a URL names none (RFC 9110 sections 4.2.1 and 4.2.2).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// An absolute `http` or `https` URL without fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestUrl {
    raw: String,
    scheme: Scheme,
    host: String,
    port: u16,
    path: String,
    query: Option<String>,
}

/// Longest path in a line of a log, in characters.
const MAX_LOGGED_CHARS: usize = 512;

/// As much of a path as a line of a log holds: its first 512 characters.
#[must_use]
pub fn logged_path(path: &str) -> &str {
    let end = path.char_indices().nth(MAX_LOGGED_CHARS);
    end.and_then(|(end, _)| path.get(..end)).unwrap_or(path)
}

impl RequestUrl {
    /// Parses a URL of at most [`MAX_URL_BYTES`] bytes.
    pub fn parse(raw: &str) -> Result<Self, InvalidUrl> {
        if raw.len() > MAX_URL_BYTES {
            return Err(InvalidUrl::TooLong);
        }
        if raw.contains('#') {
            return Err(InvalidUrl::Fragment);
        }
        let uri: http::Uri = raw.parse().map_err(|_| InvalidUrl::Syntax)?;
        let scheme = match uri.scheme_str() {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
            Some(_) => return Err(InvalidUrl::Scheme),
            None => return Err(InvalidUrl::NotAbsolute),
        };
        let authority = uri.authority().ok_or(InvalidUrl::NotAbsolute)?;
        if authority.as_str().contains('@') {
            return Err(InvalidUrl::UserInfo);
        }
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() {
            return Err(InvalidUrl::NotAbsolute);
        }
        let after_host = authority.as_str().get(host.len()..).unwrap_or_default();
        let port = match after_host.strip_prefix(':') {
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                port.parse().map_err(|_| InvalidUrl::Port)?
            }
            Some(_) => return Err(InvalidUrl::Port),
            None => scheme.default_port(),
        };
        Ok(Self {
            raw: raw.to_owned(),
            scheme,
            host,
            port,
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
        })
    }

    /// The URL, character by character as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.raw
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case; an IPv6 address keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's default where the URL names none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The path as sent, still escaped. `/` where the URL has none.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query as sent, without `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The path, decoded once for matching.
    pub fn decoded_path(&self) -> Result<DecodedPath, AmbiguousPath> {
        DecodedPath::parse(&self.path)
    }
}

/// Leaves out the query: it may hold an access token.
impl fmt::Debug for RequestUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}:{}{}",
            self.scheme.as_str(),
            self.host,
            self.port,
            self.path
        )?;
        match &self.query {
            Some(query) => write!(f, "?[{} bytes]", query.len()),
            None => Ok(()),
        }
    }
}

/// Why the URL of a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Longer than [`MAX_URL_BYTES`].
    #[error("the URL is longer than {MAX_URL_BYTES} bytes")]
    TooLong,
    /// Not a URL.
    #[error("the URL holds a character that a URL cannot hold (RFC 3986 section 2)")]
    Syntax,
    /// No scheme or no host.
    #[error("the URL is not absolute: expected https://host/path")]
    NotAbsolute,
    /// Neither `http` nor `https`.
    #[error("the URL's scheme is neither http nor https")]
    Scheme,
    /// A port that is not a number up to 65535.
    #[error("the URL's port is not a number from 0 to 65535")]
    Port,
    /// `user:password@`.
    #[error("the URL holds user information before its host (RFC 9110 section 4.2.4)")]
    UserInfo,
    /// `#...`, which clients never send.
    #[error("the URL holds a fragment, which is never part of a request")]
    Fragment,
}

/// The beginning that all URLs of an API service share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    raw: String,
    scheme: Scheme,
    host: String,
    port: u16,
    path: String,
}

impl BaseUrl {
    /// Parses a base URL: absolute, at most [`MAX_BASE_URL_CHARS`] characters, no query or
    /// fragment, and a path that is empty or has only full segments and no `/` at its end.
    pub fn parse(raw: &str) -> Result<Self, InvalidBaseUrl> {
        if raw.chars().count() > MAX_BASE_URL_CHARS {
            return Err(InvalidBaseUrl::TooLong);
        }
        let url = RequestUrl::parse(raw)?;
        if url.query.is_some() {
            return Err(InvalidBaseUrl::Query);
        }
        if url.path.ends_with('/') && raw.ends_with('/') {
            return Err(InvalidBaseUrl::TrailingSlash);
        }
        let path = match url.path.as_str() {
            "/" => String::new(),
            path => DecodedPath::parse(path)?.as_str().to_owned(),
        };
        Ok(Self {
            raw: raw.to_owned(),
            scheme: url.scheme,
            host: url.host,
            port: url.port,
            path,
        })
    }

    /// The base URL as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.raw
    }

    /// Scheme, host and port, which must be equal for a request to lie below.
    #[must_use]
    pub fn origin(&self) -> (Scheme, &str, u16) {
        (self.scheme, &self.host, self.port)
    }

    /// The decoded path, empty for the root.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is left of a request's decoded path below this base URL, starting with `/`.
    #[must_use]
    pub fn relative<'path>(
        &self,
        url: &RequestUrl,
        path: &'path DecodedPath,
    ) -> Option<&'path str> {
        let same_origin =
            self.scheme == url.scheme && self.port == url.port && self.host == url.host;
        if same_origin {
            path.below(&self.path)
        } else {
            None
        }
    }
}

/// Why a base URL was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBaseUrl {
    /// Longer than [`MAX_BASE_URL_CHARS`].
    #[error("a base URL has at most {MAX_BASE_URL_CHARS} characters")]
    TooLong,
    /// Not an absolute URL.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    /// A query.
    #[error("a base URL has no query")]
    Query,
    /// A `/` at the end.
    #[error("a base URL does not end in \"/\"")]
    TrailingSlash,
    /// A path that no request could lie below.
    #[error(transparent)]
    Path(#[from] AmbiguousPath),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_log_holds_512_characters_of_a_path() {
        for (length, expected) in [(0, 0), (511, 511), (512, 512), (513, 512)] {
            let path = "é".repeat(length);
            assert_eq!(logged_path(&path).chars().count(), expected, "{length}");
        }
    }

    #[test]
    fn keeps_what_was_sent() {
        let url = RequestUrl::parse("HTTPS://API.Example.com:443/A/../b%2f?x=1&y").unwrap();
        assert_eq!(url.as_str(), "HTTPS://API.Example.com:443/A/../b%2f?x=1&y");
        assert_eq!(
            (url.scheme(), url.host(), url.port()),
            (Scheme::Https, "api.example.com", 443)
        );
        assert_eq!((url.path(), url.query()), ("/A/../b%2f", Some("x=1&y")));
    }

    #[test]
    fn refuses_what_is_not_a_request_url() {
        for (raw, why) in [
            ("/planets", InvalidUrl::NotAbsolute),
            ("api.example.com", InvalidUrl::NotAbsolute),
            ("ftp://a/b", InvalidUrl::Scheme),
            ("https://user@a/b", InvalidUrl::UserInfo),
            ("https://a:99999/b", InvalidUrl::Port),
            ("https://a:/b", InvalidUrl::Port),
            ("https://a:+1/b", InvalidUrl::Port),
            ("https://a/b#c", InvalidUrl::Fragment),
            ("https://a/b c", InvalidUrl::Syntax),
            ("", InvalidUrl::Syntax),
        ] {
            assert_eq!(RequestUrl::parse(raw).unwrap_err(), why, "{raw}");
        }
        let long = format!("https://a/{}", "x".repeat(MAX_URL_BYTES));
        assert_eq!(RequestUrl::parse(&long).unwrap_err(), InvalidUrl::TooLong);
    }

    #[test]
    fn a_base_url_covers_its_own_paths() {
        let relative = |base: &str, url: &str| {
            let url = RequestUrl::parse(url).unwrap();
            let path = url.decoded_path().unwrap();
            BaseUrl::parse(base)
                .unwrap()
                .relative(&url, &path)
                .map(str::to_owned)
        };
        assert_eq!(
            relative("https://a.example", "https://a.example:443/x").as_deref(),
            Some("/x")
        );
        assert_eq!(
            relative("https://a.example:443/v1", "https://A.example/v1/x?q").as_deref(),
            Some("/x")
        );
        assert_eq!(
            relative("https://a.example/v1", "https://a.example/v10/x"),
            None
        );
        assert_eq!(
            relative("https://a.example/v1", "http://a.example/v1/x"),
            None
        );
        assert_eq!(
            relative("https://a.example", "https://a.example.evil/x"),
            None
        );
        assert_eq!(
            relative("http://[::1]:8080", "http://[::1]:8080").as_deref(),
            Some("/")
        );
    }

    #[test]
    fn refuses_base_urls_that_mislead() {
        for (raw, why) in [
            ("https://a.example/", InvalidBaseUrl::TrailingSlash),
            ("https://a.example/v1/", InvalidBaseUrl::TrailingSlash),
            ("https://a.example?x=1", InvalidBaseUrl::Query),
            (
                "https://a.example/a/../b",
                InvalidBaseUrl::Path(AmbiguousPath::DotSegment),
            ),
            (
                "https://a.example/a//b",
                InvalidBaseUrl::Path(AmbiguousPath::EmptySegment),
            ),
            ("a.example", InvalidBaseUrl::Url(InvalidUrl::NotAbsolute)),
        ] {
            assert_eq!(BaseUrl::parse(raw).unwrap_err(), why, "{raw}");
        }
    }
}
