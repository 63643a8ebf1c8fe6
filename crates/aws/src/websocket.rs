//! WebSocket API, `$connect` (API Gateway Developer Guide, "Control access to WebSocket APIs with
//! Lambda authorizers").
//!
//! The handshake is an HTTP GET (RFC 6455 section 4.1), and a decision point knows requests and
//! base URLs with `https`; so the URL is `https://{domain}/{stage}`, not `wss`, which is the same
//! host, port and TLS. The event tells no path: on a custom domain the client sent the key of a
//! mapping in place of the stage, and `PORTCULLIS_STRIP_STAGE` leaves the path out.

use portcullis_model::{ApiRequest, AwsEntry, Method};

use crate::arn::MethodArn;
use crate::dialect::Dialect;
use crate::error::EventError;
use crate::event::AuthorizerEvent;
use crate::json::Object;
use crate::options::EventOptions;
use crate::request_parts::{client_certificate, headers, http_version, query, source};
use crate::target::{Target, names_same_api};

pub(crate) fn parse(
    event: &Object,
    arn: MethodArn,
    options: &EventOptions,
) -> Result<AuthorizerEvent, EventError> {
    let context = event.object("requestContext")?;
    let path = format!("/{}", arn.stage());
    let target = Target::new(context, &arn, &path, "methodArn")?;
    let target = if options.strip_stage {
        target.without_stage(arn.stage())
    } else {
        target
    };
    let identity = context.object("requestContext.identity")?;
    let request = ApiRequest {
        method: Method::get(),
        url: target.url(query(event)?.as_deref(), options)?,
        http_version: http_version(context.text("requestContext.protocol")?),
        headers: headers(event)?,
        source: source(identity.text("requestContext.identity.sourceIp")?),
        client_certificate: client_certificate(identity)?,
        body: None,
        entry: names_same_api(context, &arn).then(|| AwsEntry {
            api_id: arn.api_id().to_owned(),
            stage: arn.stage().to_owned(),
            path: "/".to_owned(),
        }),
    };
    Ok(AuthorizerEvent {
        dialect: Dialect::WebSocketConnect,
        request,
        request_id: context.text("requestContext.requestId")?.map(str::to_owned),
        arn,
        requested_arn: None,
    })
}
