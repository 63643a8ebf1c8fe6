//! REST API, TOKEN authorizer (API Gateway Developer Guide, "Input to an API Gateway Lambda
//! authorizer", section "TOKEN input format").
//!
//! The event tells the ARN and the token, no more. The token counts as the `Authorization` header,
//! whichever header the authorizer is configured to take it from. The URL is the one on the API's
//! own endpoint: on a custom domain, the client sent another, and `PORTCULLIS_BASE_URL` with
//! `PORTCULLIS_STRIP_STAGE` can say which. There is no query.

use portcullis_model::{ApiRequest, AwsEntry, DecodedPath, HeaderMap, Source};

use crate::arn::{MethodArn, Route};
use crate::dialect::Dialect;
use crate::error::EventError;
use crate::event::AuthorizerEvent;
use crate::json::Object;
use crate::options::EventOptions;
use crate::request_parts::{http_version, method};
use crate::target::{Target, escape_path};

pub(crate) fn parse(
    event: &Object,
    arn: MethodArn,
    options: &EventOptions,
) -> Result<AuthorizerEvent, EventError> {
    let Route::Method {
        method: called,
        path,
    } = arn.route()
    else {
        return Err(EventError::Disagreement {
            one: "type",
            other: "methodArn",
        });
    };
    let path = if path.is_empty() { "/" } else { path };
    let staged = format!("/{}{path}", arn.stage());
    // A TOKEN event has no requestContext; should there be one, it does not count.
    let target = Target::new(&Object::default(), &arn, &staged, "methodArn")?;
    let target = if options.strip_stage {
        target.without_stage(arn.stage())
    } else {
        target
    };
    let mut headers = HeaderMap::new();
    if let Some(token) = event
        .text("authorizationToken")?
        .filter(|token| !token.is_empty())
    {
        headers.append("Authorization", token)?;
    }
    let entry = DecodedPath::parse(&escape_path(path))
        .ok()
        .map(|path| AwsEntry {
            api_id: arn.api_id().to_owned(),
            stage: arn.stage().to_owned(),
            path: path.as_str().to_owned(),
        });
    let request = ApiRequest {
        method: method(called)?,
        url: target.url(None, options)?,
        http_version: http_version(None),
        headers,
        source: Source::default(),
        client_certificate: None,
        body: None,
        entry,
    };
    Ok(AuthorizerEvent {
        dialect: Dialect::RestToken,
        request,
        request_id: None,
        arn,
        requested_arn: None,
    })
}
