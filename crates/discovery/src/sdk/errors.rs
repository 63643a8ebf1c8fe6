//! What went wrong, in our words.

use std::error::Error;

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::apis::AwsError;

/// Longest message of AWS that is passed on, in characters.
const MAX_MESSAGE: usize = 500;

pub(super) fn of<E>(call: &'static str, error: &SdkError<E, HttpResponse>) -> AwsError
where
    SdkError<E, HttpResponse>: Error + 'static,
    E: Error + ProvideErrorMetadata,
{
    let SdkError::ServiceError(service) = error else {
        return AwsError::Unreachable {
            call,
            message: shorten(&chain(error)),
        };
    };
    let metadata = service.err().meta();
    let status = service.raw().status().as_u16();
    let Some(code) = metadata.code() else {
        return AwsError::Refused {
            call,
            code: format!("status {status}"),
            message: "the answer is not one of AWS; something on the way, or what stands in for AWS, has failed"
                .to_owned(),
        };
    };
    let message = metadata
        .message()
        .map_or_else(|| chain(error), str::to_owned);
    let message = shorten(&message);
    match code {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedException" => {
            AwsError::Denied { call, message }
        }
        "NotFoundException" | "ResourceNotFoundException" => AwsError::NotFound { call, message },
        "ConflictException" | "ResourceConflictException" => AwsError::Conflict { call, message },
        "TooManyRequestsException"
        | "ThrottlingException"
        | "Throttling"
        | "LimitExceededException"
        | "RequestLimitExceeded" => AwsError::Throttled { call, message },
        code => AwsError::Refused {
            call,
            code: code.to_owned(),
            message,
        },
    }
}

/// What each cause says; their `Debug` would say more than a person wants to read.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let says = inner.to_string();
        if !text.contains(&says) {
            text.push_str(": ");
            text.push_str(&says);
        }
        cause = inner.source();
    }
    text
}

fn shorten(message: &str) -> String {
    message.chars().take(MAX_MESSAGE).collect()
}
