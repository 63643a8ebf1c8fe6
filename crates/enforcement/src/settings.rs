//! The settings that enforcement points share, parsed before the first event.
//!
//! Bad settings stop the enforcement point with one line that names the variable, what it holds
//! and what is expected. A secret is never shown.

use std::fmt;
use std::time::Duration;

use portcullis_pdp::authzen::{AuthzenSettings, EndpointOrigin, PdpUrl, SubjectClaims};
use portcullis_pdp::sideband::{GatewayCredential, ServiceUrl, service_url_from_credential};
use tracing::level_filters::LevelFilter;

use crate::cloudentity::{self, CloudentitySource};
use crate::environment::Environment;
use crate::invalid_setting::InvalidSetting;
use crate::languages::Languages;
use crate::local_policy::{self, LocalPolicy};
use crate::reader::{SettingReader, duration, shown};
use crate::secret::is_secret_arn;

/// The shortest and longest `PORTCULLIS_TIMEOUT`. API Gateway waits 10 s for an authorizer of an
/// HTTP API and never longer than 29 s.
const TIMEOUT_BOUNDS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(29));
/// Longest name of a header that carries a credential.
const MAX_HEADER_NAME_BYTES: usize = 64;
/// Headers that the call has already.
const TAKEN_HEADERS: [&str; 9] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "transfer-encoding",
    "user-agent",
];
/// The most `MAX_RETRIES`.
const MOST_RETRIES: u32 = 10;

/// The settings of an enforcement point that do not depend on where it stands.
#[derive(Debug)]
pub struct Settings {
    /// Who decides.
    pub decision_point: DecisionPointSettings,
    /// The whole budget for one decision.
    pub timeout: Duration,
    /// What happens when no decision can be had.
    pub on_unavailable: OnUnavailable,
    /// What is logged.
    pub log_level: LogLevel,
}

/// Who decides, with the settings of each.
#[derive(Debug)]
pub enum DecisionPointSettings {
    /// A sideband service.
    Sideband(SidebandSource),
    /// This function about the token, and then an AuthZEN service.
    Authzen(Box<AuthzenSource>),
    /// This function, on a policy that it holds.
    Local(LocalPolicy),
    /// This function, on the configuration of a Cloudentity control plane.
    Cloudentity(Box<CloudentitySource>),
}

/// A sideband service and how it is asked.
#[derive(Debug)]
pub struct SidebandSource {
    /// Where it is; `None` where that is to be taken from the credential, which is not here yet.
    pub service_url: Option<ServiceUrl>,
    /// The gateway credential or where it is kept.
    pub credential: Secret,
    /// The header that carries it.
    pub credential_header: String,
    /// Retries after network errors and 5xx.
    pub max_retries: u32,
    /// Whether each exchange is logged, redacted.
    pub debug: bool,
}

/// An AuthZEN service, how it is asked, and which tokens are valid.
#[derive(Debug)]
pub struct AuthzenSource {
    /// The service.
    pub service: AuthzenSettings,
    /// The credential or where it is kept; `None` where the service asks for none.
    pub credential: Option<Secret>,
    /// The claims that the service is told.
    pub subject_claims: SubjectClaims,
    /// Which tokens are valid, and on which routes.
    pub tokens: LocalPolicy,
}

/// A secret, or where it is kept.
#[derive(Debug, Clone)]
pub enum Secret {
    /// The secret itself.
    Value(GatewayCredential),
    /// The ARN of a Secrets Manager secret or an SSM parameter.
    Arn(String),
}

/// What happens when no decision can be had. Nothing lets a request through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnavailable {
    /// The function fails, which API Gateway shows as 500.
    #[default]
    Error,
    /// The request is denied, which API Gateway shows as 403.
    Deny,
}

/// The least severe level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLevel(pub LevelFilter);

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
        let reader = Reader(environment);
        let words = SettingReader(environment);
        let decision_point = match reader.decision_point()? {
            Chosen::Sideband => DecisionPointSettings::Sideband(reader.sideband()?),
            Chosen::Authzen => DecisionPointSettings::Authzen(Box::new(reader.authzen()?)),
            Chosen::Oauth => {
                DecisionPointSettings::Local(local_policy::from_variables(environment)?)
            }
            Chosen::Bundle => {
                DecisionPointSettings::Local(local_policy::from_bundle(environment, &languages)?)
            }
            Chosen::Cloudentity => {
                let source = cloudentity::source(environment, languages)?;
                DecisionPointSettings::Cloudentity(Box::new(source))
            }
        };
        Ok(Self {
            decision_point,
            timeout: reader.timeout()?,
            on_unavailable: words.choice(
                "PORTCULLIS_ON_UNAVAILABLE",
                &[
                    ("error", OnUnavailable::Error),
                    ("deny", OnUnavailable::Deny),
                ],
                OnUnavailable::Error,
            )?,
            log_level: reader.log_level()?,
        })
    }
}

impl LogLevel {
    /// The level that `AWS_LAMBDA_LOG_LEVEL` names; `INFO` where it names none. Never fails, so that
    /// what is wrong with the other settings can be logged.
    #[must_use]
    pub fn from_environment(environment: &Environment) -> Self {
        Reader(environment)
            .log_level()
            .unwrap_or(Self(LevelFilter::INFO))
    }
}

/// The variables that choose a decision point, with the decision point that each stands for.
const CHOOSERS: [(&str, &str); 7] = [
    ("SERVICE_URL", "sideband"),
    ("SECRET_HEADER_VALUE", "sideband"),
    ("SECRET_HEADER_VALUE_ARN", "sideband"),
    ("ACP_ISSUER_URL", "cloudentity"),
    ("AUTHZEN_PDP_URL", "authzen"),
    ("PORTCULLIS_BUNDLE", "bundle"),
    ("PORTCULLIS_ISSUER", "oauth"),
];

/// The variables that a decision point at `AUTHZEN_PDP_URL` needs itself, so that they stand for no
/// other one.
const OF_AUTHZEN: [&str; 3] = [
    "SECRET_HEADER_VALUE",
    "SECRET_HEADER_VALUE_ARN",
    "PORTCULLIS_ISSUER",
];

/// The decision points of this version.
enum Chosen {
    Sideband,
    Authzen,
    Oauth,
    Bundle,
    Cloudentity,
}

struct Reader<'a>(&'a Environment);

impl Reader<'_> {
    /// Who is to decide, from the variable that says so or else from the variables that are set.
    fn decision_point(&self) -> Result<Chosen, InvalidSetting> {
        let name = "PORTCULLIS_DECISION_POINT";
        if let Some(chosen) = self.0.value(name) {
            return match chosen {
                "sideband" => Ok(Chosen::Sideband),
                "authzen" => Ok(Chosen::Authzen),
                "oauth" => Ok(Chosen::Oauth),
                "bundle" => Ok(Chosen::Bundle),
                "cloudentity" => Ok(Chosen::Cloudentity),
                other => Err(InvalidSetting::new(
                    name,
                    other,
                    "sideband, cloudentity, authzen, oauth or bundle",
                )),
            };
        }
        let is_set = |name: &str| self.0.value(name).is_some();
        let authzen = is_set("AUTHZEN_PDP_URL");
        let mut chosen: Vec<(&str, &str)> = CHOOSERS
            .into_iter()
            .filter(|(name, _)| is_set(name) && !(authzen && OF_AUTHZEN.contains(name)))
            .collect();
        chosen.dedup_by_key(|(_, point)| *point);
        match chosen.as_slice() {
            [(_, "sideband")] => Ok(Chosen::Sideband),
            [(_, "authzen")] => Ok(Chosen::Authzen),
            [(_, "oauth")] => Ok(Chosen::Oauth),
            [(_, "bundle")] => Ok(Chosen::Bundle),
            [(_, "cloudentity")] => Ok(Chosen::Cloudentity),
            [(variable, point)] => Err(InvalidSetting::new(
                variable,
                point,
                "a known decision point",
            )),
            [(first, _), (second, _), ..] => Err(InvalidSetting::Ambiguous {
                first: (*first).to_owned(),
                second: (*second).to_owned(),
            }),
            [] => Err(InvalidSetting::missing(
                "SERVICE_URL",
                "the base URL of the sideband service (or ACP_ISSUER_URL, or AUTHZEN_PDP_URL, or PORTCULLIS_ISSUER, or PORTCULLIS_BUNDLE)",
            )),
        }
    }

    fn sideband(&self) -> Result<SidebandSource, InvalidSetting> {
        let credential = self.credential()?;
        Ok(SidebandSource {
            service_url: self.service_url(&credential)?,
            credential,
            credential_header: self.credential_header("CLIENT-TOKEN", &[])?,
            max_retries: self.max_retries()?,
            debug: SettingReader(self.0).flag("IS_DEBUG_ENABLED")?,
        })
    }

    fn authzen(&self) -> Result<AuthzenSource, InvalidSetting> {
        let name = "AUTHZEN_PDP_URL";
        let url = self.0.value(name).ok_or_else(|| {
            InvalidSetting::missing(name, "the base URL of the AuthZEN decision point")
        })?;
        let pdp_url = PdpUrl::parse(url)
            .map_err(|error| InvalidSetting::new(name, shown(url), &error.to_string()))?;
        let name = "AUTHZEN_SUBJECT_CLAIMS";
        let claims = self.0.value(name).unwrap_or_default();
        let subject_claims = SubjectClaims::parse(claims)
            .map_err(|error| InvalidSetting::new(name, claims, &error.to_string()))?;
        Ok(AuthzenSource {
            service: AuthzenSettings {
                pdp_url,
                discovery: SettingReader(self.0).flag("AUTHZEN_DISCOVERY")?,
                endpoint_origins: self.endpoint_origins()?,
                credential_header: self.credential_header("Authorization", &["x-request-id"])?,
                max_retries: self.max_retries()?,
                debug: SettingReader(self.0).flag("IS_DEBUG_ENABLED")?,
            },
            credential: self.secret(|value| {
                GatewayCredential::header_value(value).map_err(|error| error.to_string())
            })?,
            subject_claims,
            tokens: local_policy::tokens_from_variables(self.0)?,
        })
    }

    fn endpoint_origins(&self) -> Result<Vec<EndpointOrigin>, InvalidSetting> {
        let name = "AUTHZEN_ENDPOINT_ORIGINS";
        let listed = self.0.value(name).unwrap_or_default();
        let origins = listed.split([' ', ',']).filter(|origin| !origin.is_empty());
        origins
            .map(|origin| {
                EndpointOrigin::parse(origin)
                    .map_err(|error| InvalidSetting::new(name, shown(origin), &error.to_string()))
            })
            .collect()
    }

    fn credential(&self) -> Result<Secret, InvalidSetting> {
        let parse = |value: &str| GatewayCredential::parse(value).map_err(|e| e.to_string());
        self.secret(parse)?.ok_or_else(|| {
            InvalidSetting::missing(
                "SECRET_HEADER_VALUE",
                "the gateway credential, or its ARN in SECRET_HEADER_VALUE_ARN",
            )
        })
    }

    /// The credential or where it is kept, if there is one.
    fn secret(
        &self,
        parse: impl Fn(&str) -> Result<GatewayCredential, String>,
    ) -> Result<Option<Secret>, InvalidSetting> {
        let (name, arn_name) = ("SECRET_HEADER_VALUE", "SECRET_HEADER_VALUE_ARN");
        match (self.0.value(name), self.0.value(arn_name)) {
            (Some(_), Some(_)) => Err(InvalidSetting::Ambiguous {
                first: name.to_owned(),
                second: arn_name.to_owned(),
            }),
            (Some(value), None) => parse(value)
                .map(|credential| Some(Secret::Value(credential)))
                .map_err(|error| InvalidSetting::secret(name, &error)),
            (None, Some(arn)) if is_secret_arn(arn) => Ok(Some(Secret::Arn(arn.to_owned()))),
            (None, Some(_)) => Err(InvalidSetting::secret(
                arn_name,
                "the ARN of a Secrets Manager secret or an SSM parameter, with its Region",
            )),
            (None, None) => Ok(None),
        }
    }

    fn service_url(&self, credential: &Secret) -> Result<Option<ServiceUrl>, InvalidSetting> {
        let name = "SERVICE_URL";
        let derived = match credential {
            Secret::Value(credential) => service_url_from_credential(credential.expose()),
            Secret::Arn(_) => None,
        };
        match (self.0.value(name), derived, credential) {
            (Some(url), _, _) => ServiceUrl::parse(url)
                .map(Some)
                .map_err(|error| InvalidSetting::new(name, shown(url), &error.to_string())),
            (None, Some(url), _) => ServiceUrl::parse(&url).map(Some).map_err(|error| {
                InvalidSetting::secret(
                    "SECRET_HEADER_VALUE",
                    &format!("its claim httpAccessApiUrl to be usable ({error})"),
                )
            }),
            (None, None, Secret::Arn(_)) => Ok(None),
            (None, None, Secret::Value(_)) => Err(InvalidSetting::missing(
                name,
                "the base URL of the sideband service, as the credential has no claim httpAccessApiUrl",
            )),
        }
    }

    /// What stands here may be the secret itself, swapped by mistake, so it is not shown.
    fn credential_header(&self, default: &str, taken: &[&str]) -> Result<String, InvalidSetting> {
        let name = "SECRET_HEADER_NAME";
        let header = self.0.value(name).unwrap_or(default);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if header.len() > MAX_HEADER_NAME_BYTES || !header.bytes().all(plain) {
            return Err(InvalidSetting::secret(name, "the name of a header"));
        }
        if TAKEN_HEADERS
            .iter()
            .chain(taken)
            .any(|taken| header.eq_ignore_ascii_case(taken))
        {
            return Err(InvalidSetting::new(
                name,
                header,
                "a header that the call does not use itself",
            ));
        }
        Ok(header.to_owned())
    }

    fn max_retries(&self) -> Result<u32, InvalidSetting> {
        let name = "MAX_RETRIES";
        let Some(text) = self.0.value(name) else {
            return Ok(1);
        };
        let wrong =
            || InvalidSetting::new(name, text, &format!("a number from 0 to {MOST_RETRIES}"));
        text.parse()
            .ok()
            .filter(|number| *number <= MOST_RETRIES)
            .ok_or_else(wrong)
    }

    fn timeout(&self) -> Result<Duration, InvalidSetting> {
        let name = "PORTCULLIS_TIMEOUT";
        let Some(text) = self.0.value(name) else {
            return Ok(Duration::from_secs(2));
        };
        let (shortest, longest) = TIMEOUT_BOUNDS;
        let in_bounds = |time: &Duration| (shortest..=longest).contains(time);
        duration(text).filter(in_bounds).ok_or_else(|| {
            InvalidSetting::new(name, text, "a time from 50ms to 29s, such as 2s or 500ms")
        })
    }

    fn log_level(&self) -> Result<LogLevel, InvalidSetting> {
        let levels = [
            ("TRACE", LevelFilter::TRACE),
            ("DEBUG", LevelFilter::DEBUG),
            ("INFO", LevelFilter::INFO),
            ("WARN", LevelFilter::WARN),
            ("ERROR", LevelFilter::ERROR),
            ("FATAL", LevelFilter::ERROR),
        ];
        // The second is the name of Cloudentity's authorizer.
        let names = ["AWS_LAMBDA_LOG_LEVEL", "LOGGING_LEVEL"];
        let set = names.into_iter().find(|name| self.0.value(name).is_some());
        SettingReader(self.0)
            .choice(set.unwrap_or(names[0]), &levels, LevelFilter::INFO)
            .map(LogLevel)
    }
}

impl fmt::Display for OnUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Deny => "deny",
        })
    }
}
