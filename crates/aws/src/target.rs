//! The absolute URL of the request, put together from an event, and the path below the stage.
//!
//! REST APIs hand a path over as it was sent; HTTP APIs hand it over decoded. Whatever RFC 3986
//! section 3.3 does not allow in a path is escaped, so that no part of a path can become a query
//! or a fragment; valid escapes, `//`, `..` and `%2f` stay as they came, for the decision point to
//! refuse.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_model::{AwsEntry, DecodedPath, RequestUrl};

use crate::arn::{MethodArn, Route};
use crate::error::EventError;
use crate::json::Object;
use crate::options::{EventOptions, Origin};

/// What stays unescaped in a query parameter (RFC 3986 section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Where a request went.
pub(crate) struct Target {
    host: String,
    domain: Domain,
    sent: String,
    path: String,
}

/// What kind of API an event comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiKind {
    /// Its ARN always holds the path that was called.
    Rest,
    /// Its ARN may hold the template of the route.
    Http,
}

/// Whose host name a request went to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Domain {
    /// The API's own endpoint, `{api}.execute-api...`: the path starts with a named stage.
    Default,
    /// A custom domain: what the path starts with is up to its mappings.
    Custom,
    /// The event does not say.
    Unknown,
}

impl Target {
    /// The host is `requestContext.domainName`, which API Gateway writes, else the API's own
    /// endpoint. The `Host` header is the client's word and never counts.
    pub(crate) fn new(
        context: &Object,
        arn: &MethodArn,
        path: &str,
        member: &'static str,
    ) -> Result<Self, EventError> {
        let (host, domain) = host(context, arn)?;
        if !path.starts_with('/') {
            return Err(EventError::Member {
                member,
                expected: "a path that starts with \"/\"",
                found: "another string",
            });
        }
        Ok(Self {
            host,
            domain,
            sent: path.to_owned(),
            path: escape_path(path),
        })
    }

    /// Takes the stage off the start of the path, if it is there.
    pub(crate) fn without_stage(mut self, stage: &str) -> Self {
        if let Some(rest) = strip_stage(&self.path, stage) {
            self.path = rest.to_owned();
        }
        self
    }

    /// Whether the path of an HTTP API starts with its stage: always on the API's own endpoint, and
    /// elsewhere where the ARN names the rest.
    pub(crate) fn starts_with_stage(&self, arn: &MethodArn) -> bool {
        let Some(rest) = strip_stage(&self.path, arn.stage()) else {
            return false;
        };
        match (self.domain, arn.route()) {
            (Domain::Default, _) => true,
            (_, Route::Method { path, .. }) => rest == escape_path(path),
            (_, Route::Connect | Route::Default) => false,
        }
    }

    /// The path below the stage as the event holds it, for an HTTP API on its own endpoint.
    pub(crate) fn endpoint_path(&self, arn: &MethodArn) -> Option<&str> {
        match self.domain {
            Domain::Default if arn.stage() == "$default" => Some(&self.sent),
            Domain::Default => strip_stage(&self.sent, arn.stage()),
            Domain::Custom | Domain::Unknown => None,
        }
    }

    /// The entry of the request: API, stage and decoded path below the stage.
    ///
    /// The path below the stage picks the operation, so there is no entry at all where the event
    /// leaves room for two: where the path has more than one reading, where `requestContext` names
    /// another API or stage than the ARN, and where neither the ARN nor the API's own endpoint
    /// tells which part of the path lies below the stage.
    pub(crate) fn entry(
        &self,
        context: &Object,
        arn: &MethodArn,
        api: ApiKind,
    ) -> Option<AwsEntry> {
        if !names_same_api(context, arn) {
            return None;
        }
        let url_path = DecodedPath::parse(&self.path).ok()?;
        let path = match (self.path_of_arn(&url_path, arn), api) {
            (Some(path), _) => path,
            (None, ApiKind::Http) => self.path_of_endpoint(arn)?,
            (None, ApiKind::Rest) => return None,
        };
        Some(AwsEntry {
            api_id: arn.api_id().to_owned(),
            stage: arn.stage().to_owned(),
            path,
        })
    }

    /// The path in the ARN, if it is no template and the URL ends with it.
    fn path_of_arn(&self, url_path: &DecodedPath, arn: &MethodArn) -> Option<String> {
        let Route::Method { path, .. } = arn.route() else {
            return None;
        };
        if path.contains(['{', '}']) {
            return None;
        }
        let path = DecodedPath::parse(&escape_path(path)).ok()?;
        let url_path = url_path.as_str();
        let without_slash = url_path.strip_suffix('/').unwrap_or(url_path);
        let agrees = match path.as_str().strip_suffix('/').unwrap_or(path.as_str()) {
            "" => {
                self.domain == Domain::Custom
                    || without_slash.is_empty()
                    || without_slash.strip_prefix('/') == Some(arn.stage())
            }
            end => without_slash.ends_with(end),
        };
        agrees.then(|| path.as_str().to_owned())
    }

    /// Whether the ARN plainly names another path than the URL. What is decided on is the URL, and
    /// what is let through is the ARN, so nothing may be decided then.
    pub(crate) fn contradicts(&self, arn: &MethodArn) -> bool {
        let Route::Method { path, .. } = arn.route() else {
            return false;
        };
        let Ok(url_path) = DecodedPath::parse(&self.path) else {
            return false;
        };
        let comparable =
            !path.contains(['{', '}']) && DecodedPath::parse(&escape_path(path)).is_ok();
        comparable && self.path_of_arn(&url_path, arn).is_none()
    }

    /// What follows the stage on the API's own endpoint.
    fn path_of_endpoint(&self, arn: &MethodArn) -> Option<String> {
        let path = DecodedPath::parse(&escape_path(self.endpoint_path(arn)?)).ok()?;
        Some(path.as_str().to_owned())
    }

    /// The URL.
    pub(crate) fn url(
        &self,
        query: Option<&str>,
        options: &EventOptions,
    ) -> Result<RequestUrl, EventError> {
        let origin = options.base_url.as_ref().map(Origin::as_str);
        let mut url = match origin {
            Some(origin) => origin.to_owned(),
            None => format!("https://{}", self.host),
        };
        url.push_str(&self.path);
        if let Some(query) = query {
            url.push('?');
            url.push_str(query);
        }
        Ok(RequestUrl::parse(&url)?)
    }
}

/// Whether API and stage in `requestContext`, where they are there, are those of the ARN.
pub(crate) fn names_same_api(context: &Object, arn: &MethodArn) -> bool {
    let same = |member, expected| match context.text(member) {
        Ok(named) => named.is_none_or(|named| named == expected),
        Err(_) => false,
    };
    same("requestContext.apiId", arn.api_id()) && same("requestContext.stage", arn.stage())
}

fn host(context: &Object, arn: &MethodArn) -> Result<(String, Domain), EventError> {
    const MEMBER: &str = "requestContext.domainName";
    let Some(name) = context.text(MEMBER)?.filter(|name| !name.is_empty()) else {
        return Ok((arn.default_host(), Domain::Unknown));
    };
    // API Gateway never names a port; emulators of it do.
    let (bare, port) = name.split_once(':').unwrap_or((name, "443"));
    if !is_host_name(bare) || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(EventError::Member {
            member: MEMBER,
            expected: "a host name",
            found: "another string",
        });
    }
    let mut labels = bare.split('.');
    let first = labels.next().unwrap_or_default();
    // A private API is also reached as {api}-{endpoint}.execute-api...
    let is_api = first
        .strip_prefix(arn.api_id())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("-vpce"));
    let domain = if is_api && labels.next() == Some("execute-api") {
        Domain::Default
    } else {
        Domain::Custom
    };
    Ok((name.to_owned(), domain))
}

/// Whether a text has only what host names have. An empty one counts: whoever puts a URL together
/// from it finds out.
pub(crate) fn is_host_name(name: &str) -> bool {
    name.len() <= 253
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// What follows `/{stage}` in a path; the stage alone leaves `/`. The default stage is in no path.
fn strip_stage<'path>(path: &'path str, stage: &str) -> Option<&'path str> {
    if stage == "$default" {
        return None;
    }
    match path.strip_prefix('/')?.strip_prefix(stage)? {
        "" => Some("/"),
        rest if rest.starts_with('/') => Some(rest),
        _ => None,
    }
}

/// Escapes what a path cannot hold (RFC 3986 section 3.3), and `%` where no escape follows.
pub(crate) fn escape_path(path: &str) -> String {
    escape(path, |rest| match rest {
        [b'%', high, low, ..] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        [byte, ..] => is_path_byte(*byte),
        [] => false,
    })
}

/// Escapes what would end a query or break the URL. All else, also a lone `%`, stays as it came.
pub(crate) fn escape_query(query: &str) -> String {
    escape(query, |rest| {
        rest.first()
            .is_some_and(|byte| is_path_byte(*byte) || b"?%[]{}|".contains(byte))
    })
}

/// One parameter of a query, from its decoded name and value.
pub(crate) fn push_parameter(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.extend(utf8_percent_encode(name, UNRESERVED));
    query.push('=');
    query.extend(utf8_percent_encode(value, UNRESERVED));
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)
}

fn escape(text: &str, stays: impl Fn(&[u8]) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        if stays(rest) {
            escaped.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
        rest = tail;
    }
    escaped
}
