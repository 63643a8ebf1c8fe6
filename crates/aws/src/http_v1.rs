//! HTTP API, payload format 1.0 (API Gateway Developer Guide, "Control access to HTTP APIs with AWS
//! Lambda authorizers").
//!
//! The shape is that of a REST REQUEST event. The values are those of an HTTP API: the path comes
//! decoded, and starts with a named stage on the API's own endpoint.

use crate::arn::MethodArn;
use crate::dialect::Dialect;
use crate::error::EventError;
use crate::event::AuthorizerEvent;
use crate::json::Object;
use crate::options::EventOptions;
use crate::request_parts::rest_shaped;
use crate::target::{ApiKind, Target};

pub(crate) fn parse(
    event: &Object,
    arn: MethodArn,
    options: &EventOptions,
) -> Result<AuthorizerEvent, EventError> {
    let called = event.required_text("httpMethod")?;
    let context = event.object("requestContext")?;
    let target = match context.text("requestContext.path")? {
        Some(path) => Target::new(context, &arn, path, "requestContext.path")?,
        None => Target::new(context, &arn, event.required_text("path")?, "path")?,
    };
    let entry = target.entry(context, &arn, ApiKind::Http);
    let requested_arn = target
        .endpoint_path(&arn)
        .map(|path| arn.with_method(called, path));
    let target = if options.strip_stage && target.starts_with_stage(&arn) {
        target.without_stage(arn.stage())
    } else {
        target
    };
    let request = rest_shaped(event, context, called, &target, options, entry)?;
    Ok(AuthorizerEvent {
        dialect: Dialect::HttpV1,
        request,
        request_id: context.text("requestContext.requestId")?.map(str::to_owned),
        arn,
        requested_arn,
    })
}
