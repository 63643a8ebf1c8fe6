//! The one error type of the HTTP layer: errors of the call itself, in the JSON shape that clients
//! of PingOne know. A deny is not an error; it is an answer with status 200.

use std::fmt;

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_store::{AdminRole, StoreError};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// An error of a call.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Vec<Detail>,
    /// Seconds after which another try makes sense.
    retry_after: Option<u32>,
    /// Whether the client is told to send a bearer token (RFC 6750 section 3).
    challenged: bool,
}

/// The body of an error, as `PingOne` writes it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// Also in the log.
    id: String,
    /// What kind of error it is, for programs.
    code: String,
    /// What is wrong, for people.
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail>,
}

/// One of the things that are wrong with what was sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Detail {
    code: &'static str,
    /// The member, or the file with line and column.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    message: String,
}

impl Detail {
    /// A value that cannot be.
    pub(crate) fn value(message: impl Into<String>) -> Self {
        Self {
            code: "INVALID_VALUE",
            target: None,
            message: message.into(),
        }
    }

    /// The same with its place.
    pub(crate) fn at(self, target: &str) -> Self {
        Self {
            target: Some(target.to_owned()),
            ..self
        }
    }
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: Vec::new(),
            retry_after: None,
            challenged: false,
        }
    }

    /// Whether who asked is refused, and not only turned away for now.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        )
    }

    /// 401: KONG's plugin prints this message and the id.
    pub(crate) fn invalid_credential() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "ACCESS_FAILED",
            "The Gateway Token is invalid",
        )
    }

    /// 401 for administrators.
    pub(crate) fn invalid_admin_token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "ACCESS_FAILED",
            "An administrator token is needed; make one with `portcullis admin token create`",
        )
    }

    /// 403: the token is good, and its role is not enough.
    pub(crate) fn role_too_low(role: AdminRole, needed: AdminRole) -> Self {
        let message = format!(
            "This needs the role {}, and the administrator token has the role {}",
            needed.as_str(),
            role.as_str()
        );
        Self::new(StatusCode::FORBIDDEN, "ACCESS_FAILED", message)
    }

    /// The same with `WWW-Authenticate`.
    pub(crate) const fn challenged(mut self) -> Self {
        self.challenged = true;
        self
    }

    /// 400.
    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message)
    }

    /// 400: what was sent says something that cannot be.
    pub(crate) fn invalid_data(details: Vec<Detail>) -> Self {
        let message = "The request could not be completed: see details";
        Self {
            details,
            ..Self::new(StatusCode::BAD_REQUEST, "INVALID_DATA", message)
        }
    }

    /// 400: something else needs what was to be deleted.
    pub(crate) fn in_use(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "CONSTRAINT_VIOLATION", message)
    }

    /// 409: it does not go together with what is there.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "CONFLICT", message)
    }

    /// 409: somebody else was faster, again and again.
    pub(crate) fn busy() -> Self {
        Self::conflict("Other deployments were made at the same time; try again")
    }

    /// 412: what was read has changed.
    pub(crate) fn changed() -> Self {
        let message = "It has been changed since it was read; read it again";
        Self::new(StatusCode::PRECONDITION_FAILED, "CONFLICT", message)
    }

    /// 415.
    pub(crate) fn unsupported_media_type(expected: &str) -> Self {
        let message = format!("The Content-Type is {expected}");
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            message,
        )
    }

    /// 413.
    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("The body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "REQUEST_TOO_LARGE", message)
    }

    /// 408: the body did not come in time.
    pub(crate) fn too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "REQUEST_TIMEOUT",
            "The body did not arrive in time",
        )
    }

    /// 503: no decision could be had, and asking again may help.
    pub(crate) fn unavailable() -> Self {
        let message = "No decision could be made; see the log of the decision service";
        let error = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            message,
        );
        Self {
            retry_after: Some(1),
            ..error
        }
    }

    /// 429: too many calls are under way.
    pub(crate) fn limited() -> Self {
        let message = "Too many requests are being decided; try again";
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "REQUEST_LIMITED", message);
        Self {
            retry_after: Some(1),
            ..error
        }
    }

    /// 503: another replica knows a newer deployment, which this one will have soon.
    pub(crate) fn revision_too_old() -> Self {
        let message = "The deployment that decides here is older than the one that was demanded";
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "REVISION_TOO_OLD", message);
        Self {
            retry_after: Some(1),
            ..error
        }
    }

    /// 404. The path stays out of the message, which is logged: it may hold anything.
    pub(crate) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "There is nothing at this path",
        )
    }

    /// 404: recent decisions are turned off.
    pub(crate) fn not_kept() -> Self {
        let message = "No decisions are kept: --decisions-kept is 0";
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    /// 429: too many streams and exports are open.
    pub(crate) fn too_many_readers() -> Self {
        let message = "Too many streams, exports and pages of decisions are under way; close one";
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "REQUEST_LIMITED", message);
        Self {
            retry_after: Some(5),
            ..error
        }
    }

    /// 503: the database is away.
    pub(crate) fn storage_unavailable() -> Self {
        let message = "The database is not available; see the log of the decision service";
        let error = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            message,
        );
        Self {
            retry_after: Some(1),
            ..error
        }
    }

    pub(crate) fn method_not_allowed(method: &Method) -> Self {
        let shown: String = method.as_str().chars().take(64).collect();
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            format!("{shown} is not allowed here"),
        )
    }
}

/// What an error says, for protocols that say it otherwise.
pub(crate) struct ErrorParts {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    /// With the details.
    pub(crate) message: String,
    pub(crate) retry_after: Option<u32>,
    pub(crate) challenged: bool,
}

impl ApiError {
    /// The same in parts.
    pub(crate) fn into_parts(self) -> ErrorParts {
        ErrorParts {
            message: self.to_string(),
            status: self.status,
            code: self.code,
            retry_after: self.retry_after,
            challenged: self.challenged,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.details.is_empty() {
            return f.write_str(&self.message);
        }
        for (index, detail) in self.details.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            if let Some(target) = &detail.target {
                write!(f, "{target}: ")?;
            }
            f.write_str(&detail.message)?;
        }
        Ok(())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let (status, code) = match error {
            StoreError::Conflict { .. } => (StatusCode::PRECONDITION_FAILED, "CONFLICT"),
            StoreError::NotFound { .. } => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            StoreError::AlreadyExists { .. } => (StatusCode::BAD_REQUEST, "UNIQUENESS_VIOLATION"),
            StoreError::TooMany { .. } => (StatusCode::BAD_REQUEST, "LIMIT_EXCEEDED"),
            StoreError::TooLarge { .. } | StoreError::Invalid(_) | StoreError::Refused(_) => {
                (StatusCode::BAD_REQUEST, "INVALID_DATA")
            }
            // What the database says is for those who run it.
            other => {
                tracing::error!(error = %other, "the database failed");
                return Self {
                    message: "The database is not available; decisions go on. Try again".to_owned(),
                    ..Self::unavailable()
                };
            }
        };
        Self::new(status, code, error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let id = Uuid::new_v4().to_string();
        tracing::info!(
            error_id = id,
            status = self.status.as_u16(),
            code = self.code,
            message = self.message,
            "call refused"
        );
        let body = ErrorBody {
            id,
            code: self.code.to_owned(),
            message: self.message,
            details: self.details,
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (
            self.status,
            [(header::CONTENT_TYPE, "application/json")],
            body,
        )
            .into_response();
        if self.challenged {
            let challenge = HeaderValue::from_static("Bearer realm=\"portcullis\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
