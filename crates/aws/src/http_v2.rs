//! HTTP API, payload format 2.0 (API Gateway Developer Guide, "Control access to HTTP APIs with AWS
//! Lambda authorizers").
//!
//! Header values of one name come joined by commas, cookies apart from the headers, and the path
//! decoded. The query comes as it was sent.

use portcullis_model::{ApiRequest, HeaderMap};

use crate::arn::MethodArn;
use crate::dialect::Dialect;
use crate::error::EventError;
use crate::event::AuthorizerEvent;
use crate::json::{Json, Object, unexpected};
use crate::options::EventOptions;
use crate::request_parts::{client_certificate, headers, http_version, method, source};
use crate::target::{ApiKind, Target, escape_query};

pub(crate) fn parse(
    event: &Object,
    arn: MethodArn,
    options: &EventOptions,
) -> Result<AuthorizerEvent, EventError> {
    let context = event.object("requestContext")?;
    let http = context.object("requestContext.http")?;
    let called = http.required_text("requestContext.http.method")?;
    let target = Target::new(context, &arn, event.required_text("rawPath")?, "rawPath")?;
    let entry = target.entry(context, &arn, ApiKind::Http);
    let requested_arn = target
        .endpoint_path(&arn)
        .map(|path| arn.with_method(called, path));
    let target = if options.strip_stage && target.starts_with_stage(&arn) {
        target.without_stage(arn.stage())
    } else {
        target
    };
    let query = event
        .text("rawQueryString")?
        .filter(|query| !query.is_empty())
        .map(escape_query);
    let authentication = context.object("requestContext.authentication")?;
    let request = ApiRequest {
        method: method(called)?,
        url: target.url(query.as_deref(), options)?,
        http_version: http_version(http.text("requestContext.http.protocol")?),
        headers: with_cookies(headers(event)?, event)?,
        source: source(http.text("requestContext.http.sourceIp")?),
        client_certificate: client_certificate(authentication)?,
        body: None,
        entry,
    };
    Ok(AuthorizerEvent {
        dialect: Dialect::HttpV2,
        request,
        request_id: context.text("requestContext.requestId")?.map(str::to_owned),
        arn,
        requested_arn,
    })
}

/// Adds `cookies` as the one header that they were (RFC 6265 section 5.4), unless it is there.
fn with_cookies(mut headers: HeaderMap, event: &Object) -> Result<HeaderMap, EventError> {
    let mut cookies = Vec::new();
    for cookie in event.list("cookies")? {
        match cookie {
            Json::Null => {}
            Json::Text(cookie) => cookies.push(cookie.as_str()),
            other => return Err(unexpected("cookies", "a list of strings", other)),
        }
    }
    if !cookies.is_empty() && !headers.contains("cookie") {
        headers.append("cookie", &cookies.join("; "))?;
    }
    Ok(headers)
}
