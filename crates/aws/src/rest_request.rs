//! REST API, REQUEST authorizer (API Gateway Developer Guide, "Input to an API Gateway Lambda
//! authorizer", section "REQUEST input format").
//!
//! `requestContext.path` is the path that the client sent, stage included on the API's own
//! endpoint; `path` is the one below the stage, except that both keep the base path of a custom
//! domain.

use crate::arn::{MethodArn, Route};
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
    if !matches!(arn.route(), Route::Method { method, .. } if method == called) {
        return Err(EventError::Disagreement {
            one: "methodArn",
            other: "httpMethod",
        });
    }
    let context = event.object("requestContext")?;
    let sent = context.text("requestContext.path")?;
    let below = event.text("path")?;
    let target = match sent {
        Some(path) => Target::new(context, &arn, path, "requestContext.path")?,
        None => Target::new(context, &arn, event.required_text("path")?, "path")?,
    };
    if target.contradicts(&arn) {
        return Err(EventError::Disagreement {
            one: "methodArn",
            other: "requestContext.path",
        });
    }
    let entry = target.entry(context, &arn, ApiKind::Rest);
    let target = if options.strip_stage && holds_stage(sent, below, arn.stage()) {
        target.without_stage(arn.stage())
    } else {
        target
    };
    let request = rest_shaped(event, context, called, &target, options, entry)?;
    Ok(AuthorizerEvent {
        dialect: Dialect::RestRequest,
        request,
        request_id: context.text("requestContext.requestId")?.map(str::to_owned),
        arn,
        requested_arn: None,
    })
}

/// Whether the path that was sent is the stage and then the path below it. A path below the stage
/// can start with the name of the stage too, so the name alone proves nothing.
fn holds_stage(sent: Option<&str>, below: Option<&str>, stage: &str) -> bool {
    let (Some(sent), Some(below)) = (sent, below) else {
        return false;
    };
    let rest = sent
        .strip_prefix('/')
        .and_then(|rest| rest.strip_prefix(stage));
    rest == Some(below) || (rest == Some("") && below == "/")
}
