//! How the URL that a decision point sees differs from the one in the event: the settings
//! `PORTCULLIS_STRIP_STAGE` and `PORTCULLIS_BASE_URL`.

use portcullis_model::{BaseUrl, InvalidBaseUrl};

/// How an event becomes a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventOptions {
    /// Leave the stage out of the URL where the event shows that the URL holds it.
    pub strip_stage: bool,
    /// Scheme, host and port to put in place of the event's.
    pub base_url: Option<Origin>,
}

/// Scheme, host and port of a URL (RFC 6454 section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Parses `https://host` or `https://host:port`, with or without one `/` at the end.
    ///
    /// A path is refused, not ignored: it would not be in the URL that the decision point sees,
    /// and whoever wrote it expects it to be.
    pub fn parse(raw: &str) -> Result<Self, InvalidOrigin> {
        let raw = raw.strip_suffix('/').unwrap_or(raw);
        let base = BaseUrl::parse(raw)?;
        if base.path().is_empty() {
            Ok(Self(raw.to_owned()))
        } else {
            Err(InvalidOrigin::Path)
        }
    }

    /// The origin as it was written, without `/` at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why an origin was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// Not an absolute URL.
    #[error("expected a scheme and a host, such as https://api.example.com: {0}")]
    Url(#[from] InvalidBaseUrl),
    /// A path behind the host.
    #[error(
        "expected a scheme and a host, such as https://api.example.com, without a path: the path \
         always comes from the event"
    )]
    Path,
}
