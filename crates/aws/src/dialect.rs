//! Which of the five dialects an event speaks, from the event alone (API Gateway Developer Guide,
//! "Input to an API Gateway Lambda authorizer", "Control access to HTTP APIs with AWS Lambda
//! authorizers", "Control access to WebSocket APIs with Lambda authorizers").

use std::fmt;

use crate::arn::{MethodArn, Route};
use crate::error::EventError;
use crate::json::{Json, Object};

/// How API Gateway asks, and so how it has to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// A REST API with a TOKEN authorizer.
    RestToken,
    /// A REST API with a REQUEST authorizer.
    RestRequest,
    /// An HTTP API with payload format 1.0.
    HttpV1,
    /// An HTTP API with payload format 2.0.
    HttpV2,
    /// The `$connect` route of a WebSocket API.
    WebSocketConnect,
}

impl Dialect {
    /// A name for logs and metrics. It never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RestToken => "rest_token",
            Self::RestRequest => "rest_request",
            Self::HttpV1 => "http_v1",
            Self::HttpV2 => "http_v2",
            Self::WebSocketConnect => "websocket_connect",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The dialect of an event and the ARN that it is about.
///
/// A client chooses the path and so the end of the ARN. So the ARN of a WebSocket handshake is
/// known by its whole form, `{api}/{stage}/$connect`, not by its end: `GET /admin/$connect` on a
/// REST API must not be read as a handshake.
pub(crate) fn recognize(event: &Object) -> Result<(Dialect, MethodArn), EventError> {
    let route_arn = event.text("routeArn")?;
    let method_arn = event.text("methodArn")?;
    let version = event.text("version")?;
    let kind = event.text("type")?;
    match (route_arn, method_arn) {
        (None, Some(arn)) if kind == Some("TOKEN") => {
            Ok((Dialect::RestToken, parse_arn("methodArn", arn)?))
        }
        (_, _) if !matches!(kind, None | Some("REQUEST")) => Err(unrecognized(event)),
        (Some(arn), None) if version == Some("2.0") => {
            Ok((Dialect::HttpV2, parse_arn("routeArn", arn)?))
        }
        (None, Some(arn)) => {
            let arn = parse_arn("methodArn", arn)?;
            Ok((by_method_arn(event, &arn, version)?, arn))
        }
        _ => Err(unrecognized(event)),
    }
}

fn by_method_arn(
    event: &Object,
    arn: &MethodArn,
    version: Option<&str>,
) -> Result<Dialect, EventError> {
    let context = event.object("requestContext")?;
    let connect = context.text("requestContext.eventType")? == Some("CONNECT")
        || context.text("requestContext.routeKey")? == Some("$connect");
    if *arn.route() == Route::Connect {
        return match event.text("httpMethod")? {
            None => Ok(Dialect::WebSocketConnect),
            Some(_) => Err(EventError::Disagreement {
                one: "methodArn",
                other: "httpMethod",
            }),
        };
    }
    if connect {
        return Err(EventError::Disagreement {
            one: "methodArn",
            other: "requestContext",
        });
    }
    match version {
        None => Ok(Dialect::RestRequest),
        Some("1.0") => Ok(Dialect::HttpV1),
        Some(_) => Err(EventError::Member {
            member: "version",
            expected: "\"1.0\" or nothing beside `methodArn`",
            found: "another version",
        }),
    }
}

fn parse_arn(member: &'static str, arn: &str) -> Result<MethodArn, EventError> {
    MethodArn::parse(arn).map_err(|source| EventError::Arn { member, source })
}

/// How many member names an error shows, and how long each may be.
const SHOWN_MEMBERS: usize = 12;
const SHOWN_CHARS: usize = 32;

fn unrecognized(event: &Object) -> EventError {
    let names: Vec<String> = event
        .iter()
        .take(SHOWN_MEMBERS)
        .map(|(name, _)| {
            name.chars()
                .filter(char::is_ascii_alphanumeric)
                .take(SHOWN_CHARS)
                .collect()
        })
        .collect();
    EventError::Unrecognized {
        looks_like: looks_like(event),
        members: if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        },
    }
}

/// The nearest thing that this is, so that whoever attached the function to the wrong place sees it.
fn looks_like(event: &Object) -> &'static str {
    let has = |name: &str| event.iter().any(|(member, _)| member == name);
    let within = |name: &str| {
        event.iter().any(|(member, value)| match value {
            Json::Object(inner) if member == "requestContext" => {
                inner.iter().any(|(inner, _)| inner == name)
            }
            _ => false,
        })
    };
    if has("Records") {
        "an event with records, such as one of CloudFront: use the edge package there"
    } else if has("policyDocument") || has("isAuthorized") {
        "the answer of an authorizer"
    } else if within("elb") {
        "a request of an Application Load Balancer"
    } else if within("serviceArn") {
        "a request of VPC Lattice"
    } else if has("protocolData") {
        "an AWS IoT authorizer event"
    } else if has("authorizationToken") && within("queryString") {
        "an AppSync authorizer event"
    } else if has("rawPath") {
        "a function URL or HTTP API integration event: attach the function as an authorizer"
    } else if has("httpMethod") {
        "a REST or WebSocket API integration event: attach the function as an authorizer"
    } else {
        "nothing that API Gateway sends"
    }
}
