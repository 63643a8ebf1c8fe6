//! Errors in the shape of Cloudentity: `{"error", "error_code", "status_code", "details"}`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_cloudentity::SystemError;
use portcullis_store::StoreError;

use crate::error::{ApiError, Detail};

/// An error of a call.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: String,
    message: String,
    challenge: Option<&'static str>,
    retry_after: Option<u32>,
}

impl Refusal {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            challenge: None,
            retry_after: None,
        }
    }

    /// 404: nothing of this protocol is served here.
    pub(super) fn not_served(why: &str) -> Self {
        let message = format!("The Cloudentity protocol is not served here: {why}");
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 404.
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("There is no such {what}"),
        )
    }

    /// 409.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 422.
    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "unprocessable_entity",
            message,
        )
    }

    /// 401: no access token, or none that is good (RFC 6750 section 3.1).
    pub(super) fn invalid_token(is_there: bool) -> Self {
        let challenge = if is_there {
            "Bearer realm=\"portcullis\", error=\"invalid_token\""
        } else {
            "Bearer realm=\"portcullis\""
        };
        Self {
            challenge: Some(challenge),
            ..Self::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "An access token of the system issuer is needed, which it gives to gateways at /oauth2/token",
            )
        }
    }

    /// 403: the token is good, and was not granted the scope.
    pub(super) fn insufficient_scope(scope: &str) -> Self {
        Self {
            challenge: Some("Bearer realm=\"portcullis\", error=\"insufficient_scope\""),
            ..Self::new(
                StatusCode::FORBIDDEN,
                "forbidden",
                format!("This needs the scope {scope}"),
            )
        }
    }

    /// Whether it is a matter of others: what was asked for may go through the next time.
    pub(super) fn is_unavailable(&self) -> bool {
        self.status.is_server_error()
    }

    /// What is wrong.
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let parts = error.into_parts();
        let (status, code) = match parts.code {
            "UNIQUENESS_VIOLATION" | "CONSTRAINT_VIOLATION" => (StatusCode::CONFLICT, "conflict"),
            "INVALID_DATA" | "LIMIT_EXCEEDED" => {
                (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable_entity")
            }
            other => (parts.status, other),
        };
        Self {
            status,
            code: code.to_ascii_lowercase(),
            message: parts.message,
            challenge: parts.challenged.then_some("Bearer realm=\"portcullis\""),
            retry_after: parts.retry_after,
        }
    }
}

/// For the management API, in whose shape errors are PingOne's.
impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal.status {
            status if status.is_server_error() => Self::unavailable(),
            StatusCode::CONFLICT => Self::conflict(refusal.message),
            _ => Self::invalid_data(vec![Detail::value(refusal.message)]),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        ApiError::from(error).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        tracing::info!(
            status = self.status.as_u16(),
            code = self.code,
            message = self.message,
            "call refused"
        );
        let body = SystemError {
            error: self.message,
            error_code: self.code,
            status_code: self.status.as_u16(),
            ..SystemError::default()
        };
        let mut response = super::answer(self.status, &body);
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge {
            let challenge = HeaderValue::from_static(challenge);
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
