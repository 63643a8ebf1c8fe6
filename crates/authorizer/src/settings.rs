//! The settings of the authorizer: those that enforcement points share, and its own.
//!
//! Bad settings stop the function at init with one line that names the variable, what it holds
//! and what is expected. A secret is never shown.

use std::time::Duration;

use portcullis_aws::{EventOptions, HttpV2Form, Origin};
use portcullis_enforcement::{
    DecisionPointSettings, Environment, InvalidSetting, Languages, LogLevel, OnUnavailable,
    SettingReader, Settings as SharedSettings, duration, shown,
};
use portcullis_pdp::http::TlsRoots;

use crate::cloudentity::CloudentityExtras;

/// The longest time for which API Gateway keeps an answer.
const LONGEST_CACHE_TTL: Duration = Duration::from_hours(1);

/// Every setting of the authorizer.
#[derive(Debug)]
pub struct Settings {
    /// Who decides.
    pub decision_point: DecisionPointSettings,
    /// What is done beside deciding in Cloudentity mode; `None` in others.
    pub cloudentity: Option<CloudentityExtras>,
    /// The whole budget for one decision.
    pub timeout: Duration,
    /// For how long API Gateway keeps answers.
    pub cache_ttl: Duration,
    /// The certificate authorities that are trusted.
    pub roots: TlsRoots,
    /// How events become requests.
    pub event: EventOptions,
    /// The form of answers to HTTP API events of payload format 2.0.
    pub http_response: HttpV2Form,
    /// What happens when no decision can be had.
    pub on_unavailable: OnUnavailable,
    /// What is logged.
    pub log_level: LogLevel,
}

impl Settings {
    /// Parses the environment, for a function whose policies are validators.
    pub fn from_environment(environment: &Environment) -> Result<Self, InvalidSetting> {
        Self::with_languages(environment, Languages::NONE)
    }

    /// Parses the environment, for a function whose policies may also be in these languages.
    pub fn with_languages(
        environment: &Environment,
        languages: Languages,
    ) -> Result<Self, InvalidSetting> {
        let SharedSettings {
            decision_point,
            timeout,
            on_unavailable,
            log_level,
        } = SharedSettings::with_languages(environment, languages)?;
        let reader = Reader(environment);
        let words = SettingReader(environment);
        let cache_ttl = match &decision_point {
            DecisionPointSettings::Authzen(_) | DecisionPointSettings::Cloudentity(_) => {
                reader.no_cache_ttl()?
            }
            _ => reader.cache_ttl()?,
        };
        let cloudentity = match &decision_point {
            DecisionPointSettings::Cloudentity(_) => {
                Some(CloudentityExtras::from_environment(environment)?)
            }
            _ => None,
        };
        Ok(Self {
            decision_point,
            cloudentity,
            timeout,
            cache_ttl,
            roots: reader.roots()?,
            event: EventOptions {
                strip_stage: words.flag("PORTCULLIS_STRIP_STAGE")?,
                base_url: reader.origin()?,
            },
            http_response: words.choice(
                "PORTCULLIS_HTTP_RESPONSE",
                &[("iam", HttpV2Form::Iam), ("simple", HttpV2Form::Simple)],
                HttpV2Form::Iam,
            )?,
            on_unavailable,
            log_level,
        })
    }
}

struct Reader<'a>(&'a Environment);

impl Reader<'_> {
    fn roots(&self) -> Result<TlsRoots, InvalidSetting> {
        // The second is the name of Cloudentity's authorizer.
        let names = ["PORTCULLIS_ROOT_CA", "HTTP_CLIENT_ROOT_CA"];
        let set = names.into_iter().find(|name| self.0.value(name).is_some());
        let Some(name) = set else {
            return Ok(TlsRoots::public());
        };
        let read = |pem: &str| TlsRoots::with_pem(pem.as_bytes()).map_err(|e| e.to_string());
        let roots = SettingReader(self.0).certificates(name, read)?;
        Ok(roots.unwrap_or_else(TlsRoots::public))
    }

    fn origin(&self) -> Result<Option<Origin>, InvalidSetting> {
        let name = "PORTCULLIS_BASE_URL";
        let Some(text) = self.0.value(name) else {
            return Ok(None);
        };
        Origin::parse(text).map(Some).map_err(|error| {
            let error = error.to_string();
            let expected = error.strip_prefix("expected ").unwrap_or(&error);
            InvalidSetting::new(name, shown(text), expected)
        })
    }

    fn cache_ttl(&self) -> Result<Duration, InvalidSetting> {
        let name = "PORTCULLIS_CACHE_TTL";
        let Some(text) = self.0.value(name) else {
            return Ok(Duration::ZERO);
        };
        duration(text)
            .filter(|ttl| *ttl <= LONGEST_CACHE_TTL)
            .ok_or_else(|| InvalidSetting::new(name, text, "a time from 0s to 3600s"))
    }

    /// The answer of a remote decision point to one request is none to another.
    fn no_cache_ttl(&self) -> Result<Duration, InvalidSetting> {
        let ttl = self.cache_ttl()?;
        let name = "PORTCULLIS_CACHE_TTL";
        match self.0.value(name) {
            Some(text) if !ttl.is_zero() => Err(InvalidSetting::new(
                name,
                text,
                "0s, as each answer of this decision point is for one request",
            )),
            _ => Ok(ttl),
        }
    }
}
