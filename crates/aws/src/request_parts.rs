//! What the dialects share: header fields, query, source address and client certificate of an
//! event.

use std::collections::HashSet;
use std::net::IpAddr;

use portcullis_model::{ApiRequest, AwsEntry, ClientCertificate, HeaderMap, Method, Source};

use crate::error::EventError;
use crate::json::{Json, Object, unexpected};
use crate::options::EventOptions;
use crate::target::{Target, push_parameter};

/// The HTTP version where the event names none.
const DEFAULT_HTTP_VERSION: &str = "1.1";

/// The request of an event in the shape that REST REQUEST and HTTP 1.0 share.
pub(crate) fn rest_shaped(
    event: &Object,
    context: &Object,
    called: &str,
    target: &Target,
    options: &EventOptions,
    entry: Option<AwsEntry>,
) -> Result<ApiRequest, EventError> {
    let identity = context.object("requestContext.identity")?;
    Ok(ApiRequest {
        method: method(called)?,
        url: target.url(query(event)?.as_deref(), options)?,
        http_version: http_version(context.text("requestContext.protocol")?),
        headers: headers(event)?,
        source: source(identity.text("requestContext.identity.sourceIp")?),
        client_certificate: client_certificate(identity)?,
        body: None,
        entry,
    })
}

/// A method that a client may have sent. Tokens with other characters than these are legal, but a
/// `*` would be a wildcard in an IAM policy, and no API is defined on any of them.
pub(crate) fn method(method: &str) -> Result<Method, EventError> {
    let parsed = Method::parse(method)?;
    let plain = method
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if plain {
        Ok(parsed)
    } else {
        Err(portcullis_model::InvalidMethod.into())
    }
}

/// The fields of `multiValueHeaders`, then those of `headers` that are in it only.
pub(crate) fn headers(event: &Object) -> Result<HeaderMap, EventError> {
    let mut headers = HeaderMap::new();
    each_value("multiValueHeaders", event, |name, value| {
        Ok(headers.append(name, value)?)
    })?;
    let repeated = headers.clone();
    each_value("headers", event, |name, value| {
        if !repeated.contains(name) {
            headers.append(name, value)?;
        }
        Ok(())
    })?;
    Ok(headers)
}

/// The parameters of `multiValueQueryStringParameters`, then those of `queryStringParameters` that
/// are in it only, escaped again: API Gateway has decoded them. `None` if there are none.
pub(crate) fn query(event: &Object) -> Result<Option<String>, EventError> {
    const MANY: &str = "multiValueQueryStringParameters";
    const ONE: &str = "queryStringParameters";
    let mut query = String::new();
    let mut repeated = HashSet::new();
    each_value(MANY, event, |name, value| {
        push_parameter(&mut query, name, value);
        repeated.insert(name.to_owned());
        Ok(())
    })?;
    each_value(ONE, event, |name, value| {
        if !repeated.contains(name) {
            push_parameter(&mut query, name, value);
        }
        Ok(())
    })?;
    Ok((!query.is_empty()).then_some(query))
}

/// The source address that API Gateway saw. Its console sends `test-invoke-source-ip`.
pub(crate) fn source(ip: Option<&str>) -> Source {
    Source {
        ip: ip.and_then(|ip| ip.parse::<IpAddr>().ok()),
        port: None,
    }
}

/// The client certificate of mutual TLS from `identity` or `authentication`.
pub(crate) fn client_certificate(holder: &Object) -> Result<Option<ClientCertificate>, EventError> {
    let certificate = holder.object("clientCert")?;
    let pem = certificate
        .text("clientCert.clientCertPem")?
        .filter(|pem| !pem.is_empty());
    Ok(pem.map(|pem| ClientCertificate {
        pem: pem.to_owned(),
    }))
}

/// `HTTP/1.1` as `1.1`.
pub(crate) fn http_version(protocol: Option<&str>) -> String {
    version_or_default(protocol.and_then(|protocol| protocol.strip_prefix("HTTP/")))
}

/// The version if it is one, such as `1.1` or `2`.
pub(crate) fn version_or_default(version: Option<&str>) -> String {
    let is_version = |version: &&str| {
        (1..=3).contains(&version.len())
            && version
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    version
        .filter(is_version)
        .unwrap_or(DEFAULT_HTTP_VERSION)
        .to_owned()
}

/// Calls `take` with each name and value of a map from names to strings or lists of strings. Nulls
/// are left out.
fn each_value(
    member: &'static str,
    event: &Object,
    mut take: impl FnMut(&str, &str) -> Result<(), EventError>,
) -> Result<(), EventError> {
    for (name, value) in event.object(member)?.iter() {
        match value {
            Json::Null => {}
            Json::Text(value) => take(name, value)?,
            Json::List(values) => {
                for value in values {
                    match value {
                        Json::Null => {}
                        Json::Text(value) => take(name, value)?,
                        other => return Err(unexpected(member, "lists of strings", other)),
                    }
                }
            }
            other => return Err(unexpected(member, "a map to strings", other)),
        }
    }
    Ok(())
}
