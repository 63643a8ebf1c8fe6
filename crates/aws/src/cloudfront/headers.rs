//! The headers of a viewer request, and which of them a function may set or change (CloudFront
//! Developer Guide, "Restrictions on all edge functions", "HTTP headers"; "Restrictions on
//! Lambda@Edge", "CloudFront headers").

use portcullis_model::HeaderMap;

use crate::error::EventError;
use crate::json::{Json, Object, unexpected};

/// Headers that functions neither see nor add, in lower case.
const DISALLOWED: [&str; 25] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "trailer",
    "upgrade",
    "x-accel-buffering",
    "x-accel-charset",
    "x-accel-limit-rate",
    "x-accel-redirect",
    "x-amzn-auth",
    "x-amzn-cf-billing",
    "x-amzn-cf-id",
    "x-amzn-cf-xff",
    "x-amzn-errortype",
    "x-amzn-fle-profile",
    "x-amzn-header-count",
    "x-amzn-header-order",
    "x-amzn-lambda-integration-tag",
    "x-amzn-requestid",
    "x-cache",
    "x-forwarded-proto",
    "x-real-ip",
];
/// The same for every header that starts so.
const DISALLOWED_PREFIXES: [&str; 2] = ["x-amz-cf-", "x-edge-"];
/// Headers that functions at the viewer's side must not add to a request: CloudFront sets them itself
/// later on, and those of the client's certificate it keeps from functions.
const SET_BY_CLOUDFRONT: [&str; 4] = [
    "client-cert",
    "client-cert-chain",
    "cloudfront-viewer-cert-pem",
    "cloudfront-viewer-country",
];
/// Headers of a viewer request that functions see and must leave as they are.
const READ_ONLY: [&str; 5] = [
    "cdn-loop",
    "content-length",
    "host",
    "transfer-encoding",
    "via",
];
/// What a response by a function cannot have beside those: `Warning` is read-only there, and the body
/// of a decision is text that is coded no further.
const NOT_FOR_RESPONSE: [&str; 2] = ["content-encoding", "warning"];

/// Whether functions must not set this header in a viewer request. The name is in lower case.
pub(crate) fn is_disallowed(name: &str) -> bool {
    is_disallowed_anywhere(name) || SET_BY_CLOUDFRONT.contains(&name)
}

/// Whether functions must not change this header of a viewer request. The name is in lower case.
pub(crate) fn is_read_only(name: &str) -> bool {
    READ_ONLY.contains(&name)
}

/// What may become of a header of a response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponseRule {
    /// It is sent.
    Allowed,
    /// CloudFront refuses it.
    Disallowed,
    /// It says how a message travels, which is not for a function to say.
    NotForResponse,
}

/// What may become of this header of a response. The name is in lower case.
pub(crate) fn response_rule(name: &str) -> ResponseRule {
    if is_disallowed_anywhere(name) {
        ResponseRule::Disallowed
    } else if is_read_only(name) || NOT_FOR_RESPONSE.contains(&name) {
        ResponseRule::NotForResponse
    } else {
        ResponseRule::Allowed
    }
}

fn is_disallowed_anywhere(name: &str) -> bool {
    DISALLOWED.contains(&name)
        || DISALLOWED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

const MEMBER: &str = "cf.request.headers";

/// The fields of `cf.request.headers`, a map from names in lower case to lists of `key` and `value`, in
/// its order. Names have the case of `key`, which may be absent.
///
/// A name that stands there twice, or whose `key` is another name, is refused: what was decided on and
/// what is forwarded could be two things.
pub(crate) fn parse(request: &Object) -> Result<HeaderMap, EventError> {
    let map = request.object(MEMBER)?;
    if map.repeats_a_name() {
        return Err(EventError::Repeated {
            member: "cf.request.headers.*",
        });
    }
    let mut headers = HeaderMap::new();
    for (name, values) in map.iter() {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(EventError::HeaderName);
        }
        let Json::List(values) = values else {
            return Err(unexpected(MEMBER, "a map to lists", values));
        };
        for entry in values {
            let Json::Object(entry) = entry else {
                return Err(unexpected(MEMBER, "a map to lists of objects", entry));
            };
            let key = entry.text("cf.request.headers.*.key")?.unwrap_or(name);
            if !key.eq_ignore_ascii_case(name) {
                return Err(EventError::HeaderName);
            }
            headers.append(key, entry.required_text("cf.request.headers.*.value")?)?;
        }
    }
    Ok(headers)
}
