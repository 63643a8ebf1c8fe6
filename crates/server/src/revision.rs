//! A caller may demand that the policy which decides is not older than a deployment it knows of: after a
//! push, an enforcement point that asks another replica must not be answered by the policy before.

use axum::http::{HeaderMap, header};
use portcullis_model::Trace;

use crate::error::ApiError;

/// The header with the number of the oldest deployment that may decide.
const MINIMUM_REVISION: header::HeaderName =
    header::HeaderName::from_static("portcullis-minimum-revision");

/// What a caller demands; `None` where it demands nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MinimumRevision(Option<u64>);

impl MinimumRevision {
    /// Reads the header.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut values = headers.get_all(&MINIMUM_REVISION).iter();
        let number = match (values.next(), values.next()) {
            (None, _) => return Ok(Self(None)),
            (Some(value), None) => value.to_str().ok().and_then(|text| text.parse().ok()),
            (Some(_), Some(_)) => None,
        };
        let message = "Portcullis-Minimum-Revision is the number of a deployment";
        number
            .map(|number| Self(Some(number)))
            .ok_or_else(|| ApiError::invalid_request(message))
    }

    /// Refuses a decision that an older policy made.
    pub(crate) fn check(self, trace: &Trace) -> Result<(), ApiError> {
        let Some(demanded) = self.0 else {
            return Ok(());
        };
        let revision = trace.revision.as_deref().unwrap_or_default();
        let number = revision.split(' ').next().unwrap_or_default();
        match number.parse::<u64>() {
            Ok(number) if number >= demanded => Ok(()),
            Ok(_) => Err(ApiError::revision_too_old()),
            Err(_) => Err(ApiError::invalid_request(
                "Portcullis-Minimum-Revision needs deployments: the policy of a directory has no number",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(demanded: &str, revision: Option<&str>) -> Result<(), ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(MINIMUM_REVISION, demanded.parse().unwrap());
        let trace = Trace {
            revision: revision.map(Into::into),
            ..Trace::default()
        };
        MinimumRevision::of(&headers)?.check(&trace)
    }

    #[test]
    fn only_an_older_deployment_is_refused() {
        for (demanded, revision, holds) in [
            ("7", Some("7 sha256:ab"), true),
            ("7", Some("10 sha256:ab"), true),
            ("8", Some("7 sha256:ab"), false),
            ("1", Some("sha256:ab"), false),
            ("1", None, false),
            ("-1", Some("7 sha256:ab"), false),
            ("x", Some("7 sha256:ab"), false),
        ] {
            assert_eq!(
                checked(demanded, revision).is_ok(),
                holds,
                "{demanded} {revision:?}"
            );
        }
        let nothing = MinimumRevision::of(&HeaderMap::new()).unwrap();
        assert!(nothing.check(&Trace::default()).is_ok());
    }
}
