//! What went wrong, in our words.

use std::error::Error;

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use crate::apis::AwsError;

/// Longest message of AWS that is passed on, in characters.
const MAX_MESSAGE: usize = 500;

pub(super) fn of<E, R>(call: &'static str, error: &SdkError<E, R>) -> AwsError
where
    SdkError<E, R>: Error + 'static,
    E: ProvideErrorMetadata,
{
    let SdkError::ServiceError(service) = error else {
        return AwsError::Unreachable {
            call,
            message: shorten(&chain(error)),
        };
    };
    let metadata = service.err().meta();
    let message = metadata
        .message()
        .map_or_else(|| chain(error), str::to_owned);
    let message = shorten(&message);
    match metadata.code().unwrap_or("an answer that cannot be read") {
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
